"""The trainings of a study as a page shows them: curves of indicators, and the fronts on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morl import pareto
from morl.report.numbers import number, rounded
from morl.study import Entry, Evaluation

LOOKS = 400
"""The most evaluations of a run on its curves: about one to a pixel."""

FRAMES = 40
"""The most fronts of a run that its film keeps: a slider has no finer steps to the eye."""

NUMBERS = 300_000
"""About how many numbers all films of an environment may have (some 3 MB), however many runs there are."""


def training_of(entries: Sequence[Entry]) -> list[dict[str, Any] | None]:
    """By entry: `steps`, `seconds` and `values` of its evaluations, and the `frames` of its film.

    A frame holds the place of its evaluation in `steps`, and the points that no other of that moment dominates,
    row by row in one list. Long histories are thinned out evenly; first and last evaluation stay.
    """
    allowed = _frames_allowed(entries)
    return [_training(entry.history, allowed) if entry.history else None for entry in entries]


def _frames_allowed(entries: Sequence[Entry]) -> int:
    """How many frames each run may have, between 2 and `FRAMES`, for all to stay within `NUMBERS`."""
    sizes = [
        float(np.mean([look.returns.size for look in entry.history])) for entry in entries if entry.history
    ]
    return int(np.clip(NUMBERS // max(1.0, sum(sizes)), 2, FRAMES))


def _training(history: Sequence[Evaluation], frames: int) -> dict[str, Any]:
    looks = [history[i] for i in spread(len(history), LOOKS)]
    names = list(dict.fromkeys(name for look in looks for name in look.values))
    with_returns = [i for i, look in enumerate(looks) if len(look.returns)]
    return {
        "steps": [look.steps for look in looks],
        "seconds": [round(look.seconds, 3) for look in looks],
        "values": {name: [number(look.values.get(name)) for look in looks] for name in names},
        "frames": [
            {"look": i, "points": rounded(pareto.filter_nondominated(looks[i].returns), digits=5)}
            for i in (with_returns[j] for j in spread(len(with_returns), frames))
        ],
    }


def spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the places 0, ..., count - 1, evenly, with the first and the last.

    >>> spread(10, 4).tolist()
    [0, 3, 6, 9]
    """
    places: NDArray[np.int64] = np.unique(
        np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)
    )
    return places if count else np.empty(0, np.int64)
