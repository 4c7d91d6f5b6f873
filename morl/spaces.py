"""Spaces as agents see them: observations are one Box, actions one flat Box or one choice that counts from zero.

Compound action spaces (MultiDiscrete, MultiBinary, Dict, Tuple) whose parts are all discrete become one choice
among all combinations, the last part changing fastest; those whose parts are all Boxes become one flat Box. A Box of
whole numbers is seen as real numbers from low - 1/2 to high + 1/2, which are rounded: so all whole numbers have an
equal share of the range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.spaces.utils import flatten, flatten_space
from gymnasium.vector.utils import batch_space, iterate
from numpy.typing import NDArray
from torch import Tensor

from morl.errors import EnvError

TORCH_KINDS = ("uint8", "int8", "int16", "int32", "int64", "float32")
"""Observation types that pass unchanged; all others become float32."""

MOST_CHOICES = 2**16
"""Combinations that a compound discrete action space may have: agents keep a number for each."""

PLAIN = (Box, Discrete, MultiBinary, MultiDiscrete)
"""Simple observation spaces that are flattened here; others (texts, one of several spaces) by Gymnasium."""

AGREE = "make observation_space and what reset() and step() return agree"


# --- observations ----------------------------------------------------------------------------------------


def observation_box(space: Space) -> Box:
    """What `space` looks like once flattened by Gymnasium's rules (a Discrete one becomes one-hot).

    A Box keeps its shape, so that pictures stay pictures; one without dimensions becomes one number.

    Raises:
        EnvError: `space` has no flat form of fixed size (Graph, Sequence), or holds nothing.
    """
    flat = space if isinstance(space, Box) and space.shape else _flat(space)
    if 0 in flat.shape:
        raise EnvError(
            f"expected an observation space with at least one number, got {space}; "
            "where there is nothing to observe, observe a constant zero"
        )
    return flat if str(flat.dtype) in TORCH_KINDS else Box(*_float32_bounds(flat), dtype=np.float32)


def _flat(space: Space) -> Box:
    try:
        flat = flatten_space(space)
    except (NotImplementedError, ValueError):  # the latter for a Dict or Tuple without parts
        flat = None
    if not isinstance(flat, Box):
        raise EnvError(
            f"expected an observation space of fixed size, got {space}; turn it into a Box, Discrete, "
            "MultiDiscrete, MultiBinary, Dict or Tuple space with a gymnasium.ObservationWrapper"
        )
    return flat


def _float32_bounds(box: Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with np.errstate(over="ignore"):  # what float32 cannot hold is no bound
        return box.low.astype(np.float32), box.high.astype(np.float32)


class Observations:
    """Turns observations of an environment's own space into what agents see; one or a batch, numpy or torch.

    Args:
        native: the environment's own space.
        seen: what agents see: `observation_box(native)`, or a Box of as many numbers in another shape.
        env_id: named in messages.
        remedy: how messages end.
    """

    def __init__(
        self, native: Space, seen: Box | None = None, *, env_id: str = "the environment", remedy: str = AGREE
    ) -> None:
        self.native, self.seen = native, observation_box(native) if seen is None else seen
        self.env_id, self.remedy = env_id, remedy
        self._parts = [_Part.of(space, name) for space, name in _parts_of(native)]
        self._plain = all(isinstance(part.space, PLAIN) for part in self._parts)

    def one(self, obs: Any) -> NDArray[Any]:
        """`read` for one observation, as an array; real numbers keep their precision."""
        seen = self.seen
        if type(obs) is np.ndarray and obs.shape == self.native.shape == seen.shape:
            same = obs.dtype == seen.dtype or obs.dtype.kind == "f" == seen.dtype.kind
            if same:
                return obs  # what nearly every environment observes at every step
        values, rows = self.read(obs)
        if rows is not None:
            raise self.refusal(f"a batch of {rows}")
        return values.cpu().numpy() if isinstance(values, Tensor) else values

    def batch(self, obs: Any) -> Any:
        """`read` for a batch."""
        if not self._plain:
            return np.stack([self.one(row) for row in iterate(batch_space(self.native, 1), obs)])
        values, rows = self.read(obs)
        if rows is None:
            raise self.refusal("one observation, where a batch of them is due")
        return values

    def read(self, obs: Any, *, check: bool = True) -> tuple[Any, int | None]:
        """What agents see of one observation, (*seen), or of a batch, (B, *seen); beside it B, or None for one.

        A batch is as Gymnasium's vector environments have it: of a Dict a dictionary of arrays (B, ...), for example.

        Args:
            obs: tensors give a tensor on their device, anything else an array, which may share memory with `obs`.
            check: whether to look at values, too; that waits for an accelerator.

        Raises:
            EnvError: the structure, a shape or a type is not that of the space, or a number is not whole where it
                must be, or no choice of a Discrete space.
        """
        if not self._plain:
            return self._flattened_by_gymnasium(obs), None
        values = [part.numbers(v, self) for part, v in zip(self._parts, self._split(obs), strict=True)]
        lead = tuple(values[0].shape[:1]) if values[0].ndim > len(self._parts[0].shape) else ()
        for part, value in zip(self._parts, values, strict=True):
            if tuple(value.shape) != lead + part.shape:
                beside = f", where another part has {lead[0]} of them" if lead else ""
                raise self.refusal(f"shape {tuple(value.shape)}{beside}", part)
        columns = [
            part.columns(v, lead, self if check else None)
            for part, v in zip(self._parts, values, strict=True)
        ]
        joined: Any
        devices = [column.device for column in columns if isinstance(column, Tensor)]
        if devices:
            dtype = getattr(torch, str(self.seen.dtype))
            joined = torch.cat(
                [torch.as_tensor(column, device=devices[0]).to(dtype) for column in columns], -1
            )
        else:
            with np.errstate(over="ignore"):  # infinite then, and refused as such
                cast = [column.astype(self.seen.dtype, copy=False) for column in columns]
            joined = cast[0] if len(cast) == 1 else np.concatenate(cast, -1)
        return joined.reshape(*lead, *self.seen.shape), (lead[0] if lead else None)

    def name_of(self, index: int) -> str:
        """What to call entry `index` of the flattened observation: its number, with its part of a Dict or Tuple."""
        start = 0
        for part in self._parts:
            if part.name and start <= index < start + part.width:
                return f"{index} ({part.name}, {index - start})"
            start += part.width
        return str(index)

    def refusal(self, found: str, part: _Part | None = None) -> EnvError:
        """The error for an observation, or a part of one, that is not as the space says."""
        space = self.native if part is None else part.space
        wanted = f"an observation of shape {space.shape}" if isinstance(space, PLAIN) else "an observation"
        where = f" in part {part.name}" if part is not None and part.name else ""
        return EnvError(
            f"expected {wanted}{where} from {self.env_id}, as {space} says, got {found}; {self.remedy}"
        )

    def _split(self, obs: Any) -> list[Any]:
        try:
            return list(_values(self.native, obs))
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise self.refusal(f"{type(obs).__name__} ({type(error).__name__}: {error})") from None

    def _flattened_by_gymnasium(self, obs: Any) -> NDArray[Any]:
        try:
            flat = np.asarray(flatten(self.native, obs))
            return flat.astype(self.seen.dtype, copy=False).reshape(self.seen.shape)
        except Exception as error:  # flatten takes what it is given for granted
            raise self.refusal(f"{type(obs).__name__} ({type(error).__name__}: {error})") from error


@dataclass(frozen=True)
class _Part:
    """One simple space out of those that an observation space is made of."""

    space: Space
    name: str
    """Where it stands in a Dict or Tuple: `['a'][0]`; empty where there is no other part."""
    shape: tuple[int, ...]
    width: int
    """How many numbers it becomes."""
    owner: NDArray[np.int64] | None = None
    """(width,) of choices: which one each column belongs to."""
    digit: NDArray[np.int64] | None = None
    """(width,) of choices: the value that the column stands for."""

    @classmethod
    def of(cls, space: Space, name: str) -> _Part:
        if isinstance(space, (Discrete, MultiDiscrete)):
            sizes = np.ravel(space.n if isinstance(space, Discrete) else space.nvec).astype(np.int64)
            starts = np.ravel(space.start).astype(np.int64)
            digit = np.concatenate([np.arange(n) + start for n, start in zip(sizes, starts, strict=True)])
            owner = np.repeat(np.arange(len(sizes)), sizes)
            return cls(space, name, tuple(space.shape or ()), len(digit), owner, digit)
        shape = tuple(space.shape or ())
        return cls(space, name, shape, math.prod(shape))

    def numbers(self, value: Any, told: Observations) -> Any:
        """`value` as a tensor or array of real numbers."""
        if isinstance(value, Tensor):
            return value.detach()
        try:
            array = np.asarray(value)
        except ValueError as error:  # rows of different lengths
            raise told.refusal(str(error), self) from None
        if array.dtype.kind not in "fiub":
            raise told.refusal(f"{array.dtype} of shape {array.shape}", self)
        return array

    def columns(self, value: Any, lead: tuple[int, ...], told: Observations | None) -> Any:
        """Numbers (*lead, *shape) as (*lead, width); values are checked where somebody is to be `told`."""
        tensors = isinstance(value, Tensor)
        if self.owner is None or self.digit is None:
            if told is not None and self.space.dtype is not None and self.space.dtype.kind in "iub":
                whole = str(value.dtype).removeprefix("torch.") == str(self.space.dtype)
                if not whole and not bool((_cast(value, self.space.dtype) == value).all()):
                    raise told.refusal(
                        f"{value.dtype} with values that {self.space.dtype} does not hold", self
                    )
            return value.reshape(*lead, self.width)
        flat = value.reshape(*lead, -1)
        owner, digit = (
            torch.as_tensor(x, device=value.device) if tensors else x for x in (self.owner, self.digit)
        )
        chosen = flat[..., owner] == digit
        if told is not None and int(chosen.sum()) != math.prod(lead) * flat.shape[-1]:
            raise told.refusal(f"{value.tolist()}", self)
        return chosen


def _cast(values: Any, dtype: Any) -> Any:
    """Numbers as another type, whatever becomes of them."""
    if isinstance(values, Tensor):
        return values.to(getattr(torch, str(dtype)))
    with np.errstate(invalid="ignore", over="ignore"):
        return values.astype(dtype)


def _parts_of(space: Space, name: str = "") -> Iterator[tuple[Space, str]]:
    """The simple spaces of an observation space in the order of Gymnasium's `flatten`, and where they stand."""
    if isinstance(space, Dict):
        for key, part in space.spaces.items():
            yield from _parts_of(part, f"{name}[{key!r}]")
    elif isinstance(space, Tuple):
        for i, part in enumerate(space.spaces):
            yield from _parts_of(part, f"{name}[{i}]")
    else:
        yield space, name


def _values(space: Space, obs: Any) -> Iterator[Any]:
    """What an observation, or a batch, holds for each of `_parts_of(space)`."""
    if isinstance(space, Dict):
        if not isinstance(obs, Mapping):
            raise TypeError("expected a dictionary")
        for key, part in space.spaces.items():
            yield from _values(part, obs[key])
    elif isinstance(space, Tuple):
        if isinstance(obs, (Mapping, str)) or len(obs) != len(space.spaces):
            raise TypeError(f"expected {len(space.spaces)} parts")
        for i, part in enumerate(space.spaces):
            yield from _values(part, obs[i])
    else:
        yield obs


# --- actions ---------------------------------------------------------------------------------------------


def action_space_of(space: Space) -> Box | Discrete:
    """The action space as agents see it (module docstring); a Box is flat and float32.

    Raises:
        EnvError: `space` mixes choices and numbers, holds nothing, or has too many combinations.
    """
    parts = list(_simple(space))
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
    if len(boxes) == len(parts) and any(0 not in box.shape for box in boxes):
        low, high = (
            np.concatenate(bounds) for bounds in zip(*(_seen_bounds(box) for box in boxes), strict=True)
        )
        return Box(low, high, dtype=np.float32)
    raise EnvError(
        "expected an action space of choices (Discrete, MultiDiscrete, MultiBinary) or of numbers (Box), "
        f"also as Dict or Tuple, got {space}; turn it into one by a gymnasium.ActionWrapper"
    )


def _seen_bounds(box: Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bounds of the numbers that agents give for a Box, flat."""
    low, high = (bound.ravel() for bound in _float32_bounds(box))
    return (low - 0.5, high + 0.5) if box.dtype.kind in "iub" else (low, high)


def is_bounded(space: Box) -> bool:
    """Whether every number lies between two bounds, whose distance float32 holds: what agents ask of actions."""
    low, high = _float32_bounds(space)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(high - low).all())


def action_encoder(space: Space) -> Callable[[Any], Any]:
    """The function that turns agents' actions, array or tensor, into those that the environment expects.

    It takes one action or a batch: leading dimensions pass through. Actions out of `action_space_of(space)` become
    elements of `space`, in memory of their own.
    """
    if isinstance(space, Discrete):
        start = space.start
        return lambda actions: actions + start
    if isinstance(space, Box):
        return partial(_in_box, space)
    sizes = [int(part.n) for part in _simple(space) if isinstance(part, Discrete)]
    if not sizes:
        return lambda actions: _assemble(space, actions, 0)[0]
    strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]

    def encode(actions: Any) -> Any:
        digits = [actions // stride % size for stride, size in zip(strides, sizes, strict=True)]
        stacked = torch.stack(digits, -1) if isinstance(actions, Tensor) else np.stack(digits, -1)
        return _assemble(space, stacked, 0)[0]

    return encode


def _in_box(box: Box, values: Any) -> Any:
    """Numbers (..., size) as an element (..., *shape) of a Box, or a batch of such: of its type, in new memory.

    Whole numbers are rounded to the nearest in the Box. Real ones may leave it where float32 rounds its bounds
    outwards: they are brought back. What somebody puts further outside stays there: it is theirs to say.
    """
    shaped = values.reshape((*values.shape[:-1], *box.shape))
    return _tensor_in_box(box, shaped) if isinstance(shaped, Tensor) else _array_in_box(box, shaped)


def _array_in_box(box: Box, values: NDArray[Any]) -> NDArray[Any]:
    if box.dtype == np.float32:
        return np.array(values, np.float32)
    low, high = (bound.astype(np.float64) for bound in (box.low, box.high))
    if box.dtype.kind == "f":
        inside = _float32_bounds(box)
        rounded = (values >= inside[0]) & (values <= inside[1])
        return np.asarray(np.where(rounded, np.minimum(np.maximum(values, low), high), values), box.dtype)
    near = np.rint(values.astype(np.float64))
    # Compared as floats, but never cast from the bounds as floats: the largest int64 has none.
    below, above = near <= low, near >= high
    whole = np.where(below | above, 0.0, near).astype(box.dtype)
    return np.where(below, box.low, np.where(above, box.high, whole))


def _tensor_in_box(box: Box, values: Tensor) -> Tensor:
    dtype, device = getattr(torch, str(box.dtype)), values.device
    if box.dtype == np.float32:
        return values.to(dtype, copy=True)
    low, high = (torch.as_tensor(bound, device=device).to(torch.float64) for bound in (box.low, box.high))
    if box.dtype.kind == "f":
        lowest, highest = (torch.as_tensor(bound, device=device) for bound in _float32_bounds(box))
        rounded = (values >= lowest) & (values <= highest)
        wide = values.to(torch.float64)
        return torch.where(rounded, wide.maximum(low).minimum(high), wide).to(dtype)
    near = values.to(torch.float64).round()
    below, above = near <= low, near >= high
    whole = torch.where(below | above, 0.0, near).to(dtype)
    ends = (torch.as_tensor(bound, device=device) for bound in (box.low, box.high))
    return torch.where(below, next(ends), torch.where(above, next(ends), whole))


def _simple(space: Space) -> Iterator[Space]:
    """The simple spaces that an action space is made of, in the order of Gymnasium's `flatten`."""
    for part, _ in _parts_of(space):
        if isinstance(part, MultiDiscrete):
            yield from (Discrete(int(n)) for n in part.nvec.ravel())
        elif isinstance(part, MultiBinary):
            yield from [Discrete(2)] * math.prod(part.shape)
        else:
            yield part


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
    value = flat[..., start:stop]
    if isinstance(space, Box):
        return _in_box(space, value), stop
    value = value.reshape(*flat.shape[:-1], *shape)
    if isinstance(space, MultiDiscrete):
        value = value + (
            torch.as_tensor(space.start, device=value.device) if isinstance(value, Tensor) else space.start
        )
    return _cast(value, space.dtype), stop
