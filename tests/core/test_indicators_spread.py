"""Number, spacing and sparsity of points, and the deviation among fronts: closed forms, pymoo, moocore."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymoo.indicators.spacing import SpacingIndicator

from morl import indicators as ind
from morl.errors import MorlError, NonFiniteError
from morl.pareto import filter_nondominated


def peer_sparsity(front: np.ndarray) -> float:
    """PGMORL's and MORL-Baselines' loop, written anew."""
    total = 0.0
    for values in front.T:
        ordered = sorted(values)
        total += sum((b - a) ** 2 for a, b in pairwise(ordered))
    return total / (len(front) - 1)


@pytest.mark.parametrize("m", [2, 3, 6])
def test_spacing_and_sparsity_agree_with_others(m: int) -> None:
    points = filter_nondominated(np.random.default_rng(m).normal(size=(60, m)))
    assert ind.spacing(points, ddof=0) == pytest.approx(SpacingIndicator().do(-points), rel=1e-9)
    k = len(points)
    assert ind.spacing(points) == pytest.approx(ind.spacing(points, ddof=0) * np.sqrt(k / (k - 1)), rel=1e-12)
    assert ind.sparsity(points) == pytest.approx(peer_sparsity(points), rel=1e-9)
    units = np.arange(1, m + 1) * 3.0
    assert ind.sparsity(points * units, scale=units) == pytest.approx(ind.sparsity(points), rel=1e-9)
    assert ind.spacing(points * units, scale=units) == pytest.approx(ind.spacing(points), rel=1e-9)


@given(st.integers(2, 30), st.floats(0.5, 4))
def test_even_fronts(k: int, step: float) -> None:
    points = step * np.stack([np.arange(k), -np.arange(k)], axis=1)
    assert ind.cardinality(points) == k
    assert ind.spacing(points) == pytest.approx(0.0, abs=1e-9)
    assert ind.sparsity(points) == pytest.approx(2 * step**2)
    doubled = np.vstack([points, points, points.min(0, keepdims=True) - 1])
    assert ind.cardinality(doubled) == k
    assert ind.sparsity(doubled) == ind.sparsity(points)
    assert ind.spacing(doubled) == ind.spacing(points)


def test_sparsity_is_as_misleading_as_the_documentation_says() -> None:
    whole = np.array([[0.0, 8.0], [2.0, 6.0], [4.0, 4.0], [6.0, 2.0], [8.0, 0.0]])
    # Two close points score better than the front that holds them.
    assert ind.sparsity([[4.0, 4.0], [4.1, 3.9]]) < ind.sparsity(whole)
    # One more trade-off at the end makes it worse, though nothing was lost.
    wider = np.vstack([whole, [20.0, -1.0]])
    assert ind.sparsity(wider) > ind.sparsity(whole)
    assert ind.hypervolume(wider, reference_point=[-2, -2]) > ind.hypervolume(whole, reference_point=[-2, -2])


def test_no_point_and_one_point() -> None:
    assert ind.cardinality(np.empty((0, 3))) == 0.0 and ind.cardinality([[1, 2]]) == 1.0
    for indicator in (ind.sparsity, ind.spacing):
        for points in (np.empty((0, 2)), [[1, 2]], [[1, 2], [1, 2]], [[1, 2], [0, 0]]):
            with pytest.raises(ind.UndefinedIndicatorError, match="at least two different points"):
                indicator(points)
    with pytest.raises(MorlError, match="ddof 1"):
        ind.spacing([[0, 1], [1, 0]], ddof=2)


@pytest.mark.parametrize("m", [2, 3])
def test_vorobev_deviation_by_hand(m: int) -> None:
    one, two = np.full((1, m), 1.0), np.full((1, m), 2.0)
    # Volumes 1 and 2^m; the expectation is one of the two, from which the fronts differ by 0 and by 2^m - 1.
    deviation = ind.vorobev_deviation([one, two], reference_point=np.zeros(m))
    assert deviation == pytest.approx((2**m - 1) / 2)
    assert ind.vorobev_deviation([one, one, one], reference_point=np.zeros(m)) == 0.0
    assert ind.vorobev_deviation([two], reference_point=np.zeros(m)) == 0.0
    scaled = ind.vorobev_deviation([3 * one, 3 * two], reference_point=np.zeros(m))
    assert scaled == pytest.approx(3**m * deviation)


@pytest.mark.parametrize("m", [2, 3])
def test_vorobev_deviation_agrees_with_moocore(m: int) -> None:
    rng = np.random.default_rng(m)
    fronts = [rng.uniform(1, 2, size=(rng.integers(2, 9), m)) for _ in range(5)]
    sets = np.concatenate([[i] * len(front) for i, front in enumerate(fronts)])
    theirs = moocore.vorob_dev(-np.vstack(fronts), sets=sets, ref=np.zeros(m))
    ours = ind.vorobev_deviation(fronts, reference_point=np.zeros(m))
    assert ours == pytest.approx(theirs, rel=1e-9) and ours > 0
    padded = np.full((5, 8, m), np.nan)
    for i, front in enumerate(fronts):
        padded[i, : len(front)] = front
    assert ind.vorobev_deviation(padded, reference_point=np.zeros(m)) == ours


def test_vorobev_deviation_below_the_reference_point() -> None:
    with pytest.warns(ind.ReferencePointWarning, match="2 of 2 points"):
        assert ind.vorobev_deviation([[[1, 1]], [[2, 2]]], reference_point=[2, 2]) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ind.vorobev_deviation([[[1.0]]], reference_point=[0]), "2 to 3 objectives, got 1"),
        (lambda: ind.vorobev_deviation([[[1.0] * 4]], reference_point=[0] * 4), "2 to 3 objectives, got 4"),
        (
            lambda: ind.vorobev_deviation([np.ones((1, 2)), np.empty((0, 2))], reference_point=[0, 0]),
            "fronts.1.",
        ),
        (lambda: ind.vorobev_deviation([[[1, 1]], [[1, 1, 1]]], reference_point=[0, 0]), "2 objectives"),
        (lambda: ind.vorobev_deviation([[[1, 1]]], reference_point=[0, 0, 0]), r"shape \(2,\)"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        call()


def test_a_volume_that_overflows_is_refused_at_once() -> None:
    with pytest.raises(NonFiniteError, match="scale the objectives"):
        ind.vorobev_deviation([[[1e200, 1e200]], [[1e199, 1e200]]], reference_point=[0, 0])
