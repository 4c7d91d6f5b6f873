"""`morl evaluate --diagnose`: a front, its objectives and the members behind it, in tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from morl._arrays import Array
from morl.cli.tables import console, literal, make_table, show
from morl.diagnosis import (
    MemberCurve,
    Service,
    advice,
    correlation,
    last_conflict,
    member_curves,
    service,
    sparkline,
)
from morl.front import Front
from morl.metrics import read_csv
from morl.runs import is_run

MOST_MEMBERS = 40
"""Rows of the table of members."""


def print_diagnosis(front: Front, values: Mapping[str, float | None], path: Path) -> None:
    """Print tables and advice.

    Args:
        front: as evaluated.
        values: of its indicators by name.
        path: of the agent; of a run, what was logged in training is read as well.
    """
    log = path / "metrics.csv"
    rows = read_csv(log) if is_run(path) and log.exists() else []
    served, members = service(front.returns), member_curves(rows)
    known = {name: value for name, value in values.items() if value is not None}
    console().print()
    _show_front(served, known)
    _show_objectives(front, last_conflict(rows, front.num_objectives))
    if members:
        _show_members(members)
    sentences = advice(front, served, members, known) or ["nothing stands out"]
    for sentence in sentences:
        console().print(f"[bold]look at:[/] {literal(sentence)}")


def _show_front(served: Service, values: Mapping[str, float]) -> None:
    table = make_table("what")
    table.add_column("value", justify="right")
    table.add_row("points that no other dominates", str(served.points))
    table.add_row("of these best for some user with linear utility", str(served.used))
    table.add_row("largest share of users that one point serves", f"{served.leader:.1%}")
    for name, text in (
        ("expected-utility", "expected utility: of the best point for each preference"),
        ("commanded-utility", "commanded utility: of the policy asked for each preference"),
    ):
        if name in values:
            table.add_row(text, f"{values[name]:.4g}")
    show("Whom the front serves", table)


def _show_objectives(front: Front, conflict: Array | None) -> None:
    names = front.objectives
    table = make_table("objective")
    table.add_column("lowest", justify="right")
    table.add_column("highest", justify="right")
    for name in names:
        table.add_column(literal(name), justify="right")
    together = correlation(front.returns)
    for i, name in enumerate(names):
        cells = [
            _pair(together[i, j], None if conflict is None else conflict[i, j]) for j in range(len(names))
        ]
        cells[i] = ""
        low, high = front.returns[:, i].min(), front.returns[:, i].max()
        table.add_row(literal(name), f"{low:.4g}", f"{high:.4g}", *cells)
    second = "" if conflict is None else " / mean cosine of their gradients when last logged"
    note = f"pairs: correlation over the points{second}; -1 in conflict, 1 as one"
    show("How objectives go together", table, note)


def _pair(correlated: float, cosine: float | None) -> str:
    first = "-" if np.isnan(correlated) else f"{correlated:+.2f}"
    return first if cosine is None else f"{first} / {cosine:+.2f}"


def _show_members(members: list[MemberCurve]) -> None:
    table = make_table("member")
    for name in ("utility at first", "at its best", "at the end"):
        table.add_column(name, justify="right")
    table.add_column("over the training")
    table.add_column("share of the archive", justify="right")
    for member in members[:MOST_MEMBERS]:
        curve = member.utilities
        numbers = [f"{v:.4g}" for v in (curve[0], max(curve), curve[-1])] if curve else ["-"] * 3
        table.add_row(str(member.number), *numbers, sparkline(curve), f"{member.share:.0%}")
    rest = len(members) - MOST_MEMBERS
    note = f"{rest} more in metrics.csv; " if rest > 0 else ""
    show(
        "Members",
        table,
        f"{note}utilities are weighted sums of selection returns, under weights that may adapt",
    )
