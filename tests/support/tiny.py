"""Environments so small that the best return for every preference is known, and learned in a second."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import Tensor
from toys import LENGTH

from morl import registry
from morl.agent import Agent
from morl.envs.base import BatchedEnv, Step

ARMS = np.array([[1.0, 0.0], [0.7, 0.7], [0.0, 1.0], [0.4, 0.4]])
"""Rewards of the bandit; the last arm is dominated."""

DQN = {"hidden": (16,), "n_steps": 4, "minibatch": 32, "replay": 2000, "replay_ratio": 6.0}
PPO = {"hidden": (16,), "rollout_length": 8, "minibatch": 16, "epochs": 2}
POPULATION = {
    "population": 2,
    "round_length": 1,
    "neighbours": 1,
    "selection_steps": 4,
    "ppo": {"hidden": (16,), "rollout_length": 8, "minibatch": 16, "epochs": 2},
    "dqn": {"hidden": (16,), "rollout_length": 8, "n_steps": 4, "minibatch": 16, "replay": 1000},
}
SMALL: dict[str, dict[str, Any]] = {
    "envelope-dqn": DQN,
    "conditioned-ppo": PPO,
    "single-objective": {"partitions": 2},
    "morld": POPULATION,
    "sweep": POPULATION,
    "random": {},
    "evolution": {"population": 4, "hidden": (4,)},
    "mo-q-learning": {"tables": 5, "rollout_length": 8, "resolution": 1.0},
    "pareto-q-learning": {"rollout_length": 8, "resolution": 1.0},
}
"""Settings with which an agent trains in no time; nothing is learned."""


def small_agent(name: str, env: Any, **options: Any) -> Agent:
    """A registered agent with the settings of `SMALL`."""
    settings = dict(SMALL[name])
    if name == "single-objective":
        settings["learner_settings"] = DQN if isinstance(env.single_action_space, Discrete) else PPO
    agent: Agent = registry.agent_class(name)(env, **settings, **options)
    return agent


class Nothing(NamedTuple):
    zero: Tensor


class OneStep(BatchedEnv):
    """An episode is one action; there is nothing to observe."""

    def initial_state(self, n: int, noise: Tensor | None) -> Nothing:
        return Nothing(torch.zeros(n, device=self.device))

    def observe(self, state: Nothing) -> Tensor:
        return state.zero.unsqueeze(1)

    def pay(self, action: Tensor) -> Tensor:
        """Rewards (n, 2)."""
        raise NotImplementedError

    def transition(self, state: Nothing, action: Tensor, noise: Tensor | None) -> Step:
        over = torch.ones(self.num_envs, dtype=torch.bool, device=self.device)
        return Step(state, self.pay(action), terminated=over)


class Bandit(OneStep):
    """Pull one of four arms, paid by a vector each."""

    env_id = "tiny:Bandit"

    def __init__(self, num_envs: int, **options: Any) -> None:
        super().__init__(
            num_envs,
            observation_space=Box(0, 1, (1,), np.float32),
            action_space=Discrete(len(ARMS)),
            reward_space=Box(0, 1, (2,), np.float32),
            **options,
        )
        self.arms = self.constant(ARMS)

    def pay(self, action: Tensor) -> Tensor:
        return self.arms[action]


class Target(OneStep):
    """Choose a number; the objectives pay minus its squared distance from 1 and from -1.

    `w . r = -(a - (w0 - w1))^2 - 4 w0 w1`, so the best action is w0 - w1.
    """

    env_id = "tiny:Target"

    def __init__(self, num_envs: int, **options: Any) -> None:
        super().__init__(
            num_envs,
            observation_space=Box(0, 1, (1,), np.float32),
            action_space=Box(-2, 2, (1,), np.float32),
            reward_space=Box(-9, 0, (2,), np.float32),
            **options,
        )

    def pay(self, action: Tensor) -> Tensor:
        return torch.cat((-((action - 1) ** 2), -((action + 1) ** 2)), dim=1)


class Meter(OneStep):
    """Pay 2 and be done, or pay 1 and be asked again: at a discount above a half, better be done."""

    env_id = "tiny:Meter"
    PAY, GO_ON = 0, 1

    def __init__(self, num_envs: int, **options: Any) -> None:
        super().__init__(
            num_envs,
            observation_space=Box(0, 1, (1,), np.float32),
            action_space=Discrete(2),
            reward_space=Box(-2, -1, (2,), np.float32),
            **options,
        )

    def pay(self, action: Tensor) -> Tensor:
        return (action - 2.0).unsqueeze(1).expand(-1, 2)

    def transition(self, state: Nothing, action: Tensor, noise: Tensor | None) -> Step:
        return Step(state, self.pay(action), terminated=action == self.PAY)


def corridor_front(gamma: float) -> NDArray[np.float64]:
    """Returns (9, 2) of `toys.Corridor` without slips, one for each place to stop at."""
    stop = np.arange(LENGTH + 1)
    time = np.cumsum(gamma**stop)
    return np.stack((gamma**stop * stop, -time), axis=1)


def best_utility(weights: NDArray[np.float64], front: NDArray[np.float64]) -> float:
    """Mean over preferences (k, m) of the best `w . return` that a front (p, m) offers."""
    return float((weights @ front.T).max(axis=1).mean())


def best_target_utility(weights: NDArray[np.float64]) -> float:
    """The same for `Target`."""
    return float((-4 * weights[:, 0] * weights[:, 1]).mean())
