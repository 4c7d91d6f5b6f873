"""Dominance and convex coverage, against definitions, moocore and independent algorithms."""

from __future__ import annotations

from typing import Any

import moocore
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
from scipy.optimize import linprog

from morl.errors import MorlError, NonFiniteError
from morl.pareto import coverage_set, filter_nondominated, in_coverage_set, is_nondominated

# The front that MO-Gymnasium gives for minecart-deterministic-v0 at gamma = .98: mirror images in two ores.
MINECART_HALF = np.array(
    [
        [0.55610826, 0.0, -0.65061296],
        [1.02184894, 0.0, -0.81650404],
        [0.60291355, 0.0, -0.77743027],
        [1.10785365, 0.0, -0.94917702],
        [0.40056478, 0.26704319, -0.67291286],
        [0.58883023, 0.39255349, -0.83521908],
        [0.63838959, 0.42559306, -0.96483263],
        [0.66471219, 0.44314146, -1.11527075],
        [0.47126046, 0.47126046, -0.70880496],
        [0.55392683, 0.55392683, -0.79616165],
        [0.57676679, 0.57676679, -1.11842114],
        [0.0, 0.0, -0.24923698],
    ]
)
MINECART = np.unique(np.vstack([MINECART_HALF, MINECART_HALF[:, [1, 0, 2]]]), axis=0)


@st.composite
def grids(draw: Any, max_points: int = 12) -> np.ndarray:
    """Points on a small integer grid: many ties, duplicates and collinear points; m from 1 to 10."""
    m = draw(st.integers(1, 10))
    k = draw(st.integers(1, max_points))
    return draw(arrays(np.float64, (k, m), elements=st.integers(0, 4).map(float)))


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a >= b).all() and (a > b).any())


def covered_by_definition(points: np.ndarray) -> np.ndarray:
    """The coverage set by the dual: a point is redundant iff a mixture of the others is at least as good."""
    mask = np.array([not any(dominates(q, p) for q in points) for p in points])
    for i in range(len(points)):
        mask[i] &= not any((p == points[i]).all() for p in points[:i])
    for i in map(int, np.flatnonzero(mask)):
        others = points[mask & (np.arange(len(points)) != i)]
        if len(others):
            mixture = linprog(
                np.zeros(len(others)),
                A_ub=-others.T,
                b_ub=-points[i],
                A_eq=np.ones((1, len(others))),
                b_eq=[1],
            )
            mask[i] = mixture.status == 2  # Infeasible: no mixture reaches the point.
    return mask


def upper_hull(points: np.ndarray) -> set[tuple[float, ...]]:
    """The corners of the upper right hull of 2-D integer points, by Andrew's monotone chain."""
    hull: list[Any] = []
    for c in sorted({tuple(p) for p in points}, reverse=True):
        if hull and c[1] <= hull[-1][1]:
            continue
        while len(hull) > 1:
            a, b = hull[-2:]
            if (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0:
                break
            hull.pop()
        hull.append(c)
    return set(hull)


@given(grids())
def test_nondominated_is_the_definition(points: np.ndarray) -> None:
    undominated = [not any(dominates(q, p) for q in points) for p in points]
    first = [not any((points[j] == points[i]).all() for j in range(i)) for i in range(len(points))]
    assert is_nondominated(points, keep_duplicates=True).tolist() == undominated
    assert is_nondominated(points).tolist() == [u and f for u, f in zip(undominated, first, strict=True)]


@pytest.mark.parametrize("m", [2, 3, 4, 6])
def test_nondominated_agrees_with_moocore_and_pymoo(m: int) -> None:
    points = np.random.default_rng(m).random((300, m))
    ours = is_nondominated(points)
    assert (ours == moocore.is_nondominated(-points)).all()
    theirs = NonDominatedSorting().do(-points, only_non_dominated_front=True)
    assert set(np.flatnonzero(ours)) == set(theirs)
    assert (filter_nondominated(points) == points[ours]).all()


@given(grids(), st.randoms(use_true_random=False))
def test_filters_do_not_depend_on_the_order(points: np.ndarray, random: Any) -> None:
    order = list(range(len(points)))
    random.shuffle(order)
    for keep in (filter_nondominated, coverage_set):
        assert set(map(tuple, keep(points))) == set(map(tuple, keep(points[order])))


@settings(max_examples=150)
@given(grids())
def test_coverage_is_the_definition(points: np.ndarray) -> None:
    assert in_coverage_set(points).tolist() == covered_by_definition(points).tolist()


@given(arrays(np.float64, st.tuples(st.integers(1, 25), st.just(2)), elements=st.integers(-9, 9).map(float)))
def test_coverage_of_two_objectives_is_the_upper_hull(points: np.ndarray) -> None:
    assert set(map(tuple, coverage_set(points))) == upper_hull(points)


@settings(max_examples=40)
@given(m=st.integers(2, 10), k=st.integers(1, 60), seed=st.integers(0, 10**6))
def test_coverage_loses_nothing_and_holds_nothing_spare(m: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(k, m))
    mask = in_coverage_set(points)
    weights = rng.dirichlet(np.full(m, 0.5), 2000)
    utilities = weights @ points.T
    np.testing.assert_allclose(utilities[:, mask].max(1), utilities.max(1), rtol=0, atol=1e-8)
    assert mask[np.unique(utilities.argmax(1))].all()
    assert in_coverage_set(points[mask]).all()


@given(grids(), st.integers(0, 9), st.floats(1e-6, 1e6), st.floats(-1e3, 1e3))
def test_units_do_not_matter(points: np.ndarray, column: int, scale: float, shift: float) -> None:
    other = points.copy()
    other[:, column % points.shape[1]] *= scale
    assert (in_coverage_set(points) == in_coverage_set(other)).all()
    assert (in_coverage_set(points) == in_coverage_set(points + shift)).all()


@pytest.mark.parametrize("m", range(2, 11))
def test_points_within_a_simplex_are_dropped_and_its_corners_kept(m: int) -> None:
    inner = np.random.default_rng(m).dirichlet(np.ones(m), 30)
    mask = in_coverage_set(
        np.vstack([inner, np.eye(m), np.full((1, m), 1 / m), (np.eye(m)[:1] + np.eye(m)[1:2]) / 2])
    )
    assert np.flatnonzero(mask).tolist() == list(range(30, 30 + m))


def test_points_between_the_ends_of_a_segment_are_dropped_despite_rounding() -> None:
    share = np.linspace(0, 1, 41)[:, None]
    ends = np.array([[0.1, 0.7, -3.3], [1.3, 0.2, 7.7]])
    segment = share * ends[0] + (1 - share) * ends[1]
    assert np.flatnonzero(in_coverage_set(segment)).tolist() == [0, 40]


@pytest.mark.parametrize("m", [1, 2, 5])
def test_rounding_errors_make_no_trade_offs(m: int) -> None:
    rng = np.random.default_rng(m)
    # The same point summed in different orders, alone and beside points that differ in other objectives.
    same = rng.normal(size=(1, m)) * (1 + 2e-16 * rng.integers(-3, 4, size=(20, m)))
    assert in_coverage_set(same).sum() == 1
    line = np.hstack([np.linspace(0, 1, 20)[:, None] * [1, -1], same])
    assert np.flatnonzero(in_coverage_set(line)).tolist() == [0, 19]


def test_nearly_equal_points_leave_one_behind() -> None:
    points = np.array([[0.0, 1.0], [1e-13, 1.0 - 1e-13], [1.0, 0.0]])
    assert in_coverage_set(points).sum() == 2
    assert in_coverage_set(points)[2]


def test_a_point_that_is_best_in_ties_only_is_dropped() -> None:
    # (1, 0, 0) is best for w = (1, 0, 0) only, beside the others; their mixture dominates it.
    points = [[1, 0, 0], [1, 2, -1], [1, -1, 2]]
    assert is_nondominated(points).all()
    assert in_coverage_set(points).tolist() == [False, True, True]


def test_tolerance_is_relative_to_the_range() -> None:
    bulge = np.array([[0.0, 100.0], [50.1, 50.1], [100.0, 0.0]])
    assert in_coverage_set(bulge, tolerance=0.0009).all()
    assert in_coverage_set(bulge, tolerance=0.0011).tolist() == [True, False, True]


def test_a_tolerance_above_every_margin_leaves_one_point() -> None:
    assert in_coverage_set(np.eye(4), tolerance=2.0).sum() == 1


def test_minecart_has_eight_linearly_optimal_points() -> None:
    assert len(MINECART) == 20
    kept = coverage_set(MINECART)
    assert len(kept) == 8
    assert moocore.hypervolume(kept, ref=[-1, -1, -200], maximise=True) == pytest.approx(707.44, abs=0.005)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e308])
def test_extreme_magnitudes(scale: float) -> None:
    points = np.array([[0.0, 1.0], [0.4, 0.4], [0.7, 0.7], [1.0, 0.0]]) * scale
    assert in_coverage_set(points).tolist() == [True, False, True, True]


@pytest.mark.parametrize("filter_mask", [is_nondominated, in_coverage_set])
def test_small_sets(filter_mask: Any) -> None:
    assert filter_mask(np.empty((0, 3))).shape == (0,)
    assert filter_mask([[1.0, 2.0]]).tolist() == [True]
    assert filter_mask([[1.0, 2.0]] * 4).tolist() == [True, False, False, False]
    assert filter_mask([[1.0], [3.0], [2.0]]).tolist() == [False, True, False]


@pytest.mark.parametrize("keep", [filter_nondominated, coverage_set])
def test_inputs_are_left_alone_and_tensors_taken(keep: Any) -> None:
    points = np.array([[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]])
    before = points.copy()
    kept = keep(points)
    kept[:] = 7
    assert (points == before).all()
    assert keep(torch.tensor(points, dtype=torch.float32, requires_grad=True)).dtype == np.float64


@pytest.mark.parametrize("function", [is_nondominated, filter_nondominated, in_coverage_set, coverage_set])
def test_bad_points_are_refused(function: Any) -> None:
    with pytest.raises(MorlError, match=r"shape \(k, m\).*for a single point pass \[points\]"):
        function([1.0, 2.0])
    with pytest.raises(MorlError, match=r"got shape \(3, 0\)"):
        function(np.empty((3, 0)))
    with pytest.raises(NonFiniteError, match=r"got nan at points\[1, 0\]"):
        function([[1.0, 2.0], [np.nan, 0.0]])


@pytest.mark.parametrize("tolerance", [-1e-3, np.nan])
def test_bad_tolerances_are_refused(tolerance: float) -> None:
    with pytest.raises(MorlError, match="tolerance finite and non-negative"):
        in_coverage_set([[1.0, 2.0]], tolerance=tolerance)
