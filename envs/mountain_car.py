"""Mountain car, batched: a car too weak for the slope must swing itself up to the goal.

The multi-objective form of Vamplew et al. 2011, "Empirical evaluation methods for multiobjective reinforcement
learning algorithms", with the dynamics of MO-Gymnasium's `mo-mountaincar-v0`, `-3d-v0`, `-timemove-v0` and
`-timespeed-v0`, equal to them step by step. One defect is not followed: the reward space holds the 0 that the
objective time pays in the step that reaches the goal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.single import SingleEnv
from morl.streams import Streams

LEFT, COAST, RIGHT = range(3)

LEFTMOST, RIGHTMOST, MAX_SPEED = -1.2, 0.6, 0.07
START = (-0.6, -0.4)
"""Episodes start at rest, uniformly in here."""
GOAL = 0.5
FORCE, GRAVITY = 0.001, 0.0025
SPEED_REWARD = 15
"""Reward for a speed of 1."""
SPEED_REWARD_BOUND = 1.1
"""What the original declares, a little more than 15 x 0.07."""


class State(NamedTuple):
    """How n cars move."""

    position: Tensor
    velocity: Tensor


class MountainCar(BatchedEnv):
    """`num_envs` cars in a valley. Observation: position and velocity, (2,) float32.

    Actions: push left, coast, push right. The right end of the world does not stop a car, the left one does.
    Objectives: time (-1 a step, 0 when the goal is reached), then -1 for a push to the left and -1 for one to
    the right, or, if these are merged, -1 for any push; and speed (15 x |velocity|), if it is added.

    Args:
        num_envs: how many cars.
        add_speed_objective: pay for speed, as the last objective.
        remove_move_penalty: do not charge for pushes; overrules `merge_move_penalty`.
        merge_move_penalty: charge for pushes in one objective.
        goal_velocity: the car must move right at least this fast where it reaches the goal.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        add_speed_objective: bool = False,
        remove_move_penalty: bool = False,
        merge_move_penalty: bool = False,
        goal_velocity: float = 0.0,
        max_episode_steps: int | None = 200,
        **options: Any,
    ) -> None:
        pushes = 0 if remove_move_penalty else 1 if merge_move_penalty else 2
        low, high = [-1.0] * (1 + pushes), [0.0] * (1 + pushes)
        super().__init__(
            num_envs,
            observation_space=Box(
                np.array([LEFTMOST, -MAX_SPEED], dtype=np.float32),
                np.array([RIGHTMOST, MAX_SPEED], dtype=np.float32),
            ),
            action_space=Discrete(3),
            reward_space=Box(
                np.array(low + [0.0] * add_speed_objective, dtype=np.float32),
                np.array(high + [SPEED_REWARD_BOUND] * add_speed_objective, dtype=np.float32),
            ),
            max_episode_steps=max_episode_steps,
            **options,
        )
        self.add_speed_objective = add_speed_objective
        self.goal_velocity = goal_velocity
        self.force = self.constant([-FORCE, 0.0, FORCE])
        charges = np.zeros((3, pushes))
        charges[LEFT, :1] = charges[RIGHT, -1:] = -1.0
        self.charges = self.constant(charges)

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
        velocity = state.velocity + (self.force[action] - GRAVITY * torch.cos(3 * state.position))
        velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED)
        position = (state.position + velocity).clamp(LEFTMOST, RIGHTMOST)
        velocity = torch.where(position <= LEFTMOST, velocity.clamp(min=0.0), velocity)
        arrived = (position >= GOAL) & (velocity >= self.goal_velocity)
        time = arrived.to(self.dtype) - 1
        parts = [time.unsqueeze(1), self.charges[action]]
        if self.add_speed_objective:
            parts.append(SPEED_REWARD * velocity.abs().unsqueeze(1))
        return Step(State(position, velocity), torch.cat(parts, dim=1), arrived)


def make_single(**options: Any) -> SingleEnv:
    """One car as a `gymnasium.Env`; takes the arguments of `MountainCar`."""
    return SingleEnv(MountainCar, **options)
