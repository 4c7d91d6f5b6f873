"""The exact front of the four rooms' default maze: which shapes to visit, and in which order.

Walks matter only by when they reach which shape and the goal: between those, the shortest way is best, because
everything pays, and sooner pays more. So the walks are the orders of up to 12 shapes, sifted by dynamic
programming over (shapes collected, last of them), as Held and Karp 1962 did for the travelling salesman, with a
set of (time, returns) in place of one length.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from morl.envs.four_room import KINDS, LIMIT, MAZE, MOVES, read_maze, shape_cells, start_cells
from morl.envs.grids import next_cells
from morl.envs.planning import DIGITS, Array
from morl.envs.stored_fronts import stored
from morl.pareto import filter_nondominated

FAR = 10**6
"""Steps to where no way leads."""


@stored("four-room-v0")
def front(gamma: float) -> Array:
    """The Pareto front (k, 3) of discounted returns over deterministic policies, for the default maze; exact."""
    return plan(read_maze(MAZE), gamma)


def plan(grid: NDArray[np.str_], gamma: float, *, limit: int = LIMIT) -> Array:
    """The front for episodes of at most `limit` steps in a maze with one start.

    A tour is a row (minus time, returns): one that is nowhere less than another with the same shapes and the
    same last one can only end better. Nothing is lost by leaving the way to the next shape where it passes
    another that is still there: to stop at that costs no time.
    """
    start = int(start_cells(grid)[0])
    goal = int(np.flatnonzero(grid.ravel() == "G")[0])
    shapes = shape_cells(grid).tolist()
    kind = np.array([[grid.ravel()[cell] == mark for mark in KINDS] for cell in shapes], dtype=float)
    kind = kind.reshape(len(shapes), len(KINDS))
    ways = np.array([_steps(grid, cell, goal) for cell in (*shapes, start)])
    between, home = ways[:, shapes], ways[:, goal]
    tours: dict[tuple[frozenset[int], int], Array] = {(frozenset(), -1): np.zeros((1, 1 + len(KINDS)))}
    ended: list[Array] = []
    while tours:
        longer: dict[tuple[frozenset[int], int], list[Array]] = defaultdict(list)
        for (seen, last), tour in tours.items():
            to_goal = _go(tour, home[last], gamma, np.ones(len(KINDS)), limit)
            ended += [to_goal[:, 1:], tour[:, 1:]]  # the goal may be too far
            left = [shape for shape in range(len(shapes)) if shape not in seen]
            for shape in left:
                way = between[last, shape]
                passes = [
                    way == between[last, other] + between[other, shape] for other in left if other != shape
                ]
                if not any(passes):
                    longer[seen | {shape}, shape].append(_go(tour, way, gamma, kind[shape], limit))
        tours = {key: _best(parts) for key, parts in longer.items()}
        ended = [_best(ended)]
    return ended[0]


def _go(tours: Array, steps: int, gamma: float, reward: Array, limit: int) -> Array:
    """Tours that take `steps` more, after which they are paid; those that last too long are left out."""
    time = -tours[:, :1] + steps
    longer = np.hstack((-time, tours[:, 1:] + gamma ** (time - 1.0) * reward))
    return np.asarray(longer[time[:, 0] <= limit])


def _best(parts: list[Array]) -> Array:
    together = np.concatenate(parts).round(DIGITS)
    return filter_nondominated(np.unique(together, axis=0)) if len(together) else together


def _steps(grid: NDArray[np.str_], start: int, goal: int) -> NDArray[np.int64]:
    """The fewest steps from a cell to each, never through the goal; `FAR` where there is no way."""
    following = next_cells(grid != "X", MOVES).reshape(-1, len(MOVES))
    steps = np.full(grid.size, FAR)
    steps[start] = 0
    frontier = [start]
    while frontier:
        reached = []
        for cell in frontier:
            for nearby in following[cell].tolist():
                if steps[nearby] > steps[cell] + 1:
                    steps[nearby] = steps[cell] + 1
                    reached += [nearby] * (nearby != goal)
        frontier = reached
    return steps
