"""The envelope, its loss and its update against slow, readable versions of themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from histories import ACTIONS, STATES, Flags, M, generator, history, preferences
from torch import Tensor

from morl.agents import dqn
from morl.agents.networks import QNetwork
from morl.agents.optim import adam_init, functional
from morl.replay import Sequences

OBS, GAMMA, TOLERANCE = 2, 0.9, 0.05
L, B, K = 4, 6, 3
SOME_END = Flags(0.1, 0.0)
NETWORK = QNetwork(OBS, ACTIONS, M, (12,))


def parameters(seed: int) -> Tensor:
    theta = NETWORK.init(generator(seed))
    # Away from the initial parameters, whose action values are all but equal.
    return theta + 0.3 * torch.randn(theta.shape, generator=generator(seed + 100))


def batch_of(seed: int, length: int = L, flags: Flags = SOME_END) -> Sequences:
    """Sequences with real observations."""
    batch = history(seed, length, B, flags)
    table = torch.randn(STATES, OBS, generator=generator(seed + 50))
    obs, next_obs = (table[states.squeeze(-1).long()] for states in (batch.obs, batch.next_obs))
    fields = {name: getattr(batch, name).float() for name in ("reward", "weights")}
    return batch._replace(obs=obs, next_obs=next_obs, **fields)


def weights_of(seed: int) -> tuple[Tensor, Tensor]:
    return preferences(seed, B, dtype=torch.float32), preferences(seed + 7, K, B, dtype=torch.float32)


GAP = 0.3
TAKEN = torch.randint(ACTIONS, (7, B), generator=generator(8))


def boot_of(obs: Tensor, w: Tensor, others: Tensor) -> dqn.Bootstrap:
    q = NETWORK(parameters(0), obs, w.expand(len(obs), -1, -1))
    return dqn.envelope_bootstrap(NETWORK, parameters(0), parameters(1), q, obs, w, others, TAKEN, GAP)


def test_the_envelope_is_the_best_of_what_each_preference_proposes() -> None:
    theta, target = parameters(0), parameters(1)
    obs = torch.randn(9, B, OBS, generator=generator(5))
    w, others = weights_of(2)
    boot = boot_of(obs, w, others)
    winners = set()
    for s in range(9):
        for b in range(B):
            own = NETWORK(theta, obs[s, b], w[b])
            score = own @ w[b]
            torch.testing.assert_close(boot.advantage[s, b], score - score.max())
            if s < len(TAKEN):
                torch.testing.assert_close(boot.regret[s, b], own[score.argmax()] - own[TAKEN[s, b]])
            proposals = []
            for one in (w[b], *others[:, b]):
                q = NETWORK(theta, obs[s, b], one)
                action = int((q @ one).argmax())
                proposals.append((float(q[action] @ w[b]), action, one))
            which = max(range(len(proposals)), key=lambda i: proposals[i][0])
            winners.add(which)
            _, action, one = proposals[which]
            worth = NETWORK(target, obs[s, b], one)
            torch.testing.assert_close(boot.value[s, b], worth[action])
            random = worth[action] + (1 - GAP) * (worth.mean(0) - worth[action])
            torch.testing.assert_close(boot.random[s, b], random)
    assert len(winners) > 1, "the test sees other preferences win"


def test_without_other_preferences_it_is_double_q_learning() -> None:
    obs = torch.randn(9, B, OBS, generator=generator(5))
    w, others = weights_of(2)
    boot = boot_of(obs, w, others[:0])
    repeated = w.expand(9, -1, -1)
    action = (NETWORK(parameters(0), obs, repeated) * repeated.unsqueeze(-2)).sum(-1).argmax(-1)
    value = NETWORK(parameters(1), obs, repeated)[torch.arange(9)[:, None], torch.arange(B), action]
    torch.testing.assert_close(boot.value, value)


def test_homotopy_goes_from_the_vector_error_to_the_weighted_error() -> None:
    error = torch.randn(B, M, generator=generator(0))
    w, mask = weights_of(0)[0], (torch.rand(B, generator=generator(1)) < 0.7).float()
    assert 0 < mask.sum() < B
    vector = sum(error[b].square().sum() for b in range(B) if mask[b]) / mask.sum()
    along = [error[b] @ w[b] / w[b].norm() for b in range(B)]
    scalar = sum(along[b] ** 2 for b in range(B) if mask[b]) / mask.sum()
    for h in (0.0, 0.3, 1.0):
        torch.testing.assert_close(dqn.homotopy_loss(error, w, mask, h), (1 - h) * vector + h * scalar)
    torch.testing.assert_close(
        dqn.homotopy_loss(error, w, mask, torch.tensor(0.3)), dqn.homotopy_loss(error, w, mask, 0.3)
    )
    assert dqn.homotopy_loss(error, w, torch.zeros(B), 0.5) == 0


TARGETS: dict[str, Any] = {"gamma": GAMMA, "tolerance": TOLERANCE, "caution": 0.1, "optimism": None}
HYPER: dict[str, Any] = {
    "lr": 0.01,
    "homotopy": 0.4,
    "tau": 0.1,
    "average_tau": 0.02,
    "max_grad_norm": 0.5,
}


def learn(
    learner: dqn.Learner, batch: Sequences, w: Tensor, others: Tensor, **change: Any
) -> tuple[dqn.Learner, dict[str, Tensor]]:
    """Targets, and one update with all of them."""
    steps = dqn.learning_steps(NETWORK, learner, batch, w, others, action_gap=GAP, **TARGETS)
    return dqn.update(NETWORK, learner, steps, **{**HYPER, **change})


def learner_of(seed: int, updates: int = 0) -> dqn.Learner:
    """A learner in the midst of training."""
    theta = parameters(seed)
    learner = dqn.Learner(theta, parameters(seed + 1), parameters(seed + 2), adam_init(theta))
    for i in range(updates):
        learner, _ = learn(learner, batch_of(i), *weights_of(i))
    return learner


@pytest.mark.parametrize("optimism", [None, 0.0, 0.3])
@pytest.mark.parametrize("length", [1, L])
def test_an_update_is_a_step_of_adam_towards_fixed_targets(length: int, optimism: float | None) -> None:
    learner, batch, (w, others) = learner_of(0), batch_of(4, length), weights_of(4)
    options = {**TARGETS, "optimism": optimism}
    steps = dqn.learning_steps(NETWORK, learner, batch, w, others, action_gap=GAP, **options)
    result, metrics = dqn.update(NETWORK, learner, steps, **HYPER)

    theta = torch.nn.Parameter(learner.theta.clone())
    obs = dqn.states_of(batch)[0]
    repeated = w.expand(len(obs), -1, -1)
    with torch.no_grad():
        q = NETWORK(theta, obs, repeated)
        boot = dqn.envelope_bootstrap(NETWORK, theta, learner.target, q, obs, w, others, batch.action, GAP)
        goal = dqn.trace_targets(batch, boot, w, **options)
        goal = goal - GAP * boot.regret
    error = torch.stack(
        [
            torch.stack(
                [goal[t, b] - NETWORK(theta, batch.obs[t, b], w[b])[batch.action[t, b]] for b in range(B)]
            )
            for t in range(length)
        ]
    )
    along = (error * w).sum(-1) / w.norm(dim=-1)
    loss = (0.6 * error.square().sum(-1) + 0.4 * along.square()).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([theta], HYPER["max_grad_norm"])
    torch.optim.Adam([theta], lr=HYPER["lr"]).step()
    torch.testing.assert_close(result.theta, theta.data, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(result.target, 0.9 * learner.target + 0.1 * result.theta)
    # The first of the averages is nearly a plain one: 9 / (1 + 9) of the new parameters.
    torch.testing.assert_close(result.average, 0.1 * learner.average + 0.9 * result.theta)
    torch.testing.assert_close(metrics["loss"], loss.detach())
    for i in range(M):
        torch.testing.assert_close(metrics[f"value_error/{i}"], error[..., i].abs().mean().detach())


def tensors(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else [tensor for part in value for tensor in tensors(part)]


def test_an_update_changes_none_of_its_inputs() -> None:
    inputs = learner_of(0, updates=2), batch_of(4), *weights_of(4)
    copies = [tensor.clone() for tensor in tensors(inputs)]
    first, _ = learn(*inputs)
    assert all(torch.equal(*pair) for pair in zip(tensors(inputs), copies, strict=True))
    second, _ = learn(*inputs)
    assert all(torch.equal(*pair) for pair in zip(tensors(first), tensors(second), strict=True))
    assert not any(tensor.requires_grad for tensor in tensors(first))


def test_steps_that_only_reset_teach_nothing() -> None:
    batch, (w, others) = batch_of(2, 8, Flags(0.3, 0.0, next_step=True)), weights_of(2)
    assert not batch.valid.all()
    poisoned = batch._replace(
        reward=torch.where(batch.valid.unsqueeze(-1), batch.reward, 1e6),
        action=torch.where(batch.valid, batch.action, (batch.action + 1) % ACTIONS),
    )
    results = [learn(learner_of(0), b, w, others)[0] for b in (batch, poisoned)]
    assert torch.equal(results[0].theta, results[1].theta)
    empty = batch._replace(valid=torch.zeros_like(batch.valid))
    learner, metrics = learn(learner_of(0), empty, w, others)
    assert torch.equal(learner.theta, learner_of(0).theta) and metrics["loss"] == 0


def test_a_stacked_population_equals_its_members() -> None:
    """Members have different parameters, step counts, batches and learning rates."""
    members = [
        (learner_of(seed, updates=seed), batch_of(seed, flags=Flags(0.2, 0.1)), *weights_of(seed))
        for seed in (1, 5)
    ]
    rates = torch.tensor([0.01, 0.003])

    def stack(*values: Any) -> Any:
        if isinstance(values[0], Tensor):
            return torch.stack(values)
        return type(values[0])(*(stack(*parts) for parts in zip(*values, strict=True)))

    def update(learner: dqn.Learner, batch: Sequences, w: Tensor, others: Tensor, lr: Tensor) -> Any:
        return learn(learner, batch, w, others, lr=lr, differentiate=functional)

    stacked = [stack(*parts) for parts in zip(*members, strict=True)]
    assert stacked[0].adam.step.tolist() == [1, 5]
    together, metrics = torch.vmap(update)(*stacked, rates)
    for k, member in enumerate(members):
        alone, alone_metrics = learn(*member, lr=float(rates[k]))
        for ours, theirs in zip(tensors(together), tensors(alone), strict=True):
            torch.testing.assert_close(ours[k], theirs, rtol=1e-4, atol=1e-6)
        for name, value in alone_metrics.items():
            torch.testing.assert_close(metrics[name][k], value, rtol=1e-4, atol=1e-6)
