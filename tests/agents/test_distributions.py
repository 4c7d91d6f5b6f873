"""Against torch.distributions, which is independent of ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary
from torch import Tensor
from torch import distributions as reference

from morl.agents.distributions import LOG_STD_RANGE, Categorical, Gaussian, distribution_for
from morl.errors import MorlError

B, ACTIONS, DIM = 64, 5, 3
LOW, HIGH = torch.tensor([-2.0, 0.0, 10.0]), torch.tensor([2.0, 1.0, 30.0])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def categorical(seed: int) -> tuple[Categorical, Tensor, reference.Distribution]:
    head = 3 * torch.randn(B, ACTIONS, generator=generator(seed))
    return Categorical(ACTIONS), head, reference.Categorical(logits=head)


def gaussian(seed: int) -> tuple[Gaussian, Tensor, reference.Distribution]:
    head = 3 * torch.randn(B, 2 * DIM, generator=generator(seed))
    mean, log_std = head[:, :DIM], head[:, DIM:].clamp(*LOG_STD_RANGE)
    return Gaussian(LOW, HIGH), head, reference.Independent(reference.Normal(mean, log_std.exp()), 1)


MAKE = {"categorical": categorical, "gaussian": gaussian}


@pytest.mark.parametrize("kind", MAKE)
def test_log_prob_entropy_and_kl(kind: str) -> None:
    (ours, head, theirs), (_, other_head, their_other) = MAKE[kind](1), MAKE[kind](2)
    action = ours.sample(head, generator())
    torch.testing.assert_close(ours.log_prob(head, action), theirs.log_prob(action), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.entropy(head), theirs.entropy(), rtol=1e-4, atol=1e-4)
    divergence = reference.kl_divergence(theirs, their_other)
    torch.testing.assert_close(ours.kl(head, other_head), divergence, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(ours.kl(head, head), torch.zeros(B), rtol=0, atol=1e-5)
    assert head.shape[-1] == ours.head_width


@pytest.mark.parametrize("kind", MAKE)
def test_samples_repeat_with_their_generator(kind: str) -> None:
    ours, head, _ = MAKE[kind](3)
    first, again, other = (ours.sample(head, generator(seed)) for seed in (7, 7, 8))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_categorical_samples_follow_their_probabilities() -> None:
    n, probability = 40_000, torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0])
    head = probability.log().expand(n, -1)
    action = Categorical(ACTIONS).sample(head, generator())
    share = torch.bincount(action, minlength=ACTIONS) / n
    deviation = (probability * (1 - probability) / n).sqrt()
    assert ((share - probability).abs() <= 4 * deviation).all() and share[-1] == 0
    assert (Categorical(ACTIONS).mode(head) == 0).all()


def test_gaussian_samples_have_their_mean_and_deviation() -> None:
    n = 40_000
    head = torch.tensor([0.5, -1.0, 0.0, 0.0, -2.0, -9.0]).expand(n, -1)
    dist = Gaussian(LOW, HIGH)
    action = dist.sample(head, generator())
    deviation = torch.tensor([0.0, -2.0, LOG_STD_RANGE[0]]).exp()
    assert ((action.mean(0) - head[0, :DIM]).abs() <= 4 * deviation / n**0.5).all()
    torch.testing.assert_close(action.std(0), deviation, rtol=0.03, atol=0)
    assert torch.equal(dist.mode(head), head[:, :DIM])


def test_actions_stay_in_the_box_and_reach_its_bounds() -> None:
    dist = Gaussian(LOW, HIGH)
    scaled = torch.tensor([[-1.0] * 3, [0.0] * 3, [1.0] * 3, [-50.0] * 3, [50.0] * 3])
    expected = torch.stack((LOW, (LOW + HIGH) / 2, HIGH, LOW, HIGH))
    torch.testing.assert_close(dist.to_env(scaled), expected)
    wild = dist.to_env(100 * torch.randn(1000, DIM, generator=generator()))
    assert (wild >= LOW).all() and (wild <= HIGH).all()
    action = torch.arange(ACTIONS)
    assert torch.equal(Categorical(ACTIONS).to_env(action), action)


def test_the_space_decides() -> None:
    assert distribution_for(Discrete(4)) == Categorical(4)
    box = distribution_for(Box(LOW.numpy(), HIGH.numpy(), dtype=np.float32))
    assert isinstance(box, Gaussian) and torch.equal(box.low, LOW) and torch.equal(box.high, HIGH)
    double = distribution_for(Box(-1, 1, (2,), np.float64))
    assert isinstance(double, Gaussian) and double.low.dtype == torch.float32


@pytest.mark.parametrize(
    "space", [Discrete(3, start=1), Box(0, np.inf, (2,)), Box(0, 1, (2, 2)), Box(0, 1, ()), MultiBinary(3)]
)
def test_other_spaces_are_refused(space) -> None:
    with pytest.raises(MorlError, match=r"Discrete\(n\) from 0 or a bounded Box"):
        distribution_for(space)


def test_continuous_actions_begin_with_the_spread_asked_for() -> None:
    narrow = distribution_for(Box(LOW.numpy(), HIGH.numpy(), dtype=np.float32), initial_std=0.25)
    assert isinstance(narrow, Gaussian)
    d = len(LOW)
    unit = reference.Independent(reference.Normal(torch.zeros(d), 0.25 * torch.ones(d)), 1)
    action = torch.linspace(-1, 1, d)
    torch.testing.assert_close(narrow.log_prob(torch.zeros(2 * d), action), unit.log_prob(action))


@pytest.mark.parametrize("kind", MAKE)
def test_works_under_vmap(kind: str) -> None:
    ours, head, _ = MAKE[kind](4)
    action = ours.sample(head, generator())
    stacked, actions = head.view(4, -1, head.shape[-1]), action.view(4, -1, *action.shape[1:])
    for result, whole in (
        (torch.vmap(ours.log_prob)(stacked, actions), ours.log_prob(head, action)),
        (torch.vmap(ours.entropy)(stacked), ours.entropy(head)),
        (torch.vmap(ours.kl)(stacked, stacked.flip(0)), ours.kl(head, stacked.flip(0).flatten(0, 1))),
    ):
        torch.testing.assert_close(result.flatten(), whole)


@pytest.mark.parametrize("kind", MAKE)
def test_log_probability_and_entropy_at_once_are_those_of_each(kind: str) -> None:
    ours, head, _ = MAKE[kind](4)
    action = ours.sample(head, generator())
    together = ours.log_prob_and_entropy(head, action)
    assert torch.equal(together[0], ours.log_prob(head, action))
    assert torch.equal(together[1], ours.entropy(head))
