"""The cells of a hypergrid, the treasure in each, and the exact front, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from morl.errors import EnvError
from morl.registry import suggest

FEWEST, MOST = 2, 10
"""Objectives."""

DEPTHS = {2: 20, 3: 10, 4: 6, 5: 5, 6: 4, 7: 4, 8: 3, 9: 3, 10: 2}
"""Default depth by number of objectives: 21 to 210 cells, so that a front's volume takes seconds at most."""

SHAPES = {"convex": 3, "concave": 1}
"""The slope of f, in halves, where a treasure begins; f is a parabola with mean slope 1, so it ends with the
other one. A slope that falls puts every cell on the convex hull of the front, one that rises only the ends."""

MOST_CELLS = 200_000
"""More would need gigabytes of tables."""


@dataclass(frozen=True)
class HyperMap:
    """One hypergrid: where treasure lies, and what the best walks are paid.

    Raises:
        EnvError: an argument is out of range.
    """

    objectives: int
    """m; there are m - 1 axes and kinds of treasure, the last objective is time."""
    depth: int
    """The greatest sum of coordinates."""
    shape: str
    """A name in `SHAPES`: what happens to the worth of one more step, "convex" lets it fall."""
    barren: float
    """The share, in [0, 1), of cells without treasure. The start and the m - 1 far ends are none of them."""
    layout_seed: int
    """Chooses the barren cells."""

    def __post_init__(self) -> None:
        if not FEWEST <= self.objectives <= MOST:
            raise EnvError(f"expected {FEWEST} to {MOST} objectives, got {self.objectives}")
        if self.depth < 1:
            raise EnvError(f"expected a depth >= 1, got {self.depth}")
        if self.shape not in SHAPES:
            raise EnvError(
                f"expected one of the shapes {', '.join(SHAPES)}, got {self.shape!r}."
                f"{suggest(str(self.shape), SHAPES)}"
            )
        if not 0.0 <= self.barren < 1.0:
            raise EnvError(f"expected a barren share in [0, 1), got {self.barren}")
        cells = comb(self.depth + self.axes, self.axes)
        if cells > MOST_CELLS:
            raise EnvError(
                f"expected at most {MOST_CELLS} cells, got {cells} for {self.axes} axes of depth {self.depth}; "
                "lower the depth"
            )

    @property
    def axes(self) -> int:
        """How many axes the grid has, and kinds of treasure: m - 1."""
        return self.objectives - 1

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """All cells (n, axes) with coordinates >= 0 whose sum is at most `depth`; the first is the start."""
        # Stars and bars: the bars' places among depth + axes give the coordinates, the rest is slack.
        bars = np.array(list(combinations(range(self.depth + self.axes), self.axes)), dtype=np.int64)
        return np.diff(bars, axis=1, prepend=-1) - 1

    @cached_property
    def treasures(self) -> NDArray[np.float64]:
        """What digging in each cell pays, (n, axes): f(coordinate), or nothing where the cell is barren."""
        slope = SHAPES[self.shape]
        along = self.cells / self.depth
        worth = self.depth * along * (slope + (2 - slope) * along) / 2
        return np.where(self.is_barren[:, None], 0.0, worth)

    @cached_property
    def is_barren(self) -> NDArray[np.bool_]:
        """Which cells hold nothing, (n,)."""
        inner = np.flatnonzero((self.cells.max(axis=1) < self.depth) & (self.cells.sum(axis=1) > 0))
        rng = np.random.default_rng(self.layout_seed)
        mask = np.zeros(len(self.cells), dtype=np.bool_)
        mask[rng.choice(inner, round(self.barren * len(inner)), replace=False)] = True
        return mask

    @cached_property
    def next_cell(self) -> NDArray[np.int64]:
        """The cell that each step leads to, (n, axes); at the greatest depth the same one."""
        index = {tuple(cell): number for number, cell in enumerate(self.cells.tolist())}
        steps = np.eye(self.axes, dtype=np.int64)
        return np.array(
            [
                [index.get(tuple(target), number) for target in (cell + steps).tolist()]
                for number, cell in enumerate(self.cells)
            ]
        )

    def front(self, gamma: float) -> NDArray[np.float64]:
        """The Pareto front (k, m) of discounted returns from the start, over deterministic policies; exact.

        All walks to a cell x have |x| = sum of x steps, whatever their order, and the dig is one more. So the
        cell alone decides the return: `gamma^|x| f(x)` and `-(1 + gamma + ... + gamma^|x|)`. Walks that waste
        steps at the greatest depth are paid no more and later; those that never dig cost more than digging at
        once, which costs 1. The front is therefore what is not dominated among one point for each cell. With
        gamma = 1 it is every cell with treasure, and the start. Episodes must be allowed depth + 1 steps.
        """
        from morl.pareto import filter_nondominated  # late: cards look at this module's constants

        steps = self.cells.sum(axis=1)
        time = steps + 1.0 if gamma == 1.0 else (1.0 - gamma ** (steps + 1.0)) / (1.0 - gamma)
        return filter_nondominated(np.column_stack((gamma ** steps[:, None] * self.treasures, -time)))


def make_map(
    objectives: int = 3,
    depth: int | None = None,
    shape: str = "convex",
    barren: float = 0.3,
    layout_seed: int = 0,
) -> HyperMap:
    """The map of a hypergrid with these arguments; `depth` None means the one in `DEPTHS`."""
    return HyperMap(
        objectives, DEPTHS.get(objectives, 1) if depth is None else depth, shape, barren, layout_seed
    )
