"""A batched environment of your own, in about 30 lines: heat a house, comfortably or cheaply.

    cd examples
    morl check-env thermostat:Thermostat
    morl train thermostat:Thermostat --agent conditioned-ppo --steps 1e6 --out runs/thermostat

Thousands of houses advance as one tensor program, on the CPU or a GPU. Time limits, resets, seeds and snapshots are
the base class's. What its author keeps to: random numbers come only from the two `draw` methods, constants that are
arrays are made once with `self.constant`, and no Python decision depends on a tensor's value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from morl.envs import BatchedEnv, Step
from morl.streams import Streams


class House(NamedTuple):
    """Temperatures of n houses, degrees Celsius."""

    indoor: Tensor
    """(n,)"""
    outdoor: Tensor
    """(n,)"""


class Thermostat(BatchedEnv):
    """Heat with 0, 5 or 10 kW for a quarter of an hour; a day has 96. Pays (comfort, energy).

    Comfort is minus the degree-hours away from 20 degrees, energy minus the kWh used. Each step the house loses 5 %
    of its difference from outdoors, where the temperature walks at random.
    """

    objectives = ("comfort", "energy")

    def __init__(self, num_envs: int, *, max_episode_steps: int | None = 96, **options: Any) -> None:
        super().__init__(
            num_envs,
            observation_space=Box(-15.0, 60.0, (2,), np.float32),
            action_space=Discrete(3),
            reward_space=Box(np.float32([-10.0, -2.5]), np.float32([0.0, 0.0])),
            max_episode_steps=max_episode_steps,
            **options,
        )

    def draw_reset_noise(self, n: int, streams: Streams) -> Tensor:
        """Two uniform numbers for each house (n, 2)."""
        return streams.uniform(2)

    def draw_step_noise(self, n: int, streams: Streams) -> Tensor:
        """One normal number for each house (n,)."""
        return streams.normal()

    def initial_state(self, n: int, noise: Tensor) -> House:
        """Indoors 10 to 20 degrees, outdoors -5 to 10."""
        return House(10.0 + 10.0 * noise[:, 0], -5.0 + 15.0 * noise[:, 1])

    def observe(self, state: House) -> Tensor:
        """Both temperatures (n, 2)."""
        return torch.stack(state, dim=1)

    def transition(self, state: House, action: Tensor, noise: Tensor) -> Step:
        """A quarter of an hour, in which 5 kW warm the house by one degree."""
        warmth = action.to(self.dtype)
        outdoor = (state.outdoor + 0.3 * noise).clamp(-15.0, 20.0)
        indoor = state.indoor + 0.05 * (outdoor - state.indoor) + warmth
        reward = torch.stack((-0.25 * (indoor - 20.0).abs(), -1.25 * warmth), dim=1)
        return Step(House(indoor, outdoor), reward, terminated=torch.zeros_like(indoor, dtype=torch.bool))
