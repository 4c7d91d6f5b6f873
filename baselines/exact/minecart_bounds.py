"""Which minecarts under way may still come home with something new: the bounds of a branch-and-bound search.

What is left of a plan is a row of legs: to a mine, perhaps to another, and home. For each leg the cart is given more
freedom than it has. It heads straight for the edge of where it must be, whatever its heading; it accelerates at
once, as often as the plan does, and burns the fuel for that at the end, when it is discounted most. So it can be
there as early, and will have burnt as little, as with any plan; it may also be there later. If a known plan brings as
much ore home for no more fuel even then, the cart is given up.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morl.baselines.exact.minecart_loads import Loads
from morl.envs.minecart import (
    ACCELERATE,
    ACCELERATION,
    MINE,
    MINE_RADIUS,
    NOTHING,
    STILL,
    Minecart,
    State,
)
from morl.envs.minecart_config import BASE_RADIUS
from morl.errors import MorlError

Array = NDArray[np.float64]

STEPS = 256
"""How far ahead is looked: ten times as long as plans are. To wait for so long burns more than any plan."""

LONGEST_LEG = 40
"""Steps. With one acceleration, the longest way takes 12."""

EPSILON = 1e-10
"""Less fuel than that is no improvement."""


class Bounds:
    """What carts may have burnt at most, given the plans that are known (`update`).

    Raises:
        MorlError: a minecart that moves otherwise than the bounds assume.
    """

    def __init__(self, env: Minecart, loads: Loads, gamma: float) -> None:
        fuel = -env.fuel.double().cpu().numpy()
        self.idle = float(fuel[NOTHING])
        self.push, self.dig = (float(fuel[action] - self.idle) for action in (ACCELERATE, MINE))
        self.frames, self.loads, self.gamma = env.frames, loads, gamma
        self.mines = np.stack((env.mine_x.double().cpu().numpy(), env.mine_y.double().cpu().numpy()), axis=1)
        if env.repeat != 1:
            raise MorlError("expected a minecart with incremental_frame_skip, to which the bounds belong")
        if not ((self.mines > MINE_RADIUS) & (self.mines < 1 - MINE_RADIUS)).all():
            raise MorlError("expected mines off the walls, at which carts stop without braking")
        # Accelerating all the way takes the fewest steps; more of it burns fuel in vain.
        self.most_pushes = next(k for k in range(1, 1000) if self._steps(math.sqrt(2.0), k) == k)
        self.discounts = gamma ** np.arange(STEPS + 1.0)
        self.idled = np.concatenate(([0.0], np.cumsum(self.idle * self.discounts)))[:-1]
        """(STEPS + 1,) what idling burns up to a time."""
        apart = np.linalg.norm(self.mines[:, None] - self.mines, axis=2) - 2 * MINE_RADIUS
        homeward = np.linalg.norm(self.mines, axis=1) - MINE_RADIUS - BASE_RADIUS
        self.mine_legs = [[self._legs(distance) for distance in row] for row in apart.tolist()]
        self.home_legs = [self._legs(distance) for distance in homeward.tolist()]
        self.update(np.empty((0, 1 + self.loads.content.shape[1])))

    def _legs(self, distance: float) -> list[tuple[int, int]]:
        """(pushes, steps) of the fastest ways to go a distance from a stand, by number of pushes."""
        return [(k, int(self._steps(distance, k))) for k in range(1, self.most_pushes + 1)]

    def _steps(self, distance: float, pushes: int) -> float:
        return float(self.fewest_steps(torch.tensor([distance]), torch.zeros(1), pushes))

    def fewest_steps(self, distance: Tensor, speed: Tensor, pushes: int) -> Tensor:
        """Steps (n,) to go distances (n,) from speeds (n,), accelerating in the first `pushes`; inf at a stand."""
        steps, left, speed = torch.zeros_like(distance), distance.clone(), speed.clone()
        gain = self.frames * ACCELERATION
        for _ in range(pushes):
            steps += left > 0
            # The speed rises in every frame, before the cart moves.
            left -= self.frames * speed + gain * (self.frames + 1) / 2
            speed += gain
        coasting = torch.ceil(left / (self.frames * speed) - 1e-9)
        coasting = torch.where(speed < STILL, torch.inf, coasting)
        return steps + torch.where(left > 0, coasting, 0.0)

    def update(self, points: Array) -> None:
        """Learn of the points (k, m) of known plans."""
        loads, mines = self.loads.after.shape
        # Ore must be paid in the last of the steps to count as much as in `content`.
        paid = self.discounts[None, :, None] / self.gamma * self.loads.content[:, None]
        enough = (points[None, None, :, :-1] >= paid[:, :, None] - EPSILON).all(axis=3)
        # (L, STEPS + 1) what may have been burnt by whoever comes home with a load at a time.
        home = np.where(enough, -points[:, -1], np.inf).min(axis=2, initial=np.inf)
        self.home = self._or_later(home)
        """(pushes, L, STEPS + 1): see `_or_later`."""
        self.mine = np.full((self.most_pushes + 1, loads, mines, STEPS + 1), -np.inf)
        """(pushes, L, mines, STEPS + 1): likewise for whoever begins to dig at a mine."""
        # (L, mines, STEPS + 1) what may have been burnt by whoever stands at a mine at a time.
        stand = np.full((loads, mines, STEPS + 1), -np.inf)
        for load in np.argsort(-self.loads.content.sum(axis=1)).tolist():
            for mine in np.flatnonzero(self.loads.after[load] >= 0).tolist():
                dug = np.full(STEPS + 1, -np.inf)
                digging = (self.idle + self.dig) * self.discounts[:-1]
                dug[:-1] = stand[self.loads.after[load, mine], mine, 1:] - digging
                self.mine[:, load, mine] = self._or_later(dug)
            for mine in range(mines):
                stand[load, mine] = self._standing(load, mine)

    def _or_later(self, most: Array) -> Array:
        """What may have been burnt, less what idling burns, by whoever can be somewhere at a time, or later.

        Args:
            most: what may have been burnt by whoever is there at a time, (..., STEPS + 1).

        Returns:
            By the pushes on the way there, (pushes, ..., STEPS + 1).
        """
        pushed = self.push * np.arange(self.most_pushes + 1.0)[:, None] * self.discounts
        pushed = pushed.reshape(-1, *[1] * (most.ndim - 1), STEPS + 1)
        spare = most - self.idled - pushed
        return np.ascontiguousarray(np.maximum.accumulate(spare[..., ::-1], axis=-1)[..., ::-1])

    def _standing(self, load: int, mine: int) -> Array:
        """What may have been burnt (STEPS + 1,) by whoever stands at a mine at a time."""
        most = self.mine[0, load, mine].copy()
        legs = [(self.home[pushes, load], steps) for pushes, steps in self.home_legs[mine]]
        for other in range(len(self.mines)):
            if other != mine:  # and one step to brake
                legs += [(self.mine[pushes, load, other], n + 1) for pushes, n in self.mine_legs[mine][other]]
        for there, steps in legs:
            most[: STEPS + 1 - steps] = np.maximum(most[: STEPS + 1 - steps], there[steps:])
        return np.asarray(most + self.idled)

    def useful(self, state: State, load: Tensor, burnt: Tensor, time: int) -> Tensor:
        """Mask (n,) of the carts that may still come home with something new.

        Args:
            state: where the carts are, and how fast.
            load: numbers of their loads (n,).
            burnt: the discounted fuel that they have burnt (n,).
            time: steps since the start.
        """
        x, y, speed = state.x, state.y, state.speed
        moving = speed >= STILL
        ways = [((x * x + y * y).sqrt() - BASE_RADIUS, torch.from_numpy(self.home))]
        for mine, (mine_x, mine_y) in enumerate(self.mines.tolist()):
            distance = ((x - mine_x) ** 2 + (y - mine_y) ** 2).sqrt() - MINE_RADIUS
            ways.append((distance, torch.from_numpy(self.mine[:, :, mine])))
        mask = torch.zeros_like(moving)
        spent = burnt - float(self.idled[time]) + EPSILON
        for target, (distance, most) in enumerate(ways):
            for pushes in range(self.most_pushes + 1):
                steps = self.fewest_steps(distance, speed, pushes)
                # To come home takes a step, to stop at a mine another one.
                steps = steps.clamp(min=1.0) if target == 0 else steps + (moving | (steps > 0))
                arrival = time + steps.clamp(max=LONGEST_LEG).long()
                mask |= (steps < LONGEST_LEG) & (spent < most[pushes, load, arrival])
        return mask
