"""The known fronts of the minecarts: the plans on file, at any discount.

`python -m morl.baselines.exact --write minecart-v0 minecart-deterministic-v0` found them by branch and bound over all
action sequences (docs/exact-fronts.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from morl.envs.minecart import ACCELERATE, FUEL_ACCELERATE, FUEL_IDLE, FUEL_MINE, MINE
from morl.envs.stored_fronts import StoredFront, find_front, read_fronts
from morl.pareto import is_nondominated

Array = NDArray[np.float64]

FRAMES = 4
"""In a step of the registered environments."""


def front(env_id: str, gamma: float) -> Array:
    """Returns (k, 3) of the best plans, expected ones where ore is random.

    At the discounts on file these are all that is worth doing. At others it is the best of the plans for those:
    best known, not exact.
    """
    known = find_front(env_id, gamma)
    if known is not None:
        return np.array(known.points)
    points = np.concatenate([_points(stored, gamma) for stored in read_fronts(env_id)])
    return points[is_nondominated(points.round(10))]


def _points(stored: StoredFront, gamma: float) -> Array:
    """Returns (k, 3) of the plans of a front on file, at another discount than its own."""
    points = []
    for point, plan in zip(stored.points, stored.plans or (), strict=True):
        actions = np.array([int(letter) for letter in plan])
        last = len(actions) - 1  # the step that pays the ore
        fuel = FUEL_IDLE + FUEL_ACCELERATE * (actions == ACCELERATE) + FUEL_MINE * (actions == MINE)
        burnt = FRAMES * (gamma ** np.arange(last + 1.0) @ fuel)
        points.append([*(gamma / stored.gamma) ** last * point[:-1], burnt])
    return np.array(points)
