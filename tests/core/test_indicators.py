"""Quality indicators against closed forms, pymoo, and their defining properties."""

from __future__ import annotations

import inspect
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymoo.indicators.hv import Hypervolume

from morl import indicators as ind
from morl.errors import MorlError
from morl.pareto import coverage_set, filter_nondominated
from morl.utility import Chebyshev
from morl.weights import corners, lattice

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


def test_no_points_have_no_hypervolume_and_no_utility() -> None:
    nothing = np.empty((0, 2))
    assert ind.hypervolume(nothing, reference_point=[0, 0]) == 0.0
    for call in (
        lambda: ind.expected_utility(nothing, weights=corners(2)),
        lambda: ind.commanded_utility(nothing, weights=corners(2)),
        lambda: ind.maximum_utility_loss(nothing, weights=corners(2), reference_front=[[0, 0]]),
        lambda: ind.maximum_utility_loss([[0, 0]], weights=corners(2), reference_front=nothing),
    ):
        with pytest.raises(MorlError, match="an empty set has no utility"):
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


@given(
    st.integers(1, 6).flatmap(
        lambda m: arrays(np.float64, st.tuples(st.integers(1, 8), st.just(m)), elements=st.floats(-1e3, 1e3))
    )
)
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
    whole = ind.expected_utility(points, weights=weights)
    monkeypatch.setattr(ind, "BLOCK", 100)
    assert ind.expected_utility(points, weights=weights) == whole


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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ind.hypervolume([1.0, 2.0], reference_point=[0, 0]), "for a single point pass"),
        (lambda: ind.hypervolume([[1.0, 2.0]], reference_point=0), r"reference_point of shape \(2,\)"),
        (lambda: ind.hypervolume([[1.0, 2.0]], reference_point=[0, 0, 0]), r"got shape \(3,\)"),
        (lambda: ind.hypervolume([[1.0, np.inf]], reference_point=[0, 0]), r"inf at points\[0, 1\]"),
        (lambda: ind.hypervolume([[1.0, 2.0]], reference_point=[0, np.nan]), r"nan at reference_point\[1\]"),
        (lambda: ind.expected_utility([[1.0, 2.0]], weights=[0.5, 0.5]), "for one vector pass"),
        (lambda: ind.expected_utility([[1.0, 2.0]], weights=np.eye(3)), "weights for 2 objectives, got 3"),
        (lambda: ind.commanded_utility(np.eye(2), weights=[[1, 0]]), "one row of weights per row of returns"),
        (
            lambda: ind.maximum_utility_loss([[1, 2]], weights=np.eye(2), reference_front=[[1, 2, 3]]),
            "reference_front with 2 objectives",
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


def test_the_registry_describes_the_functions() -> None:
    for name, indicator in ind.INDICATORS.items():
        assert name == indicator.name
        parameters = inspect.signature(indicator.fn).parameters.values()
        required = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty)
        assert indicator.needs == required
    assert {name for name, i in ind.INDICATORS.items() if i.better == "lower"} == {"maximum-utility-loss"}


def test_better_is_the_direction_in_which_a_dominating_set_moves() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((5, 3)) + 1
    options = {
        "reference_point": np.zeros(3),
        "weights": rng.dirichlet(np.ones(3), 5),
        "reference_front": points + 2,
    }
    for indicator in ind.INDICATORS.values():
        known = {name: options[name] for name in indicator.needs}
        gain = indicator.fn(points + 0.5, **known) - indicator.fn(points, **known)
        assert gain > 0 if indicator.better == "higher" else gain < 0


def spread(points: Any) -> float:
    return float(np.ptp(points))


SPREAD = ind.Indicator(name="spread", fn=spread, better="higher", needs=(), description="the widest gap")
CLASH = ind.Indicator(name="hypervolume", fn=spread, better="higher", needs=(), description="a name in use")


class FakeEntry:
    def __init__(self, name: str, loaded: Any) -> None:
        self.name, self.value, self.loaded = name, f"elsewhere:{name}", loaded

    def load(self) -> Any:
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


def test_other_packages_add_indicators(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(ind.indicators()) >= set(ind.INDICATORS)
    monkeypatch.setattr(ind, "entry_points", lambda group: [FakeEntry("spread", SPREAD)])
    found = ind.indicators()
    assert found == {**ind.INDICATORS, "spread": SPREAD}
    assert "spread" not in ind.INDICATORS


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (ImportError("no such module"), "'odd' is left out: no such module"),
        (spread, "'odd' is left out: expected a morl.indicators.Indicator at elsewhere:odd"),
        (CLASH, "'odd' is left out: the name 'hypervolume' is already in use"),
    ],
)
def test_a_broken_entry_point_is_left_out_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, loaded: Any, message: str
) -> None:
    entries = [FakeEntry("odd", loaded), FakeEntry("spread", SPREAD)]
    monkeypatch.setattr(ind, "entry_points", lambda group: entries)
    with pytest.warns(UserWarning, match=message):
        assert ind.indicators() == {**ind.INDICATORS, "spread": SPREAD}
