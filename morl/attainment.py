"""Empirical attainment: what part of several runs reaches a point.

A front attains a point if one of its points is at least as good in every objective. Of the fronts of several
seeds, the empirical attainment function gives at each point of objective space the fraction that attain it; the
surface at 50 % is the median front, what half of the seeds reach (Grunert da Fonseca, Fonseca and Hall 2001).
Computed by moocore, which minimises; signs are flipped here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import moocore
import numpy as np
from numpy.typing import NDArray

from morl._arrays import Array, as_count, as_points
from morl.errors import MorlError

MOST_CELLS = 2**23
"""Cells of a grid of three objectives to evaluate, for the sake of memory: some 200 different values in each."""


class AttainmentDifference(NamedTuple):
    """Where two sets of fronts differ in what they attain: boxes of objective space."""

    lower: Array
    """Lower corners (l, m), not part of the boxes; -inf where a box has no end."""
    upper: Array
    """Upper corners (l, m), part of the boxes."""
    values: Array
    """Fraction of the first fronts that attain a box's upper corner less that of the second, (l,), never 0."""


def attainment(fronts: Sequence[Any], points: Any) -> Array:
    """Return the fraction of fronts that attain each point, shape (l,).

    Args:
        fronts: one array of points (k_i, m) per seed, any number of objectives.
        points: shape (l, m).

    >>> attainment([[[2, 1]], [[1, 2]]], [[1, 1], [2, 1], [2, 2]])
    array([1. , 0.5, 0. ])
    """
    arrays = _fronts(fronts, "fronts")
    where = as_points(points, m=arrays[0].shape[1])
    attained = [np.any(np.all(front >= where[:, None], axis=2), axis=1) for front in arrays]
    return np.mean(attained, axis=0, dtype=np.float64)


def attainment_surface(fronts: Sequence[Any], *, percentile: float = 50) -> Array:
    """Return the corners of the region that at least `percentile` % of the fronts attain, shape (l, m).

    Exactly the points that one of the corners dominates or equals are attained by so many fronts: by
    max(1, ceil(percentile / 100 x number)). No corner dominates another; they come sorted by the first objective.
    There may be none: where no point is attained by so many.

    Args:
        fronts: one array of points (k_i, m) per seed, k_i >= 1, of 2 or 3 objectives.
        percentile: 0 for what the best seeds attain together, 50 for the median, 100 for what all attain.

    Raises:
        MorlError: other numbers of objectives, a front without points, or no percentage.

    >>> attainment_surface([[[2, 1]], [[1, 2]]], percentile=100)
    array([[1., 1.]])
    """
    arrays = _fronts(fronts, "fronts")
    _check_objectives(arrays[0].shape[1], 3)
    if not (isinstance(percentile, (int, float, np.number)) and 0 <= percentile <= 100):
        raise MorlError(f"expected a percentile between 0 and 100, got {percentile!r}")
    sets = np.repeat(np.arange(len(arrays)), [len(front) for front in arrays])
    corners = -moocore.eaf(-np.concatenate(arrays), sets, percentiles=[float(percentile)])[:, :-1]
    return corners[np.lexsort(corners.T[::-1])] + 0.0  # no -0.0


def attainment_difference(
    first: Sequence[Any], second: Sequence[Any], *, resolution: int | None = None
) -> AttainmentDifference:
    """Return where the fraction of fronts that attain a point differs between two agents.

    Exact: in two objectives by moocore's `eafdiff`, in three on the joint grid of all coordinates of both, whose
    cells are put together along the last objective where their values agree. No two boxes overlap.

    Args:
        first: one array of points (k_i, m) per seed, of 2 or 3 objectives.
        second: the same of the other agent; the number of seeds may differ.
        resolution: of three objectives, the most grid lines in each, for fronts whose joint grid is too large. They
            are taken evenly among the sorted coordinates; then only the values at upper corners are exact. With
            two objectives it changes nothing.

    Raises:
        MorlError: other or different numbers of objectives, a front without points, or a grid of more than
            `MOST_CELLS` cells.
    """
    a, b = _fronts(first, "first"), _fronts(second, "second")
    m = a[0].shape[1]
    _check_objectives(m, 3)
    if resolution is not None:
        as_count(resolution, name="resolution", minimum=2)
    if b[0].shape[1] != m:
        raise MorlError(f"expected fronts of the same objectives, got {m} and {b[0].shape[1]}")
    return _difference_of_two(a, b) if m == 2 else _difference_on_grid(a, b, resolution)


def _difference_of_two(a: list[Array], b: list[Array]) -> AttainmentDifference:
    # moocore 0.3.2 takes the first half of all sets for the left side, so both sides must have equally many:
    # repeating every front of a side changes no fraction.
    number = math.lcm(len(a), len(b))
    if np.array_equal(
        attainment_surface([*a, *b], percentile=0), attainment_surface([*a, *b], percentile=100)
    ):
        nothing = np.empty((0, 2))  # every front attains the same, on which eafdiff fails
        return AttainmentDifference(nothing, nothing.copy(), np.empty(0))
    boxes = moocore.eafdiff(_labelled(a, number), _labelled(b, number), intervals=number, rectangles=True)
    boxes = boxes[boxes[:, 4] != 0]
    return _sorted(-boxes[:, 2:4], -boxes[:, :2], boxes[:, 4] / number)


def _labelled(fronts: list[Array], number: int) -> Array:
    """Points to minimise with the number of their set, (k, m + 1): as many sets as asked for, by repetition."""
    sets = [front for front in fronts for _ in range(number // len(fronts))]
    return np.concatenate(
        [np.column_stack([-front, np.full(len(front), i + 1.0)]) for i, front in enumerate(sets)]
    )


def _difference_on_grid(a: list[Array], b: list[Array], resolution: int | None) -> AttainmentDifference:
    lines = [np.unique(column) for column in np.concatenate([*a, *b]).T]
    if resolution is not None:
        lines = [_thinned(line, resolution) for line in lines]
    cells = math.prod(map(len, lines))
    if cells > MOST_CELLS:
        sizes = " x ".join(str(len(line)) for line in lines)
        raise MorlError(
            f"expected a joint grid of at most {MOST_CELLS} cells, got {sizes} different values; pass "
            f"resolution={int(MOST_CELLS ** (1 / 3))} or less, for values that are exact at the upper corners of "
            "boxes only"
        )
    # Whole numbers, so that equal fractions are equal.
    values = _number_on_grid(a, lines) * len(b) - _number_on_grid(b, lines) * len(a)
    # Runs of equal values along the last objective make one box each, from the first cell to the last.
    new = np.ones(values.shape, dtype=bool)
    new[..., 1:] = values[..., 1:] != values[..., :-1]
    last = np.ones_like(new)
    last[..., :-1] = new[..., 1:]
    begin, end = np.argwhere(new & (values != 0)), np.argwhere(last & (values != 0))
    below = [np.concatenate([[-np.inf], line[:-1]]) for line in lines]
    lower = np.column_stack([line[begin[:, i]] for i, line in enumerate(below)])
    upper = np.column_stack([line[end[:, i]] for i, line in enumerate(lines)])
    return _sorted(lower, upper, values[tuple(end.T)] / (len(a) * len(b)))


def _number_on_grid(fronts: list[Array], lines: list[Array]) -> NDArray[np.int32]:
    """How many fronts attain each grid point, one axis per objective."""
    total = np.zeros([len(line) for line in lines], dtype=np.int32)
    for front in fronts:
        # A point attains the grid points up to its own place in every objective: mark that, then spread.
        places = [np.searchsorted(line, front[:, i], side="right") - 1 for i, line in enumerate(lines)]
        inside = np.all([place >= 0 for place in places], axis=0)
        attained = np.zeros(total.shape, dtype=bool)
        attained[tuple(place[inside] for place in places)] = True
        for axis in range(attained.ndim):
            attained = np.flip(np.maximum.accumulate(np.flip(attained, axis), axis=axis), axis)
        total += attained
    return total


def _thinned(values: Array, most: int) -> Array:
    """At most so many of the sorted values, with the first and the last."""
    if len(values) <= most:
        return values
    return values[np.round(np.linspace(0, len(values) - 1, most)).astype(int)]


def _sorted(lower: Array, upper: Array, values: Array) -> AttainmentDifference:
    order = np.lexsort(upper.T[::-1])
    return AttainmentDifference(lower[order] + 0.0, upper[order] + 0.0, values[order])  # no -0.0


def _fronts(fronts: Any, name: str) -> list[Array]:
    if not isinstance(fronts, Iterable):
        raise MorlError(f"expected {name} to be a sequence of points (k_i, m), one per seed, got {fronts!r}")
    if getattr(fronts, "ndim", 3) == 2:
        raise MorlError(
            f"expected {name} to be a sequence of points (k_i, m), one per seed, got one; pass [{name}]"
        )
    arrays: list[Array] = []
    for i, front in enumerate(fronts):
        arrays.append(as_points(front, name=f"{name}[{i}]", m=arrays[0].shape[1] if arrays else None))
        if not len(arrays[-1]):
            raise MorlError(f"expected at least one point in every front, {name}[{i}] has none")
    if not arrays:
        raise MorlError(f"expected at least one front in {name}, got none")
    return arrays


def _check_objectives(m: int, most: int) -> None:
    if not 2 <= m <= most:
        raise MorlError(f"expected 2 to {most} objectives for attainment surfaces, got {m}")
