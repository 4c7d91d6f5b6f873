"""Each setting that changes how an agent learns still lets it learn, on problems solved in a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny import ARMS, Bandit, Meter, Target, best_utility
from toys import STOP, WALK, Corridor

import morl
from morl.agent import Agent
from morl.agents import ConditionedPPO, EnvelopeDQN
from morl.pareto import coverage_set

WEIGHTS = morl.weights.lattice(2, partitions=10)
FRONT = np.unique(coverage_set(ARMS), axis=0)
DQN: dict[str, Any] = {
    "hidden": (32,),
    "n_steps": 4,
    "minibatch": 64,
    "replay": 8000,
    "replay_ratio": 6.0,
    "lr": 3e-3,
    "lr_end": 3e-4,
    "tau": 0.02,
    "average_tau": 0.02,
}
PPO: dict[str, Any] = {
    "hidden": (32, 32),
    "rollout_length": 16,
    "minibatch": 256,
    "lr": 3e-3,
    "entropy_coefficient": 0.05,
    "entropy_end": 1e-4,
    "diversity_coefficient": 0.0,
}


def returns(agent: Agent, env: Any = Bandit) -> np.ndarray:
    """Of one episode for each of `WEIGHTS`, (11, 2)."""
    return morl.evaluate(agent, env, weights=WEIGHTS, episodes=1, backend="batched").returns


@pytest.mark.parametrize(
    "change",
    [
        {"n_steps": 1, "recency": 1.0},
        {"envelope_weights": 0, "relabel": 1.0},
        {"envelope_weights": 4, "optimism_until": 1.0},
        {"homotopy_end": 1.0, "tolerance": 0.0, "max_repeat": 5},
    ],
    ids=str,
)
def test_envelope_dqn_finds_the_exact_front(change: dict[str, Any]) -> None:
    agent = EnvelopeDQN(Bandit(32), seed=0, **{**DQN, **change}).learn(5_000, progress=False)
    found = returns(agent)
    np.testing.assert_allclose(np.unique(coverage_set(found), axis=0), FRONT, atol=1e-6)
    assert (found * WEIGHTS).sum(1).mean() > best_utility(WEIGHTS, ARMS) - 0.01


@pytest.mark.parametrize(
    "change",
    [
        {"scalarisation": "early"},
        {"advantage_scale": "per-objective"},
        {"advantage_scale": "none"},
        {"diversity_coefficient": 0.01, "normalise_observations": False},
    ],
    ids=str,
)
def test_conditioned_ppo_finds_the_exact_front(change: dict[str, Any]) -> None:
    agent = ConditionedPPO(Bandit(32), seed=0, **{**PPO, **change}).learn(30_000, progress=False)
    found = returns(agent)
    np.testing.assert_allclose(np.unique(coverage_set(found), axis=0), FRONT, atol=1e-6)
    assert (found * WEIGHTS).sum(1).mean() > best_utility(WEIGHTS, ARMS) - 0.03


def test_conditioned_ppo_finds_the_best_continuous_action() -> None:
    agent = ConditionedPPO(Target(32), seed=0, **{**PPO, "entropy_coefficient": 0.02})
    agent.learn(30_000, progress=False)
    weights = torch.as_tensor(WEIGHTS, dtype=torch.float32)
    action = agent.act(torch.zeros(len(weights), 1), weights).squeeze(1)
    torch.testing.assert_close(action, weights[:, 0] - weights[:, 1], rtol=0, atol=0.12)


@pytest.mark.parametrize("corner", [0, 1])
@pytest.mark.parametrize(("kind", "settings"), [(EnvelopeDQN, DQN), (ConditionedPPO, PPO)])
def test_one_preference_is_single_objective_learning(
    kind: Any, settings: dict[str, Any], corner: int
) -> None:
    """Trained for nothing else, it walks to the end of the corridor, or stops at once."""
    agent = kind(Corridor(32, max_episode_steps=None), seed=0, gamma=0.95, **settings)
    wanted = torch.eye(2)[corner]
    agent.preferences = lambda n, generator, device: wanted.expand(n, -1)
    agent.learn(24_000 if kind is EnvelopeDQN else 40_000, progress=False)
    # Worth walking on from p while 0.95 (p + 1) > p, so everywhere but at the end. Who stops at once learns
    # nothing of the places farther on.
    reached = torch.arange(8.0 if corner == 0 else 1.0).unsqueeze(1)
    assert torch.equal(agent.act(reached, wanted), torch.full((len(reached),), WALK if corner == 0 else STOP))


@pytest.mark.parametrize(("kind", "settings"), [(EnvelopeDQN, DQN), (ConditionedPPO, PPO)])
def test_a_time_limit_is_no_end_of_the_task(kind: Any, settings: dict[str, Any]) -> None:
    """Every episode is cut off after one step, where going on only seems to be cheaper."""
    agent = kind(Meter(32, max_episode_steps=1), seed=0, gamma=0.9, **settings)
    agent.learn(10_000 if kind is EnvelopeDQN else 15_000, progress=False)
    weights = torch.as_tensor(WEIGHTS, dtype=torch.float32)
    assert torch.equal(agent.act(torch.zeros(11, 1), weights), torch.full((11,), Meter.PAY))
