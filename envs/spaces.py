"""Spaces as agents see them: observations are one Box, discrete actions count from zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.spaces.utils import flatten, flatten_space
from gymnasium.vector.utils import batch_space, iterate

from morl.errors import EnvError

TORCH_KINDS = ("uint8", "int8", "int16", "int32", "int64", "float32")
"""Observation types that pass unchanged; all others become float32."""


def observation_box(space: Space) -> Box:
    """What `space` looks like once flattened by Gymnasium's rules (a Discrete one becomes one-hot).

    Raises:
        EnvError: `space` has no fixed-size flat form (Graph, Sequence, Text).
    """
    flat = space if isinstance(space, Box) else _flat(space)
    if str(flat.dtype) in TORCH_KINDS:
        return flat
    return Box(flat.low.astype(np.float32), flat.high.astype(np.float32), dtype=np.float32)


def _flat(space: Space) -> Box:
    try:
        flat = flatten_space(space)
    except NotImplementedError:
        flat = None
    if not isinstance(flat, Box):
        raise EnvError(
            f"expected an observation space of fixed size, got {space}; turn it into a Box, Discrete, "
            "MultiDiscrete, MultiBinary, Dict or Tuple space with a gymnasium.ObservationWrapper"
        )
    return flat


def flattener(space: Space) -> Callable[[Any], Any]:
    """The function that turns one observation of `space` into an array of `observation_box(space)`."""
    return np.asarray if isinstance(space, Box) else lambda obs: flatten(space, obs)


def batch_flattener(space: Space, num_envs: int) -> Callable[[Any], Any]:
    """The same for `num_envs` observations batched as Gymnasium's vector environments do."""
    if isinstance(space, Box):
        return lambda obs: obs
    batched = batch_space(space, num_envs)
    return lambda obs: np.stack([np.asarray(flatten(space, row)) for row in iterate(batched, obs)])


def action_space_of(space: Space) -> Box | Discrete:
    """The action space as agents see it: Box unchanged, Discrete counted from zero.

    Raises:
        EnvError: `space` is neither.
    """
    if isinstance(space, Discrete):
        return Discrete(int(space.n))
    if isinstance(space, Box):
        return space
    raise EnvError(
        f"expected a Box or Discrete action space, got {space}; turn it into one by a gymnasium.ActionWrapper"
    )


def action_encoder(space: Space) -> Callable[[Any], Any]:
    """The function that turns agents' actions, array or tensor, into those that the environment expects."""
    if isinstance(space, Discrete):
        start = space.start
        return lambda actions: actions + start
    dtype = space.dtype
    return lambda actions: actions.astype(dtype, copy=False) if isinstance(actions, np.ndarray) else actions
