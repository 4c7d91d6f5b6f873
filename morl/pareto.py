"""Pareto dominance, convex coverage sets, and an archive of trade-offs. Objectives are maximised.

A point dominates another if it is at least as good in every objective and better in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Any

import moocore
import numpy as np
from numpy.typing import NDArray

from morl._arrays import Array, as_count, as_points, as_vector
from morl.errors import MorlError
from morl.weights import lattice

Mask = NDArray[np.bool_]

PROBES = 1000
"""About how many lattice weights `in_coverage_set` tries before it solves linear programmes."""

SMALLEST_RANGE = 1e-5
"""The least range of an objective, relative to its magnitude, that `in_coverage_set` measures margins by."""


def is_nondominated(points: Any, *, keep_duplicates: bool = False) -> Mask:
    """Return a mask, shape (k,), of the points (k, m) that no other point dominates.

    Of equal points only the first is kept, unless `keep_duplicates`. No points give an empty mask.

    >>> is_nondominated([[1, 0], [0, 1], [0, 0], [1, 0]])
    array([ True,  True, False, False])
    """
    mask: Mask = moocore.is_nondominated(as_points(points), maximise=True, keep_weakly=keep_duplicates)
    return mask


def filter_nondominated(points: Any, *, keep_duplicates: bool = False) -> Array:
    """Return the points, in their order, that no other point dominates: shape (n, m) with n <= k."""
    array = as_points(points)
    kept: Array = array[is_nondominated(array, keep_duplicates=keep_duplicates)]
    return kept


def spread_evenly(points: Any, most: int) -> NDArray[np.intp]:
    """Return the indices, ascending, of at most `most` points (k, m) spread evenly over a front.

    They are evenly spaced in the order of the first objective, and the best of each objective are among them.

    >>> spread_evenly([[x, -x * x] for x in range(9)], 5)
    array([0, 4, 8])
    """
    array = as_points(points)
    if len(array) <= most:
        return np.arange(len(array))
    order = np.lexsort(array.T[::-1])
    even = order[np.linspace(0, len(array) - 1, max(0, most - array.shape[1])).astype(np.intp)]
    return np.union1d(even, array.argmax(axis=0))


def in_coverage_set(points: Any, *, tolerance: float = 1e-9) -> Mask:
    """Return a mask, shape (k,), of the points (k, m) that form the convex coverage set.

    A point stays iff for some weight vector its weighted sum exceeds that of every other remaining point by
    more than `tolerance`, each objective being measured in units of its range over the non-dominated points
    (or of `SMALLEST_RANGE` times its largest magnitude, if that is more: rounding errors are no range).
    With tolerance 0 and exact arithmetic this is the smallest set that contains an optimal point for every
    weight vector. A point that is best in a tie only is dropped, such as one between the ends of a segment.
    Of equal points the first stays.

    Removing one point costs no weight vector more than `tolerance`. Points are decided by certificates: a
    lattice weight or the solution of a linear programme at which the point is strictly best, or a linear
    programme over some of the other points that shows there is none.

    Args:
        points: shape (k, m), any m >= 1. No points give an empty mask.
        tolerance: non-negative; the default absorbs the rounding of float64, float32 returns need about 1e-5.

    >>> in_coverage_set([[0, 2], [1, 1], [2, 0], [0.5, 0.5]])
    array([ True, False,  True, False])
    """
    array = as_points(points)
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise MorlError(f"expected tolerance finite and non-negative, got {tolerance!r}")
    mask = is_nondominated(array)
    candidates = np.flatnonzero(mask)
    if len(candidates) <= 1:
        return mask
    unit = _to_units(array[candidates])
    certain = _best_at_probes(unit, tolerance)
    keep = np.ones(len(unit), dtype=bool)
    for i in np.flatnonzero(~certain):
        keep[i] = False
        # Compared with the certain points first: they are few and usually decide.
        keep[i] = _is_best_somewhere(unit[i], unit[keep], certain[keep], tolerance)
    mask[candidates] = keep
    return mask


def coverage_set(points: Any, *, tolerance: float = 1e-9) -> Array:
    """Return the points, in their order, that form the convex coverage set (see `in_coverage_set`)."""
    array = as_points(points)
    kept: Array = array[in_coverage_set(array, tolerance=tolerance)]
    return kept


def _to_units(points: Array) -> Array:
    """Measure each objective in its unit, from 0: who is optimal for some weight does not change."""
    # Halved, so that the range of huge but finite returns cannot overflow.
    half = points / 2
    low = half.min(axis=0)
    unit = np.maximum(half.max(axis=0) - low, SMALLEST_RANGE * np.abs(half).max(axis=0))
    return (half - low) / np.where(unit > 0, unit, 1.0)


def _best_at_probes(points: Array, tolerance: float) -> Mask:
    """Mask of the points that are best by more than `tolerance` at one of a fixed set of weights."""
    m = points.shape[1]
    partitions = 1
    while m > 1 and partitions < PROBES and comb(partitions + m, m - 1) <= PROBES:
        partitions += 1
    utilities = lattice(m, partitions=partitions) @ points.T
    first_two = np.partition(utilities, -2, axis=1)[:, -2:]
    strict = first_two[:, 1] - first_two[:, 0] > tolerance
    mask = np.zeros(len(points), dtype=bool)
    mask[utilities.argmax(axis=1)[strict]] = True
    return mask


def _is_best_somewhere(point: Array, others: Array, start: Mask, tolerance: float) -> bool:
    """Whether some weight puts `point` above all `others` by more than `tolerance`.

    Cutting planes: solve the linear programme over a subset of the others, add the other that is best at its
    solution, repeat. The subset's optimum bounds the true one from above, a solution's margin from below.
    """
    if len(others) == 0:
        return True
    advantage = point - others
    active = start.copy()
    if not active.any():
        active[0] = True
    while True:
        weights, bound = _widest_margin(advantage[active])
        margins = advantage @ weights
        worst = int(margins.argmin())
        if margins[worst] > tolerance:
            return True
        # If the worst is active already, bound and margin differ by the solver's rounding only.
        if bound <= tolerance or active[worst]:
            return False
        active[worst] = True


def _widest_margin(advantage: Array) -> tuple[Array, float]:
    """Maximise min_j advantage_j . w over the simplex; return the weights (m,) and the maximum."""
    from scipy.optimize import linprog

    n, m = advantage.shape
    result = linprog(
        c=np.append(np.zeros(m), -1.0),
        A_ub=np.hstack([-advantage, np.ones((n, 1))]),
        b_ub=np.zeros(n),
        A_eq=np.append(np.ones(m), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * m + [(None, None)],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if not result.success:
        raise RuntimeError(f"the linear programme of the coverage set failed: {result.message}")
    weights = np.clip(result.x[:m], 0.0, None)
    return weights / weights.sum(), float(result.x[m])


class ParetoArchive:
    """Non-dominated points, each with any payload: a policy, a checkpoint's name, a preference.

    Adding a point evicts those it dominates. A point equal to one in the archive is refused: the earlier
    stays. Above `max_size` one point at a time leaves: with a `reference_point` the one whose own share of
    the hypervolume is smallest (points that do not exceed the reference have none), else the one with the
    smallest crowding distance (Deb et al. 2002; the best of each objective have an infinite one and leave
    last). Of equals the newest leaves.

    Args:
        m: number of objectives.
        max_size: the most points to hold; None for no bound.
        reference_point: shape (m,), for truncation by hypervolume.

    >>> archive = ParetoArchive(2)
    >>> archive.add([[1, 0], [0, 1], [0, 0]], ["a", "b", "c"])
    array([ True,  True, False])
    >>> archive.add([[2, 2]], ["d"])
    array([ True])
    >>> archive.payloads
    ['d']
    """

    def __init__(self, m: int, *, max_size: int | None = None, reference_point: Any = None) -> None:
        self.num_objectives = as_count(m, name="m")
        self.max_size = None if max_size is None else as_count(max_size, name="max_size")
        self.reference_point = (
            None if reference_point is None else as_vector(reference_point, name="reference_point", m=m)
        )
        self._points = np.empty((0, m))
        self._payloads: list[Any] = []

    @property
    def points(self) -> Array:
        """A copy of the points, shape (k, m), in the order in which they came."""
        return self._points.copy()

    @property
    def payloads(self) -> list[Any]:
        """The payloads, one per point, in the same order."""
        return list(self._payloads)

    def __len__(self) -> int:
        """The number of points."""
        return len(self._points)

    def add(self, points: Any, payloads: Sequence[Any] | None = None) -> Mask:
        """Offer points (n, m), each with a payload (default None); return a mask (n,) of those accepted.

        Raises:
            MorlError: wrong shape, a number that is not finite, or as many payloads as points not given.
                The archive is then unchanged.
        """
        offered = as_points(points, m=self.num_objectives)
        carried = [None] * len(offered) if payloads is None else list(payloads)
        if len(carried) != len(offered):
            raise MorlError(f"expected one payload per point, got {len(carried)} for {len(offered)} points")
        union = np.vstack([self._points, offered])
        alive = np.flatnonzero(is_nondominated(union))
        if self.max_size is not None:
            while len(alive) > self.max_size:
                alive = np.delete(alive, self._least_valuable(union[alive]))
        everything = self._payloads + carried
        accepted = np.zeros(len(union), dtype=bool)
        accepted[alive] = True
        incumbents = len(self._points)
        self._points = union[alive]
        self._payloads = [everything[i] for i in alive]
        return accepted[incumbents:]

    def state_dict(self) -> dict[str, Any]:
        """Return the state as a plain dictionary; it is ready for JSON if the payloads are."""
        return {
            "points": self._points.tolist(),
            "payloads": self.payloads,
            "max_size": self.max_size,
            "reference_point": None if self.reference_point is None else self.reference_point.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become what `state_dict` described. A state that does not fit is refused and changes nothing."""
        if set(state) != set(self.state_dict()):
            raise MorlError(f"expected a state with keys {sorted(self.state_dict())}, got {sorted(state)}")
        fresh = ParetoArchive(
            self.num_objectives, max_size=state["max_size"], reference_point=state["reference_point"]
        )
        # An empty list has lost the number of columns.
        points = state["points"] or np.empty((0, self.num_objectives))
        if not fresh.add(points, state["payloads"]).all():
            raise MorlError("the archive's state holds dominated or equal points, or more than its max_size")
        self.__dict__.update(fresh.__dict__)

    def _least_valuable(self, points: Array) -> int:
        if self.reference_point is None:
            value = crowding_distance(points)
        else:
            value = moocore.hv_contributions(points, ref=self.reference_point, maximise=True)
        return len(value) - 1 - int(value[::-1].argmin())


def crowding_distance(points: Any) -> Array:
    """Return the crowding distance, shape (k,), of points (k, m) (Deb et al. 2002, NSGA-II).

    Per objective: the gap between a point's two neighbours as a share of the objective's range; summed. The
    first and last of each objective have an infinite distance. An objective without a range adds nothing.
    """
    array = as_points(points)
    distance = np.zeros(len(array))
    if len(array) == 0:
        return distance
    half = array / 2  # So that the range of huge but finite returns cannot overflow.
    for column in half.T[np.ptp(half, axis=0) > 0]:
        order = column.argsort(kind="stable")
        distance[order[[0, -1]]] = np.inf
        distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / np.ptp(column)
    return distance
