"""Is the reward a vector, always of the same shape, always finite? Clear errors where it is not."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from morl.errors import EnvError, NonFiniteError
from morl.registry import Objective, get_card

REMEDY = (
    "morl needs an environment whose step() returns an array with one number per objective; "
    "name terms of its info as objectives, ENV[TERM,...], or wrap it in a gymnasium.Wrapper that returns one"
)


def reward_space_of(env: gymnasium.Env, env_id: str) -> Box:
    """The space of an environment's reward vectors, (m,), from `reward_space` or, without one, from a step.

    Raises:
        EnvError: the reward is not a vector.
    """
    if env.has_wrapper_attr("reward_space"):
        return as_reward_space(env.get_wrapper_attr("reward_space"), env_id)
    env.reset()
    sampler = copy.deepcopy(env.action_space)
    sampler.seed(0)
    return unbounded(check_vector(env.step(sampler.sample())[1], env_id).size)


def as_reward_space(space: Any, env_id: str) -> Box:
    """A declared reward space as a float32 Box of shape (m,)."""
    if not isinstance(space, Box) or len(space.shape) != 1:
        raise EnvError(f"expected the reward_space of {env_id} to be a Box of shape (m,), got {space}")
    return Box(space.low.astype(np.float32), space.high.astype(np.float32))


def unbounded(num_objectives: int) -> Box:
    """The reward space of an environment that declares none."""
    return Box(-np.inf, np.inf, (num_objectives,), dtype=np.float32)


def check_vector(reward: Any, env_id: str, num_objectives: int | None = None) -> NDArray[Any]:
    """One reward as an array of shape (m,).

    Raises:
        EnvError: it is a scalar, has another shape, or holds no real numbers.
    """
    array = np.asarray(reward)
    if array.dtype.kind not in "fiub":
        raise EnvError(f"expected real numbers as reward of {env_id}, got {reward!r}; {REMEDY}")
    if array.ndim == 0:
        raise EnvError(f"expected a reward vector from {env_id}, got the scalar {reward!r}; {REMEDY}")
    if array.ndim != 1 or (num_objectives is not None and array.size != num_objectives):
        wanted = "(m,)" if num_objectives is None else f"({num_objectives},)"
        raise EnvError(
            f"expected a reward vector of shape {wanted} from {env_id}, got shape {array.shape}; {REMEDY}"
        )
    return array


def check_finite(
    rewards: NDArray[Any],
    env_id: str,
    lengths: NDArray[Any],
    objectives: tuple[Objective, ...] | None = None,
) -> None:
    """Raise `NonFiniteError` for the first reward (n, m) that is NaN or infinite, saying where.

    Args:
        rewards: (n, m), one row per sub-environment.
        env_id: named in the message.
        lengths: (n,) which step of its episode each row is.
        objectives: names them where there is no card.
    """
    finite = np.isfinite(rewards)
    if finite.all():
        return
    row, objective = (int(index) for index in np.argwhere(~finite)[0])
    card = get_card(env_id)
    known = objectives if card is None else card.objectives
    named = known is not None and objective < len(known)
    where = f"{objective} ({known[objective].name})" if known is not None and named else str(objective)
    raise NonFiniteError(
        f"expected finite rewards from {env_id}, got {rewards[row, objective]} in objective {where} "
        f"in sub-environment {row} at step {int(lengths[row])} of its episode; "
        "the environment's reward function is at fault, not the agent"
    )
