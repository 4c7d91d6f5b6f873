"""The seabeds of deep-sea-treasure, and the exact front of each, in closed form.

A map is a grid of cells (row 0 is the surface). In every column the sea ends at one row: on a treasure, below
which there is rock, or on bare rock. The submarine cannot enter rock, and a treasure ends the episode.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morl.errors import EnvError
from morl.pareto import filter_nondominated
from morl.registry import suggest

ROWS = 11
ROCK = -10.0
"""How rock is marked in a grid, as in MO-Gymnasium; 0 is water, anything positive a treasure."""


@dataclass(frozen=True)
class SeaMap:
    """One seabed.

    `floor` gives for each column the row of its treasure, or of its topmost rock where `treasure` is 0.
    """

    floor: tuple[int, ...]
    treasure: tuple[float, ...]
    start: tuple[int, int]
    """(row, column) of the submarine at the start."""

    def grid(self) -> NDArray[np.float64]:
        """Treasure values, water and rock as (rows, columns)."""
        grid = np.zeros((ROWS, len(self.floor)))
        for column, (row, value) in enumerate(zip(self.floor, self.treasure, strict=True)):
            grid[row:, column] = ROCK
            if value > 0:
                grid[row, column] = value
        return grid

    def front(self, gamma: float) -> NDArray[np.float64]:
        """The Pareto front (k, 2) of discounted (treasure, time) returns from the start state.

        A treasure is best reached by a shortest path, right and down, of t steps: it pays
        `gamma^(t-1) * value` and costs `1 + gamma + ... + gamma^(t-1)`. A small gamma makes some of them
        dominated.
        """
        row, column = np.asarray(self.floor), np.arange(len(self.floor))
        value = np.asarray(self.treasure)
        steps = (row - self.start[0] + np.abs(column - self.start[1]))[value > 0]
        time = steps if gamma == 1.0 else (1.0 - gamma**steps) / (1.0 - gamma)
        points = np.stack((gamma ** (steps - 1.0) * value[value > 0], -time), axis=1)
        return filter_nondominated(points)


_CONCAVE = (1.0, 2.0, 3.0, 5.0, 8.0, 16.0, 24.0, 50.0, 74.0, 124.0)
_FLOOR = (1, 2, 3, 4, 4, 4, 7, 7, 9, 10)

MAPS: dict[str, SeaMap] = {
    # Yang et al. 2019 (arXiv 1908.08342): every treasure lies on the convex hull of the front.
    "convex": SeaMap(
        floor=(*_FLOOR, ROWS),
        treasure=(0.7, 8.2, 11.5, 14.0, 15.1, 16.1, 19.6, 20.3, 22.4, 23.7, 0.0),
        start=(0, 0),
    ),
    # Vamplew et al. 2011: no weights ask for the treasures between the nearest and the farthest.
    "concave": SeaMap(floor=(*_FLOOR, ROWS), treasure=(*_CONCAVE, 0.0), start=(0, 0)),
    # Felten et al. 2022: the concave front, with as much sea on the left, where there is nothing.
    "mirrored": SeaMap(
        floor=(ROWS, 10, 8, 8, 5, 5, 5, 4, 3, 2, *_FLOOR),
        treasure=(*(0.0,) * 10, *_CONCAVE),
        start=(0, 10),
    ),
}


def find_map(name: str) -> SeaMap:
    """The map called `name`.

    Raises:
        EnvError: there is none.
    """
    if name not in MAPS:
        raise EnvError(f"expected one of the maps {', '.join(MAPS)}, got {name!r}.{suggest(name, MAPS)}")
    return MAPS[name]
