"""Resource gathering, batched: bring gold and a diamond home, past enemies who may kill.

Barrett and Narayanan 2008, "Learning all optimal policies with multiple criteria", with the dynamics of
MO-Gymnasium's `resource-gathering-v0`, equal to them step by step. Death ends the episode, and nothing is
brought home.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.grids import next_cells
from morl.envs.pareto_induction import pareto_front
from morl.envs.planning import enumerate_model
from morl.envs.single import SingleEnv
from morl.envs.stored_fronts import stored
from morl.streams import Streams

MAP = ("..GE.", "..E.D", ".....", ".....", "..H..")
"""Gold, enemies, a diamond, and home, where everybody starts."""

DIAMOND, GOLD, ENEMY, HOME = 1, 2, 4, 8
"""What lies in a cell."""

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Up, down, left, right as (row, column)."""

DANGER = 0.1
"""The chance that an enemy kills, in every step that ends where it is."""

LIMIT = 100
"""Steps, after which an episode is cut off."""


class State(NamedTuple):
    """Where n gatherers are, and what they carry."""

    cell: Tensor
    """(n,) int64, row * 5 + column."""
    gold: Tensor
    """(n,) bool."""
    diamond: Tensor
    """(n,) bool."""


class ResourceGathering(BatchedEnv):
    """`num_envs` gatherers. Observation: (row, column, carries gold, carries the diamond), int32.

    Actions: up, down, left, right; a move out of the map leaves the gatherer where it is, to meet again what is
    there: an enemy, or home, which ends the episode. Objectives: death (-1 when killed), gold and diamond
    (1 each, paid at home).

    Args:
        num_envs: how many gatherers.
    """

    def __init__(self, num_envs: int, *, max_episode_steps: int | None = LIMIT, **options: Any) -> None:
        super().__init__(
            num_envs,
            observation_space=Box(0, len(MAP), (4,), dtype=np.int32),
            action_space=Discrete(len(MOVES)),
            reward_space=Box(
                np.array([-1.0, 0.0, 0.0], dtype=np.float32), np.array([0.0, 1.0, 1.0], dtype=np.float32)
            ),
            max_episode_steps=max_episode_steps,
            **options,
        )
        grid = np.array([list(row) for row in MAP])
        cells = grid.ravel()
        self.start = int(np.flatnonzero(cells == "H")[0])
        self.next_cell = self.constant(next_cells(grid != "X", MOVES))
        # Little is different from one another, so it is looked up: what is observed for cell and belongings, what is
        # paid for death, home and belongings.
        position = np.indices(grid.shape).reshape(2, -1).T
        belongings = np.array([(gold, diamond) for gold in (0, 1) for diamond in (0, 1)])
        seen = np.hstack((np.repeat(position, 4, axis=0), np.tile(belongings, (grid.size, 1))))
        self.observations = self.constant(seen, dtype=torch.int32)
        paid = [
            (-dead, home * g, home * d) for dead in (0, 1) for home in (0, 1) for g, d in belongings.tolist()
        ]
        self.rewards = self.constant(np.array(paid, dtype=np.float64))
        self.marks = self.constant(sum((cells == mark) << bit for bit, mark in enumerate("DGEH")))
        self.danger = self.constant(DANGER)

    def draw_step_noise(self, n: int, streams: Streams) -> Tensor:
        """Uniform numbers (n,): below the danger, an enemy kills."""
        return streams.uniform().to(self.dtype)

    def step_outcomes(self) -> list[tuple[float, float]]:
        """An enemy kills, or does not."""
        return [(DANGER, 0.0), (1.0 - DANGER, 1.0)]

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        """All at home, with nothing."""
        nothing = torch.zeros(n, dtype=torch.bool, device=self.device)
        return State(torch.full((n,), self.start, dtype=torch.int64, device=self.device), nothing, nothing)

    def observe(self, state: State) -> Tensor:
        """Positions and belongings (n, 4)."""
        return self.observations.index_select(0, state.cell * 4 + _belongings(state.gold, state.diamond))

    def transition(self, state: State, action: Tensor, noise: Tensor | None) -> Step:
        """Move, then take what lies there, be killed or be home."""
        assert noise is not None
        cell = self.next_cell.index_select(0, state.cell * len(MOVES) + action)
        mark = self.marks.index_select(0, cell)
        gold, diamond = state.gold | (mark == GOLD), state.diamond | (mark == DIAMOND)
        killed, home = (mark == ENEMY) & (noise < self.danger), mark == HOME
        index = killed.to(torch.int64) * 8 + home.to(torch.int64) * 4 + _belongings(gold, diamond)
        return Step(State(cell, gold, diamond), self.rewards.index_select(0, index), killed | home)


def _belongings(gold: Tensor, diamond: Tensor) -> Tensor:
    """0 for nothing, 1 for the diamond, 2 for gold, 3 for both: (n,) int64."""
    return gold.to(torch.int64) * 2 + diamond.to(torch.int64)


@stored("resource-gathering-v0")
def front(gamma: float) -> NDArray[np.float64]:
    """The Pareto front (k, 3) of expected discounted returns over deterministic policies; exact.

    Whoever is killed has nothing left to decide, so a policy is a walk of at most 100 steps.
    """
    return pareto_front(enumerate_model(ResourceGathering(1, dtype=torch.float64)), gamma)


def make_single(**options: Any) -> SingleEnv:
    """One gatherer as a `gymnasium.Env`; takes the arguments of `ResourceGathering`."""
    return SingleEnv(ResourceGathering, **options)
