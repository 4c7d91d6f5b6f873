"""Training metrics on disk: `metrics.csv` and TensorBoard events, against steps and training time.

`metrics.csv` is long: one row `steps,seconds,name,value` per number. Metrics that appear late need no column,
a line can be appended without reading the file, and a resumed run is cut back by dropping rows. With pandas,
`pd.read_csv("metrics.csv").pivot_table(index="steps", columns="name", values="value")` makes it wide.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from morl.agent import Agent, Callback, check_finite
from morl.errors import MorlError
from morl.logs import append, cut_lines, read_lines

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

EVALUATION = "evaluation/"
"""Prefix of what periodic evaluations add to the metrics; written whenever it comes."""

HEADER = ("steps", "seconds", "name", "value")


def read_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """The metrics as floats. Tensors of one device are fetched together, so the device is awaited once."""
    import torch

    fetched: dict[str, float] = {}
    for device in {value.device for value in metrics.values() if isinstance(value, torch.Tensor)}:
        tensors = {
            name: value
            for name, value in metrics.items()
            if isinstance(value, torch.Tensor) and value.device == device
        }
        numbers = torch.stack([value.detach().float() for value in tensors.values()]).tolist()
        fetched.update(zip(tensors, numbers, strict=True))
    return {name: fetched[name] if name in fetched else float(value) for name, value in metrics.items()}


class MetricsLogger(Callback):
    """Reads the metrics at most every `seconds`, so that training rarely waits for the device.

    The last metrics of a training, and those of every evaluation, are always written. In between, each metric is
    written with its latest value, so that what comes up once in many iterations is not lost. A subclass writes
    `write` and may write `close`.
    """

    def __init__(self, *, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self._next = 0.0
        self._unwritten: dict[str, Any] | None = None
        self._last = (0, 0.0)

    def write(self, steps: int, seconds: float, values: dict[str, float]) -> None:
        """Take in the values at `steps` environment steps and `seconds` of training."""
        raise NotImplementedError("abstract: write write(steps, seconds, values)")

    def close(self) -> None:
        """Training is over."""

    def on_start(self, agent: Agent, total_steps: int) -> None:
        """Begin to count."""
        self._last = (agent.steps, agent.seconds)
        self._next = time.monotonic() + self.seconds

    def on_iteration(self, agent: Agent, metrics: dict[str, Any]) -> None:
        """Write the metrics if it is time, else keep them."""
        self._unwritten = {**(self._unwritten or {}), **metrics}
        if time.monotonic() >= self._next or any(name.startswith(EVALUATION) for name in metrics):
            self._flush(agent)

    def on_end(self, agent: Agent) -> None:
        """Write what is left."""
        self._flush(agent)
        self.close()

    def _flush(self, agent: Agent) -> None:
        if self._unwritten is None:
            return
        values, self._unwritten = read_metrics(self._unwritten), None
        steps, seconds = agent.steps - self._last[0], agent.seconds - self._last[1]
        if seconds > 0:
            values["time/steps_per_second"] = steps / seconds
        self._last = (agent.steps, agent.seconds)
        self._next = time.monotonic() + self.seconds
        self.write(agent.steps, agent.seconds, values)


class FiniteCheck(MetricsLogger):
    """Stops training with a `NonFiniteError` once a metric, or an observation, is NaN or infinite."""

    def _flush(self, agent: Agent) -> None:
        agent.check_observed()  # first, since it names what is at fault
        super()._flush(agent)

    def write(self, steps: int, seconds: float, values: dict[str, float]) -> None:
        """Check all values."""
        check_finite(values, f"after {steps:,} steps")


class CsvMetrics(MetricsLogger):
    """Appends to a `metrics.csv` (format: see the module), which begins with the first metrics."""

    def __init__(self, path: str | Path, *, seconds: float = 1.0) -> None:
        super().__init__(seconds=seconds)
        self.path = Path(path)

    def write(self, steps: int, seconds: float, values: dict[str, float]) -> None:
        """Append one row per value, all in one write."""
        rows = io.StringIO()
        writer = csv.writer(rows, lineterminator="\n")
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            writer.writerow(HEADER)
        writer.writerows((steps, f"{seconds:.3f}", name, repr(value)) for name, value in values.items())
        append(self.path, rows.getvalue())


Row: TypeAlias = tuple[int, float, str, float]


def read_csv(path: str | Path) -> list[Row]:
    """The rows `(steps, seconds, name, value)` of a `metrics.csv`; what a crash cut off is left out.

    Raises:
        CheckpointError: a row is damaged; the message names file and line.
    """
    return [row for _, row in read_lines(path, _row) if row is not None]


def cut_csv(path: str | Path, steps: int, known: Sequence[Any] | None = None) -> None:
    """Drop from a `metrics.csv` the rows after `steps`, and what a crash cut off; `known` as for `cut_lines`."""
    cut_lines(path, lambda line: (row := _row(line)) is None or row[0] <= steps, known)


def _row(line: str) -> Row | None:
    """What a line says; None for the header."""
    cells = next(csv.reader([line]), [])
    if tuple(cells) == HEADER:
        return None
    if len(cells) != len(HEADER):
        raise MorlError(f"expected {len(HEADER)} cells, got {len(cells)}")
    steps, seconds, value = int(cells[0]), float(cells[1]), float(cells[3])
    if steps < 0 or not 0 <= seconds < math.inf or not cells[2]:
        raise MorlError("expected steps and seconds of at least 0, and a name")
    return steps, seconds, cells[2], value


class TensorBoardMetrics(MetricsLogger):
    """Writes TensorBoard events: every metric as a scalar against steps.

    Events carry the time at which they would have been written had training run without a break and without
    evaluations, so TensorBoard's "Relative" axis shows seconds of training, across resumed runs too.
    `time/seconds` and `time/steps_per_second` are scalars of their own.

    Args:
        path: folder of the event files.
        started: when the run began, in seconds since the epoch; now by default.
        seconds: the least time between two entries.
    """

    def __init__(self, path: str | Path, *, started: float | None = None, seconds: float = 1.0) -> None:
        super().__init__(seconds=seconds)
        self.path = Path(path)
        self.started = time.time() if started is None else started
        self._writer: SummaryWriter | None = None
        self._start = 0

    def on_start(self, agent: Agent, total_steps: int) -> None:
        """Begin to count."""
        super().on_start(agent, total_steps)
        self._start = agent.steps

    def write(self, steps: int, seconds: float, values: dict[str, float]) -> None:
        """One scalar per value. The event file of a resumed agent hides what an earlier one wrote for later steps."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.path), purge_step=self._start + 1 if self._start else None)
        for name, value in {**values, "time/seconds": seconds}.items():
            self._writer.add_scalar(name, value, steps, walltime=self.started + seconds)

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
