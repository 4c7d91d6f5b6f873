"""Spaces as agents see them: observations are one Box, actions one Box or one choice that counts from zero.

Compound action spaces (MultiDiscrete, MultiBinary, Dict, Tuple) whose parts are all discrete become one choice
among all combinations, the last part changing fastest; those whose parts are all Boxes become one flat Box.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.spaces.utils import flatten, flatten_space
from gymnasium.vector.utils import batch_space, iterate
from torch import Tensor

from morl.errors import EnvError

TORCH_KINDS = ("uint8", "int8", "int16", "int32", "int64", "float32")
"""Observation types that pass unchanged; all others become float32."""

MOST_CHOICES = 2**16
"""Combinations that a compound discrete action space may have: agents keep a number for each."""


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
    """The action space as agents see it (module docstring); a Box is unchanged.

    Raises:
        EnvError: `space` mixes choices and numbers, or has too many combinations.
    """
    if isinstance(space, Box):
        return space
    parts = list(_parts(space))
    if parts and all(isinstance(part, Discrete) for part in parts):
        choices = math.prod(int(part.n) for part in parts if isinstance(part, Discrete))
        if choices > MOST_CHOICES and len(parts) > 1:
            raise EnvError(
                f"expected at most {MOST_CHOICES:,} combinations of actions, got {choices:.3g} from "
                f"{len(parts)} choices; "
                "let the environment choose among fewer, by a gymnasium.ActionWrapper or its own arguments"
            )
        return Discrete(choices)
    boxes = [part for part in parts if isinstance(part, Box)]
    if parts and len(boxes) == len(parts):
        low, high = (
            np.concatenate([getattr(box, bound).ravel().astype(np.float32) for box in boxes])
            for bound in ("low", "high")
        )
        return Box(low, high, dtype=np.float32)
    raise EnvError(
        "expected an action space of choices (Discrete, MultiDiscrete, MultiBinary) or of numbers (Box), "
        f"also as Dict or Tuple, got {space}; turn it into one by a gymnasium.ActionWrapper"
    )


def action_encoder(space: Space) -> Callable[[Any], Any]:
    """The function that turns agents' actions, array or tensor, into those that the environment expects.

    It takes one action or a batch: leading dimensions pass through.
    """
    if isinstance(space, Discrete):
        start = space.start
        return lambda actions: actions + start
    if isinstance(space, Box):
        dtype = space.dtype
        return lambda actions: (
            actions.astype(dtype, copy=False) if isinstance(actions, np.ndarray) else actions
        )
    sizes = [int(part.n) for part in _parts(space) if isinstance(part, Discrete)]
    if not sizes:
        return lambda actions: _assemble(space, actions, 0)[0]
    strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]

    def encode(actions: Any) -> Any:
        digits = [actions // stride % size for stride, size in zip(strides, sizes, strict=True)]
        stacked = torch.stack(digits, -1) if isinstance(actions, Tensor) else np.stack(digits, -1)
        return _assemble(space, stacked, 0)[0]

    return encode


def _parts(space: Space) -> Iterator[Space]:
    """The simple spaces that a compound one is made of, in the order of Gymnasium's `flatten`."""
    if isinstance(space, MultiDiscrete):
        yield from (Discrete(int(n)) for n in space.nvec.ravel())
    elif isinstance(space, MultiBinary):
        yield from [Discrete(2)] * math.prod(space.shape)
    elif isinstance(space, Dict):
        for part in space.spaces.values():
            yield from _parts(part)
    elif isinstance(space, Tuple):
        for part in space.spaces:
            yield from _parts(part)
    else:
        yield space


def _assemble(space: Space, flat: Any, start: int) -> tuple[Any, int]:
    """An action of `space` from `flat` (..., values) counted from `start`, and where the next one begins."""
    if isinstance(space, Dict):
        named = {}
        for name, part in space.spaces.items():
            named[name], start = _assemble(part, flat, start)
        return named, start
    if isinstance(space, Tuple):
        listed = []
        for part in space.spaces:
            value, start = _assemble(part, flat, start)
            listed.append(value)
        return tuple(listed), start
    if isinstance(space, Discrete):
        return flat[..., start] + space.start, start + 1
    shape = space.shape or ()
    stop = start + math.prod(shape)
    value = flat[..., start:stop].reshape(*flat.shape[:-1], *shape)
    if isinstance(space, MultiDiscrete):
        value = (
            value + torch.as_tensor(space.start, device=value.device)
            if isinstance(value, Tensor)
            else value + space.start
        )
    return (value if isinstance(value, Tensor) else value.astype(space.dtype)), stop
