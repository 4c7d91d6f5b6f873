"""What holds over all environments of a study, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from morl.report.numbers import number
from morl.scores import Overall
from morl.statistics import Interval


def overall_of(overall: Sequence[Overall], notes: Sequence[str], groups: Mapping[str, int]) -> dict[str, Any]:
    """Normalised scores by indicator, and the probabilities that one group improves on another.

    Args:
        overall: an entry for each indicator; none for a study of one environment.
        notes: how scores were normalised, and what was left out.
        groups: group -> its place in the study.
    """
    return {
        "indicators": [
            {
                "name": entry.indicator,
                "environments": len(entry.environments),
                "groups": [
                    {"place": groups[group], "score": _triple(entry.iqm[group], entry.intervals[group])}
                    for group in entry.iqm
                ],
                "improvement": [
                    [_chance(entry, a, b) for b in entry.iqm if b != a]
                    for a in entry.iqm
                    if len(entry.iqm) > 1
                ],
            }
            for entry in overall
        ],
        "notes": list(notes),
    }


def _chance(overall: Overall, a: str, b: str) -> list[float | None]:
    return _triple(*overall.improvement[a, b])


def _triple(value: float, interval: Interval | None) -> list[float | None]:
    """A value and the ends of its interval, if there is one."""
    low, high = interval or (None, None)
    return [number(value), number(low), number(high)]
