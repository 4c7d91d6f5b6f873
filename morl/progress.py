"""The progress of a training: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from morl.agent import Agent, Callback
from morl.metrics import EVALUATION
from morl.plain_text import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

HYPERVOLUME = EVALUATION + "hypervolume"


class ProgressBar(Callback):
    """Steps, steps/s, remaining time and, once one was computed, the hypervolume, on the error output.

    Args:
        seconds: where the output is no terminal, the least time between two lines.
        console: where to draw; the error output by default.
    """

    def __init__(self, *, seconds: float = 10.0, console: Console | None = None) -> None:
        self.seconds = seconds
        self._console = console
        self._bar: tuple[Progress, TaskID] | None = None
        self._title = ""
        self._total = self._first = 0
        self._start = self._next = 0.0
        self._hypervolume: float | None = None

    def on_start(self, agent: Agent, total_steps: int) -> None:
        """Show the bar, or begin the lines."""
        from rich.console import Console

        self._title = plain(f"{agent.name} on {agent.env_id}")
        self._total, self._first = total_steps, agent.steps
        self._start = time.monotonic()
        self._next = self._start + self.seconds
        console = Console(file=sys.stderr) if self._console is None else self._console
        self._console = console
        if console.is_terminal or console.is_jupyter:
            self._bar = self._make_bar(console, agent)

    def on_iteration(self, agent: Agent, metrics: dict[str, Any]) -> None:
        """Move the bar."""
        if HYPERVOLUME in metrics:
            self._hypervolume = float(metrics[HYPERVOLUME])
        if self._bar is not None:
            progress, task = self._bar
            # rich redraws ten times a second whatever the rate of iterations
            progress.update(task, completed=agent.steps, status=self._status(agent.steps))
        elif time.monotonic() >= self._next:
            self._line(agent)

    def on_end(self, agent: Agent) -> None:
        """Leave the last state on the screen."""
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, completed=agent.steps, status=self._status(agent.steps, over=True))
            progress.stop()
            self._bar = None
        else:
            self._line(agent, over=True)

    def _make_bar(self, console: Console, agent: Agent) -> tuple[Progress, TaskID]:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[status]}"),
            console=console,
        )
        task = progress.add_task(self._title, total=self._total, completed=agent.steps, status="")
        progress.start()
        return progress, task

    def _status(self, steps: int, *, over: bool = False) -> str:
        """`120,000/200,000 steps · 5,312/s · 0:00:15 left · hypervolume 812.34`."""
        elapsed = time.monotonic() - self._start
        speed = (steps - self._first) / elapsed if elapsed > 0 else 0.0
        parts = [f"{steps:,}/{self._total:,} steps", f"{speed:,.0f}/s"]
        if speed > 0 and not over:
            parts.append(f"{timedelta(seconds=round((self._total - steps) / speed))} left")
        else:
            parts.append(f"{timedelta(seconds=round(elapsed))} elapsed")
        if self._hypervolume is not None:
            parts.append(f"hypervolume {self._hypervolume:,.2f}")
        return " · ".join(parts)

    def _line(self, agent: Agent, *, over: bool = False) -> None:
        assert self._console is not None, "on_start chooses the console"
        percent = 100 * agent.steps / self._total
        text = f"{self._title}: {percent:3.0f} % · {self._status(agent.steps, over=over)}"
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._next = time.monotonic() + self.seconds
