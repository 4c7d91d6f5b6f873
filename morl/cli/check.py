"""`morl check-env`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.markup import escape

import morl
from morl import registry
from morl.cli.options import CheckEnv
from morl.cli.tables import console
from morl.errors import EnvError

MARKS = {
    "passed": "[green]     ok[/]",
    "warning": "[yellow]warning[/]",
    "problem": "[bold red]problem[/]",
}


def run(options: CheckEnv) -> None:
    """Check, print the findings; an `EnvError` where the environment cannot be run."""
    report = morl.envs.check_env(options.env, **options.env_kwargs)
    screen = console()
    screen.print(escape(report.env_id), style="bold")
    for finding in report.findings:
        detail = f": {finding.detail}" if finding.detail else ""
        screen.print(f"  {MARKS[finding.level]}  {escape(finding.title + detail)}")
        if finding.fix:
            screen.print(f"           to do: {escape(finding.fix)}")
    for line in _facts(report.env_id, report.facts):
        screen.print(line, style="dim", markup=False)
    counts = {level: sum(finding.level == level for finding in report.findings) for level in MARKS}
    if not report.ok:
        plural = "s" if counts["problem"] > 1 else ""
        raise EnvError(
            f"{report.env_id} cannot be run yet: {counts['problem']} problem{plural}, listed above"
        )
    remark = f" ({counts['warning']} warning{'s' * (counts['warning'] > 1)})" if counts["warning"] else ""
    screen.print(f"morl can run it{remark}: morl train {report.env_id} --agent NAME --steps N", markup=False)


def _facts(env_id: str, facts: dict[str, Any]) -> Iterator[str]:
    """One line per fact, objectives by name where they have one."""
    card = registry.get_card(env_id)
    if card is not None:
        yield f"objectives: {', '.join(f'{o.name} [{o.unit}]' for o in card.objectives)}"
    for name, value in facts.items():
        yield f"{name.replace('_', ' ')}: {_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
