"""Hypergrid: deep-sea-treasure in m - 1 dimensions, with an exact front for every m and every discount.

A diver starts at the corner of a grid with m - 1 axes. A step along an axis is never taken back (the walks are
monotone), and all steps together may not exceed the `depth`. Digging ends the episode: a cell that lies k_i
steps along axis i pays f(k_i) of treasure i, unless it is barren, and every step costs one unit of time. So each
kind of treasure competes with every other for the depth, and all of them with time: there is a trade-off within
every pair, and so within every subset, of the m objectives. For m = 2 this is a deep-sea-treasure with one
treasure in each depth (Vamplew et al. 2011, "Empirical evaluation methods for multiobjective reinforcement
learning algorithms").
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.hypergrid_map import make_map
from morl.envs.single import SingleEnv


class State(NamedTuple):
    """Where n divers are."""

    cell: Tensor
    """(n,) int64, the number of the cell in `HyperMap.cells`."""


class HyperGrid(BatchedEnv):
    """`num_envs` divers. Observation: coordinates / depth, (m - 1,) float32.

    Actions: a step along axis 0, ..., m - 2, or dig (m - 1), which ends the episode. A step beyond the depth
    leaves the diver where it is. Objectives: m - 1 treasures (paid when digging) and time (-1 a step).

    Args:
        num_envs: how many divers.
        objectives: m, from 2 to 10.
        depth: how many steps a walk may have; None takes the default for m.
        shape: "convex", where weighted sums reach the whole front (with gamma = 1), or "concave", where they
            reach its m ends only.
        barren: the share of cells without treasure.
        layout_seed: chooses those.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        objectives: int = 3,
        depth: int | None = None,
        shape: str = "convex",
        barren: float = 0.3,
        layout_seed: int = 0,
        max_episode_steps: int | None = 100,
        **options: Any,
    ) -> None:
        self.map = grid = make_map(objectives, depth, shape, barren, layout_seed)
        axes = grid.axes
        super().__init__(
            num_envs,
            observation_space=Box(0.0, 1.0, (axes,), dtype=np.float32),
            action_space=Discrete(grid.objectives),
            reward_space=Box(
                np.array([0.0] * axes + [-1.0], dtype=np.float32),
                np.array([grid.depth] * axes + [-1.0], dtype=np.float32),
            ),
            max_episode_steps=max_episode_steps,
            **options,
        )
        cells = len(grid.cells)
        # Everything is a table by cell and action; the last action stays and is paid.
        stay = np.column_stack((grid.next_cell, np.arange(cells)))
        rewards = np.zeros((cells, grid.objectives, grid.objectives))
        rewards[:, -1, :axes] = grid.treasures
        rewards[:, :, -1] = -1.0
        self.next_cell = self.constant(stay.reshape(-1))
        self.rewards = self.constant(rewards.reshape(-1, grid.objectives))
        self.observations = self.constant(grid.cells / grid.depth, dtype=torch.float32)

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        """All at the corner."""
        return State(torch.zeros(n, dtype=torch.int64, device=self.device))

    def observe(self, state: State) -> Tensor:
        """Relative coordinates (n, m - 1)."""
        return self.observations.index_select(0, state.cell)

    def transition(self, state: State, action: Tensor, noise: Tensor | None) -> Step:
        """Step or dig."""
        entry = state.cell * self.map.objectives + action
        cell = self.next_cell.index_select(0, entry)
        return Step(State(cell), self.rewards.index_select(0, entry), action == self.map.axes)


def make_single(**options: Any) -> SingleEnv:
    """One diver as a `gymnasium.Env`; takes the arguments of `HyperGrid`."""
    return SingleEnv(HyperGrid, **options)
