"""The convex hull of the returns of a small environment, by backward induction over convex hulls.

Criterion: a weighted sum of the expected return, which is the same under SER and ESR.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morl.envs.planning import Array, Model, decimals, settling_steps, unsettled
from morl.pareto import SMALLEST_RANGE, coverage_set, filter_nondominated
from morl.registry import check_discount

QHULL_OBJECTIVES = 4
"""Up to so many, Qhull finds corners faster than linear programmes do."""


def convex_hull(model: Model, gamma: float) -> Array:
    """The corners (k, m) of the expected returns of all policies: each is best for some weights.

    Convex-hull value iteration: Barrett and Narayanan 2008, "Learning all optimal policies with multiple criteria".
    The sets have one step more to go each time, so time is part of the state where a limit cuts episodes off. No
    policy whatever, random or with memory, is better for any weights; each corner is that of a deterministic policy
    without memory.

    Raises:
        MorlError: returns without time limit do not settle.
    """
    gamma = check_discount(gamma)
    size, actions, m = model.reward.shape
    digits = decimals(model)
    values = [np.zeros((1, m))] * size
    stale: NDArray[np.bool_] = np.ones(size, dtype=bool)
    for _ in range(settling_steps(model)):
        before, values = values, list(values)
        changed = np.zeros(size, dtype=bool)
        for state in np.flatnonzero(stale).tolist():
            choices = [_ahead(model, gamma, before, state, action) for action in range(actions)]
            values[state] = _corners(np.concatenate(choices).round(digits) + 0.0)
            changed[state] = not np.array_equal(values[state], before[state])
        if not changed.any():
            break
        stale = np.asarray(((model.chance > 0) & changed[model.successor]).any(axis=(1, 2)))
    else:
        if model.horizon is None:
            raise unsettled()
    total = np.zeros((1, m))
    for start, chance in zip(model.starts, model.start_chance, strict=True):
        total = _corners((total[:, None] + chance * values[start]).reshape(-1, m))
    return coverage_set(total)


def linear_optimum(model: Model, weights: Array, gamma: float) -> Array:
    """What the best policy is worth for each of the weights (n, m): (n,), by value iteration for one after the other.

    It needs little memory, so it bounds what fronts may claim where the environment is too large for sets.

    Raises:
        MorlError: returns without time limit do not settle.
    """
    gamma = check_discount(gamma)
    best = np.empty(len(weights))
    for row, weight in enumerate(np.asarray(weights, dtype=np.float64)):
        reward, value = model.reward @ weight, np.zeros(len(model.reward))
        for _ in range(settling_steps(model)):
            before = value
            ahead = (model.chance * before[model.successor]).sum(axis=2)
            value = (reward + gamma * ahead).max(axis=1).round(decimals(model))
            if np.array_equal(value, before):
                break
        else:
            if model.horizon is None:
                raise unsettled()
        best[row] = model.start_chance @ value[model.starts]
    return best


def _ahead(model: Model, gamma: float, values: list[Array], state: int, action: int) -> Array:
    """The corners (k, m) of what an action may be worth: a sum of sets over what may follow."""
    points = model.reward[state, action][None]
    for after, chance in zip(model.successor[state, action], model.chance[state, action], strict=True):
        if chance > 0:
            sums = points[:, None] + gamma * chance * values[after]
            several = len(points) > 1 and len(values[after]) > 1
            points = sums.reshape(-1, points.shape[1])
            points = _corners(points) if several else points
    return points


def _corners(points: Array) -> Array:
    """The points (k, m) that are best for some weights, in a fixed order; perhaps some that almost are."""
    points = filter_nondominated(np.unique(points, axis=0))
    if len(points) <= 2:
        return points
    if points.shape[1] > QHULL_OBJECTIVES:
        return coverage_set(points, tolerance=0.0)
    from scipy.spatial import ConvexHull, QhullError  # late: 0.2 s

    # Each objective in units of its range. Beside the points themselves, each of them lowered in one objective: who
    # is best for weights with a negative one among them is one of these. So the corners left are what is looked for.
    low = points.min(axis=0)
    unit = np.maximum(np.ptp(points, axis=0), SMALLEST_RANGE * np.abs(points).max(axis=0))
    scaled = (points - low) / np.where(unit > 0, unit, 1.0)
    m = points.shape[1]
    lowered = np.repeat(scaled[None], m, axis=0)
    lowered[np.arange(m), :, np.arange(m)] = -1.0
    try:
        corners = ConvexHull(np.concatenate((scaled, *lowered))).vertices
    except QhullError:
        return coverage_set(points, tolerance=0.0)
    return points[np.sort(corners[corners < len(points)])]
