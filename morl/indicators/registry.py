"""What is known of each indicator by name: `morl list indicators` prints it, `morl compare` computes them all."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import numpy as np

from morl._arrays import Array
from morl.errors import MorlError
from morl.indicators.checks import as_fronts
from morl.indicators.distances import epsilon_additive, epsilon_multiplicative, igd, igd_plus, r2
from morl.indicators.overlap import coverage, crf1
from morl.indicators.spread import cardinality, spacing, sparsity
from morl.indicators.utilities import commanded_utility, expected_utility, maximum_utility_loss
from morl.indicators.volume import MOST_OBJECTIVES, hypervolume
from morl.registry import suggest

ENTRY_POINT_GROUP = "morl.indicators"


@dataclass(frozen=True, kw_only=True)
class Indicator:
    """A named indicator of one set of points, as listed by `morl list indicators`."""

    name: str
    """What it is called on the command line and in reports."""
    fn: Callable[..., float]
    """`(points (k, m), **needs) -> float`; `UndefinedIndicatorError` for points that have no value."""
    better: Literal["higher", "lower"]
    """Which direction is an improvement."""
    needs: tuple[str, ...]
    """The keyword arguments that `fn` requires beside the points, of "reference_point", "weights",
    "reference_front" and "ideal_point"."""
    description: str
    """One line for a human."""
    default: bool = True
    """Whether tables show it unasked; the others are computed all the same."""
    objectives: tuple[int, int | None] = (1, None)
    """The least and the most objectives that it holds for; None for no limit."""
    under_noise: Literal["cross-fitted", "averaged", "plain"] = "cross-fitted"
    """How a front computes it whose episodes are random: "cross-fitted" because it chooses among means (see
    `morl.cross_fitting`), "averaged" where it chooses nothing; "plain", without standard error, where it counts
    points or says how they lie."""


def _own(
    fn: Callable[..., float],
    better: Literal["higher", "lower"],
    needs: tuple[str, ...],
    description: str,
    *,
    default: bool = False,
    objectives: tuple[int, int | None] = (1, None),
    under_noise: Literal["cross-fitted", "averaged", "plain"] = "cross-fitted",
) -> Indicator:
    return Indicator(
        name=fn.__name__.replace("_", "-"),
        fn=fn,
        better=better,
        needs=needs,
        description=description,
        default=default,
        objectives=objectives,
        under_noise=under_noise,
    )


INDICATORS: dict[str, Indicator] = {
    indicator.name: indicator
    for indicator in (
        _own(
            hypervolume,
            "higher",
            ("reference_point",),
            "volume dominated above the reference point",
            default=True,
            objectives=(1, MOST_OBJECTIVES),
        ),
        _own(
            expected_utility,
            "higher",
            ("weights",),
            "mean over weights of the best point's utility",
            default=True,
        ),
        _own(
            commanded_utility,
            "higher",
            ("weights",),
            "mean over weights of the utility of the policy asked for that weight",
            default=True,
            under_noise="averaged",
        ),
        _own(
            maximum_utility_loss,
            "lower",
            ("weights", "reference_front"),
            "most utility that any weight loses against a reference front",
            default=True,
        ),
        _own(
            igd_plus,
            "lower",
            ("reference_front",),
            "mean distance by which a reference front is missed",
        ),
        _own(
            igd,
            "lower",
            ("reference_front",),
            "mean distance from a reference front to the nearest point; may prefer the worse of two fronts",
        ),
        _own(
            epsilon_additive,
            "lower",
            ("reference_front",),
            "what every objective must gain for a reference front to be weakly dominated",
        ),
        _own(
            epsilon_multiplicative,
            "lower",
            ("reference_front",),
            "the factor by which every objective must grow for the same; positive returns only",
        ),
        _own(
            r2,
            "lower",
            ("ideal_point", "weights"),
            "mean over weights of the Chebyshev distance from the ideal point",
        ),
        _own(
            coverage,
            "higher",
            ("reference_front",),
            "share of a reference front that is weakly dominated (C-metric)",
            under_noise="plain",
        ),
        _own(
            crf1,
            "higher",
            ("reference_front",),
            "F1 score of finding the points of a reference front, within 1 %",
            under_noise="plain",
        ),
        _own(cardinality, "higher", (), "different points that no other dominates", under_noise="plain"),
        _own(
            spacing,
            "lower",
            (),
            "how unevenly the points lie; not whether they are good",
            under_noise="plain",
        ),
        _own(
            sparsity,
            "lower",
            (),
            "mean squared gap between the points; misleading, blind to what is missing",
            under_noise="plain",
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


def find(name: str) -> Indicator:
    """The indicator of this name; `MorlError` with the nearest name where there is none."""
    known = INDICATORS if name in INDICATORS else indicators()
    if name not in known:
        raise MorlError(
            f"expected an indicator, got {name!r}.{suggest(name, known)} Known: {', '.join(known)}"
        )
    return known[name]


def for_each(indicator: Callable[..., float] | Indicator, fronts: Any, **options: Any) -> Array:
    """Return an indicator of each of many fronts under the same options, shape (f,).

    For learning curves: `for_each(igd_plus, fronts, reference_front=exact)`. `expected_utilities` does the same
    faster, `hypervolumes` with one warning for all.

    Args:
        indicator: a function `(points, **options) -> float`, or an `Indicator`.
        fronts: a sequence of points (k_i, m), or an array (f, k, m) padded with rows of NaN.
        options: what the function takes.
    """
    function = indicator.fn if isinstance(indicator, Indicator) else indicator
    return np.array([function(front, **options) for front in as_fronts(fronts)], dtype=np.float64)


def _load(entry: EntryPoint) -> Indicator:
    loaded = entry.load()
    if not isinstance(loaded, Indicator):
        raise MorlError(f"expected a morl.indicators.Indicator at {entry.value}, got {loaded!r}")
    return loaded
