"""Turn what users pass (lists, numpy arrays, torch tensors on any device) into checked float64 arrays.

Nothing here imports torch: a tensor is recognised by its `detach` method, so `import morl` stays fast.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from morl.errors import MorlError, NonFiniteError

Array: TypeAlias = NDArray[np.float64]


def to_float64(values: Any, name: str) -> Array:
    """Return `values` as a new float64 array of any shape; `MorlError` where they are not numbers.

    The result never shares memory with `values`. A tensor is detached and copied to the host.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().double().numpy()
    try:
        raw = np.asarray(values)
        if np.iscomplexobj(raw):
            raise TypeError("complex numbers")
        return np.array(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MorlError(f"expected {name} to be a rectangular array of real numbers: {error}") from error


def as_vector(values: Any, *, name: str, m: int | None = None) -> Array:
    """Return `values` as a new finite float64 vector of shape (m,), with m >= 1."""
    vector = to_float64(values, name)
    if vector.ndim != 1 or vector.size == 0 or (m is not None and vector.size != m):
        expected = "(m,)" if m is None else f"({m},), one number per objective"
        raise MorlError(f"expected {name} of shape {expected}, got shape {vector.shape}")
    check_finite(vector, name)
    return vector


def as_points(values: Any, *, name: str = "points", m: int | None = None) -> Array:
    """Return `values` as a new finite float64 matrix (k, m): k >= 0 points with m >= 1 objectives."""
    points = to_float64(values, name)
    if points.ndim != 2 or points.shape[1] == 0:
        hint = f"; for a single point pass [{name}]" if points.ndim == 1 and points.size else ""
        raise MorlError(
            f"expected {name} of shape (k, m), one row per point and one column per objective, "
            f"got shape {points.shape}{hint}"
        )
    if m is not None and points.shape[1] != m:
        raise MorlError(f"expected {name} with {m} objectives (columns), got {points.shape[1]}")
    check_finite(points, name)
    return points


def check_finite(values: Array, name: str) -> None:
    """Raise `NonFiniteError` that names the first entry which is NaN or infinite."""
    finite = np.isfinite(values)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        index = ", ".join(map(str, where))
        raise NonFiniteError(
            f"expected finite numbers in {name}, got {values[where]} at {name}[{index}] "
            f"({int((~finite).sum())} of {finite.size} entries are not finite)"
        )


def as_count(value: Any, *, name: str, minimum: int = 1, error: type[MorlError] = MorlError) -> int:
    """Return `value` as an int of at least `minimum`; anything else (floats, booleans) is an `error`.

    Numbers of NumPy and torch are numbers, too, also as arrays without dimensions.
    """
    truth = isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
    try:
        count = None if truth else operator.index(value)
    except TypeError:
        count = None
    if count is None or count < minimum:
        raise error(f"expected {name} to be an integer of at least {minimum}, got {value!r}")
    return count


def as_steps(value: Any, *, name: str) -> int:
    """The same for a number of steps, which may be written as a float that is whole, such as 1e6."""
    number = plain(value)
    whole = isinstance(number, float) and number.is_integer()
    return as_count(int(number) if whole else number, name=name, minimum=0)


def as_seeds(seed: Any) -> int | list[int | None] | None:
    """One seed, or a list of them in which some may be None, or None; `MorlError` for anything else."""
    if seed is None:
        return None
    if isinstance(seed, Sequence) or getattr(seed, "ndim", 0) == 1:
        return [None if s is None else as_count(s, name="a seed", minimum=0) for s in seed]
    return as_count(seed, name="the seed", minimum=0)


def plain(value: Any) -> Any:
    """Numbers of NumPy and torch as Python's, within lists, tuples and dictionaries as well; all else as it is."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
