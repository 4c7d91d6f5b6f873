"""`morl check-env`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import morl
from morl import registry
from morl.cli.notation import keyword_words
from morl.cli.options import CheckEnv
from morl.cli.tables import console, literal, make_table
from morl.errors import EnvError
from morl.plain_text import one_line, plain, shell_command

MARKS = {
    "passed": "[green]     ok[/]",
    "note": "[cyan]   note[/]",
    "warning": "[yellow]warning[/]",
    "problem": "[bold red]problem[/]",
}

MOST_PAIRS = 6
"""Pairs of objectives whose correlation is printed; the report holds all."""

IN_TABLE = (
    "objectives",
    "reward_low",
    "reward_high",
    "return_low",
    "return_high",
    "correlations",
    "correlations_of",
)
"""Facts that are shown in another form."""


def run(options: CheckEnv) -> None:
    """Check, print the findings; an `EnvError` where the environment cannot be run."""
    report = morl.envs.check_env(options.env, env_kwargs=options.env_kwargs)
    screen = console()
    screen.print(literal(report.env_id), style="bold")
    for finding in report.findings:
        detail = f": {finding.detail}" if finding.detail else ""
        screen.print(f"  {MARKS[finding.level]}  {literal(one_line(finding.title + detail))}")
        if finding.fix:
            screen.print(f"           to do: {literal(one_line(finding.fix))}")
    if "reward_low" in report.facts:
        screen.print(_objectives(report.env_id, report.facts))
    for line in _lines(report.facts):
        screen.print(plain(line), style="dim", markup=False)
    counts = {level: sum(finding.level == level for finding in report.findings) for level in MARKS}
    if not report.ok:
        plural = "s" if counts["problem"] > 1 else ""
        raise EnvError(
            f"{report.env_id} cannot be run yet: {counts['problem']} problem{plural}, listed above"
        )
    remark = f" ({counts['warning']} warning{'s' * (counts['warning'] > 1)})" if counts["warning"] else ""
    arguments = ["--env-kwargs", *keyword_words(options.env_kwargs)] if options.env_kwargs else []
    example = shell_command("morl", "train", options.env, "--agent", "NAME", "--steps", "N", *arguments)
    screen.print(f"morl can run it{remark}: {example}", markup=False, soft_wrap=True)


def _objectives(env_id: str, facts: dict[str, Any]) -> Any:
    """One row per objective: what random play paid for a step and for an episode."""
    card = registry.get_card(env_id)
    table = make_table("objective", "a step", "an episode")
    for i, name in enumerate(facts["objectives"]):
        known = card is not None and i < card.num_objectives
        unit = card.objectives[i].unit if card is not None and known else ""
        episode = "none ended" if facts["return_low"] is None else _range(facts, "return", i)
        table.add_row(literal(f"{name} [{unit}]" if unit else name), _range(facts, "reward", i), episode)
    return table


def _range(facts: dict[str, Any], what: str, i: int) -> str:
    low, high = facts[f"{what}_low"][i], facts[f"{what}_high"][i]
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    """What the table does not hold, one line per fact; of correlations the strongest."""
    matrix = facts.get("correlations", [])
    pairs = [(matrix[i][j], j, i) for i in range(len(matrix)) for j in range(i) if matrix[i][j] is not None]
    if pairs:
        strongest = sorted(pairs, key=lambda pair: -abs(pair[0]))[:MOST_PAIRS]
        named = facts["objectives"]
        text = ", ".join(f"{named[j]} and {named[i]} {value:+.2f}" for value, j, i in strongest)
        yield f"correlations of {facts['correlations_of']}: {text}"
    for name, value in facts.items():
        if name not in IN_TABLE:
            yield f"{name.replace('_', ' ')}: {_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())
