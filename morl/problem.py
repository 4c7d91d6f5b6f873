"""What makes two environments the same problem: id, keyword arguments beside the defaults, wrappers.

Arguments are compared as JSON values: a tuple is a list, NumPy's numbers are numbers, 3.0 is 3. What has no such
value is called by its path, with a digest of its contents (`canonical`). Nothing here makes an environment.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence, Set
from enum import Enum
from functools import partial
from pathlib import PurePath
from types import CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np

HARMLESS = {
    *("num_envs", "device", "dtype", "compile", "groups", "vectorization_mode"),
    *("render_mode", "render_fps", "disable_env_checker"),
}
"""Arguments that decide where and how fast an environment runs, not what it pays."""

OF_COPIES = {"num_envs", "groups"}
"""Those of them that mean this only to what takes `num_envs`: elsewhere groups may be anything."""

UNKNOWN = "?"
"""What stands for an argument that an instance does not tell."""

LIMIT = "max_episode_steps"

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

MOST_VALUES, MOST_LETTERS, DEEPEST = 1000, 40, 8
"""What longer arrays, longer texts in a name and deeper nesting are cut to: a digest tells them apart."""


class Identity(NamedTuple):
    """What distinguishes a problem from others of the same id."""

    env_kwargs: dict[str, Any]
    """Arguments that are not the defaults, as `canonical` values by name; `UNKNOWN` where one cannot be told."""
    wrappers: tuple[str, ...] = ()
    """What else changes the problem, from the inside out: wrappers, and a factory that cannot be looked into."""


ORDINARY = Identity({})
"""Nothing but the defaults."""


def numbered_objectives(m: int) -> tuple[str, ...]:
    """What objectives without names are called, here and in MORL-Baselines' tables: `objective_1`, ..."""
    return tuple(f"objective_{i + 1}" for i in range(m))


def numbered_places(names: Sequence[str]) -> list[int] | None:
    """Which objective each name means, from 0, if all are only numbered, from 1 or from 0; else None."""
    found = [re.fullmatch(r"objective_(\d+)", name) for name in names]
    numbers = [int(match[1]) for match in found if match is not None]
    first = min(numbers, default=0)
    places = [number - first for number in numbers]
    return places if first in (0, 1) and sorted(places) == list(range(len(names))) else None


def problem_name(env_id: str, env_kwargs: Mapping[str, Any] | None, wrappers: Sequence[str] = ()) -> str:
    """`minecart-v0`, `toys:Corridor (slip=0.3)` or `toys:Corridor + TransformReward(func=...)`."""
    arguments = ", ".join(f"{name}={_short(value)}" for name, value in sorted((env_kwargs or {}).items()))
    return " + ".join([f"{env_id} ({arguments})" if arguments else env_id, *wrappers])


def canonical(value: Any) -> Any:
    """`value` as JSON values that are equal where two arguments mean the same."""
    return _canonical(value, 0)


def canonical_arguments(arguments: Mapping[str, Any], harmless: Set[str] = HARMLESS) -> dict[str, Any]:
    """Arguments by name as `canonical` values, those left out that are `harmless`."""
    return {name: canonical(value) for name, value in arguments.items() if name not in harmless}


def harmless_to(kind: Callable[..., Any]) -> Set[str]:
    """The `HARMLESS` arguments of a callable."""
    return HARMLESS if "num_envs" in parameters(kind) else HARMLESS - OF_COPIES


def beside(arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that differ from their defaults; both as `canonical` values."""
    return {
        name: value
        for name, value in arguments.items()
        if name not in defaults or _text(defaults[name]) != _text(value)
    }


def called(kind: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `kind(*args, **kwargs)` beside its defaults, as `canonical` values by name."""
    given = by_name(kind, args, kwargs)
    return beside(canonical_arguments(given, harmless_to(kind)), defaults_of(kind))


def by_name(kind: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `kind(*args, **kwargs)` by name, as they are."""
    names = list(parameters(kind))
    surplus = {"args": list(args[len(names) :])} if len(args) > len(names) else {}
    return dict(zip(names, args, strict=False)) | surplus | dict(kwargs)


def defaults_of(kind: Callable[..., Any]) -> dict[str, Any]:
    """The default values of a callable's arguments, as `canonical` values by name."""
    known = {name: parameter.default for name, parameter in parameters(kind).items()}
    return canonical_arguments(
        {name: value for name, value in known.items() if value is not inspect.Parameter.empty},
        harmless_to(kind),
    )


def parameters(kind: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The named parameters of a callable; of a class that hands on `**kwargs`, those of its parents as well."""
    makers: list[Any] = [kind]
    if isinstance(kind, type):
        makers = [vars(base)["__init__"] for base in kind.__mro__[:-1] if "__init__" in vars(base)]
    found: dict[str, inspect.Parameter] = {}
    for maker in makers:
        try:
            own = list(inspect.signature(maker).parameters.values())
        except (TypeError, ValueError):  # of a builtin
            break
        for parameter in own[isinstance(kind, type) :]:  # without self
            if parameter.kind not in VARIADIC:
                found.setdefault(parameter.name, parameter)
        if not own or own[-1].kind is not inspect.Parameter.VAR_KEYWORD:
            break
    return found


def path_of(kind: Any) -> str:
    """`module:Class`."""
    return f"{kind.__module__}:{kind.__qualname__}"


def _canonical(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        return path_of(type(value))
    if isinstance(value, Enum):
        return f"{path_of(type(value))}.{value.name}"
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return str(value) if not math.isfinite(value) else int(value) if value.is_integer() else float(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _canonical(value[name], depth + 1) for name in sorted(value, key=str)}
    if isinstance(value, np.ndarray) and value.size > MOST_VALUES and value.dtype != object:
        return f"array{value.shape}#{_digest([value.dtype.str, value.tobytes().hex()])}"
    if isinstance(value, (set, frozenset)):
        return sorted((_canonical(item, depth + 1) for item in value), key=_text)
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (bytes, bytearray)):
        items = [_canonical(item, depth + 1) for item in value]
        return items if len(items) <= MOST_VALUES else f"list({len(items)})#{_digest(items)}"
    return _canonical_object(value, depth)


def _canonical_object(value: Any, depth: int) -> Any:
    """A class or function by its path; what has none, or a state, with a digest of what it holds."""
    if isinstance(value, partial):
        return {
            "call": _canonical(value.func, depth + 1),
            "args": _canonical(value.args, depth + 1),
            "kwargs": _canonical(value.keywords, depth + 1),
        }
    if isinstance(value, MethodType):
        return [_canonical(value.__self__, depth + 1), value.__name__]
    if isinstance(value, FunctionType):
        named = "<" not in value.__qualname__ and value.__module__ != "__main__"
        return path_of(value) if named else f"{path_of(value)}#{_digest(_closure(value, depth + 1))}"
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{getattr(value, '__module__', None)}:{value.__qualname__}"
    if type(value).__module__.startswith("gymnasium.spaces"):
        return repr(value)
    if isinstance(value, (bytes, bytearray)):
        return f"bytes({len(value)})#{_digest(value.hex())}"
    kind = path_of(type(value))
    return f"{kind}#{_digest(_canonical(vars(value), depth + 1))}" if hasattr(value, "__dict__") else kind


def _closure(function: FunctionType, depth: int) -> list[Any]:
    """What a function without a path does: its code, and the values that this reads from outside."""
    read = inspect.getclosurevars(function)
    outside = {
        name: _canonical(value, depth + 1)
        for name, value in {**read.globals, **read.nonlocals}.items()
        if not inspect.ismodule(value)
    }
    defaults = [function.__defaults__, function.__kwdefaults__]
    return [_code(function.__code__), outside, _canonical(defaults, depth + 1)]


def _code(code: CodeType) -> list[Any]:
    constants = [
        _code(item) if isinstance(item, CodeType) else _canonical(item, 0) for item in code.co_consts
    ]
    return [code.co_code.hex(), list(code.co_names), constants]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _digest(value: Any) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()[:8]


def _short(value: Any) -> str:
    """A value in a name: long ones are cut and told apart by a digest."""
    text = str(value)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 12]}...#{_digest(value)}"
