"""Deep-sea-treasure, batched: the farther a treasure, the more it is worth.

Vamplew et al. 2011, "Empirical evaluation methods for multiobjective reinforcement learning algorithms", on
the maps of MO-Gymnasium's `deep-sea-treasure-v0`, `-concave-v0` and `-mirrored-v0`, equal to them step by
step. One defect is not followed: the observation space of the mirrored map with `float_state` holds what is
observed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.grids import next_cells
from morl.envs.sea_maps import ROCK, find_map
from morl.envs.single import SingleEnv

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Up, down, left, right as (row, column)."""


class State(NamedTuple):
    """Where n submarines are."""

    cell: Tensor
    """(n,) int64, row * columns + column."""


class DeepSeaTreasure(BatchedEnv):
    """`num_envs` submarines. Observation: (row, column), int32; with `float_state` a tenth of it, float32.

    Actions: up, down, left, right; a move into rock or out of the map leaves the submarine where it is.
    Objectives: treasure (paid where the episode ends) and time (-1 a step).

    Args:
        num_envs: how many submarines.
        sea_map: "convex", "concave" or "mirrored".
        float_state: observe real numbers instead of integers.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        sea_map: str = "convex",
        float_state: bool = False,
        max_episode_steps: int | None = 100,
        **options: Any,
    ) -> None:
        chart = find_map(sea_map)
        grid = chart.grid()
        columns = grid.shape[1]
        farthest = np.full(2, max(1.0, 0.1 * (columns - 1)), dtype=np.float32)
        super().__init__(
            num_envs,
            observation_space=Box(np.zeros(2, dtype=np.float32), farthest)
            if float_state
            else Box(0, columns, (2,), dtype=np.int32),
            action_space=Discrete(len(MOVES)),
            reward_space=Box(
                np.array([0.0, -1.0], dtype=np.float32), np.array([grid.max(), -1.0], dtype=np.float32)
            ),
            max_episode_steps=max_episode_steps,
            **options,
        )
        position = np.indices(grid.shape).reshape(2, -1).T
        self.start = int(np.ravel_multi_index(chart.start, grid.shape))
        # Everything is a table: one lookup each for the next cell, the reward, the end and the observation.
        self.next_cell = self.constant(next_cells(grid != ROCK, MOVES))
        self.rewards = self.constant(np.stack((grid.clip(min=0.0).ravel(), np.full(grid.size, -1.0)), axis=1))
        self.is_treasure = self.constant(grid.ravel() > 0)
        # The original rounds this product to float32, too.
        scaled = position.astype(np.float32) * np.float32(0.1)
        self.observations = self.constant(
            scaled if float_state else position.astype(np.int32),
            dtype=torch.float32 if float_state else torch.int32,
        )

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        """All at the start of the map."""
        return State(torch.full((n,), self.start, dtype=torch.int64, device=self.device))

    def observe(self, state: State) -> Tensor:
        """Positions (n, 2)."""
        return self.observations.index_select(0, state.cell)

    def transition(self, state: State, action: Tensor, noise: Tensor | None) -> Step:
        """Move, then collect what lies there."""
        cell = self.next_cell.index_select(0, state.cell * len(MOVES) + action)
        return Step(State(cell), self.rewards.index_select(0, cell), self.is_treasure.index_select(0, cell))


def make_single(**options: Any) -> SingleEnv:
    """One submarine as a `gymnasium.Env`; takes the arguments of `DeepSeaTreasure`."""
    return SingleEnv(DeepSeaTreasure, **options)
