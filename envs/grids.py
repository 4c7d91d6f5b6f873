"""What grid worlds share: where a step leads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def next_cells(free: NDArray[np.bool_], moves: tuple[tuple[int, int], ...]) -> NDArray[np.int64]:
    """The cell that each (cell, action) leads to, flattened: (cells * actions,).

    A move out of the grid, or into a cell that is not free, leads nowhere.

    Args:
        free: (rows, columns), which cells can be entered.
        moves: (row, column) difference of each action.
    """
    rows, columns = np.indices(free.shape)
    following = []
    for down, right in moves:
        row = (rows + down).clip(0, free.shape[0] - 1)
        column = (columns + right).clip(0, free.shape[1] - 1)
        enters = free[row, column]
        target = np.where(enters, row, rows), np.where(enters, column, columns)
        following.append(np.ravel_multi_index(target, free.shape))
    return np.stack(following, axis=-1).reshape(-1).astype(np.int64)
