"""Utility-based indicators: by hand, against numpy, over distributions, and their relations to one another."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from morl import indicators as ind
from morl.errors import MorlError
from morl.indicators import utilities
from morl.pareto import coverage_set
from morl.utility import Chebyshev
from morl.weights import corners, dirichlet, lattice

returns = st.integers(1, 6).flatmap(
    lambda m: arrays(np.float64, st.tuples(st.integers(1, 8), st.just(m)), elements=st.floats(-1e3, 1e3))
)


def test_no_points_have_no_utility() -> None:
    nothing = np.empty((0, 2))
    for call in (
        lambda: ind.expected_utility(nothing, weights=corners(2)),
        lambda: ind.commanded_utility(nothing, weights=corners(2)),
        lambda: ind.maximum_utility_loss(nothing, weights=corners(2), reference_front=[[0, 0]]),
        lambda: ind.maximum_utility_loss([[0, 0]], weights=corners(2), reference_front=nothing),
        lambda: ind.expected_utilities([[[0, 0]], nothing], weights=corners(2)),
    ):
        with pytest.raises(ind.UndefinedIndicatorError, match="an empty set has no utility"):
            call()


def test_utilities_by_hand() -> None:
    points = np.array([[4.0, 0.0], [0.0, 2.0]])
    weights = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    assert ind.expected_utility(points, weights=weights) == pytest.approx((4 + 2 + 2) / 3)
    returns = np.array([[4.0, 0.0], [0.0, 2.0], [4.0, 0.0]])
    assert ind.commanded_utility(returns, weights=weights) == pytest.approx((4 + 1 + 0) / 3)
    better = np.vstack([points, [3.0, 3.0]])
    # The best of `better` are 4, 3, 3, those of `points` 4, 2, 2.
    assert ind.maximum_utility_loss(points, weights=weights, reference_front=better) == 1.0


@given(returns)
def test_utility_indicators_keep_their_relations(points: np.ndarray) -> None:
    k, m = points.shape
    weights = np.random.default_rng(k).dirichlet(np.ones(m), k)
    expected = ind.expected_utility(points, weights=weights)
    assert ind.commanded_utility(points, weights=weights) <= expected + 1e-9
    best = points[(weights @ points.T).argmax(1)]
    assert ind.commanded_utility(best, weights=weights) == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(expected, (weights @ points.T).max(1).mean(), rtol=1e-9, atol=1e-9)
    loss = ind.maximum_utility_loss(points[:1], weights=weights, reference_front=points)
    assert loss == pytest.approx(((weights @ points.T).max(1) - weights @ points[0]).max(), abs=1e-9)
    assert ind.maximum_utility_loss(points, weights=weights, reference_front=points) == 0.0
    kept = coverage_set(points)
    assert ind.maximum_utility_loss(kept, weights=weights, reference_front=points) <= 1e-4


def test_a_blocked_computation_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    points, weights = np.random.default_rng(0).normal(size=(11, 3)), lattice(3, partitions=12)
    users = dirichlet(3, 50, rng=0)
    whole = ind.expected_utility(points, weights=weights)
    served = ind.commanded_utility(points, weights=weights[:11], users=users)
    monkeypatch.setattr(utilities, "BLOCK", 100)
    assert ind.expected_utility(points, weights=weights) == whole
    assert ind.commanded_utility(points, weights=weights[:11], users=users) == served


def test_a_custom_utility_sees_matching_shapes_and_cannot_change_the_points() -> None:
    def worst(returns: Any, weights: Any) -> Any:
        assert returns.shape == weights.shape
        return returns.min(-1)

    points = np.array([[4.0, 0.0], [1.0, 2.0]])
    assert ind.expected_utility(points, weights=corners(2), utility=worst) == 1.0
    assert ind.commanded_utility(points, weights=corners(2), utility=worst) == 0.5

    def greedy(returns: Any, weights: Any) -> Any:
        returns *= 2
        return returns.sum(-1)

    before = points.copy()
    with pytest.raises(ValueError, match="read-only"):
        ind.expected_utility(points, weights=corners(2), utility=greedy)
    assert (points == before).all()


def test_chebyshev_utilities_take_scales() -> None:
    points = np.array([[4.0, 4.0], [10.0, 0.0]])
    utility = Chebyshev(np.array([10.0, 10.0]))
    assert ind.expected_utility(points, weights=[[1.0, 1.0]], utility=utility) == -6.0
    with pytest.raises(MorlError, match="sum to 2"):
        ind.expected_utility(points, weights=[[1.0, 1.0]])


def test_tensors_are_taken() -> None:
    points = torch.tensor([[2.0, 1.0], [1.0, 2.0]], requires_grad=True)
    weights = torch.eye(2)
    assert ind.hypervolume(points, reference_point=torch.zeros(2)) == 3.0
    assert ind.expected_utility(points, weights=weights) == 2.0
    assert ind.commanded_utility(points, weights=weights, utility=Chebyshev(torch.tensor([2.0, 2.0]))) == 0.0
    assert ind.expected_utilities(points[None].repeat(3, 1, 1), weights=weights).tolist() == [2.0] * 3


def test_users_may_come_from_a_distribution() -> None:
    points = np.array([[1.0, 0.0], [0.0, 1.0]])
    # max(w, 1 - w) under a uniform w has the mean 3/4 and the standard deviation 1/sqrt(48).
    found = ind.expected_utility(points, weights=dirichlet, samples=40_000)
    assert found == pytest.approx(0.75, abs=4 / np.sqrt(48 * 40_000))
    drawn = dirichlet(2, 100, rng=np.random.default_rng(7))
    assert ind.expected_utility(points, weights=dirichlet, samples=100, seed=7) == ind.expected_utility(
        points, weights=drawn
    )
    assert ind.expected_utility(points, weights=dirichlet, samples=100, seed=8) != ind.expected_utility(
        points, weights=drawn
    )
    # Nearly all care for the first objective, of which the second point has nothing.
    leaning = partial(dirichlet, alpha=[1000.0, 1.0])
    assert ind.expected_utility(points, weights=leaning) == pytest.approx(1000 / 1001, abs=1e-3)
    loss = ind.maximum_utility_loss(points[1:], weights=leaning, reference_front=points)
    assert loss == pytest.approx(1.0, abs=0.01)


def test_scales_may_come_from_a_distribution() -> None:
    def scales(m: int, n: int, *, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(1, 3, size=(n, m))

    utility = Chebyshev(np.array([1.0, 1.0]))
    # The largest of two scales uniform in [1, 3] has the mean 1 + 2 * 2/3.
    found = ind.expected_utility([[0.0, 0.0]], weights=scales, utility=utility, samples=40_000)
    assert found == pytest.approx(-7 / 3, abs=0.01)


def test_users_are_served_by_the_nearest_policy() -> None:
    returns, weights = [[4.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]
    users = [[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]  # the last is as near to both: the first policy
    found = ind.commanded_utility(returns, weights=weights, users=users)
    assert found == pytest.approx((3.6 + 1.2 + 2.0) / 3)
    assert found <= ind.expected_utility(returns, weights=users)
    assert ind.commanded_utility(returns, weights=weights, users=weights) == ind.commanded_utility(
        returns, weights=weights
    )
    # Disobedient, but with the same points: the users lose, the expected utility does not tell.
    swapped = ind.commanded_utility(returns[::-1], weights=weights, users=dirichlet, samples=20_000)
    obedient = ind.commanded_utility(returns, weights=weights, users=dirichlet, samples=20_000)
    # w above 1/2: 4 w against 2 (1 - w), on average 3/2 + 3/4 against 1/2 + 1/4 over all.
    assert (obedient, swapped) == (pytest.approx(2.25, abs=0.05), pytest.approx(0.75, abs=0.05))


@given(returns, st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_many_fronts_at_once(points: np.ndarray, sizes: list[int]) -> None:
    fronts = [np.resize(points[i % len(points) :], (size, points.shape[1])) for i, size in enumerate(sizes)]
    weights = lattice(points.shape[1], partitions=3)
    single = [ind.expected_utility(front, weights=weights) for front in fronts]
    assert ind.expected_utilities(fronts, weights=weights).tolist() == pytest.approx(single, rel=1e-12)
    assert ind.for_each(ind.expected_utility, fronts, weights=weights).tolist() == single
    padded = np.full((len(fronts), 4, points.shape[1]), np.nan)
    for i, front in enumerate(fronts):
        padded[i, : len(front)] = front
    assert ind.expected_utilities(padded, weights=weights).tolist() == pytest.approx(single, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ind.expected_utility([[1.0, 2.0]], weights=[0.5, 0.5]), "for one vector pass"),
        (lambda: ind.expected_utility([[1.0, 2.0]], weights=np.eye(3)), "weights for 2 objectives, got 3"),
        (lambda: ind.commanded_utility(np.eye(2), weights=[[1, 0]]), "one row of weights per row of returns"),
        (lambda: ind.commanded_utility(np.eye(2), weights=dirichlet), "a distribution is `users`"),
        (lambda: ind.commanded_utility(np.eye(2), weights=np.eye(2), users=np.eye(3)), "for 2 objectives"),
        (lambda: ind.expected_utility(np.eye(2), weights=dirichlet, samples=0), "samples to be an integer"),
        (lambda: ind.expected_utility(np.eye(2), weights=dirichlet, seed=-1), "seed to be an integer"),
        (
            lambda: ind.expected_utility(np.eye(2), weights=lambda m, n, *, rng: rng.random((n, m))),
            "sum to",
        ),
        (
            lambda: ind.expected_utility([[1.0, 2.0]], weights=np.eye(2), utility="quadratic"),
            "unknown utility",
        ),
        (
            lambda: ind.expected_utility(
                [[1, 2], [3, 4]], weights=np.eye(2), utility=lambda r, w: r[..., 0] / w[..., 0]
            ),
            r"utility is inf for the returns \[1.0, 2.0\] and the weights \[0.0, 1.0\]",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        call()
