"""Utility functions on numpy arrays and torch tensors, and the resolution of custom ones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from morl.errors import MorlError
from morl.utility import AugmentedChebyshev, Chebyshev, as_utility, chebyshev_scales, linear, validate_weights

returns_of_3 = arrays(np.float64, (4, 3), elements=st.floats(-1e3, 1e3))
scales_of_3 = arrays(np.float64, (4, 3), elements=st.floats(0.01, 10))
UTILITIES: list[Any] = [linear, Chebyshev([5.0, 0.0, 9.0], tau=0.5), AugmentedChebyshev([5.0, 0.0, 9.0], 0.1)]


def least(returns: Any, weights: Any) -> Any:
    """A custom utility: the worst objective."""
    return (returns + 0 * weights).min(-1)


def flat_sum(returns: Any, weights: Any) -> Any:
    """A mistake: reduces all axes."""
    return (returns * weights).sum()


def of_three(returns: Any, weights: Any) -> Any:
    """Needs three objectives."""
    return returns[..., 2] * weights[..., 2]


@pytest.mark.parametrize("utility", UTILITIES)
@given(returns=returns_of_3, weights=scales_of_3)
def test_torch_and_numpy_agree(utility: Any, returns: np.ndarray, weights: np.ndarray) -> None:
    ours = utility(returns, weights)
    theirs = utility(torch.from_numpy(returns), torch.from_numpy(weights))
    assert isinstance(ours, np.ndarray) and isinstance(theirs, torch.Tensor)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-9)
    mixed = utility(torch.from_numpy(returns), weights)
    assert isinstance(mixed, torch.Tensor)
    np.testing.assert_allclose(ours, mixed, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(ours, utility(returns, torch.from_numpy(weights)), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("utility", UTILITIES)
def test_leading_axes_broadcast(utility: Any) -> None:
    rng = np.random.default_rng(0)
    returns, weights = rng.normal(size=(4, 1, 3)), rng.random((5, 3))
    values = utility(returns, weights)
    assert values.shape == (4, 5)
    for i, j in np.ndindex(4, 5):
        np.testing.assert_allclose(values[i, j], utility(returns[i, 0], weights[j]))


@pytest.mark.parametrize("utility", UTILITIES)
@given(returns=returns_of_3, weights=scales_of_3, gain=arrays(np.float64, 3, elements=st.floats(0, 100)))
def test_more_of_everything_is_never_worse(
    utility: Any, returns: np.ndarray, weights: np.ndarray, gain: np.ndarray
) -> None:
    assert (utility(returns + gain, weights) >= utility(returns, weights) - 1e-9).all()


def test_float32_stays_float32() -> None:
    returns, weights = torch.ones(2, 3), torch.full((2, 3), 1 / 3)
    for utility in UTILITIES:
        assert utility(returns, weights).dtype == torch.float32


def test_chebyshev_by_hand() -> None:
    # Gaps to the reference (10, 4): (2, 3); weighted (0.5, 2.25).
    assert Chebyshev([10, 4])([8, 1], [0.25, 0.75]) == -2.25
    assert Chebyshev([10, 4], tau=1.0)([8, 1], [0.25, 0.75]) == -3.0
    assert AugmentedChebyshev([10, 4], 0.1)([8, 1], [0.25, 0.75]) == -2.25 - 0.1 * 5


def test_chebyshev_finds_a_concave_point_that_no_linear_utility_finds() -> None:
    points = np.array([[0.0, 10.0], [4.0, 4.0], [10.0, 0.0]])
    simplex = np.linspace(0, 1, 101)[:, None] * [1, -1] + [0, 1]
    assert 1 not in {int(linear(points, w).argmax()) for w in simplex}
    assert Chebyshev([10.0, 10.0])(points, [0.5, 0.5]).argmax() == 1


def test_augmentation_prefers_the_point_that_dominates() -> None:
    points = np.array([[5.0, 5.0], [5.0, 9.0]])
    plain, augmented = Chebyshev([10, 10]), AugmentedChebyshev([10, 10], 0.01)
    assert np.ptp(plain(points, [0.5, 0.5])) == 0
    assert augmented(points, [0.5, 0.5]).argmax() == 1


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@given(batches=st.lists(arrays(np.float64, (2, 5, 3), elements=st.floats(-100, 100)), min_size=1, max_size=4))
def test_the_reference_is_the_best_seen_plus_tau(kind: Any, batches: list[np.ndarray]) -> None:
    start = np.array([-50.0, 0.0, 50.0])
    utility = Chebyshev(kind(start), tau=2.0)
    for batch in batches:
        utility.update(kind(batch))
    best = np.vstack([start, *(batch.reshape(-1, 3) for batch in batches)]).max(0)
    np.testing.assert_array_equal(utility.reference, best + 2.0)
    assert start.tolist() == [-50.0, 0.0, 50.0]


def test_a_tensor_reference_stays_on_its_device() -> None:
    utility = Chebyshev(torch.zeros(3))
    utility._best = utility._best.to("meta")
    utility.update(torch.ones(2, 3, device="meta"))
    assert utility.reference.device.type == "meta"
    assert utility(torch.ones(2, 3, device="meta"), torch.ones(2, 3, device="meta")).shape == (2,)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("cls", [Chebyshev, AugmentedChebyshev])
def test_state_survives_json(cls: Any, kind: Any) -> None:
    utility = cls(kind([0.1, 0.2]), tau=0.3)
    utility.update(kind([[5.0, -1.0]]))
    fresh = cls(kind([0.0, 0.0]))
    fresh.load_state_dict(json.loads(json.dumps(utility.state_dict())))
    assert type(fresh.reference) is type(utility.reference)
    np.testing.assert_array_equal(fresh.reference, utility.reference)
    assert fresh.state_dict() == utility.state_dict()


def test_a_foreign_state_is_refused() -> None:
    utility = Chebyshev([0.0, 0.0])
    with pytest.raises(MorlError, match="keys"):
        utility.load_state_dict(AugmentedChebyshev([0.0, 0.0]).state_dict())
    with pytest.raises(MorlError, match=r"best of shape \(2,\)"):
        utility.load_state_dict(Chebyshev([0.0, 0.0, 0.0]).state_dict())
    assert utility.state_dict() == {"best": [0.0, 0.0], "tau": 0.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linear(np.ones((2, 3)), np.ones((2, 1))), "same number of objectives"),
        (lambda: linear(1.0, [1.0]), "same number of objectives"),
        (lambda: Chebyshev([1, 2])(np.ones((2, 3)), np.ones((2, 3))), "reference point has 2 objectives"),
        (lambda: Chebyshev([1, 2]).update(np.ones((4, 3))), "reference point has 2 objectives"),
        (lambda: Chebyshev(torch.ones(2)).update(torch.ones(4, 3)), "reference point has 2 objectives"),
        (lambda: Chebyshev([1, 2]).update([[np.nan, 1]]), r"nan at returns\[0, 0\]"),
        (lambda: Chebyshev([np.inf, 2]), r"inf at reference\[0\]"),
        (lambda: Chebyshev([[1, 2]]), r"reference of shape \(m,\)"),
        (lambda: Chebyshev([1, 2], tau=-1), "tau finite and non-negative"),
        (lambda: AugmentedChebyshev([1, 2], np.nan), "rho finite and non-negative"),
    ],
)
def test_bad_input_to_utilities_is_refused(call: Any, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        call()


@pytest.mark.parametrize("scales", [[1.0, 0.0], [7.0, 3.0], [[0.1, 0.1], [0.0, 5.0]]])
def test_scales_need_not_sum_to_one(scales: list[Any]) -> None:
    assert np.asarray(chebyshev_scales(scales, 2)).tolist() == scales
    assert validate_weights(Chebyshev([1.0, 1.0]), scales, 2).tolist() == scales


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ([[1, 1], [1, -1]], r"scales\[1\] non-negative"),
        ([0.0, 0.0], "with a positive entry"),
        ([1.0, np.inf], r"inf at scales\[1\]"),
        ([1.0, 2.0, 3.0], "scales for 2 objectives, got 3"),
        (1.0, r"got shape \(\)"),
    ],
)
def test_bad_scales_are_refused(scales: Any, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        chebyshev_scales(scales, 2)


def test_preference_weights_are_asked_of_other_utilities() -> None:
    with pytest.raises(MorlError, match="divide by the sum"):
        validate_weights(linear, [7.0, 3.0], 2)


def test_as_utility_resolves_names_paths_and_callables() -> None:
    assert as_utility("linear") is linear
    assert as_utility("morl.utility:linear", m=5) is linear
    assert as_utility(least) is least
    assert as_utility(of_three, m=3) is of_three
    chebyshev = Chebyshev([1.0, 2.0, 3.0])
    assert as_utility(chebyshev, m=3) is chebyshev


@pytest.mark.parametrize(
    ("utility", "message"),
    [
        ("chebyshev", r"unknown utility 'chebyshev'.*morl.utility.Chebyshev\(reference\)"),
        (":f", "unknown utility"),
        ("no_such_module_at_all:f", "found no .no_such_module_at_all"),
        ("morl.utility:nothing", "has no 'nothing'"),
        ("morl.utility:Chebyshev", "got the class Chebyshev: pass an instance"),
        ("morl.utility:ChebyshevScales.x", "has no"),
        (3, "expected a utility function"),
        (flat_sum, r"'flat_sum' must map .* to \(2, 3\), got shape \(\): reduce the last axis only"),
        (of_three, "'of_three' failed on numpy arrays.*IndexError"),
        (Chebyshev([1.0, 2.0, 3.0]), "3 objectives"),
    ],
)
def test_as_utility_says_what_is_wrong(utility: Any, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        as_utility(utility, m=2)
