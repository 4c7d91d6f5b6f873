"""FishWood, batched: fish in the one place, collect wood in the other.

Roijers et al. 2018, "Multi-objective Reinforcement Learning for the Expected Utility of the Return", with the
dynamics of MO-Gymnasium's `fishwood-v0`, equal to them step by step. One defect is not followed: an episode's
last step is truncated, not terminated as well, because it is a time limit that no observation shows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.single import SingleEnv
from morl.errors import EnvError
from morl.streams import Streams

RIVER, WOODS = range(2)
"""The places, which are also the actions that lead there and the objectives that are paid there."""


class State(NamedTuple):
    """Where n people are."""

    place: Tensor
    """(n,) int64, RIVER or WOODS."""


class FishWood(BatchedEnv):
    """`num_envs` people between a river and the woods. Observation: the place, (1,) int32.

    Actions: go to the river, go to the woods; what is found is found where the step begins.
    Objectives: fish (1 with probability `fishproba` at the river) and wood (1 with `woodproba` in the woods).

    Args:
        num_envs: how many people.
        fishproba: chance of a fish in a step at the river.
        woodproba: chance of wood in a step in the woods.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        fishproba: float = 0.1,
        woodproba: float = 0.9,
        max_episode_steps: int | None = 200,
        **options: Any,
    ) -> None:
        for name, chance in (("fishproba", fishproba), ("woodproba", woodproba)):
            if not 0 <= chance <= 1:
                raise EnvError(f"expected a probability in [0, 1] as {name}, got {chance}")
        super().__init__(
            num_envs,
            observation_space=Box(0, 1, (1,), dtype=np.int32),
            action_space=Discrete(2),
            reward_space=Box(0.0, 1.0, (2,), dtype=np.float32),
            max_episode_steps=max_episode_steps,
            **options,
        )
        self.chance = self.constant([float(fishproba), float(woodproba)])
        self.objective = self.constant(np.eye(2, dtype=bool))

    def draw_step_noise(self, n: int, streams: Streams) -> Tensor:
        """Uniform numbers (n,): below the chance, something is found."""
        return streams.uniform().to(self.dtype)

    def step_outcomes(self) -> list[tuple[float, float]]:
        """Whether something is found at the one place, the other, both or none."""
        low, high = sorted(self.chance.tolist())
        return [(low, -1.0), (high - low, low), (1.0 - high, high)]

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        """All in the woods."""
        return State(torch.full((n,), WOODS, dtype=torch.int64, device=self.device))

    def observe(self, state: State) -> Tensor:
        """Places (n, 1)."""
        return state.place.to(torch.int32).unsqueeze(1)

    def transition(self, state: State, action: Tensor, noise: Tensor | None) -> Step:
        """Look for what the place offers, then go where the action says."""
        assert noise is not None
        found = noise < self.chance[state.place]
        reward = (found.unsqueeze(1) & self.objective[state.place]).to(self.dtype)
        return Step(State(action.to(torch.int64)), reward, torch.zeros_like(found))


def front(gamma: float, *, steps: int = 200) -> np.ndarray:
    """Expected returns (steps, 2) of fishing in none to all of the last `steps - 1` steps.

    The first step is always in the woods. Every policy is on the line through these points, and none lies
    beyond its ends: an hour at the river is an hour less in the woods.
    """
    weights = gamma ** np.arange(steps, dtype=np.float64)
    fishing = np.concatenate(([0.0], np.cumsum(weights[:0:-1])))
    return np.stack((0.1 * fishing, 0.9 * (weights.sum() - fishing)), axis=1)


def make_single(**options: Any) -> SingleEnv:
    """One person as a `gymnasium.Env`; takes the arguments of `FishWood`."""
    return SingleEnv(FishWood, **options)
