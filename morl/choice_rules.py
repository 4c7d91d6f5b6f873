"""The rules that a choice follows: thresholds, what is maximised, and what to say where nothing will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from morl import registry
from morl import utility as utilities
from morl import weights as preference_weights
from morl._arrays import Array, check_finite, to_float64
from morl.errors import MorlError
from morl.judging import ranges, to_unit_ranges


def checked_thresholds(at_least: Mapping[str, Any], objectives: Sequence[str]) -> dict[str, float]:
    """The thresholds by the objectives' own names; `ore-1` and `ORE_1` stand for `ore 1` too.

    Raises:
        MorlError: an objective that the front does not have, one named twice, or a threshold that is no
            finite number.
    """
    limits: dict[str, float] = {}
    for given, value in at_least.items():
        name = find_objective(given, objectives)
        limit = to_float64(value, f"the threshold of {name}")
        if limit.ndim or not np.isfinite(limit):
            raise MorlError(f"expected a finite number as threshold of {name!r}, got {value!r}")
        if name in limits:
            raise MorlError(f"expected one threshold for each objective, got two for {name!r}")
        limits[name] = float(limit)
    return limits


def find_objective(given: str, objectives: Sequence[str]) -> str:
    """The objective that is meant, or a `MorlError` that suggests one."""

    def plain(name: str) -> str:
        return name.lower().replace("-", " ").replace("_", " ").strip()

    if given in objectives:
        return given
    matches = [name for name in objectives if plain(name) == plain(given)]
    if len(matches) != 1:
        known = ", ".join(repr(name) for name in objectives)
        hint = registry.suggest(plain(given), [name.lower() for name in objectives])
        raise MorlError(f"expected an objective of the front, got {given!r}.{hint} Objectives: {known}")
    return matches[0]


def shortfalls(points: Array, limits: Array) -> Array:
    """How far points (k, m) stay below limits (m,), -inf for none: (k, m), 0 where they do not."""
    return np.where(points < limits, limits - points, 0.0)


def limits_of(at_least: Mapping[str, float], objectives: Sequence[str]) -> Array:
    """The thresholds as (m,), -inf for none."""
    return np.array([at_least.get(name, -np.inf) for name in objectives])


def worth(
    returns: Array,
    objectives: Sequence[str],
    weights: Any,
    utility: str | utilities.UtilityFunction | None,
    thresholds: Mapping[str, float],
) -> tuple[Array, Array | None, str]:
    """What each point is worth (k,), the weights of that if there are any, and what it is in words."""
    m = returns.shape[1]
    if utility is not None:
        function = utilities.as_utility(utility, m=m)
        given = np.full(m, 1 / m) if weights is None else weights
        vector = _single(utilities.validate_weights(function, given, m))
        with np.errstate(all="ignore"):  # what is not a number is refused below
            found = function(returns.copy(), np.tile(vector, (len(returns), 1)))
        values = to_float64(found, "the utilities")
        if values.shape != (len(returns),):
            raise MorlError(f"expected utilities of shape ({len(returns)},), got {values.shape}")
        check_finite(values, "the utilities")
        name = utility if isinstance(utility, str) else getattr(function, "__qualname__", repr(function))
        return values, vector, f"largest utility {name} with weights {_brief(vector)}"
    if weights is not None:
        vector = _single(preference_weights.validate(weights, m))
        terms = " + ".join(f"{w:.4g} {name}" for w, name in zip(vector, objectives, strict=True))
        return utilities.linear(returns, vector), vector, f"largest weighted sum {terms}"
    if not thresholds:
        raise MorlError(
            "expected something to choose by, got nothing: weights (--weights), thresholds (--at-least), a "
            "utility function (--utility), or several of them"
        )
    free = [i for i, name in enumerate(objectives) if name not in thresholds] or list(range(m))
    if len(free) == 1:
        return returns[:, free[0]], None, f"largest {objectives[free[0]]}"
    names = ", ".join(objectives[i] for i in free)
    return (
        to_unit_ranges(returns)[:, free].sum(axis=1),
        None,
        f"largest sum of {names}, each in units of its range over the front,",
    )


def _single(weights: Array) -> Array:
    if weights.ndim != 1:
        raise MorlError(f"expected one weight vector, got {len(weights)}")
    return weights


def _brief(vector: Array) -> str:
    return " ".join(f"{value:.4g}" for value in vector)


def nearest_miss(returns: Array, limits: Array, objectives: Sequence[str]) -> str:
    """Why nothing is feasible: what the nearest point misses, and what each threshold alone would allow."""
    misses = shortfalls(returns, limits)
    span = ranges(returns)[1]
    scaled = misses / np.where(span > 0, span, 1.0)
    nearest = int(scaled.max(axis=1).argmin())
    asked = [i for i in range(len(objectives)) if limits[i] > -np.inf]
    wanted = " and ".join(f"{objectives[i]} of at least {limits[i]:g}" for i in asked)
    found = ", ".join(
        f"{objectives[i]} {returns[nearest, i]:.4g}"
        + (f" ({misses[nearest, i]:.4g} too little)" if misses[nearest, i] > 0 else "")
        for i in asked
    )
    best = ", ".join(f"{objectives[i]} {returns[:, i].max():.4g}" for i in asked)
    return (
        f"no point of the front has {wanted}; the nearest has {found}. The largest of any point: {best}; "
        "lower a threshold"
    )
