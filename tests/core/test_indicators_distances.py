"""Distances to a reference front or an ideal point, and coverage of a front: against moocore, pymoo and numpy."""

from __future__ import annotations

from typing import Any

import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymoo.indicators.epsilon import Epsilon, EpsilonMultiplicative
from pymoo.indicators.igd import IGD
from pymoo.indicators.igd_plus import IGDPlus

from morl import indicators as ind
from morl.errors import MorlError
from morl.pareto import filter_nondominated
from morl.weights import dirichlet, lattice


def matrices(rows: st.SearchStrategy[int], m: int) -> st.SearchStrategy[np.ndarray]:
    # Multiples of 1/8 are added and compared without rounding.
    elements = st.integers(-80, 80).map(lambda number: number / 8)
    return rows.flatmap(lambda k: arrays(np.float64, (k, m), elements=elements))


pairs = st.integers(1, 5).flatmap(
    lambda m: st.tuples(matrices(st.integers(1, 7), m), matrices(st.integers(1, 7), m))
)


@given(pairs)
def test_distances_are_what_their_formulas_say(pair: tuple[np.ndarray, np.ndarray]) -> None:
    points, front = pair
    lack = front[:, None] - points[None]
    by_hand = {
        ind.igd: np.linalg.norm(lack, axis=2).min(1).mean(),
        ind.igd_plus: np.linalg.norm(np.maximum(lack, 0), axis=2).min(1).mean(),
        ind.epsilon_additive: lack.max(2).min(1).max(),
        ind.coverage: ((np.unique(front, axis=0)[:, None] <= points[None]).all(2).any(1).mean()),
    }
    for indicator, expected in by_hand.items():
        found = indicator(points, reference_front=front)
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12), indicator
    above, target = points + 11, front + 11
    expected = (target[:, None] / above[None]).max(2).min(1).max()
    assert ind.epsilon_multiplicative(above, reference_front=target) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("m", [2, 3, 6, 9])
def test_distances_agree_with_moocore_and_pymoo(m: int) -> None:
    rng = np.random.default_rng(m)
    points, front = rng.uniform(1, 9, size=(30, m)), rng.uniform(1, 9, size=(20, m))
    exact = {"rel": 1e-9, "abs": 1e-9}
    options = {"reference_front": front}
    for ours, theirs, measured in (
        (ind.igd, IGD, moocore.igd),
        (ind.igd_plus, IGDPlus, moocore.igd_plus),
        (ind.epsilon_additive, None, moocore.epsilon_additive),
    ):
        found = ours(points, **options)
        # As minimisers see it. pymoo calls moocore, except where it normalises distances itself.
        assert found == pytest.approx(measured(-points, ref=-front), **exact)
        if theirs is not None:
            assert found == pytest.approx(theirs(-front).do(-points), **exact)
            unit = theirs(-front, norm_by_dist=True).do(-points)
            assert ours(points, **options, scale=np.ptp(front, axis=0)) == pytest.approx(unit, **exact)
    assert ind.epsilon_additive(points, **options) == pytest.approx(Epsilon(-front).do(-points), **exact)
    inverse = EpsilonMultiplicative(1 / front).do(1 / points)
    assert ind.epsilon_multiplicative(points, **options) == pytest.approx(inverse, **exact)
    assert ind.epsilon_multiplicative(points, **options) == pytest.approx(
        moocore.epsilon_mult(points, ref=front, maximise=True), **exact
    )


def test_igd_of_one_objective_keeps_its_digits() -> None:
    assert ind.igd([[1e8]], reference_front=[[1e8 + 1e-3]]) == pytest.approx(1e-3, rel=1e-5)
    assert ind.igd_plus([[1e8 + 1e-3]], reference_front=[[1e8]]) == 0.0


def test_igd_contradicts_dominance_and_igd_plus_does_not() -> None:
    # Example 4 of Ishibuchi et al. (2015), which is minimised: every point of B is dominated by one of A.
    front = -np.array([[10, 0], [6, 1], [2, 2], [1, 6], [0, 10]])
    a, b = -np.array([[4, 2], [3, 3], [2, 4]]), -np.array([[8, 2], [4, 4], [2, 8]])
    assert ind.coverage(a, reference_front=b) == 1.0
    assert ind.igd(a, reference_front=front) > ind.igd(b, reference_front=front)
    assert ind.igd_plus(a, reference_front=front) < ind.igd_plus(b, reference_front=front)


@given(pairs)
def test_additive_epsilon_is_the_least_lift_that_covers(pair: tuple[np.ndarray, np.ndarray]) -> None:
    points, front = pair
    lift = ind.epsilon_additive(points, reference_front=front)
    assert ind.coverage(points + lift, reference_front=front) == 1.0
    assert ind.coverage(points + lift - 0.125, reference_front=front) < 1.0


@given(pairs, st.integers(0, 6))
def test_added_points_never_harm(pair: tuple[np.ndarray, np.ndarray], number: int) -> None:
    points, front = pair
    few, ideal = points[: number + 1], np.maximum(points.max(0), front.max(0))
    for indicator in (ind.igd, ind.igd_plus, ind.epsilon_additive):
        assert indicator(points, reference_front=front) <= indicator(few, reference_front=front)
    assert ind.coverage(points, reference_front=front) >= ind.coverage(few, reference_front=front)
    options = {"ideal_point": ideal, "weights": lattice(points.shape[1], partitions=4)}
    assert ind.r2(points, **options) <= ind.r2(few, **options)


@given(pairs)
def test_a_front_is_at_no_distance_from_itself(pair: tuple[np.ndarray, np.ndarray]) -> None:
    front = pair[1]
    for indicator in (ind.igd, ind.igd_plus, ind.epsilon_additive):
        assert indicator(front, reference_front=front) == 0.0
    for indicator in (ind.coverage, ind.crf1):
        assert indicator(front, reference_front=front, tolerance=0.0) == 1.0


@given(pairs)
def test_r2_is_what_its_formula_says(pair: tuple[np.ndarray, np.ndarray]) -> None:
    points, weights = pair[0], dirichlet(pair[0].shape[1], 30, rng=0)
    ideal = points.max(0) + 0.5
    by_hand = (weights[:, None] * (ideal - points)[None]).max(2).min(1).mean()
    assert ind.r2(points, ideal_point=ideal, weights=weights) == pytest.approx(by_hand, rel=1e-12)


def test_exact_r2_is_the_limit_over_all_weights() -> None:
    points, ideal = np.random.default_rng(0).random((20, 2)), np.array([1.2, 1.1])
    exact = ind.r2_exact(points, ideal_point=ideal)
    assert exact == pytest.approx(moocore.r2_exact(-points, ref=-ideal), rel=1e-9)
    assert ind.r2(points, ideal_point=ideal, weights=lattice(2, partitions=5000)) == pytest.approx(
        exact, rel=1e-4
    )
    drawn = ind.r2(points, ideal_point=ideal, weights=dirichlet, samples=50_000)
    assert drawn == pytest.approx(exact, rel=0.01)


def test_coverage_by_hand() -> None:
    a, b = [[3.0, 1.0], [1.0, 3.0]], [[3.0, 1.0], [2.0, 2.0], [0.0, 0.0]]
    assert ind.coverage(a, reference_front=b) == pytest.approx(2 / 3)
    assert ind.coverage(b, reference_front=a) == 0.5  # equal points cover each other; not 1 - 2/3
    assert ind.coverage(np.empty((0, 2)), reference_front=b) == 0.0
    assert ind.coverage(np.float32(a) - 1e-6, reference_front=b) == pytest.approx(1 / 3)
    assert ind.coverage(np.float32(a) - 1e-6, reference_front=b, tolerance=1e-5) == pytest.approx(2 / 3)
    assert ind.coverage(a, reference_front=b, tolerance=[1.0, 0.0]) == 1.0


def test_crf1_by_hand() -> None:
    front = np.array([[10.0, 0.0], [6.0, 6.0], [0.0, 10.0], [4.0, 8.0]])
    # Three different points, two of which match the same point of the front: precision 2/3, recall 1/4.
    points = [[10.0, 0.05], [9.95, 0.0], [9.95, 0.0], [5.0, 5.0]]
    assert ind.crf1(points, reference_front=front) == pytest.approx(2 / (3 / 2 + 4))
    # (5, 5) is 2/12 away from (6, 6), in the L1 norm: precision 1, recall 2/4; from (4, 8), 4/12.
    assert ind.crf1(points, reference_front=front, tolerance=0.2) == pytest.approx(2 / (1 + 2))
    assert ind.crf1(points, reference_front=front, tolerance=0.0) == 0.0
    assert ind.crf1(np.empty((0, 2)), reference_front=front) == 0.0
    assert ind.crf1([[0.0, 0.0]], reference_front=[[0.0, 0.0]], tolerance=0.0) == 1.0


@given(pairs)
def test_crf1_lies_between_its_parts(pair: tuple[np.ndarray, np.ndarray]) -> None:
    points, front = (np.unique(values, axis=0) for values in pair)
    found = ind.crf1(points, reference_front=front, tolerance=0.25)
    norms = np.abs(front[:, None] - points[None]).sum(2) <= 0.25 * np.abs(front).sum(1)[:, None]
    parts = norms.any(0).mean(), norms.any(1).mean()
    assert min(parts) - 1e-12 <= found <= max(parts) + 1e-12
    assert ind.crf1(points, reference_front=front, tolerance=0.5) >= found
    kept = filter_nondominated(front)
    assert ind.crf1(kept, reference_front=kept) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ind.igd([[1, 2]], reference_front=[[1, 2]], scale=[1, 0]), "positive scale"),
        (lambda: ind.igd([[1, 2]], reference_front=[[1, 2]], scale=1), r"scale of shape \(2,\)"),
        (
            lambda: ind.epsilon_multiplicative([[1, 0]], reference_front=[[1, 2]]),
            "positive numbers, got 0 in po",
        ),
        (
            lambda: ind.epsilon_multiplicative([[1, 1]], reference_front=[[1, -2]]),
            "got -2 in reference_front",
        ),
        (
            lambda: ind.r2([[1, 2], [1, 3]], ideal_point=[2, 2], weights=np.eye(2)),
            r"got 2 in objective 1, where points\[1\] has 3",
        ),
        (lambda: ind.r2([[1, 2]], ideal_point=[2, 2, 2], weights=np.eye(2)), r"ideal_point of shape \(2,\)"),
        (lambda: ind.r2_exact([[1, 2, 3]], ideal_point=[3, 3, 3]), "2 to 2 objectives, got 3"),
        (lambda: ind.coverage([[1, 2]], reference_front=[[1, 2]], tolerance=-1), "non-negative tolerance"),
        (
            lambda: ind.coverage([[1, 2]], reference_front=[[1, 2]], tolerance=[1] * 3),
            "for each of 2 objectives",
        ),
        (lambda: ind.crf1([[1, 2]], reference_front=[[1, 2]], tolerance=np.nan), "non-negative number"),
        (lambda: ind.crf1([[1, 2]], reference_front=[[1, 2]], tolerance="1 %"), "tolerance"),
        (lambda: ind.crf1([[1, 2]], reference_front=[[1, 2]], tolerance=[0.1, 0.2]), "one finite"),
        (lambda: ind.igd([[1, 2]], reference_front=[[3, 4]], scale=[1e-320, 1]), "scaled return"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        call()
