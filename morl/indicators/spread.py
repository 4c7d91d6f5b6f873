"""How many points there are and how evenly they lie. None of these says whether the points are any good.

All hold for any number of objectives, and first leave out dominated points and copies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from morl._arrays import Array, as_points
from morl.errors import MorlError
from morl.indicators.checks import UndefinedIndicatorError, as_scale, finite, in_units
from morl.pareto import filter_nondominated


def cardinality(points: Any) -> float:
    """Return how many different points no other point dominates; 0 for no points.

    More is not better where returns are noisy: repeated evaluations of one policy count as many points.

    Args:
        points: shape (k, m); k may be 0.

    >>> cardinality([[1, 0], [0, 1], [0, 0], [1, 0]])
    2.0
    """
    return float(len(filter_nondominated(points)))


def sparsity(points: Any, *, scale: Any = None) -> float:
    """Return the mean squared gap between neighbours, added up over objectives (Xu et al. 2020, PGMORL).

    `1 / (k - 1) * sum_j sum_i (s_j(i) - s_j(i + 1))^2`, where s_j are the values of objective j, sorted, over
    the k points that are not dominated.

    Do not rank agents by it. It looks at the points found and never at what is missing: two points close
    together score better than the whole front, and a new point that extends the front makes it worse.
    MORL-Baselines' documentation therefore advises against it in comparisons, and Xu et al. report it beside
    the hypervolume only. It adds up squares of different units unless scaled. A single point has no sparsity
    here; elsewhere it has 0, the best there is.

    Args:
        points: shape (k, m), with at least two different points that are not dominated.
        scale: shape (m,), positive; what each objective is divided by. By default raw units.

    >>> sparsity([[0, 3], [1, 1], [3, 0]])
    5.0
    """
    kept = _several(points, scale, "sparsity")
    with np.errstate(over="ignore"):
        gaps = np.diff(np.sort(kept, axis=0), axis=0)
        return float(finite((gaps**2).sum() / (len(kept) - 1), "sparsity"))


def spacing(points: Any, *, scale: Any = None, ddof: int = 1) -> float:
    """Return the standard deviation of the distances to the nearest other point (Schott 1995).

    Distances are sums of absolute differences. 0 means evenly spaced, and so are any two points: as `sparsity`
    it does not see what is missing.

    Args:
        points: shape (k, m), with at least two different points that are not dominated.
        scale: shape (m,), positive; what each objective is divided by. By default raw units.
        ddof: 1 divides by k - 1, as Schott does; 0 by k, as pymoo does.

    >>> round(spacing([[0, 3], [1, 2], [3, 0]]), 4)
    1.1547
    """
    from scipy.spatial import KDTree

    if ddof not in (0, 1):
        raise MorlError(f"expected ddof 1 (Schott) or 0 (pymoo), got {ddof!r}")
    kept = _several(points, scale, "spacing")
    nearest = finite(KDTree(kept).query(kept, k=2, p=1)[0][:, 1], "distance")
    with np.errstate(over="ignore"):
        return float(finite(nearest.std(ddof=ddof), "spacing"))


def _several(points: Any, scale: Any, indicator: str) -> Array:
    """The points that no other dominates, each once, divided by the scale."""
    array = as_points(points)
    kept = filter_nondominated(in_units(array, as_scale(scale, array.shape[1])))
    if len(kept) < 2:
        raise UndefinedIndicatorError(
            f"the {indicator} is defined for at least two different points that no other dominates, "
            f"got {len(kept)}"
        )
    return kept
