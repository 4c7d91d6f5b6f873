"""The terms of a comparison that the user may give, or that the fronts compared stand in for.

Where no reference point is known, one is derived: in each objective the lowest value among the points that no other
of the same front dominates, over all fronts, less a tenth of the range of these (or 1 where they have none). Where no
front is known, the union front serves: the points of all fronts that none of them dominates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from morl import pareto, registry
from morl._arrays import Array, as_points
from morl.errors import MorlError
from morl.front import Front
from morl.problem import numbered_places

UNION = "union front"
"""What stands for a known front where there is none."""

MARGIN = 0.1
"""How far below the lowest values a derived reference point lies, in ranges."""

MOST_REFERENCES = 2000
"""How many points of a known front distances are taken to."""

MOST_PAIRS = 2**25
"""How many pairs of a weight and a point utilities are computed of; where there are more, for few weights."""

DERIVED = "derived from these fronts: below their lowest value in each objective by a tenth of the range"
"""How a reference point came about that nobody gave."""


def union_front(fronts: Sequence[Array]) -> Array:
    """The points (l, m) of some fronts (k, m) that no point of any dominates."""
    return pareto.filter_nondominated(np.vstack(fronts))


def derived_reference_point(fronts: Sequence[Array]) -> Array:
    """A reference point (m,) below the non-dominated points of every front (k, m), as the module says."""
    kept = np.vstack([pareto.filter_nondominated(points) for points in fronts])
    low, high = kept.min(axis=0), kept.max(axis=0)
    # Each end apart, so that the range of huge but finite returns cannot overflow.
    below: Array = low - np.where(high > low, MARGIN * high - MARGIN * low, 1.0)
    return below


def thinned(points: Array) -> Array:
    """At most `MOST_REFERENCES` of a front's points (l, m): all pairs of two large fronts are too many."""
    kept: Array = points[pareto.spread_evenly(points, MOST_REFERENCES)]
    return kept


def for_sections(given: Any, fronts: Mapping[str, Front], what: str) -> dict[str, Any]:
    """What was given for each section of a study: one thing where there is one section, else by environment.

    Args:
        given: the thing, or environment -> thing; an environment is a section, a problem or an id.
        fronts: section -> a front of it.
        what: names the thing in messages.

    Raises:
        MorlError: one thing for several sections, or an environment that is not among them.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        if len(fronts) > 1:
            raise MorlError(
                f"expected one environment with a {what} of one's own, got {', '.join(fronts)}; say for which: "
                "ENV=... (a dictionary in Python)"
            )
        return {section: given for section in fronts}
    found: dict[str, Any] = {}
    for env, value in given.items():
        names = {section: (section, front.problem, front.env_id) for section, front in fronts.items()}
        # The narrowest name that is meant by it: a section before all sections of an environment.
        for place in range(3):
            sections = [section for section, known in names.items() if known[place] == env]
            if sections:
                break
        else:
            raise MorlError(
                f"expected a {what} for one of {', '.join(fronts)}, got one for {env!r}."
                f"{registry.suggest(str(env), fronts)}"
            )
        found |= {section: value for section in sections if section not in found or place < 2}
    return found


def points_of(given: Any, front: Front) -> Array:
    """A known front (l, m) in the order of a front's objectives: points, a `Front`, or a file of either.

    Raises:
        MorlError: it is of another discount, or has other objectives.
    """
    if isinstance(given, (str, Path)):
        from morl.study_files import read_front  # late: a study is made of comparisons

        given = read_front(given, env=front.env_id, gamma=front.gamma)
    if not isinstance(given, Front):
        return as_points(given, name="the known front", m=front.num_objectives)
    if given.gamma != front.gamma:
        raise MorlError(
            f"expected a known front under the discount {front.gamma:g}, got one under {given.gamma:g}"
        )
    places = numbered_places(given.objectives) or [
        front.objectives.index(name) for name in given.objectives if name in front.objectives
    ]
    if sorted(places) != list(range(front.num_objectives)):
        raise MorlError(
            f"expected a known front of {', '.join(front.objectives)}, got one of {', '.join(given.objectives)}"
        )
    points: Array = given.returns[:, np.argsort(places)]
    return points
