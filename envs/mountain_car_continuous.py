"""Mountain car with a throttle, batched: reach the goal soon, and with little fuel.

The dynamics of MO-Gymnasium's `mo-mountaincarcontinuous-v0`, equal to them step by step. The original keeps its
state in float32 and rounds after each operation, apart from the cosine; so does this one, whatever its dtype.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.mountain_car import LEFTMOST, MAX_SPEED, RIGHTMOST, START
from morl.envs.single import SingleEnv
from morl.streams import Streams

GOAL = 0.45
POWER, GRAVITY = 0.0015, 0.0025


class State(NamedTuple):
    """How n cars move; float32 numbers, from the first step on."""

    position: Tensor
    velocity: Tensor


class MountainCarContinuous(BatchedEnv):
    """`num_envs` cars in a valley. Observation: position and velocity, (2,) float32.

    Action: the throttle, (1,) in [-1, 1]; beyond that it pushes no harder, but burns fuel.
    Objectives: time (-1 a step, 0 when the goal is reached) and fuel (minus the throttle's square).

    Args:
        num_envs: how many cars.
        goal_velocity: the car must move right at least this fast where it reaches the goal.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        goal_velocity: float = 0.0,
        max_episode_steps: int | None = 999,
        **options: Any,
    ) -> None:
        super().__init__(
            num_envs,
            observation_space=Box(
                np.array([LEFTMOST, -MAX_SPEED], dtype=np.float32),
                np.array([RIGHTMOST, MAX_SPEED], dtype=np.float32),
            ),
            action_space=Box(-1.0, 1.0, (1,), dtype=np.float32),
            reward_space=Box(-1.0, 0.0, (2,), dtype=np.float32),
            max_episode_steps=max_episode_steps,
            **options,
        )
        self.leftmost, self.rightmost = single(LEFTMOST), single(RIGHTMOST)
        self.max_speed, self.power = single(MAX_SPEED), single(POWER)
        self.goal, self.goal_velocity = single(GOAL), single(goal_velocity)

    def draw_reset_noise(self, n: int, streams: Streams) -> Tensor:
        """Uniform numbers (n,): where in the valley a car starts."""
        return streams.uniform().to(self.dtype)

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        """At rest near the bottom of the valley."""
        assert noise is not None
        return State(START[0] + (START[1] - START[0]) * noise, torch.zeros_like(noise))

    def observe(self, state: State) -> Tensor:
        """Position and velocity (n, 2)."""
        return torch.stack((state.position, state.velocity), dim=1).to(torch.float32)

    def transition(self, state: State, action: Tensor, noise: Tensor | None) -> Step:
        """Push, roll, and see whether the goal is reached."""
        throttle = self._round(action[:, 0].to(self.dtype))
        thrust = self._round(throttle.clamp(-1.0, 1.0) * self.power)
        phase = 3 * state.position
        # The original draws its first position in float64, and rounds only what is float32 already.
        drawn = self._round(state.position) != state.position
        phase = torch.where(drawn, phase, self._round(phase))
        push = self._round(thrust - self._round(GRAVITY * torch.cos(phase)))
        velocity = self._round(state.velocity + push).clamp(-self.max_speed, self.max_speed)
        position = self._round(state.position + velocity).clamp(self.leftmost, self.rightmost)
        velocity = torch.where(position <= self.leftmost, velocity.clamp(min=0.0), velocity)
        arrived = (position >= self.goal) & (velocity >= self.goal_velocity)
        reward = torch.stack((arrived.to(self.dtype) - 1, -(throttle * throttle)), dim=1)
        return Step(State(position, velocity), reward, arrived)

    def _round(self, values: Tensor) -> Tensor:
        """To the nearest float32."""
        return values.to(torch.float32).to(self.dtype)


def single(value: float) -> float:
    """The float32 nearest to `value`."""
    return float(np.float32(value))


def make_single(**options: Any) -> SingleEnv:
    """One car as a `gymnasium.Env`; takes the arguments of `MountainCarContinuous`."""
    return SingleEnv(MountainCarContinuous, **options)
