"""Four rooms, batched: collect shapes of three kinds on the way to a goal.

Barreto et al. 2017, "Successor features for transfer in reinforcement learning", in the discrete form of
MO-Gymnasium's `four-room-v0`, equal to it step by step. Two defects are not followed: where there are several
starts, one is drawn from the environment's own random stream, and the observation space of a maze that is
wider than high holds what is observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.grids import next_cells
from morl.envs.single import SingleEnv
from morl.errors import EnvError
from morl.streams import Streams

MAZE = (
    "1    2X     G",
    "      X      ",
    "      1      ",
    "             ",
    "      X      ",
    "2    3X      ",
    "XX3 XXXXX 1XX",
    "      X2    3",
    "      X      ",
    "             ",
    "      2      ",
    "      X      ",
    "_     X3    1",
)
"""The default maze: starts _, a goal G, walls X, and shapes 1, 2 and 3."""

MOVES = ((0, -1), (-1, 0), (0, 1), (1, 0))
"""Left, up, right, down as (row, column)."""

KINDS = "123"
"""Blue squares, green triangles and red circles: an objective each."""

LIMIT = 200
"""Steps, after which an episode is cut off."""


MOST_SHAPES = 30
"""What is collected are the bits of one integer."""


class State(NamedTuple):
    """Where n collectors are, and what they have collected."""

    cell: Tensor
    """(n,) int64, row * columns + column."""
    collected: Tensor
    """(n,) int32, a bit for each shape; shapes are counted column by column."""


class FourRoom(BatchedEnv):
    """`num_envs` collectors. Observation: (row, column, whether each shape is collected), int32.

    Actions: left, up, right, down; a move into a wall or out of the maze leads nowhere. Objectives: blue
    squares, green triangles and red circles, 1 each when first visited; the goal pays 1 in all three and ends
    the episode.

    Args:
        num_envs: how many collectors.
        maze: rows of characters as in `MAZE`, or a NumPy array of them. Anything else than the characters that
            mean something there is a free cell.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        maze: Sequence[str] | NDArray[np.str_] = MAZE,
        max_episode_steps: int | None = LIMIT,
        **options: Any,
    ) -> None:
        grid = read_maze(maze)
        shapes = shape_cells(grid)
        if len(shapes) > MOST_SHAPES:
            raise EnvError(
                f"expected at most {MOST_SHAPES} shapes in a maze, got {len(shapes)}; leave some out"
            )
        super().__init__(
            num_envs,
            # The original's bound is the number of rows.
            observation_space=Box(0, max(grid.shape), (2 + len(shapes),), dtype=np.int32),
            action_space=Discrete(len(MOVES)),
            reward_space=Box(0.0, 1.0, (len(KINDS),), dtype=np.float32),
            max_episode_steps=max_episode_steps,
            **options,
        )
        cells = grid.ravel()
        pays = np.stack([(cells == kind) | (cells == "G") for kind in KINDS], axis=1)
        self.next_cell = self.constant(next_cells(grid != "X", MOVES))
        position = np.indices(grid.shape).reshape(2, -1).T
        self.position = self.constant(np.pad(position, ((0, 0), (0, len(shapes)))), dtype=torch.int32)
        # Bit k of what is collected stands in column 2 + k; bit 30 is never set.
        self.bits = self.constant(np.array([30, 30, *range(len(shapes))], dtype=np.int32))
        self.starts = self.constant(start_cells(grid))
        self.shape = self.constant(
            (np.arange(grid.size)[:, None] == shapes) @ (1 << np.arange(len(shapes))), dtype=torch.int32
        )
        self.is_goal = self.constant(cells == "G")
        self.pays = self.constant(pays.astype(np.float64))

    def draw_reset_noise(self, n: int, streams: Streams) -> Tensor | None:
        """Numbers of starts (n,), where there is a choice."""
        return streams.integers(len(self.starts)) if len(self.starts) > 1 else None

    def reset_outcomes(self) -> list[tuple[float, int]]:
        """Each start is as probable as any other."""
        return [(1.0 / len(self.starts), start) for start in range(len(self.starts))]

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        """All at a start, with nothing collected."""
        cell = self.starts.expand(n) if noise is None else self.starts.index_select(0, noise)
        return State(cell, torch.zeros(n, dtype=torch.int32, device=self.device))

    def observe(self, state: State) -> Tensor:
        """Positions and what is collected (n, 2 + shapes)."""
        collected = (state.collected.unsqueeze(1) >> self.bits) & 1
        return self.position.index_select(0, state.cell) + collected

    def transition(self, state: State, action: Tensor, noise: Tensor | None) -> Step:
        """Move, then collect what lies there."""
        cell = self.next_cell.index_select(0, state.cell * len(MOVES) + action)
        here, goal = self.shape.index_select(0, cell), self.is_goal.index_select(0, cell)
        paid = ((here & ~state.collected) != 0) | goal
        reward = self.pays.index_select(0, cell) * paid.to(self.dtype).unsqueeze(1)
        return Step(State(cell, state.collected | here), reward, goal)


def read_maze(maze: Sequence[str] | NDArray[np.str_]) -> NDArray[np.str_]:
    """A maze as an array of characters (rows, columns).

    Raises:
        EnvError: it is no rectangle, has no start or not one goal, or has shapes that pay for no objective.
    """
    rows = [list(row) for row in maze]
    if not rows or not rows[0] or {len(row) for row in rows} != {len(rows[0])}:
        raise EnvError(f"expected a maze of equally long rows, got lengths {[len(row) for row in rows]}")
    grid = np.array(rows, dtype=np.str_)
    goals = int((grid == "G").sum())
    if not (grid == "_").any() or goals != 1:
        raise EnvError(
            f"expected a maze with a start (_) and one goal (G), got {(grid == '_').sum()} starts and {goals} goals"
        )
    unpaid = sorted({mark for mark in grid.ravel().tolist() if mark.isdigit()} - set(KINDS))
    if unpaid:
        raise EnvError(
            f"expected shapes 1, 2 and 3, one kind for each objective, got also {', '.join(unpaid)}; "
            "leave those cells blank"
        )
    return grid


def shape_cells(grid: NDArray[np.str_]) -> NDArray[np.int64]:
    """The cells with shapes, column by column as the original counts them."""
    return _cells_column_by_column(np.isin(grid, list(KINDS)))


def start_cells(grid: NDArray[np.str_]) -> NDArray[np.int64]:
    """The cells where episodes start, column by column."""
    return _cells_column_by_column(grid == "_")


def _cells_column_by_column(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    columns, rows = np.nonzero(mask.T)
    return rows * mask.shape[1] + columns


def make_single(**options: Any) -> SingleEnv:
    """One collector as a `gymnasium.Env`; takes the arguments of `FourRoom`."""
    return SingleEnv(FourRoom, **options)
