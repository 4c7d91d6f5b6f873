"""Turn what users pass (lists, numpy arrays, torch tensors on any device) into checked float64 arrays.

Nothing here imports torch: a tensor is recognised by its `detach` method, so `import morl` stays fast.
"""

from __future__ import annotations

import operator
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


def as_count(value: Any, *, name: str, minimum: int = 1) -> int:
    """Return `value` as an int of at least `minimum`; anything else (floats, booleans) is a `MorlError`."""
    try:
        count = operator.index(value)
    except TypeError:
        count = None
    if count is None or isinstance(value, (bool, np.bool_)) or count < minimum:
        raise MorlError(f"expected {name} to be an integer of at least {minimum}, got {value!r}")
    return count
