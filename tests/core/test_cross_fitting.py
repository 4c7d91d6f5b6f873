"""Indicators of random episodes: never too good on average, and as ever where nothing is random."""

from __future__ import annotations

import numpy as np
import pytest

from morl.comparison import compare
from morl.cross_fitting import SingleEpisodeWarning
from morl.front import Front
from morl.indicators import expected_utility, find, hypervolume, maximum_utility_loss
from morl.weights import lattice

WEIGHTS = lattice(2, partitions=100)
ANGLES = np.linspace(0, np.pi / 2, 40)
TRUTH = 10 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
REFERENCE = [-10.0, -10.0]


def shop(rng: np.random.Generator, episodes: int, noise: str, **fields) -> Front:
    """A front whose points have the means `TRUTH`, of random episodes."""
    size = (len(TRUTH), episodes, 2)
    if noise == "normal":
        returns = TRUTH[:, None] + 3 * rng.standard_normal(size)
    else:  # all or nothing, which makes many means equal
        returns = 2 * TRUTH[:, None] * rng.integers(0, 2, size)
    return Front(
        **{
            "episode_returns": returns,
            "episode_lengths": np.ones(size[:2], dtype=int),
            "env_id": "toys:Shop",
            "gamma": 1.0,
            "objectives": ("a", "b"),
            "role": "report",
            "weights": lattice(2, partitions=len(TRUTH) - 1),
            "reference_point": REFERENCE,
            **fields,
        }
    )


@pytest.mark.parametrize("noise", ["normal", "coarse"])
@pytest.mark.parametrize("episodes", [2, 5, 20])
def test_the_best_of_noisy_points_is_worth_no_more_than_the_best(episodes: int, noise: str) -> None:
    rng = np.random.default_rng(episodes)
    replications = 30 if episodes < 20 else 10
    needs = {
        "expected-utility": {"weights": WEIGHTS},
        "hypervolume": {"reference_point": REFERENCE},
        "maximum-utility-loss": {"weights": WEIGHTS, "reference_front": TRUTH},
    }
    for name, options in needs.items():
        indicator = find(name)
        sign = 1 if indicator.better == "higher" else -1
        fronts = [shop(rng, episodes, noise) for _ in range(replications)]
        found = np.array([front.estimate(indicator, **options) for front in fronts])
        plain = np.mean([indicator.fn(front.returns, **options) for front in fronts])
        truth = indicator.fn(TRUTH, **options)
        bias = sign * (found[:, 0].mean() - truth)
        luck = found[:, 0].std() / replications**0.5
        assert sign * (plain - truth) > 5 * luck or name == "maximum-utility-loss"
        assert bias < 3 * luck  # never more than the truth
        assert bias > -3 * luck - 1.2 * abs(plain - truth)  # and less by no more than it was too much
        assert 0.5 * found[:, 0].std() < np.sqrt((found[:, 1] ** 2).mean()) < 3 * found[:, 0].std()


def test_where_nothing_is_random_all_is_as_ever() -> None:
    for fields in (
        {"episode_returns": np.repeat(TRUTH[:, None], 3, axis=1), "episode_lengths": None},
        {"episode_returns": TRUTH[:, None], "deterministic": True},
        {"episode_returns": TRUTH[:, None], "role": "exact"},
        {"episode_returns": TRUTH[:, None], "episode_lengths": None},  # points that came without episodes
    ):
        episodes = fields["episode_returns"].shape[1]
        front = shop(np.random.default_rng(0), episodes, "normal", **fields)
        assert front.random is False
        assert front.hypervolume() == hypervolume(front.returns, reference_point=REFERENCE)
        assert front.expected_utility(WEIGHTS) == expected_utility(front.returns, weights=WEIGHTS)
        loss = maximum_utility_loss(front.returns, weights=WEIGHTS, reference_front=TRUTH + 1)
        assert front.maximum_utility_loss(TRUTH + 1, WEIGHTS) == loss
        assert front.estimate("hypervolume", reference_point=REFERENCE).standard_error == 0
        found = compare({"a": front})
        assert found.standard_errors == {"a": {}}
        assert found.values["a"]["hypervolume"] == front.hypervolume()


def test_commanded_utility_is_the_mean_and_knows_its_error() -> None:
    front = shop(np.random.default_rng(0), 20, "normal")
    assert front.weights is not None
    earned = (front.episode_returns * front.weights[:, None]).sum(axis=2).mean(axis=0)
    found = compare({"a": front})
    assert found.values["a"]["commanded-utility"] == pytest.approx(earned.mean())
    error = found.standard_errors["a"]["commanded-utility"]
    parts = earned.reshape(10, 2).mean(axis=1)
    assert error == pytest.approx(parts.std(ddof=1) / 10**0.5, rel=1e-5)
    assert front.commanded_utility() == pytest.approx(earned.mean())
    assert "cardinality" not in found.standard_errors["a"]
    assert found.values["a"]["cardinality"] is not None


def test_a_single_random_episode_is_said() -> None:
    front = shop(np.random.default_rng(0), 1, "normal")
    assert front.random is None
    with pytest.warns(SingleEpisodeWarning, match="hypervolume"):
        assert front.hypervolume() == hypervolume(front.returns, reference_point=REFERENCE)
    with pytest.warns(SingleEpisodeWarning, match="expected-utility"):
        front.expected_utility(WEIGHTS)
    front.commanded_utility()
