"""What the fields of a `Front` may hold, whether it is built in memory or read from a file."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from morl import weights as preference_weights
from morl._arrays import Array, as_count, as_points, as_vector, check_finite, to_float64
from morl.errors import MorlError
from morl.problem import canonical

SCHEMA_VERSION = 2
"""Version of the fields of a front and of its file; 2 added `answers` and `members`, what the environment's
arguments and wrappers are, which training it was, and what an environment brings of its own."""

Role: TypeAlias = Literal["selection", "report", "exact"]


RECORDED_PACKAGES = ("torch", "numpy", "gymnasium", "mo-gymnasium")
"""Packages that decide a result, beside Python and morl."""


def installed_versions() -> dict[str, str]:
    """Return the versions of Python, morl and the packages that decide a result, where installed."""
    return dict(_installed_versions())


@cache
def _installed_versions() -> dict[str, str]:
    from morl import __version__

    versions = {"python": platform.python_version(), "morl": __version__}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def checked_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every field of a front in its final type, arrays copied and read-only; `given` is left alone.

    Raises:
        MorlError: a field that does not fit the others or is of the wrong kind; the message names it.
        NonFiniteError: a return that is NaN or infinite.
    """
    returns = _episode_returns(given["episode_returns"], "episode_returns")
    k, episodes, m = returns.shape
    arrays: dict[str, NDArray[Any] | None] = {
        "episode_returns": returns,
        "episode_returns_undiscounted": _undiscounted(given["episode_returns_undiscounted"], returns.shape),
        "episode_lengths": _whole(given["episode_lengths"], (k, episodes), "episode_lengths", minimum=1),
        "episode_seeds": _whole(given["episode_seeds"], (k, episodes), "episode_seeds", minimum=0),
        "weights": _weights(given["weights"], given["answers"], (k, m)),
        "answers": _answers(given["answers"], given["weights"], k),
        "members": _numbers(given["members"], (k,), "members", minimum=-1),
        "reference_point": None
        if given["reference_point"] is None
        else as_vector(given["reference_point"], name="reference_point", m=m),
        "known_points": _known_points(given["known_points"], m),
    }
    for array in arrays.values():
        if array is not None:
            array.setflags(write=False)
    return {
        **arrays,
        "env_id": _text(given["env_id"], "env_id"),
        "gamma": _number(given["gamma"], "gamma", 0.0, 1.0),
        "objectives": _names(given["objectives"], m),
        "role": _role(given["role"]),
        "env_kwargs": _optional(_arguments, given["env_kwargs"], "env_kwargs"),
        "wrappers": tuple(_text(name, "wrappers") for name in _list(given["wrappers"], "wrappers")),
        "units": _optional(_each(str, m), given["units"], "units"),
        "costs": _optional(_each(bool, m), given["costs"], "costs"),
        "known_label": _optional(_text, given["known_label"], "known_label"),
        "training_id": _optional(_text, given["training_id"], "training_id"),
        "backend": _optional(_text, given["backend"], "backend"),
        "agent": _optional(_text, given["agent"], "agent"),
        "evaluation_seed": _optional(_natural, given["evaluation_seed"], "evaluation_seed"),
        "training_seed": _optional(_natural, given["training_seed"], "training_seed"),
        "training_steps": _optional(_natural, given["training_steps"], "training_steps"),
        "training_seconds": _optional(_seconds, given["training_seconds"], "training_seconds"),
        "optimal_among": _optional(_text, given["optimal_among"], "optimal_among"),
        "deterministic": _optional(_flag, given["deterministic"], "deterministic"),
        "versions": _versions(given["versions"]),
        "schema_version": _schema(given["schema_version"]),
    }


def _episode_returns(values: Any, name: str) -> Array:
    returns = to_float64(values, name)
    if returns.ndim != 3 or returns.size == 0:
        raise MorlError(
            f"expected {name} of shape (k, episodes, m), at least one of each, got shape {returns.shape}"
        )
    check_finite(returns, name)
    return returns


def _undiscounted(values: Any, shape: tuple[int, ...]) -> Array | None:
    if values is None:
        return None
    name = "episode_returns_undiscounted"
    returns = _episode_returns(values, name)
    _expect_shape(returns, shape, name)
    return returns


def _whole(values: Any, shape: tuple[int, int], name: str, *, minimum: int) -> NDArray[np.int64] | None:
    """Integers of shape (k, episodes) from such, or from one row (episodes,) that holds for all points."""
    if values is None:
        return None
    array = _integers(values, shape, name)
    if array.shape == shape[1:]:
        array = np.tile(array, (shape[0], 1))
    return _numbers(array, shape, name, minimum=minimum)


def _integers(values: Any, shape: tuple[int, ...], name: str) -> NDArray[Any]:
    try:
        array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    except ValueError as error:
        raise MorlError(f"expected {name} of shape {shape}: {error}") from error
    if array.dtype.kind not in "iu":
        raise MorlError(f"expected integers below 2**63 in {name}, got values of type {array.dtype}")
    return array


def _numbers(
    values: Any, shape: tuple[int, ...], name: str, *, minimum: int, below: int = 2**63
) -> NDArray[np.int64] | None:
    """Integers of a shape, from `minimum` to less than `below`."""
    if values is None:
        return None
    array = _integers(values, shape, name)
    _expect_shape(array, shape, name)
    if array.min() < minimum or array.max() >= below:
        most = "2**63 - 1" if below == 2**63 else str(below - 1)
        raise MorlError(f"expected {name} from {minimum} to {most}, got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def _weights(values: Any, answers: Any, shape: tuple[int, int]) -> Array | None:
    if values is None:
        return None
    weights = preference_weights.validate(values, shape[1])
    if weights.ndim != 2 or answers is None:
        _expect_shape(weights, shape, "weights")
    return weights


def _answers(values: Any, weights: Any, k: int) -> NDArray[np.int64] | None:
    if values is None:
        return None
    if weights is None:
        raise MorlError("expected answers only where there are weights: they say which point answers each")
    return _numbers(values, (len(weights),), "answers", minimum=0, below=k)


def _expect_shape(values: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
    if values.shape != shape:
        raise MorlError(
            f"expected {name} of shape {shape} to match episode_returns, got shape {values.shape}"
        )


def _names(objectives: Any, m: int) -> tuple[str, ...]:
    if isinstance(objectives, str) or not isinstance(objectives, Sequence):
        raise MorlError(f"expected objectives to be the names of {m} objectives, got {objectives!r}")
    names = tuple(_text(name, f"objectives[{i}]") for i, name in enumerate(objectives))
    if len(names) != m or len(set(names)) != m:
        raise MorlError(f"expected objectives to be {m} different names, got {list(names)}")
    return names


def _known_points(values: Any, m: int) -> Array | None:
    if values is None:
        return None
    points = as_points(values, name="known_points", m=m)
    if len(points) == 0:
        raise MorlError("expected known_points of at least one point, or None")
    return points


def _arguments(values: Any, name: str) -> dict[str, Any]:
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise MorlError(f"expected {name} to map names to values, got {values!r}")
    arguments: dict[str, Any] = canonical(values)
    return arguments


def _list(values: Any, name: str) -> Sequence[Any]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise MorlError(f"expected {name} to be a list, got {values!r}")
    return values


def _each(kind: type, m: int) -> Any:
    """A check for m values of a kind, one for each objective."""

    def check(values: Any, name: str) -> tuple[Any, ...]:
        found = tuple(_list(values, name))
        if len(found) != m or not all(isinstance(value, kind) for value in found):
            raise MorlError(f"expected {name} to be {m} values of type {kind.__name__}, got {list(found)}")
        return found

    return check


def _versions(versions: Any) -> dict[str, str]:
    if not isinstance(versions, Mapping):
        raise MorlError(f"expected versions to map package names to versions, got {versions!r}")
    return {_text(name, "versions"): _text(text, f"versions[{name!r}]") for name, text in versions.items()}


def _role(value: Any) -> Role:
    for role in get_args(Role):
        if value == role:
            return role
    raise MorlError(f"expected role to be one of {', '.join(get_args(Role))}, got {value!r}")


def _schema(value: Any) -> int:
    """The version that is written: what an older file lacks is None."""
    if isinstance(value, bool) or value not in range(1, SCHEMA_VERSION + 1):
        raise MorlError(f"expected schema_version from 1 to {SCHEMA_VERSION}, got {value!r}")
    return SCHEMA_VERSION


def _optional(check: Any, value: Any, name: str) -> Any:
    return None if value is None else check(value, name)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise MorlError(f"expected {name} to be a non-empty string, got {value!r}")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise MorlError(f"expected {name} to be true or false, got {value!r}")
    return value


def _natural(value: Any, name: str) -> int:
    number = as_count(value, name=name, minimum=0)
    if number > np.iinfo(np.int64).max:
        raise MorlError(f"expected {name} to be below 2**63, got a number of {number.bit_length()} bits")
    return number


def _seconds(value: Any, name: str) -> float:
    return _number(value, name, 0.0, float(np.finfo(np.float64).max))


def _number(value: Any, name: str, low: float, high: float) -> float:
    """A float within [low, high]; NaN, booleans and text are refused."""
    numeric = isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool)
    if not numeric or not low <= value <= high:
        raise MorlError(f"expected {name} to be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)
