"""Training metrics on disk: `metrics.csv` and TensorBoard events, against steps and training time.

`metrics.csv` is long: one row `steps,seconds,name,value` per number. Metrics that appear late need no column,
a line can be appended without reading the file, and a resumed run is cut back by dropping rows. With pandas,
`pd.read_csv("metrics.csv").pivot_table(index="steps", columns="name", values="value")` makes it wide.
"""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.agent import Agent, Callback, check_finite
from morl.errors import CheckpointError
from morl.files import open_plain
from morl.store import atomic_write

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
    """Stops training with a `NonFiniteError` once a metric is NaN or infinite."""

    def write(self, steps: int, seconds: float, values: dict[str, float]) -> None:
        """Check all values."""
        check_finite(values, f"after {steps:,} steps")


class CsvMetrics(MetricsLogger):
    """Appends to a `metrics.csv` (format: see the module)."""

    def __init__(self, path: str | Path, *, seconds: float = 1.0) -> None:
        super().__init__(seconds=seconds)
        self.path = Path(path)

    def on_start(self, agent: Agent, total_steps: int) -> None:
        """Begin the file where there is none."""
        super().on_start(agent, total_steps)
        if not self.path.exists():
            atomic_write(self.path, ",".join(HEADER) + "\n")

    def write(self, steps: int, seconds: float, values: dict[str, float]) -> None:
        """Append one row per value, all in one write."""
        rows = io.StringIO()
        csv.writer(rows, lineterminator="\n").writerows(
            (steps, f"{seconds:.3f}", name, repr(value)) for name, value in values.items()
        )
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(rows.getvalue())


def read_csv(path: str | Path) -> list[tuple[int, float, str, float]]:
    """The rows `(steps, seconds, name, value)` of a `metrics.csv`; what a crash cut off is left out.

    Raises:
        CheckpointError: a row is damaged; the message names file and line.
    """
    rows = []
    with io.TextIOWrapper(open_plain(path), encoding="utf-8", newline="") as file:
        for number, line in enumerate(file, 1):
            cells = next(csv.reader([line]), [])
            if len(cells) != len(HEADER) or not line.endswith("\n") or tuple(cells) == HEADER:
                continue
            try:
                rows.append((int(cells[0]), float(cells[1]), cells[2], float(cells[3])))
            except ValueError as error:
                raise CheckpointError(
                    f"{path}, line {number} is damaged: {error}; restore the file, or remove the line"
                ) from error
    return rows


def cut_csv(path: str | Path, steps: int) -> None:
    """Drop from a `metrics.csv` the rows after `steps`, and what a crash cut off."""
    path = Path(path)
    if not path.exists():
        return
    kept = io.StringIO()
    writer = csv.writer(kept, lineterminator="\n")
    writer.writerow(HEADER)
    for row_steps, seconds, name, value in read_csv(path):
        if row_steps <= steps:
            writer.writerow((row_steps, f"{seconds:.3f}", name, repr(value)))
    atomic_write(path, kept.getvalue())


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

    def on_start(self, agent: Agent, total_steps: int) -> None:
        """Open an event file; a resumed agent hides what an earlier one wrote for later steps."""
        from torch.utils.tensorboard import SummaryWriter

        super().on_start(agent, total_steps)
        self._writer = SummaryWriter(str(self.path), purge_step=agent.steps + 1 if agent.steps else None)

    def write(self, steps: int, seconds: float, values: dict[str, float]) -> None:
        """One scalar per value."""
        assert self._writer is not None, "on_start opens the writer"
        for name, value in {**values, "time/seconds": seconds}.items():
            self._writer.add_scalar(name, value, steps, walltime=self.started + seconds)

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
