"""A population learns what as many separate trainings with its members' seeds would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from tiny import Target
from torch import Tensor

import morl
from morl.agents import population
from morl.agents.population_dqn import DQNPopulation, DQNSettings
from morl.agents.population_ppo import PPOPopulation, PPOSettings
from morl.errors import MorlError
from morl.rollout import EpisodeReturns, collect
from morl.streams import Streams
from morl.transitions import Transition, Transitions

N, UPDATES = 4, 20
SEEDS = (3, 5, 7)
sea = partial(morl.make_vec, "deep-sea-treasure-v0")


def weights_of(seeds: Sequence[int]) -> Tensor:
    return torch.tensor([[s / 10, 1 - s / 10] for s in seeds])


class Floats(Transitions):
    """Observations as the networks want them."""

    def step(self, action: Any) -> Transition:
        step = super().step(action)
        return step._replace(obs=step.obs.float(), next_obs=step.next_obs.float())


def prepared(make: Callable[..., Any], seeds: Sequence[int]) -> tuple[Any, dict[str, Any], Transitions]:
    env = make(len(seeds) * N, groups=len(seeds))
    transitions = Floats(env, to_tensor=lambda obs: obs.float())
    transitions.reset(population.env_seeds(env, seeds, len(seeds) * N))
    common = {
        "obs_dim": env.single_observation_space.shape[0],
        "channels": 2,
        "action_space": env.single_action_space,
        "num_envs": len(seeds) * N,
        "seeds": seeds,
        "gamma": 0.99,
    }
    return env, common, transitions


def train_ppo(
    make: Callable[..., Any], seeds: Sequence[int], extra: dict[str, Any] | None = None, **options: Any
) -> Tensor:
    _, common, transitions = prepared(make, seeds)
    settings = PPOSettings(rollout_length=8, minibatch=16, epochs=1, hidden=(16,), **extra or {})
    learner = PPOPopulation(settings=settings, **common, **options)
    weights = weights_of(seeds)
    rows = weights.repeat_interleave(N, 0)
    for step in range(UPDATES // 2):  # two minibatches each
        with torch.no_grad():
            rollout, _ = collect(
                transitions, lambda obs, _: learner.behave(obs), rows, 8, lambda n: rows, EpisodeReturns(2)
            )
        learner.update(rollout, weights, step / UPDATES)
    return learner.members.theta


def train_dqn(make: Callable[..., Any], seeds: Sequence[int], **options: Any) -> Tensor:
    _, common, transitions = prepared(make, seeds)
    settings = DQNSettings(minibatch=16, n_steps=4, hidden=(16,), replay=200)
    learner = DQNPopulation(settings=settings, **common, **options)
    weights = weights_of(seeds)
    for step in range(1 + UPDATES // 4):  # four updates each
        for _ in range(8):
            with torch.no_grad():
                action = learner.behave(transitions.obs, weights, warming=step < 1)
            taken: Transition = transitions.step(action)
            learner.add(taken, learning=step > 0)
        if step:
            learner.update(8, weights, step / UPDATES)
    assert (learner.members.learner.adam.step >= UPDATES).all()
    return learner.members.theta


@pytest.mark.parametrize(
    ("train", "make"),
    [
        (train_ppo, sea),
        (train_ppo, Target),
        (partial(train_ppo, extra={"growing_unit": True, "centre_advantages": True}), Target),
        (train_dqn, sea),
    ],
    ids=["ppo discrete", "ppo continuous", "ppo in growing units", "dqn"],
)
def test_equals_separate_trainings(train: Callable[..., Tensor], make: Callable[..., Any]) -> None:
    together = train(make, SEEDS)
    alone = torch.cat([train(make, [seed]) for seed in SEEDS])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 0.01  # guards the comparison


def test_shared_parts_stay_equal_and_the_rest_differs() -> None:
    theta = train_dqn(sea, SEEDS, shared=("trunk",))
    _, common, _ = prepared(sea, SEEDS)
    shared = DQNPopulation(settings=DQNSettings(hidden=(16,)), shared=("trunk",), **common).shared
    assert shared is not None and 0 < shared.sum() < len(shared)
    torch.testing.assert_close(theta[0][shared], theta[1][shared], rtol=0, atol=1e-6)
    assert (theta[0][~shared] - theta[1][~shared]).abs().max() > 0.01


def test_frozen_members_stay_and_others_do_not_notice() -> None:
    _, common, transitions = prepared(sea, SEEDS)
    learner = PPOPopulation(settings=PPOSettings(rollout_length=8, minibatch=16, hidden=(8,)), **common)
    weights = weights_of(SEEDS)
    rollout = collected(learner, transitions, weights)
    before, streams = learner.members, learner.streams.get_state()
    learner.update(rollout, weights, 0.0)
    everyone = learner.members.theta
    learner.members = before
    learner.streams.set_state(streams)
    learner.update(rollout, weights, 0.0, torch.tensor([True, False, True]))
    assert torch.equal(learner.members.theta[1], before.theta[1])
    assert torch.equal(learner.members.theta[[0, 2]], everyone[[0, 2]])


def collected(learner: PPOPopulation, transitions: Transitions, weights: Tensor) -> Any:
    rows = weights.repeat_interleave(N, 0)
    with torch.no_grad():
        return collect(
            transitions, lambda obs, _: learner.behave(obs), rows, 8, lambda n: rows, EpisodeReturns(2)
        )[0]


def test_units_that_grow_leave_values_as_they_are() -> None:
    _, common, transitions = prepared(sea, SEEDS)
    learner = PPOPopulation(settings=PPOSettings(growing_unit=True, hidden=(8,)), **common)
    rollout = collected(learner, transitions, weights_of(SEEDS))
    learner.update(rollout, weights_of(SEEDS), 0.0)
    obs = transitions.obs.view(3, N, -1)
    before = learner.members
    values = learner.network.value(before.theta, obs, obs) * before.unit.view(-1, 1, 1)
    larger = rollout._replace(
        reward=rollout.reward * torch.tensor([100.0, 1.0, 100.0]).repeat_interleave(N).view(1, -1, 1)
    )
    with torch.no_grad():
        learner._batch(larger, weights_of(SEEDS), torch.tensor([True, True, False]))
    after = learner.members
    assert after.unit[0] > 10 * before.unit[0] and after.unit[2] == before.unit[2]  # the last one is frozen
    torch.testing.assert_close(
        learner.network.value(after.theta, obs, obs) * after.unit.view(-1, 1, 1), values, rtol=1e-4, atol=1e-5
    )
    with pytest.raises(MorlError, match="share a critic"):
        PPOPopulation(settings=PPOSettings(growing_unit=True), shared=("critic",), **common)


def test_centred_advantages_have_mean_zero_and_keep_their_differences() -> None:
    weights, found = weights_of(SEEDS), []
    for centre in (False, True):
        _, common, transitions = prepared(sea, SEEDS)
        learner = PPOPopulation(settings=PPOSettings(centre_advantages=centre, hidden=(8,)), **common)
        with torch.no_grad():
            batch = learner._batch(collected(learner, transitions, weights), weights)
        found.append((batch.advantage * batch.weights).sum(dim=-1))
    plain, centred = found
    torch.testing.assert_close(centred, plain - plain.mean(dim=1, keepdim=True), rtol=0, atol=1e-5)
    assert plain.mean(dim=1).abs().min() > 0.01  # guards the comparison


def test_members_are_picked_replaced_and_added() -> None:
    _, common, _ = prepared(sea, SEEDS)
    members = PPOPopulation(settings=PPOSettings(hidden=(8,)), **common).members
    clone = population.take(members, torch.tensor([2]))
    replaced = population.put(members, torch.tensor([0]), clone)
    assert torch.equal(replaced.theta[0], members.theta[2]) and torch.equal(
        replaced.theta[1:], members.theta[1:]
    )
    larger = population.join(members, clone)
    assert larger.theta.shape[0] == larger.adam.step.shape[0] == 4


def test_each_member_has_its_own_generator() -> None:
    together = Streams([8, 9], 6, groups=2)
    alone = [Streams(seed, 3) for seed in (8, 9)]
    assert torch.equal(together.uniform(2), torch.cat([s.uniform(2) for s in alone]))
    assert torch.equal(together.permutations(5), torch.cat([s.permutations(5) for s in alone]))


def test_gradients_of_opposite_objectives_conflict() -> None:
    _, common, transitions = prepared(sea, SEEDS)
    learner = PPOPopulation(settings=PPOSettings(rollout_length=16, hidden=(8,)), **common)
    weights = weights_of(SEEDS)
    rows = weights.repeat_interleave(N, 0)
    with torch.no_grad():
        rollout, _ = collect(
            transitions, lambda obs, _: learner.behave(obs), rows, 16, lambda n: rows, EpisodeReturns(2)
        )
    opposite = torch.stack((rollout.reward[..., 1], -rollout.reward[..., 1]), dim=-1)
    _, batch = learner.update(rollout._replace(reward=opposite), weights, 0.0)
    cosine = learner.conflict(batch._replace(advantage=torch.stack((batch.mask, -batch.mask), -1)))
    torch.testing.assert_close(cosine[:, 0, 1], -torch.ones(3), rtol=0, atol=1e-4)
