"""The fronts that a training went through: `evaluations.jsonl` of a run.

One line per periodic evaluation, appended as it comes:

    {"steps": 40960, "seconds": 31.2, "preferences": 101, "returns": [[1.0, -1.0], ...], "values":
     {"hypervolume": 812.4, ...}}

`returns` holds the mean return of each point (k, m): of each preference, or of each policy of an agent that is a set
of policies. `values` holds the indicators as in metrics.csv, and `preferences` over how many preferences utilities
are (null in older files). A resumed run cuts the file back to its checkpoint; a last line that a crash cut off is
left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from morl._arrays import as_count, as_points, as_vector
from morl.errors import CheckpointError, MorlError
from morl.logs import append, cut_lines, read_lines
from morl.study import Evaluation

FILE = "evaluations.jsonl"
"""Its name in a run directory."""


def append_evaluation(path: str | Path, evaluation: Evaluation) -> None:
    """Add one line to the file, in one write; makes the file where there is none."""
    line = json.dumps(
        {
            "steps": evaluation.steps,
            "seconds": round(evaluation.seconds, 3),
            "preferences": evaluation.preferences,
            "returns": evaluation.returns.tolist(),
            "values": dict(evaluation.values),
        },
        allow_nan=False,
    )
    append(Path(path), line + "\n")


def read_evaluations(path: str | Path) -> list[Evaluation]:
    """The evaluations in the file, without a last line that was cut off.

    Raises:
        CheckpointError: a line is damaged; the message names file and line.
    """
    return [evaluation for _, evaluation in read_lines(path, _parsed)]


def cut_evaluations(path: str | Path, steps: int, known: Sequence[Any] | None = None) -> None:
    """Drop from the file what came after `steps`, and what a crash cut off; `known` as for `cut_lines`."""
    cut_lines(path, lambda line: _parsed(line).steps <= steps, known)


def read_history(run: str | Path, num_objectives: int) -> tuple[Evaluation, ...]:
    """The evaluations of the run in a directory, by steps.

    Those of which only the indicators were kept, in metrics.csv, have returns of shape (0, m).

    Raises:
        CheckpointError: a file is damaged, or holds returns of other objectives.
    """
    from morl.metrics import EVALUATION, read_csv  # late: needs torch

    run = Path(run)
    path = run / FILE
    found = {evaluation.steps: evaluation for evaluation in (read_evaluations(path) if path.exists() else [])}
    for evaluation in found.values():
        if evaluation.returns.shape[1] != num_objectives:
            raise CheckpointError(
                f"expected returns of {num_objectives} objectives in {path}, got "
                f"{evaluation.returns.shape[1]} after {evaluation.steps:,} steps; it belongs to another run"
            )
    older: dict[int, tuple[float, dict[str, float]]] = {}
    metrics = run / "metrics.csv"
    for steps, seconds, name, value in read_csv(metrics) if metrics.exists() else []:
        if steps not in found and name.startswith(EVALUATION):
            older.setdefault(steps, (seconds, {}))[1][name.removeprefix(EVALUATION)] = value
    nothing = np.empty((0, num_objectives))
    for steps, (seconds, values) in older.items():
        found[steps] = Evaluation(steps=steps, seconds=seconds, returns=nothing, values=values)
    return tuple(found[steps] for steps in sorted(found))


def _parsed(line: str) -> Evaluation:
    return _evaluation(json.loads(line))


def _evaluation(document: Any) -> Evaluation:
    if not isinstance(document, Mapping) or not {"steps", "seconds", "returns", "values"} <= document.keys():
        raise MorlError("expected an object with steps, seconds, returns and values")
    steps, values = document["steps"], document["values"]
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise MorlError(f"expected steps to be an integer of at least 0, got {steps!r}")
    preferences = document.get("preferences")
    if preferences is not None:
        preferences = as_count(preferences, name="preferences")
    if not isinstance(values, Mapping):
        raise MorlError(f"expected values to map names to numbers, got {values!r}")
    (seconds,) = as_vector([document["seconds"]], name="seconds")
    return Evaluation(
        steps=steps,
        seconds=float(seconds),
        returns=as_points(document["returns"], name="returns"),
        preferences=preferences,
        values={
            str(name): float(as_vector([value], name=f"values.{name}")[0]) for name, value in values.items()
        },
    )
