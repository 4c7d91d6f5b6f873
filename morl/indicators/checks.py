"""What all indicators check of their input, written once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from morl._arrays import Array, as_points, as_vector, to_float64
from morl.errors import MorlError


class UndefinedIndicatorError(MorlError):
    """The points are valid, but the indicator has no value for them: too few, too many objectives, ..."""


def some_points(points: Any, name: str = "points", *, m: int | None = None, has_no: str = "utility") -> Array:
    """Points (k, m) with k >= 1; `has_no` says in the error what an empty set lacks."""
    array = as_points(points, name=name, m=m)
    if len(array) == 0:
        raise UndefinedIndicatorError(f"expected at least one row in {name}: an empty set has no {has_no}")
    return array


def points_and_front(points: Any, reference_front: Any, *, has_no: str) -> tuple[Array, Array]:
    """Points (k, m) and the reference front (l, m), neither of them empty."""
    array = some_points(points, has_no=has_no)
    return array, some_points(reference_front, "reference_front", m=array.shape[1], has_no=has_no)


def check_objectives(indicator: str, m: int, least: int, most: int) -> None:
    """Refuse points with a number of objectives that the indicator does not hold for."""
    if not least <= m <= most:
        raise UndefinedIndicatorError(f"{indicator} holds for {least} to {most} objectives, got {m}")


def as_scale(scale: Any, m: int) -> Array:
    """What each objective is divided by, (m,): ones for None."""
    if scale is None:
        return np.ones(m)
    vector = as_vector(scale, name="scale", m=m)
    if (vector <= 0).any():
        raise MorlError(
            f"expected a positive scale for every objective, got {vector.tolist()}; "
            "for an objective without a range pass 1"
        )
    return vector


def in_units(values: Array, scale: Array) -> Array:
    """Values (k, m) divided by a scale (m,); refused where that overflows."""
    with np.errstate(over="ignore"):
        return finite(values / scale, "scaled return")


def finite(value: Any, what: str) -> Any:
    """Return a value, a number or an array, made of finite returns; refuse it where it overflowed."""
    if not np.isfinite(value).all():
        raise UndefinedIndicatorError(
            f"expected returns whose {what} is within the range of a float64, it overflows; divide the returns, and "
            "all they are compared with, by a scale for each objective"
        )
    return value


def as_fronts(fronts: Any) -> list[Array]:
    """Many fronts as a list of points (k_i, m): from a sequence of them, or from one padded array.

    Args:
        fronts: f >= 1 fronts with the same objectives: a sequence of points (k_i, m), or an array or tensor
            (f, k, m) in which a row of NaN alone fills up a front with fewer than k points.
    """
    if hasattr(fronts, "ndim"):
        padded = to_float64(fronts, "fronts")
        if padded.ndim != 3:
            raise MorlError(
                f"expected fronts as an array (fronts, points, objectives), got shape {padded.shape}; "
                "for a single front pass [points]"
            )
        fronts = [front[~np.isnan(front).all(axis=1)] for front in padded]
    if not isinstance(fronts, Iterable):
        raise MorlError(f"expected fronts as a sequence of points (k, m) or a padded array, got {fronts!r}")
    checked: list[Array] = []
    for i, front in enumerate(fronts):
        checked.append(as_points(front, name=f"fronts[{i}]", m=checked[0].shape[1] if checked else None))
    if not checked:
        raise MorlError("expected at least one front, got none")
    return checked
