"""Checks that the agents' configurations and constructors share."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from gymnasium.spaces import Box

from morl._arrays import plain
from morl.errors import MorlError
from morl.registry import suggest
from morl.spec import EnvSpec


def check_types(config: Any) -> None:
    """Refuse settings that are not what their annotations say: numbers, whole ones, choices, layer widths."""
    hints = get_type_hints(type(config))
    for field in fields(config):
        name, value, hint = field.name, plain(getattr(config, field.name)), hints[field.name]
        if hint == tuple[int, ...] and isinstance(value, np.ndarray):
            value = tuple(value.tolist())
        object.__setattr__(config, name, value)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if hint is int and not (number and isinstance(value, int)):
            raise MorlError(f"expected {name} to be a whole number (int), got {value!r}")
        if hint is float and not number:
            raise MorlError(f"expected {name} to be a number, got {value!r}")
        if get_origin(hint) is Literal and value not in get_args(hint):
            known = get_args(hint)
            raise MorlError(f"expected {name} in {known}, got {value!r}.{suggest(str(value), known)}")
        if hint == tuple[int, ...] and not (value and all(type(n) is int and n > 0 for n in value)):
            raise MorlError(f"expected {name} to be layer widths, such as (128, 128), got {value!r}")


def check_positive(config: Any, *names: str, zero: bool = False) -> None:
    """Refuse settings that are not positive finite numbers (or zero, where that is allowed)."""
    for name in names:
        value = getattr(config, name)
        if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
            raise MorlError(f"expected {name} {'>= 0' if zero else '> 0'}, got {value}")


def check_unit(config: Any, *names: str) -> None:
    """Refuse settings outside [0, 1]."""
    for name in names:
        value = getattr(config, name)
        if not 0 <= value <= 1:
            raise MorlError(f"expected {name} between 0 and 1, got {value}")


def geometric(start: float, end: float, progress: float) -> float:
    """From `start` to `end` by equal factors as `progress` goes from 0 to 1; by equal steps if one is zero."""
    if start == 0 or end == 0:
        return start + (end - start) * progress
    return start * (end / start) ** progress


def flat_observations(spec: EnvSpec) -> int:
    """Length of an observation vector.

    Raises:
        MorlError: observations are not vectors.
    """
    space = spec.single_observation_space
    if not isinstance(space, Box) or len(space.shape) != 1:
        raise MorlError(
            f"expected observations in a Box of one dimension, got {space} from {spec.env_id}; "
            "flatten them (gymnasium.wrappers.FlattenObservation)"
        )
    return int(space.shape[0])
