"""Quality indicators of fronts: one number for a set of points. Objectives are maximised.

Every indicator is a function `(points, *, options) -> float` of points (k, m), and holds for any number of
objectives m unless it says otherwise. `indicators()` lists those here together with those that other packages
register under the entry-point group "morl.indicators".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import moocore
import numpy as np

from morl._arrays import Array, as_points, as_vector
from morl.errors import MorlError
from morl.utility import UtilityFunction, as_utility, linear, validate_weights

ENTRY_POINT_GROUP = "morl.indicators"

BLOCK = 2**22
"""The most numbers that an intermediate array of utilities and their returns holds."""


class ReferencePointWarning(UserWarning):
    """Some points do not exceed the reference point in every objective, so they add no hypervolume."""


def hypervolume(points: Any, *, reference_point: Any) -> float:
    """Return the volume that the points dominate above the reference point (Zitzler and Thiele 1999).

    Exact, by moocore, for m <= 31; the time grows steeply with m (above about 8 objectives, minutes for a
    few hundred points). Points that do not exceed the reference point in every objective contribute nothing
    and are counted in a `ReferencePointWarning`. No points have hypervolume 0.

    Args:
        points: shape (k, m); k may be 0.
        reference_point: shape (m,), worse than the points of interest in every objective.

    Raises:
        MorlError: wrong shape, or a number that is not finite.

    >>> hypervolume([[2, 1], [1, 2]], reference_point=[0, 0])
    3.0
    """
    array = as_points(points)
    reference = as_vector(reference_point, name="reference_point", m=array.shape[1])
    inside = (array > reference).all(axis=1)
    if not inside.all():
        warnings.warn(
            f"{int((~inside).sum())} of {len(array)} points do not exceed the reference point "
            f"{reference.tolist()} in every objective and add nothing to the hypervolume",
            ReferencePointWarning,
            stacklevel=2,
        )
    if not inside.any():
        return 0.0
    return float(moocore.hypervolume(array[inside], ref=reference, maximise=True))


def expected_utility(points: Any, *, weights: Any, utility: str | UtilityFunction = linear) -> float:
    """Return the mean over weights of the utility of the best point (Zintgraf et al. 2015).

    It supposes that the best point is chosen for each weight, hence hides an agent that ignores its
    preference: see `commanded_utility`. The utility is taken of expected returns (SER, Roijers et al. 2013).

    Args:
        points: shape (k, m), k >= 1.
        weights: shape (n, m), what `utility` takes: preference weights, or Chebyshev scales.
        utility: a utility function, or its name.

    >>> expected_utility([[1, 0], [0, 1]], weights=[[1, 0], [0.5, 0.5]])
    0.75
    """
    array = _some_points(points, "points")
    return float(_best_utilities(array, weights, utility).mean())


def commanded_utility(returns: Any, *, weights: Any, utility: str | UtilityFunction = linear) -> float:
    """Return the mean over i of `utility(returns[i], weights[i])`: what an agent earns as commanded.

    Never above the expected utility of the same returns and weights; the gap is what the agent loses by not
    following its preference. The utility is taken of expected returns (SER).

    Args:
        returns: shape (n, m), n >= 1; row i belongs to the policy that was asked for weights[i].
        weights: shape (n, m), what `utility` takes: preference weights, or Chebyshev scales.
        utility: a utility function, or its name.

    >>> commanded_utility([[1, 0], [0, 1]], weights=[[0, 1], [1, 0]])
    0.0
    """
    array = _some_points(returns, "returns")
    function = as_utility(utility, m=array.shape[1])
    checked = _weight_rows(function, weights, array.shape[1])
    if len(checked) != len(array):
        raise MorlError(
            f"expected one row of weights per row of returns, got {len(checked)} for {len(array)}"
        )
    return float(_finite_utilities(function, array, checked).mean())


def maximum_utility_loss(
    points: Any, *, weights: Any, reference_front: Any, utility: str | UtilityFunction = linear
) -> float:
    """Return the most that any weight loses with `points` instead of `reference_front`.

    From Zintgraf et al. (2015): the maximum over weights of (utility of the best reference point - utility
    of the best point). Negative if the points are better for every weight, which an exact reference front
    rules out for the utilities that it is exact for.

    Args:
        points: shape (k, m), k >= 1.
        weights: shape (n, m), what `utility` takes: preference weights, or Chebyshev scales.
        reference_front: shape (l, m), l >= 1, such as an exact front.
        utility: a utility function, or its name.

    >>> maximum_utility_loss([[1, 0]], weights=[[1, 0], [0, 1]], reference_front=[[1, 0], [0, 1]])
    1.0
    """
    array = _some_points(points, "points")
    reference = _some_points(reference_front, "reference_front", array.shape[1])
    loss = _best_utilities(reference, weights, utility) - _best_utilities(array, weights, utility)
    return float(loss.max())


@dataclass(frozen=True, kw_only=True)
class Indicator:
    """A named indicator, as listed by `morl list indicators`."""

    name: str
    """What it is called on the command line and in reports."""
    fn: Callable[..., float]
    """`(points (k, m), **needs) -> float`."""
    better: Literal["higher", "lower"]
    """Which direction is an improvement."""
    needs: tuple[str, ...]
    """The keyword arguments that `fn` requires beside the points."""
    description: str
    """One line for a human."""


INDICATORS: dict[str, Indicator] = {
    indicator.name: indicator
    for indicator in (
        Indicator(
            name="hypervolume",
            fn=hypervolume,
            better="higher",
            needs=("reference_point",),
            description="volume dominated above the reference point",
        ),
        Indicator(
            name="expected-utility",
            fn=expected_utility,
            better="higher",
            needs=("weights",),
            description="mean over weights of the best point's utility",
        ),
        Indicator(
            name="commanded-utility",
            fn=commanded_utility,
            better="higher",
            needs=("weights",),
            description="mean over weights of the utility of the policy asked for that weight",
        ),
        Indicator(
            name="maximum-utility-loss",
            fn=maximum_utility_loss,
            better="lower",
            needs=("weights", "reference_front"),
            description="most utility that any weight loses against a reference front",
        ),
    )
}
"""The indicators of this package by name. Other packages' come with `indicators()`."""


def indicators() -> dict[str, Indicator]:
    """Return all indicators by name: `INDICATORS`, then those of the entry-point group "morl.indicators".

    An entry point names an `Indicator`. One that cannot be loaded, is none, or takes a name in use is left
    out with a warning, so that a broken package does not disable the others.
    """
    known = dict(INDICATORS)
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            indicator = _load(entry)
            if indicator.name in known:
                raise MorlError(f"the name {indicator.name!r} is already in use")
        except Exception as error:
            warnings.warn(f"the indicator entry point {entry.name!r} is left out: {error}", stacklevel=2)
        else:
            known[indicator.name] = indicator
    return known


def _load(entry: EntryPoint) -> Indicator:
    loaded = entry.load()
    if not isinstance(loaded, Indicator):
        raise MorlError(f"expected a morl.indicators.Indicator at {entry.value}, got {loaded!r}")
    return loaded


def _some_points(points: Any, name: str, m: int | None = None) -> Array:
    array = as_points(points, name=name, m=m)
    if len(array) == 0:
        raise MorlError(f"expected at least one row in {name}: an empty set has no utility")
    return array


def _weight_rows(utility: UtilityFunction, weights: Any, m: int) -> Array:
    checked = validate_weights(utility, weights, m)
    if checked.ndim != 2:
        raise MorlError(
            f"expected weights of shape (n, {m}), got {checked.shape}; for one vector pass [weights]"
        )
    return checked


def _best_utilities(points: Array, weights: Any, utility: str | UtilityFunction) -> Array:
    """The utility of the best of the points (k, m) for each weight (n, m): shape (n,)."""
    k, m = points.shape
    function = as_utility(utility, m=m)
    rows = _weight_rows(function, weights, m)
    best = np.empty(len(rows))
    size = max(1, BLOCK // (k * m))
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        shape = (len(block), k, m)
        # Broadcast here, so that a user's utility need not; the views are read-only.
        returns, wanted = np.broadcast_to(points[None], shape), np.broadcast_to(block[:, None], shape)
        best[start : start + size] = _finite_utilities(function, returns, wanted).max(axis=1)
    return best


def _finite_utilities(utility: UtilityFunction, returns: Array, weights: Array) -> Array:
    """Utilities of matching returns and weights (..., m), refused where NaN or infinite: shape (...)."""
    values = np.asarray(utility(returns, weights), dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        where = tuple(np.argwhere(~finite)[0])
        raise MorlError(
            f"the utility is {values[where]} for the returns {returns[where].tolist()} and the weights "
            f"{weights[where].tolist()}: expected a finite number"
        )
    return values
