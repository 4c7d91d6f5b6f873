"""The loss of PPO on vector rewards against its definition, one step at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from morl.agents import ppo
from morl.agents.distributions import Categorical, Gaussian
from morl.agents.optim import AdamState, adam_init, functional

OBS, M, B = 3, 2, 12
DISCRETE = Categorical(4)
CONTINUOUS = Gaussian(torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 5.0]))
NETWORKS = {
    kind: ppo.ActorCritic(OBS, M, dist, (8,))
    for kind, dist in {"discrete": DISCRETE, "continuous": CONTINUOUS}.items()
}
HYPER = ppo.Hyper(
    clip=0.2,
    value_coefficient=0.5,
    entropy_coefficient=0.1,
    diversity_coefficient=0.3,
    diversity_alpha=0.7,
    scalarisation="late",
    max_grad_norm=0.5,
)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parameters(network: ppo.ActorCritic, seed: int = 0) -> Tensor:
    theta = network.init(generator(seed))
    return theta + 0.2 * torch.randn(theta.shape, generator=generator(seed + 50))


def preferences(g: torch.Generator) -> Tensor:
    share = torch.rand(B, 1, generator=g)
    return torch.cat((share, 1 - share), dim=1)


def batch_of(network: ppo.ActorCritic, seed: int = 0, *, stale: float = 0.4) -> ppo.Batch:
    """Steps of a policy whose log probabilities have since moved by about `stale`."""
    g = generator(seed)
    obs, weights = torch.randn(B, OBS, generator=g), preferences(g)
    head = network.head(parameters(network), obs, weights)
    action = network.distribution.sample(head, g)
    log_prob = network.distribution.log_prob(head, action)
    return ppo.Batch(
        obs=obs,
        action=action,
        log_prob=log_prob + stale * torch.randn(B, generator=g),
        advantage=torch.randn(B, M, generator=g),
        value_target=torch.randn(B, M, generator=g),
        weights=weights,
        other_weights=preferences(g),
        mask=torch.ones(B),
    )


def with_ratio(network: ppo.ActorCritic, batch: ppo.Batch, ratio: Tensor) -> ppo.Batch:
    """The batch as if it came from a policy that `parameters` outweighs by `ratio` (B,)."""
    head = network.head(parameters(network), batch.obs, batch.weights)
    return batch._replace(log_prob=network.distribution.log_prob(head, batch.action) - ratio.log())


def loss(network: ppo.ActorCritic, batch: ppo.Batch, **changes: Any) -> tuple[Tensor, dict[str, Tensor]]:
    return ppo.loss(network, parameters(network), batch, replace(HYPER, **changes))


def clipped(ratio: float, advantage: float) -> float:
    return min(ratio * advantage, max(1 - HYPER.clip, min(1 + HYPER.clip, ratio)) * advantage)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("scalarisation", ["late", "early"])
def test_the_loss_is_what_it_says(kind: str, scalarisation: str) -> None:
    network = NETWORKS[kind]
    batch, theta, dist = batch_of(network), parameters(network), network.distribution
    batch = batch._replace(mask=(torch.arange(B) % 3 != 0).float())
    policy = value = entropy = diversity = clips = 0.0
    rows = [i for i in range(B) if batch.mask[i]]
    for i in rows:
        w, a = batch.weights[i], batch.advantage[i]
        head = network.head(theta, batch.obs[i], w)
        ratio = float((dist.log_prob(head, batch.action[i]) - batch.log_prob[i]).exp())
        if scalarisation == "late":
            policy -= sum(float(w[j]) * clipped(ratio, float(a[j])) for j in range(M))
        else:
            policy -= clipped(ratio, float(w @ a))
        value += float((network.value(theta, batch.obs[i], w) - batch.value_target[i]).square().sum())
        entropy += float(dist.entropy(head))
        divergence = float(dist.kl(head, network.head(theta, batch.obs[i], batch.other_weights[i])))
        diversity += (divergence - 0.7 * float((w - batch.other_weights[i]).abs().sum())) ** 2
        clips += abs(ratio - 1) > HYPER.clip
    n = len(rows)
    result, metrics = loss(network, batch, scalarisation=scalarisation)
    expected = {
        "policy_loss": policy / n,
        "value_loss": value / n,
        "entropy": entropy / n,
        "diversity_loss": diversity / n,
        "clip_fraction": clips / n,
        "loss": (policy + 0.5 * value - 0.1 * entropy + 0.3 * diversity) / n,
    }
    assert 0 < clips < n and metrics.keys() == expected.keys() and result == metrics["loss"]
    for name, number in expected.items():
        torch.testing.assert_close(metrics[name], torch.tensor(number), rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 999), ratio=st.floats(0.81, 1.19))
def test_late_and_early_agree_where_nothing_clips(seed: int, ratio: float) -> None:
    network = NETWORKS["discrete"]
    batch = with_ratio(network, batch_of(network, seed), torch.full((B,), ratio))
    late, early = (loss(network, batch, scalarisation=mode)[0] for mode in ("late", "early"))
    torch.testing.assert_close(late, early)


@given(seed=st.integers(0, 999), corner=st.integers(0, M - 1))
def test_late_and_early_agree_at_the_corners(seed: int, corner: int) -> None:
    network = NETWORKS["discrete"]
    batch = batch_of(network, seed)._replace(weights=torch.eye(M)[corner].expand(B, -1))
    late, early = (loss(network, batch, scalarisation=mode)[0] for mode in ("late", "early"))
    torch.testing.assert_close(late, early)


def test_they_differ_where_objectives_disagree_and_the_ratio_clips() -> None:
    """Advantages (1, -1) of equal weight cancel early; late, the gain is clipped and the loss is not."""
    network = NETWORKS["discrete"]
    half = torch.full((B, M), 0.5)
    batch = batch_of(network)._replace(weights=half, advantage=torch.tensor([[1.0, -1.0]]).expand(B, -1))
    batch = with_ratio(network, batch, torch.full((B,), 1.5))
    late, early = (loss(network, batch, scalarisation=mode)[1]["policy_loss"] for mode in ("late", "early"))
    torch.testing.assert_close(late, torch.tensor(-(0.5 * 1.2 - 0.5 * 1.5)))
    torch.testing.assert_close(early, torch.tensor(0.0), atol=1e-6, rtol=0)


def test_policies_as_far_apart_as_their_preferences_pay_nothing_for_diversity() -> None:
    network = NETWORKS["discrete"]
    batch = batch_of(network)
    head, other = (
        network.head(parameters(network), batch.obs, w) for w in (batch.weights, batch.other_weights)
    )
    row = 3
    distance = (batch.weights - batch.other_weights).abs().sum(1)
    alpha = float((DISCRETE.kl(head, other) / distance)[row])
    only = batch._replace(mask=(torch.arange(B) == row).float())
    torch.testing.assert_close(
        loss(network, only, diversity_alpha=alpha)[1]["diversity_loss"], torch.tensor(0.0), atol=1e-9, rtol=0
    )
    # The same policy for another preference: the whole wanted distance is missing.
    theta = torch.zeros_like(parameters(network))
    _, metrics = ppo.loss(network, theta, batch, HYPER)
    torch.testing.assert_close(metrics["diversity_loss"], (0.7 * distance).square().mean())
    assert "diversity_loss" not in loss(network, batch, diversity_coefficient=0.0)[1]


def test_masked_steps_teach_nothing() -> None:
    network = NETWORKS["discrete"]
    batch, mask = batch_of(network), (torch.arange(B) % 2).float()
    hidden = (mask == 0).unsqueeze(1)
    poisoned = batch._replace(
        advantage=batch.advantage.masked_fill(hidden, 1e4),
        value_target=batch.value_target.masked_fill(hidden, -1e4),
    )
    theta, adam = parameters(network), adam_init(parameters(network))
    results = [
        ppo.update(network, theta, adam, b._replace(mask=mask), HYPER, 0.01)[0] for b in (batch, poisoned)
    ]
    assert torch.equal(*results)
    result, metrics = loss(network, batch._replace(mask=torch.zeros(B)))
    assert result == 0 and all(torch.isfinite(value) for value in metrics.values())


class TestAdvantageScale:
    advantage = torch.randn(6, 5, M, generator=generator(0)) * torch.tensor([10.0, 0.1])
    weights = torch.rand(6, 5, M, generator=generator(1)).softmax(-1)

    def scale(self, mode: str) -> Tensor:
        return ppo.advantage_scale(self.advantage, self.weights, mode)  # type: ignore[arg-type]

    def test_common_gives_the_weighted_advantage_unit_variance_and_keeps_the_preferences(self) -> None:
        scaled = self.advantage / self.scale("common")
        torch.testing.assert_close((scaled * self.weights).sum(-1).std(correction=0), torch.tensor(1.0))
        torch.testing.assert_close(
            scaled[..., 0] / scaled[..., 1], self.advantage[..., 0] / self.advantage[..., 1]
        )

    def test_per_objective_gives_each_unit_variance(self) -> None:
        scaled = (self.advantage / self.scale("per-objective")).flatten(0, 1)
        torch.testing.assert_close(scaled.std(0, correction=0), torch.ones(M))

    def test_none_changes_nothing(self) -> None:
        assert torch.equal(self.advantage / self.scale("none"), self.advantage)

    @pytest.mark.parametrize("mode", ["common", "per-objective", "none"])
    def test_a_single_step_and_no_spread_stay_finite(self, mode: str) -> None:
        for shape in ((1, 1, M), (4, 3, M)):
            advantage = torch.full(shape, 2.0)
            scale = ppo.advantage_scale(advantage, torch.full(shape, 0.5), mode)  # type: ignore[arg-type]
            assert torch.isfinite(advantage / scale).all()


def test_an_update_is_a_step_of_adam_on_the_loss() -> None:
    for network in NETWORKS.values():
        batch, start = batch_of(network), parameters(network)
        theta, state, metrics = ppo.update(network, start, adam_init(start), batch, HYPER, 0.01)
        leaf = torch.nn.Parameter(start.clone())
        value, _ = ppo.loss(network, leaf, batch, HYPER)
        value.backward()
        torch.nn.utils.clip_grad_norm_([leaf], HYPER.max_grad_norm)
        moved = start - 0.01 * leaf.grad / (leaf.grad.abs() + 1e-8)  # Adam's first step
        # Where the gradient is as small as Adam's epsilon the two may differ.
        large = leaf.grad.abs() > 1e-3
        assert large.float().mean() > 0.5
        torch.testing.assert_close(theta[large], moved[large], rtol=0, atol=2e-4)
        assert state.step == 1 and metrics["loss"] == value.detach()
        assert ppo.loss(network, theta, batch, HYPER)[0] < value


def tensors(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else [tensor for part in value for tensor in tensors(part)]


def test_an_update_changes_none_of_its_inputs() -> None:
    for network in NETWORKS.values():
        theta, batch = parameters(network), batch_of(network)
        inputs = theta, adam_init(theta), batch
        copies = [tensor.clone() for tensor in tensors(inputs)]
        first, second = (ppo.update(network, *inputs, HYPER, 0.01)[:2] for _ in range(2))
        assert all(torch.equal(*pair) for pair in zip(tensors(inputs), copies, strict=True))
        assert all(torch.equal(*pair) for pair in zip(tensors(first), tensors(second), strict=True))
        assert not any(tensor.requires_grad for tensor in tensors(first))


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_stacked_population_equals_its_members(kind: str) -> None:
    """Members have different parameters, step counts, batches and learning rates."""
    network = NETWORKS[kind]
    members: list[tuple[Tensor, AdamState, ppo.Batch]] = []
    for steps in (1, 6):
        theta = parameters(network, seed=steps)
        adam = adam_init(theta)
        for i in range(steps):
            theta, adam, _ = ppo.update(network, theta, adam, batch_of(network, i), HYPER, 0.01)
        members.append((theta, adam, batch_of(network, 10 + steps)))
    rates = torch.tensor([0.01, 0.003])
    thetas = torch.stack([theta for theta, _, _ in members])
    adams = AdamState(*map(torch.stack, zip(*(adam for _, adam, _ in members), strict=True)))
    batches = ppo.Batch(*map(torch.stack, zip(*(batch for _, _, batch in members), strict=True)))
    assert adams.step.tolist() == [1, 6]

    def update(theta: Tensor, adam: AdamState, batch: ppo.Batch, lr: Tensor) -> Any:
        return ppo.update(network, theta, adam, batch, HYPER, lr, functional)

    theta, adam, metrics = torch.vmap(update)(thetas, adams, batches, rates)
    for k, member in enumerate(members):
        alone, alone_adam, alone_metrics = ppo.update(network, *member, HYPER, float(rates[k]))
        torch.testing.assert_close(theta[k], alone, rtol=1e-4, atol=1e-6)
        for ours, theirs in zip(adam, alone_adam, strict=True):
            torch.testing.assert_close(ours[k], theirs, rtol=1e-4, atol=1e-6)
        for name, value in alone_metrics.items():
            torch.testing.assert_close(metrics[name][k], value, rtol=1e-4, atol=1e-6)


def test_another_unit_scales_values_and_leaves_the_policy() -> None:
    network = NETWORKS["discrete"]
    theta, obs = parameters(network), torch.randn(B, OBS, generator=generator(1))
    weights, ones = preferences(generator(2)), torch.ones_like(theta)
    adam = AdamState(torch.ones(()), ones, ones)
    moved, state = ppo.in_another_unit(theta, adam, torch.tensor(0.25), network.value_layer)
    torch.testing.assert_close(network.value(moved, obs, weights), 0.25 * network.value(theta, obs, weights))
    assert torch.equal(network.head(moved, obs, weights), network.head(theta, obs, weights))
    torch.testing.assert_close(state.mean, torch.where(network.value_layer, 0.25, 1.0))
    torch.testing.assert_close(state.square, state.mean**2)
