"""Is the reward a vector, always of the same shape? Clear errors where it is not."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from morl.envs.returned import STEPPED, returned
from morl.errors import EnvError

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
    _, reward, *_ = returned(env.step(sampler.sample()), STEPPED, env_id)
    return unbounded(check_vector(reward, env_id).size)


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
    if hasattr(reward, "detach"):
        reward = reward.detach().cpu()
    try:
        array = np.asarray(reward)
    except ValueError as error:
        raise EnvError(f"expected a reward vector from {env_id}, got {reward!r}: {error}; {REMEDY}") from None
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
