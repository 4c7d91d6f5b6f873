from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from tiny import DQN, Bandit, Target
from torch import Tensor
from toys import Corridor

import morl
from morl.agent import Callback
from morl.agents import ConditionedPPO, EnvelopeDQN
from morl.baselines import RandomPolicy, SingleObjective
from morl.errors import MorlError
from morl.spec import EnvSpec

N = 4


def small(partitions: int = 2, env: Any = None, **options: Any) -> SingleObjective:
    env = Bandit(N) if env is None else env
    return SingleObjective(env, seed=5, partitions=partitions, learner_settings=DQN, **options)


class Settled(RandomPolicy):
    """Plays the arm that its seed and the steps it was given decide; remembers what it was asked."""

    name = "settled"
    trained: list[tuple[int, int, Tensor]] = []  # noqa: RUF012

    def iterate(self, max_steps: int) -> dict[str, Any]:
        self.steps += min(max_steps // N * N, 3 * N)
        if self.total_steps - self.steps < N:
            self.trained.append((self.seed, self.steps, self.draw_preferences(2)))
        return {"loss": 1.0}

    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        return (weights.expand(len(obs), -1)[:, 0] * 100).round().long()


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> type[Settled]:
    monkeypatch.setattr(morl.registry, "agent_class", lambda name: Settled)
    monkeypatch.setattr(Settled, "trained", [])
    return Settled


@pytest.mark.parametrize(("partitions", "budget"), [(1, 200), (2, 200), (4, 203), (4, 20), (4, 39)])
def test_the_budget_is_shared_out_evenly(settled: type[Settled], partitions: int, budget: int) -> None:
    agent = SingleObjective(Bandit(N), partitions=partitions).learn(budget, progress=False)
    count = partitions + 1
    assert agent.steps == budget // N * N and len(settled.trained) == count
    seeds, steps, preferences = zip(*settled.trained, strict=True)
    assert len(set(seeds)) == count, "each learner has its own seed"
    share = budget // N // count * N
    assert list(steps[:-1]) == [share] * (count - 1) and share <= steps[-1] < share + count * N
    assert sum(steps) == agent.steps
    lattice = morl.weights.lattice(2, partitions=partitions)
    np.testing.assert_allclose(torch.stack(preferences), np.repeat(lattice[:, None], 2, axis=1), rtol=1e-6)


def test_the_nearest_preference_answers_under_its_own(settled: type[Settled]) -> None:
    agent = SingleObjective(Bandit(N), partitions=4).learn(400, progress=False)
    asked = torch.tensor([[0.0, 1.0], [0.1, 0.9], [0.2, 0.8], [0.6, 0.4], [0.9, 0.1], [1.0, 0.0]])
    answers = agent.act(torch.zeros(6, 1), asked)
    assert answers.tolist() == [0, 0, 25, 50, 100, 100]
    assert agent.act(torch.zeros(3, 1), torch.tensor([0.7, 0.3])).tolist() == [75] * 3


def test_half_way_those_that_are_trained_answer(settled: type[Settled]) -> None:
    class Stop(Callback):
        def on_iteration(self, agent: Any, metrics: dict[str, Any]) -> bool:
            return agent.steps < 100

    agent = SingleObjective(Bandit(N), partitions=4)
    everything = torch.tensor([[1.0, 0.0]])
    assert agent.act(torch.zeros(1, 1), everything).tolist() == [0], "untrained, the first learner answers"
    agent.learn(400, callbacks=[Stop()], progress=False)
    assert agent.act(torch.zeros(1, 1), everything).tolist() == [25]
    agent.learn(400, progress=False)
    assert agent.act(torch.zeros(1, 1), everything).tolist() == [100]


def test_three_objectives() -> None:
    env = morl.make_vec("minecart-v0", N)
    agent = small(3, env).learn(160, progress=False)
    assert len(agent.lattice) == 10 and agent.steps == 160
    actions = agent.act(torch.zeros(7, 7), torch.full((7, 3), 1 / 3))
    assert actions.shape == (7,) and int(actions.max()) < 6


def test_the_learner_fits_the_actions() -> None:
    assert small().kind is EnvelopeDQN
    assert SingleObjective(Target(N)).kind is ConditionedPPO
    assert SingleObjective(Bandit(N), learner="conditioned-ppo").kind is ConditionedPPO


def test_learners_are_ordinary_agents_for_one_preference() -> None:
    """The first learner is what its own class makes of its seed, its share and its preference."""
    agent = small(1, Corridor(N)).learn(160, progress=False)
    alone = EnvelopeDQN(Corridor(N), seed=morl.streams.derive_seed(5, 4, 0), **DQN)
    alone.preferences = lambda n, generator, device: torch.tensor([0.0, 1.0]).expand(n, -1)
    alone.learn(80, progress=False)
    ours, theirs = agent.done[0], alone.parameters_state()
    assert ours.keys() == theirs.keys()
    obs, weights = torch.linspace(0, 8, 99).unsqueeze(1), torch.tensor([0.0, 1.0])
    assert torch.equal(agent.act(obs, weights), alone.act(obs, weights))


def test_the_discount_reaches_the_learners() -> None:
    agent = small(1, gamma=0.7).learn(80, progress=False)
    assert agent.learner is not None and agent.learner.gamma == agent.gamma == 0.7


@pytest.mark.parametrize("more", [-40, 80])
def test_another_budget_is_refused(more: int) -> None:
    class Stop(Callback):
        def on_iteration(self, agent: Any, metrics: dict[str, Any]) -> bool:
            return False

    agent = small().learn(200, callbacks=[Stop()], progress=False)
    with pytest.raises(MorlError, match=rf"budget of 200 steps.*got {200 + more}; train a new agent"):
        agent.learn(200 + more, progress=False)
    finished = agent.learn(200, progress=False)
    with pytest.raises(MorlError, match="train a new agent"):
        finished.learn(400, progress=False)


def test_a_budget_too_small_for_all_learners_is_refused() -> None:
    with pytest.raises(MorlError, match=r"at least 20 steps.*5 learners, got 16"):
        small(4).learn(16, progress=False)


def test_spaces_that_its_learner_cannot_take_are_refused_at_once() -> None:
    images = replace(EnvSpec.of(Bandit(N)), single_observation_space=Box(0, 1, (3, 3), np.float32))
    with pytest.raises(MorlError, match="FlattenObservation"):
        SingleObjective(images)
    with pytest.raises(MorlError, match="Discrete actions"):
        SingleObjective(Target(N), learner="envelope-dqn")
