"""Gymnasium's spaces as plain JSON values, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Text, Tuple

from morl.errors import CheckpointError, EnvError


def has_file_form(space: Space) -> bool:
    """Whether `space_to_dict` takes a space."""
    try:
        space_to_dict(space)
    except EnvError:
        return False
    return True


def space_to_dict(space: Space) -> dict[str, Any]:
    """A space of a fixed number of values as plain JSON values.

    Bounds are texts, since JSON has no infinity; where all are the same there is one.

    Raises:
        EnvError: another kind of space (Graph, Sequence, OneOf, and others).
    """
    if isinstance(space, Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start), **_dtype(space, np.int64)}
    if isinstance(space, Box):
        return {
            "type": "Box",
            "low": _bound(space.low),
            "high": _bound(space.high),
            "shape": list(space.shape),
            "dtype": str(space.dtype),
        }
    if isinstance(space, MultiDiscrete):
        return {
            "type": "MultiDiscrete",
            "nvec": space.nvec.tolist(),
            "start": np.broadcast_to(space.start, space.nvec.shape).tolist(),
            "dtype": str(space.dtype),
        }
    if isinstance(space, MultiBinary):
        return {"type": "MultiBinary", "n": space.n if isinstance(space.n, int) else list(space.shape)}
    if isinstance(space, Text):
        return {
            "type": "Text",
            "min_length": space.min_length,
            "max_length": space.max_length,
            "charset": "".join(space.character_list),
        }
    if isinstance(space, Tuple):
        return {"type": "Tuple", "spaces": [space_to_dict(part) for part in space.spaces]}
    if isinstance(space, Dict) and all(isinstance(key, str) for key in space.spaces):
        return {"type": "Dict", "spaces": [[key, space_to_dict(part)] for key, part in space.spaces.items()]}
    raise EnvError(
        "expected a Box, Discrete, MultiDiscrete, MultiBinary, Text, Dict or Tuple space, "
        f"got {space}; flatten it first (gymnasium.spaces.flatten_space)"
    )


def space_from_dict(data: dict[str, Any]) -> Space:
    """The inverse of `space_to_dict`.

    Raises:
        CheckpointError: the values describe no space.
    """
    kind = str(data.get("type") if isinstance(data, dict) else data)
    remedy = "the file is damaged, save it again"
    if kind not in _READ:
        raise CheckpointError(f"expected a space of type {', '.join(_READ)}, got {kind!r}; {remedy}")
    try:
        space = _READ[kind](data)
    except CheckpointError:  # of a part
        raise
    except (KeyError, TypeError, ValueError, AssertionError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"expected the values of a {kind} space, got {reason}; {remedy}") from error
    return space


def _dtype(space: Discrete, usual: Any) -> dict[str, str]:
    """The type where it is another than usual."""
    return {} if space.dtype == usual else {"dtype": str(space.dtype)}


def _bound(values: Any) -> list[str]:
    texts = [str(value) for value in values.reshape(-1).tolist()]
    return texts[:1] if len(set(texts)) == 1 else texts


def _box(data: dict[str, Any]) -> Box:
    dtype, shape = np.dtype(data["dtype"]), tuple(data["shape"])
    # Not all numbers as floats: they would round the bounds of int64.
    number = {"f": float, "b": lambda text: text == "True"}.get(dtype.kind, int)
    low, high = (np.array([number(value) for value in data[bound]], dtype) for bound in ("low", "high"))
    low, high = (np.full(shape, x[0], dtype) if len(x) == 1 else x.reshape(shape) for x in (low, high))
    return Box(low, high, shape=shape, dtype=dtype.type)


def _discrete(data: dict[str, Any]) -> Discrete:
    kind = {"dtype": np.dtype(data["dtype"]).type} if "dtype" in data else {}
    return Discrete(int(data["n"]), start=int(data["start"]), **kind)


def _multi_discrete(data: dict[str, Any]) -> MultiDiscrete:
    return MultiDiscrete(data["nvec"], dtype=np.dtype(data["dtype"]).type, start=data["start"])


def _text(data: dict[str, Any]) -> Text:
    return Text(data["max_length"], min_length=data["min_length"], charset=data["charset"])


_READ = {
    "Box": _box,
    "Discrete": _discrete,
    "MultiDiscrete": _multi_discrete,
    "MultiBinary": lambda data: MultiBinary(data["n"]),
    "Text": _text,
    "Tuple": lambda data: Tuple([space_from_dict(part) for part in data["spaces"]]),
    "Dict": lambda data: Dict([(key, space_from_dict(part)) for key, part in data["spaces"]]),
}
