"""Tables on the terminal."""

from __future__ import annotations

import sys
from datetime import timedelta

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from morl import registry
from morl.comparison import Comparison
from morl.front import Front

WIDTH = 160
"""Columns where the output is not a terminal, which would tell its own width."""

ROOMY = 105
"""Columns from which the table of fronts shows agents and training times."""


def console() -> Console:
    """The standard output; wide enough for a table where it is a file."""
    plain = Console(file=sys.stdout, highlight=False)
    return plain if plain.is_terminal else Console(file=sys.stdout, highlight=False, width=WIDTH)


def make_table(*columns: str) -> Table:
    """An empty table in the house style."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def show(title: str, table: Table, notes: str = "") -> None:
    """Print a table with a title above it and notes below."""
    screen = console()
    screen.print(title, style="bold", markup=False)
    screen.print(table)
    if notes:
        screen.print(notes, style="dim", markup=False)


def print_comparison(comparison: Comparison) -> None:
    """One row per front, the known front first, the best value of each column bold."""
    table = make_table("front")
    roomy = console().width >= ROOMY
    names = [indicator.name.replace("-", " ") for indicator in comparison.indicators]
    for name in (
        *(["agent"] if roomy else []),
        "seed",
        "points",
        *names,
        "steps",
        *(["time"] if roomy else []),
    ):
        table.add_column(name, justify="left" if name == "agent" else "right", no_wrap=name == "agent")
    best = _best(comparison)
    for label, values in comparison.values.items():
        front = comparison.fronts.get(label)
        agent, seed, steps, seconds = _training(front)
        cells = [_number(value, bold=best.get(name) == label) for name, value in values.items()]
        cells = [seed, str(comparison.points[label]), *cells, steps]
        cells = [agent, *cells, seconds] if roomy else cells
        table.add_row(escape(label), *cells, style="dim" if front is None else None)
    show(_title(comparison), table, _notes(comparison))


def _training(front: Front | None) -> tuple[str, str, str, str]:
    """Agent, seed, steps and time of the training; empty where unknown."""
    if front is None:
        return "", "", "", ""
    seconds = front.training_seconds
    return (
        escape(front.agent or ""),
        "" if front.training_seed is None else str(front.training_seed),
        "" if front.training_steps is None else f"{front.training_steps:,}",
        "" if seconds is None else str(timedelta(seconds=round(seconds))),
    )


def _title(comparison: Comparison) -> str:
    kinds = sorted({front.backend or "unknown" for front in comparison.fronts.values()})
    episodes = sorted({front.episodes for front in comparison.fronts.values()})
    return (
        f"{comparison.env_id}: discount {comparison.gamma:g}, {' and '.join(kinds)} environment, "
        f"{' or '.join(map(str, episodes))} episodes per preference, {len(comparison.weights)} preferences"
    )


def _notes(comparison: Comparison) -> str:
    """What a reader must know to read the numbers right."""
    lines = []
    if comparison.reference_point is None:
        lines.append("no reference point is known: pass --reference-point for the hypervolume")
    else:
        point = ", ".join(f"{value:g}" for value in comparison.reference_point)
        lines.append(f"hypervolume over ({point})")
    outside = [
        f"{count} of {len(comparison.fronts[name])} points of {name}"
        for name, count in comparison.outside.items()
        if count
    ]
    if outside:
        lines.append(f"not above the reference point, so not in the hypervolume: {', '.join(outside)}")
    card = registry.get_card(comparison.env_id)
    twins = [
        name
        for name, front in comparison.fronts.items()
        if front.backend == "batched" and (card is None or card.original)
    ]
    if twins:
        lines.append(f"evaluated on the batched twin, not the original: {', '.join(twins)}")
    if comparison.own_weights:
        lines.append(
            "the fronts were asked for different preferences: commanded utilities do not compare exactly"
        )
    return "\n".join(lines)


def _best(comparison: Comparison) -> dict[str, str]:
    """Indicator name -> label of the front that does best, where there are several."""
    best: dict[str, str] = {}
    if len(comparison.fronts) < 2:
        return best
    for indicator in comparison.indicators:
        sign = 1 if indicator.better == "higher" else -1
        known = {
            label: sign * value
            for label in comparison.fronts
            if (value := comparison.values[label][indicator.name]) is not None
        }
        if known:
            best[indicator.name] = max(known, key=lambda label: known[label])
    return best


def _number(value: float | None, *, bold: bool) -> str:
    if value is None:
        return "-"
    text = f"{value:,.2f}" if abs(value) >= 100 else f"{value:.4f}"
    return f"[bold green]{text}[/]" if bold else text
