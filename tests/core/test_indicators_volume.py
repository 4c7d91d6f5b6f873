"""Hypervolume: against closed forms, pymoo and its defining properties; estimates against exact values."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymoo.indicators.hv import Hypervolume

from morl import indicators as ind
from morl.errors import MorlError
from morl.pareto import filter_nondominated

# The exact front of deep-sea-treasure-v0 (treasure, steps); discounting below as the environment pays it.
TREASURE = np.array([0.7, 8.2, 11.5, 14.0, 15.1, 16.1, 19.6, 20.3, 22.4, 23.7])
STEPS = np.array([1, 3, 5, 7, 8, 9, 13, 14, 17, 19])

positive = st.integers(1, 5).flatmap(
    lambda m: arrays(np.float64, st.tuples(st.integers(1, 7), st.just(m)), elements=st.floats(0.125, 8))
)


def treasure_front(gamma: float) -> np.ndarray:
    if gamma == 1:
        return np.stack([TREASURE, -STEPS], axis=1)
    return np.stack([TREASURE * gamma ** (STEPS - 1), -(1 - gamma**STEPS) / (1 - gamma)], axis=1)


def sphere(k: int, m: int, *, seed: int = 0) -> np.ndarray:
    """k points on the positive part of the unit sphere: none dominates another."""
    points = np.abs(np.random.default_rng(seed).normal(size=(k, m)))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def volume_by_inclusion_exclusion(points: np.ndarray) -> float:
    """The hypervolume above the origin, from the volumes of all intersections of boxes."""
    return sum(
        (-1) ** (size + 1) * np.prod(np.min(chosen, axis=0))
        for size in range(1, len(points) + 1)
        for chosen in combinations(points, size)
    )


@settings(max_examples=60)
@given(positive)
def test_hypervolume_is_the_volume_of_the_union_of_boxes(points: np.ndarray) -> None:
    ours = ind.hypervolume(points, reference_point=np.zeros(points.shape[1]))
    np.testing.assert_allclose(ours, volume_by_inclusion_exclusion(points), rtol=1e-9)


@pytest.mark.parametrize("m", [2, 3, 4, 5])
def test_hypervolume_agrees_with_pymoo(m: int) -> None:
    points = np.random.default_rng(m).normal(size=(25, m)) * 10
    reference = np.full(m, -40.0)
    theirs = Hypervolume(ref_point=-reference).do(-points)
    np.testing.assert_allclose(ind.hypervolume(points, reference_point=reference), theirs, rtol=1e-9)


@pytest.mark.parametrize(
    ("gamma", "reference_point", "expected"),
    [(0.99, [0, -25], 360.40), (0.99, [0, -50], 854.85), (1.0, [0, -25], 401.8)],
)
def test_hypervolume_of_the_deep_sea_treasure_front(
    gamma: float, reference_point: list[float], expected: float
) -> None:
    ours = ind.hypervolume(treasure_front(gamma), reference_point=reference_point)
    assert ours == pytest.approx(expected, abs=0.006)


@given(positive, st.randoms(use_true_random=False))
def test_hypervolume_ignores_order_dominated_points_and_copies(points: np.ndarray, random: Any) -> None:
    reference = np.zeros(points.shape[1])
    whole = ind.hypervolume(points, reference_point=reference)
    order = list(range(len(points)))
    random.shuffle(order)
    shuffled = np.vstack([points[order], points[0], points.min(0)])
    np.testing.assert_allclose(ind.hypervolume(shuffled, reference_point=reference), whole, rtol=1e-12)
    nondominated = filter_nondominated(points)
    np.testing.assert_allclose(ind.hypervolume(nondominated, reference_point=reference), whole, rtol=1e-12)


@given(positive, st.integers(0, 6))
def test_hypervolume_grows_with_every_point(points: np.ndarray, number: int) -> None:
    reference = np.zeros(points.shape[1])
    some = points[: number + 1]
    assert ind.hypervolume(points, reference_point=reference) >= ind.hypervolume(
        some, reference_point=reference
    ) * (1 - 1e-12)


def test_points_outside_the_reference_add_nothing_and_are_counted() -> None:
    inside = [[2.0, 1.0], [1.0, 2.0]]
    outside = [[-1.0, 100.0], [0.0, 50.0]]
    with pytest.warns(ind.ReferencePointWarning, match="2 of 4 points do not exceed the reference point"):
        assert ind.hypervolume(inside + outside, reference_point=[0, 0]) == 3.0
    with pytest.warns(ind.ReferencePointWarning, match="2 of 2"):
        assert ind.hypervolume(outside, reference_point=[0, 0]) == 0.0
    with pytest.warns(ind.ReferencePointWarning, match="2 of 4"):
        kept = ind.hypervolume_contributions(inside + outside, reference_point=[0, 0])
    assert kept.tolist() == [1.0, 1.0, 0.0, 0.0]
    nothing = ind.hypervolume_estimate(outside, reference_point=[0, 0], method="approximate")
    assert nothing == ind.HypervolumeEstimate(value=0.0, standard_error=0.0, exact=True)


@given(positive.filter(lambda points: points.shape[1] > 1))
def test_a_contribution_is_what_the_hypervolume_loses(points: np.ndarray) -> None:
    points = filter_nondominated(points)
    reference = np.zeros(points.shape[1])
    whole = ind.hypervolume(points, reference_point=reference)
    ours = ind.hypervolume_contributions(points, reference_point=reference)
    without = [
        ind.hypervolume(np.delete(points, i, axis=0), reference_point=reference) for i in range(len(points))
    ]
    np.testing.assert_allclose(ours, whole - np.array(without), rtol=1e-9, atol=1e-9 * whole)
    theirs = moocore.hv_contributions(-points, ref=-reference)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * whole)


def test_copies_and_dominated_points_contribute_nothing() -> None:
    points = [[3.0, 1.0], [1.0, 3.0], [1.0, 3.0], [2.0, 0.5]]
    assert ind.hypervolume_contributions(points, reference_point=[0, 0]).tolist() == [2.0, 0.0, 0.0, 0.0]
    assert ind.hypervolume_contributions(np.empty((0, 3)), reference_point=np.zeros(3)).shape == (0,)


@pytest.mark.parametrize("m", [4, 6, 8])
def test_an_estimate_is_within_its_error(m: int) -> None:
    points, reference = sphere(40, m) + 0.2, np.zeros(m)
    exact = ind.hypervolume_estimate(points, reference_point=reference, method="exact")
    assert exact.exact and exact.standard_error == 0.0
    assert exact.value == ind.hypervolume(points, reference_point=reference)
    found = ind.hypervolume_estimate(points, reference_point=reference, method="approximate", samples=2**13)
    assert not found.exact
    assert abs(found.value - exact.value) < 4 * found.standard_error < 0.05 * exact.value
    finer = ind.hypervolume_estimate(
        points, reference_point=reference, method="approximate", seeds=32, samples=2**15
    )
    assert abs(finer.value - exact.value) < 4 * finer.standard_error
    assert finer.standard_error < 0.5 * found.standard_error
    again = ind.hypervolume_estimate(points, reference_point=reference, method="approximate", samples=2**13)
    assert again == found


def test_an_estimate_does_not_depend_on_units() -> None:
    points, units = sphere(60, 6), 10.0 ** np.arange(-6, 6, 2)
    options = {"reference_point": np.zeros(6), "method": "approximate", "samples": 2**12}
    plain = ind.hypervolume_estimate(points, **options)
    scaled = ind.hypervolume_estimate(points * units, **options)
    assert scaled.value == pytest.approx(plain.value * units.prod(), rel=1e-9)
    assert scaled.standard_error == pytest.approx(plain.standard_error * units.prod(), rel=1e-6)


def test_what_would_take_long_is_estimated_and_said() -> None:
    points, reference = sphere(100, 9), np.zeros(9)
    assert ind.exact_seconds(100, 9) > 5 and ind.exact_seconds(10_000, 3) < 0.05
    with pytest.warns(ind.ApproximationWarning, match="standard error of 0.00") as caught:
        value = ind.hypervolume(points, reference_point=reference)
    found = ind.hypervolume_estimate(points, reference_point=reference)
    assert not found.exact and value == found.value
    assert caught[0].message.standard_error == found.standard_error
    # The same points with many that they dominate are judged by what counts.
    few = np.vstack([points[:10] + 1, points])
    assert ind.hypervolume_estimate(few, reference_point=reference).exact
    assert ind.hypervolume_estimate(points[:40], reference_point=reference).exact
    assert not ind.hypervolume_estimate(points[:40], reference_point=reference, seconds=1e-4).exact


def test_the_expected_cost_grows_with_points_and_objectives() -> None:
    for m in range(1, 32):
        costs = [ind.exact_seconds(k, m) for k in (13, 30, 100, 1000, 10_000)]
        assert costs == sorted(costs) and costs[0] < costs[-1]
    assert all(ind.exact_seconds(200, m) < ind.exact_seconds(200, m + 1) for m in range(3, 31))


def test_many_fronts_at_once() -> None:
    rng = np.random.default_rng(0)
    fronts = [rng.random((k, 3)) for k in (1, 5, 3)]
    expected = [ind.hypervolume(front, reference_point=[-1, -1, -1]) for front in fronts]
    assert ind.hypervolumes(fronts, reference_point=[-1, -1, -1]).tolist() == expected
    padded = np.full((3, 5, 3), np.nan)
    for i, front in enumerate(fronts):
        padded[i, : len(front)] = front
    assert ind.hypervolumes(padded, reference_point=[-1, -1, -1]).tolist() == expected
    padded[1] = np.nan
    assert ind.hypervolumes(padded, reference_point=[-1, -1, -1])[1] == 0.0
    with pytest.warns(ind.ReferencePointWarning, match="3 of 9 points") as caught:
        ind.hypervolumes([fronts[0], fronts[1], -1 - fronts[2]], reference_point=[-1, -1, -1])
    assert len(caught) == 1
    with pytest.warns(ind.ApproximationWarning) as caught:
        ind.hypervolumes([sphere(70, 10), sphere(60, 10)], reference_point=np.zeros(10))
    assert len(caught) == 1


def test_one_objective_is_exact() -> None:
    found = ind.hypervolume_estimate([[2.0], [5.0]], reference_point=[1.0], method="approximate")
    assert found == ind.HypervolumeEstimate(value=4.0, standard_error=0.0, exact=True)


ZEROS = np.zeros(9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ind.hypervolume([[1.0, 2.0]], reference_point=0), r"reference_point of shape \(2,\)"),
        (lambda: ind.hypervolume([[1.0, 2.0]], reference_point=[0, 0, 0]), r"got shape \(3,\)"),
        (lambda: ind.hypervolume([[1.0, 2.0]], reference_point=[0, np.nan]), r"nan at reference_point\[1\]"),
        (
            lambda: ind.hypervolume([[1, 2]], reference_point=[0, 0], method="fast"),
            "'exact' or 'approximate'",
        ),
        (
            lambda: ind.hypervolume(np.ones((1, 32)), reference_point=np.zeros(32)),
            "1 to 31 objectives, got 32",
        ),
        (lambda: ind.hypervolume([[1e200, 1e200]], reference_point=[0, 0]), "too large for a float64"),
        (
            lambda: ind.hypervolume([[1e200] * 9], reference_point=ZEROS, method="approximate"),
            "too large for a float64",
        ),
        (lambda: ind.hypervolume_contributions([[1.0]], reference_point=[0]), "2 to 31 objectives, got 1"),
        (
            lambda: ind.hypervolume_contributions(sphere(100, 9), reference_point=ZEROS),
            "about .* seconds: pass fewer points",
        ),
        (
            lambda: ind.hypervolume_estimate([[1.0, 2.0]], reference_point=[0, 0], seeds=15),
            "seeds to be an integer of at least 16",
        ),
        (
            lambda: ind.hypervolume_estimate([[1.0, 2.0]], reference_point=[0, 0], seconds=np.nan),
            "seconds as a non-negative number",
        ),
        (
            lambda: ind.hypervolume_contributions([[1.0, 2.0]], reference_point=[0, 0], seconds=-1),
            "seconds as a non-negative number",
        ),
        (
            lambda: ind.hypervolumes([[[1, 2]], [[1, 2, 3]]], reference_point=[0, 0]),
            r"fronts\[1\] with 2 obj",
        ),
        (lambda: ind.hypervolumes([], reference_point=[0, 0]), "at least one front"),
        (
            lambda: ind.hypervolumes(np.ones((2, 2)), reference_point=[0, 0]),
            r"for a single front pass \[points\]",
        ),
        (
            lambda: ind.hypervolumes([[[1, 2], [3, np.nan]]], reference_point=[0, 0]),
            r"nan at fronts\[0\]\[1, 1\]",
        ),
        (lambda: ind.hypervolumes(np.array([[[1, np.nan]]]), reference_point=[0, 0]), "nan at"),
        (lambda: ind.hypervolumes(3, reference_point=[0, 0]), "a sequence of points"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        call()
