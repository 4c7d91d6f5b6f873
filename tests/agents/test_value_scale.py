"""`ValueScale`: the statistics are those of the targets, and values stay as they were when these move."""

from __future__ import annotations

import torch

from morl.agents.networks import MLP, Network
from morl.agents.optim import AdamState, adam_init
from morl.agents.value_scale import ValueScale


def critic() -> tuple[Network, torch.Tensor]:
    network = Network(policy=MLP((3, 4, 2)), critic=MLP((3, 8, 2)))
    return network, network.init(torch.Generator().manual_seed(0))


def test_values_and_the_policy_stay_as_they_were_when_the_scale_moves() -> None:
    network, theta = critic()
    scale = ValueScale(network, 2, 1)
    obs, adam = torch.randn(7, 3, generator=torch.Generator().manual_seed(1)), adam_init(theta)
    mask = torch.ones(16)
    theta, adam = scale.update(torch.randn(16, 2), mask, theta, adam)
    before = scale.values(network.apply(theta)["critic"](obs))
    moved, _ = scale.update(50 + 100 * torch.randn(16, 2), mask, theta, adam)
    after = scale.values(network.apply(moved)["critic"](obs))
    assert not torch.equal(theta, moved)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network.apply(moved)["policy"](obs), network.apply(theta)["policy"](obs))
    torch.testing.assert_close(scale.values(scale.predictions(before)), before)


def test_the_scale_is_that_of_the_targets_that_count() -> None:
    network, theta = critic()
    scale = ValueScale(network, 2, 1)
    assert scale.values(torch.ones(1, 2)).abs().max() < 1e-3  # nothing is known yet
    targets = torch.tensor([[1.0, -10.0], [3.0, -30.0], [1e6, 1e6]])
    scale.update(targets, torch.tensor([1.0, 1.0, 0.0]), theta, adam_init(theta))
    torch.testing.assert_close(scale.mean, torch.tensor([2.0, -20.0]))
    torch.testing.assert_close(scale.std, torch.tensor([1.0, 10.0]))


def test_the_optimiser_moves_with_the_last_layer() -> None:
    network, theta = critic()
    scale = ValueScale(network, 2, 1)
    ones = torch.ones_like(theta)
    adam = AdamState(torch.ones(()), ones, ones)
    targets = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    scale.update(targets, torch.ones(2), theta, adam)
    _, moved = scale.update(3 * targets, torch.ones(2), theta, adam)  # mean square 5 after two rollouts
    part = network.layout.unflatten(moved.mean)
    torch.testing.assert_close(part["critic.weight1"], torch.full((2, 8), 5**-0.5))
    torch.testing.assert_close(network.layout.unflatten(moved.square)["critic.bias1"], torch.full((2,), 0.2))
    assert (part["critic.weight0"] == 1).all() and (part["policy.weight1"] == 1).all()


def test_state_is_restored() -> None:
    network, theta = critic()
    scale, other = ValueScale(network, 2, 1), ValueScale(network, 2, 1)
    scale.update(torch.randn(5, 2), torch.ones(5), theta, adam_init(theta))
    other.load_state(scale.state())
    assert other.count == 1 and torch.equal(other.std, scale.std)
