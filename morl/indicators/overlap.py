"""How much of a reference front, or of another front, the points cover. All hold for any number of objectives."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import KDTree

from morl._arrays import Array, as_points, to_float64
from morl.errors import MorlError
from morl.indicators.checks import finite, some_points
from morl.pareto import Mask, is_nondominated


def coverage(points: Any, *, reference_front: Any, tolerance: float = 0.0) -> float:
    """Return the C-metric: the share of another front that the points weakly dominate (Zitzler and Thiele 1999).

    `C(A, B) = |{b in B: some a in A with a >= b in every objective}| / |B|`, in [0, 1]. It is not symmetric:
    C(B, A) is not 1 - C(A, B), and both must be given to compare two fronts. No points cover nothing: 0.

    Args:
        points: A, shape (k, m); k may be 0.
        reference_front: B, shape (l, m), l >= 1: another agent's front or an exact one. Copies count once.
        tolerance: how much each objective may fall short, in its units, non-negative: a number, or one for each
            objective (m,). Sums of float32 rewards need one to match an exact front.

    >>> coverage([[2, 1]], reference_front=[[1, 1], [2, 1], [0, 3]])
    0.6666666666666666
    """
    array = as_points(points)
    m = array.shape[1]
    reference = some_points(reference_front, "reference_front", m=m, has_no="coverage")
    slack = to_float64(tolerance, "tolerance")
    if slack.shape not in ((), (m,)) or not (np.isfinite(slack) & (slack >= 0)).all():
        raise MorlError(
            f"expected a finite, non-negative tolerance, one number or one for each of {m} objectives, "
            f"got {tolerance!r}"
        )
    return float(np.mean(_weakly_dominated(np.unique(reference, axis=0) - slack, array)))


def crf1(points: Any, *, reference_front: Any, tolerance: float = 0.01) -> float:
    """Return CRF1, the F1 score of the points as a search for the reference front (Yang et al. 2019, section 5).

    A point and a reference point match if their L1 distance is at most `tolerance` times the L1 norm of the
    reference point. Precision is the share of the different points that match some reference point, recall
    the share of reference points that some point matches (as in the authors' code: so that several points
    near one reference point count once), and F1 their harmonic mean, in [0, 1]. No points, or no match: 0.

    The paper's reference front is the convex coverage set: for agents with linear preferences pass
    `morl.pareto.coverage_set(front)`. The norm depends on where the zero of the returns lies, and an
    objective in large units decides alone. The authors' code differs from their text: it divides by the L2 norm,
    and for a tolerance of 0 takes points within a distance of 0.5 as equal.

    Args:
        points: shape (k, m); k may be 0. Dominated points count against the precision, copies do not.
        reference_front: shape (l, m), l >= 1.
        tolerance: relative, non-negative. The paper takes 0 and, for predicted values, 0.2; here the default
            is 1 %, since sums of floating-point rewards rarely match exactly.

    >>> crf1([[1, 0], [5, 5]], reference_front=[[1, 0], [0, 1]])
    0.5
    """
    array = as_points(points)
    reference = some_points(reference_front, "reference_front", m=array.shape[1], has_no="coverage")
    slack = to_float64(tolerance, "tolerance")
    if slack.shape != () or not (np.isfinite(slack) and slack >= 0):
        raise MorlError(f"expected one finite, non-negative number as tolerance, got {tolerance!r}")
    array, reference = np.unique(array, axis=0), np.unique(reference, axis=0)
    found, hit = np.zeros(len(reference), dtype=bool), np.zeros(len(array), dtype=bool)
    if len(array) == 0:
        return 0.0
    with np.errstate(over="ignore"):
        radius = slack * _l1(reference)
        _l1(np.ptp(np.vstack([array, reference]), axis=0))  # no distance is larger
    tree = KDTree(array)
    for i, target in enumerate(reference):
        near = tree.query_ball_point(target, radius[i], p=1)
        found[i] = bool(near)
        hit[near] = True
    if not found.any():
        return 0.0
    precision, recall = float(hit.mean()), float(found.mean())
    return 2 * precision * recall / (precision + recall)


def _weakly_dominated(targets: Array, points: Array) -> Mask:
    """Mask (l,) of the targets (l, m) that some point (k, m) is at least as good as in every objective."""
    targets, places = np.unique(targets, axis=0, return_inverse=True)
    covered = np.zeros(len(targets), dtype=bool)
    best = is_nondominated(targets)
    # Of equals the first counts, so that a target that a point equals is dominated here.
    covered[best] = ~is_nondominated(np.vstack([points, targets[best]]))[len(points) :]
    # Those that other targets dominate one at a time: a table of all pairs may not fit into memory.
    covered[~best] = [bool((points >= target).all(axis=1).any()) for target in targets[~best]]
    mask: Mask = covered[places.reshape(-1)]
    return mask


def _l1(values: Array) -> Array:
    norm: Array = finite(np.abs(values).sum(axis=-1), "L1 norm")
    return norm
