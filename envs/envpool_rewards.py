"""The reward vectors of MO-Gymnasium's v5 locomotion, from what EnvPool's steps show: pure functions.

EnvPool pays one number, as Gymnasium does, and names the terms of its rewards otherwise or not at all. Velocity
and contact are read from its info, height from the observation, effort is computed from the action, and whether
the body was healthy follows from the number paid. The arithmetic is that of the originals, roundings to float32
included, so equal physics pay equal vectors. The functions are those of mo_gymnasium/envs/mujoco/*_v5.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

HOPPER_START = 1.25
"""Height at which the hopper's model stands, in metres: `rootz` in hopper.xml."""


class Seen(NamedTuple):
    """One step of n environments, as EnvPool shows it."""

    obs: Array
    """(n, d) float64 observations after the step, before any reset."""
    action: Array
    """(n, k) float32 actions that led there."""
    paid: Array
    """(n,) float32, the single number."""
    info: Mapping[str, Array]
    """Named arrays (n,), float64."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the constructor's arguments say about the reward."""

    ctrl_cost_weight: float
    forward_reward_weight: float = 1.0
    healthy_reward: float = 0.0
    cost_objective: bool = True
    """Effort as an objective of its own; else it is taken off all others, weighted."""
    height_at: int = 0
    """Where the observation holds the height."""


RewardFunction: TypeAlias = Callable[[Seen, Terms], Array]


def runner(seen: Seen, terms: Terms) -> Array:
    """Half-cheetah and swimmer, (n, 2) float32: velocity in m/s, minus the squared torques."""
    return _vector([seen.info["x_velocity"], _effort(seen, terms)])


def walker(seen: Seen, terms: Terms) -> Array:
    """Walker, (n, 2) float32: as `runner`, a bonus for being healthy added to both."""
    return _vector([seen.info["x_velocity"], _effort(seen, terms)], _healthy_bonus(seen, terms))


def hopper(seen: Seen, terms: Terms) -> Array:
    """Hopper, (n, 3) or (n, 2) float32: velocity, 10 times the height above the start in m, effort."""
    velocity = seen.info["x_velocity"]
    height = 10 * (seen.obs[:, terms.height_at] - HOPPER_START)
    healthy = _healthy_bonus(seen, terms)
    if terms.cost_objective:
        return _vector([velocity, height, _effort(seen, terms)], healthy)
    return _vector([velocity, height], -_control_cost(seen.action, terms), healthy)


def ant(seen: Seen, terms: Terms) -> Array:
    """Ant, (n, 3) or (n, 2) float32: velocities along x and y, effort; contact is taken off all."""
    velocities = [seen.info["x_velocity"], seen.info["y_velocity"]]
    shared = (seen.info["reward_survive"], seen.info["reward_contact"])
    if terms.cost_objective:
        return _vector([*velocities, _effort(seen, terms)], *shared)
    return _vector(velocities, -_control_cost(seen.action, terms), *shared)


def humanoid(seen: Seen, terms: Terms) -> Array:
    """Humanoid, (n, 2) float32: velocity of the centre of mass, effort; contact is taken off both."""
    # The original squares the torques as MuJoCo holds them, in float64.
    wide = seen._replace(action=seen.action.astype(np.float64))
    shared = (seen.info["reward_alive"], seen.info["reward_impact"])
    return _vector([seen.info["x_velocity"], _effort(wide, terms)], *shared)


def _vector(columns: Sequence[Array], *added: Array) -> Array:
    """The columns as (n, m) float32, and `added` (n,) to all of them, one after the other."""
    reward = np.stack(columns, axis=1).astype(np.float32)
    for bonus in added:
        reward += bonus[:, None]
    return reward


def _control_cost(action: Array, terms: Terms) -> Array:
    """What the originals call so, (n,), in the action's precision."""
    return terms.ctrl_cost_weight * np.sum(np.square(action), axis=1)


def _effort(seen: Seen, terms: Terms) -> Array:
    """Minus the squared torques (n,): the originals take the weight off again, by dividing."""
    return -_control_cost(seen.action, terms) / terms.ctrl_cost_weight


def _healthy_bonus(seen: Seen, terms: Terms) -> Array:
    """`healthy_reward` where the number paid holds it, else zero, (n,).

    Not from the observation: the hopper's clips the velocities that its health depends on.
    """
    cost = _control_cost(seen.action.astype(np.float64), terms)
    remainder = seen.paid - (terms.forward_reward_weight * seen.info["x_velocity"] - cost)
    healthy = np.abs(remainder - terms.healthy_reward) < np.abs(remainder)
    return np.where(healthy, terms.healthy_reward, 0.0)
