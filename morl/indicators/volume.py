"""Hypervolume: exact where that is quick, estimated with a standard error where it is not."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import moocore
import numpy as np

from morl._arrays import Array, as_count, as_points, as_vector
from morl.errors import MorlError
from morl.indicators.checks import UndefinedIndicatorError, as_fronts, check_objectives
from morl.pareto import is_nondominated

Method = Literal["auto", "exact", "approximate"]

MOST_OBJECTIVES = 31
"""What moocore computes the hypervolume for."""

EXACT_SECONDS = 1.0
"""The exact hypervolume is computed where `exact_seconds` expects no more than this."""

SEEDS = 16
"""The least number of seeds of an estimate: fewer give no standard error to rely on."""

SAMPLES = 2**16
"""Samples per seed; with 16 seeds the standard error is about 0.1 % of the value at 6 objectives, 0.3 % at 9."""


class ReferencePointWarning(UserWarning):
    """Some points do not exceed the reference point in every objective, so they add no hypervolume."""


class ApproximationWarning(UserWarning):
    """A hypervolume was estimated, since the exact one would take too long; `standard_error` is its own."""

    def __init__(self, message: str, *, standard_error: float = 0.0) -> None:
        super().__init__(message)
        self.standard_error = standard_error


@dataclass(frozen=True, kw_only=True)
class HypervolumeEstimate:
    """A hypervolume and how well it is known."""

    value: float
    """The hypervolume, or the mean of its estimates over seeds."""
    standard_error: float
    """Of `value`, from the spread over seeds; 0 if exact."""
    exact: bool
    """Whether it was computed, not estimated."""


def hypervolume(points: Any, *, reference_point: Any, method: Method = "auto") -> float:
    """Return the volume that the points dominate above the reference point (Zitzler and Thiele 1999).

    Holds for 1 to 31 objectives. Where the exact volume takes more than about a second (`exact_seconds`), it
    is estimated and an `ApproximationWarning` says how well. Points that do not exceed the reference point in
    every objective contribute nothing and are counted in a `ReferencePointWarning`. Dominated points and
    copies change nothing. No points, or none above the reference point, have hypervolume 0.

    Args:
        points: shape (k, m); k may be 0.
        reference_point: shape (m,), worse than the points of interest in every objective.
        method: "exact" however long it takes, "approximate", or "auto".

    Raises:
        MorlError: wrong shape, a number that is not finite, more than 31 objectives, or a volume too large
            for a float64.

    >>> hypervolume([[2, 1], [1, 2]], reference_point=[0, 0])
    3.0
    """
    array, reference = _checked(points, reference_point, method)
    above = _above(array, reference)
    _warn_outside(len(array) - len(above), len(array), reference)
    estimate = _estimate(above, reference, method, EXACT_SECONDS, SEEDS, SAMPLES)
    if method == "auto" and not estimate.exact:
        _warn_estimated([estimate])
    return estimate.value


def hypervolume_estimate(
    points: Any,
    *,
    reference_point: Any,
    method: Method = "auto",
    seconds: float = EXACT_SECONDS,
    seeds: int = SEEDS,
    samples: int = SAMPLES,
) -> HypervolumeEstimate:
    """Return the `hypervolume` with its standard error and whether it is exact, without warnings.

    The estimate is the mean of moocore's `hv_approx` by Monte Carlo (method DZ2019-MC, Deng and Zhang 2019)
    over the seeds 0, 1, ..., which is free of bias. Every objective is first divided by the largest excess over
    the reference point: this leaves the estimated quantity as it is and keeps its error small where objectives
    differ in magnitude. All fronts share the seeds, so the difference between two fronts is known better than
    either value.

    Args:
        points: shape (k, m); k may be 0.
        reference_point: shape (m,), worse than the points of interest in every objective.
        method: "exact" however long it takes, "approximate", or "auto".
        seconds: what "auto" may spend on an exact hypervolume, as `exact_seconds` expects it.
        seeds: at least 16.
        samples: for each seed. The time is proportional to seeds x samples x points x objectives: a quarter of
            a second for the defaults and 100 points. The error falls as one over the square root of samples.
    """
    array, reference = _checked(points, reference_point, method)
    _check_seconds(seconds)
    seeds = as_count(seeds, name="seeds", minimum=SEEDS)
    samples = as_count(samples, name="samples")
    return _estimate(_above(array, reference), reference, method, seconds, seeds, samples)


def hypervolumes(fronts: Any, *, reference_point: Any, method: Method = "auto") -> Array:
    """Return the `hypervolume` of each of many fronts, shape (f,), such as those of a learning curve.

    Args:
        fronts: a sequence of points (k_i, m), or an array (f, k, m) padded with rows of NaN.
        reference_point: shape (m,), the same for all.
        method: as for `hypervolume`. Warnings come once for all fronts.
    """
    arrays = as_fronts(fronts)
    _, reference = _checked(arrays[0], reference_point, method)
    above = [_above(array, reference) for array in arrays]
    number = sum(map(len, arrays))
    _warn_outside(number - sum(map(len, above)), number, reference)
    estimates = [_estimate(array, reference, method, EXACT_SECONDS, SEEDS, SAMPLES) for array in above]
    estimated = [estimate for estimate in estimates if not estimate.exact]
    if method == "auto" and estimated:
        _warn_estimated(estimated)
    return np.array([estimate.value for estimate in estimates])


def hypervolume_contributions(points: Any, *, reference_point: Any, seconds: float = 60.0) -> Array:
    """Return what the hypervolume loses without each point, shape (k,), by moocore.

    Holds for 2 to 31 objectives. Dominated points are left out first, so they contribute 0 and do not lessen
    what others contribute. Of equal points each contributes 0, since the others stay; so do points that do
    not exceed the reference point in every objective, which a `ReferencePointWarning` counts.

    Args:
        points: shape (k, m); k may be 0.
        reference_point: shape (m,), worse than the points of interest in every objective.
        seconds: refuse what is expected to take longer: above 3 objectives, k exact hypervolumes.

    Raises:
        MorlError: as for `hypervolume`, one objective, or more than `seconds` expected.

    >>> hypervolume_contributions([[2, 1], [1, 3], [1, 1]], reference_point=[0, 0])
    array([1., 2., 0.])
    """
    array, reference = _checked(points, reference_point, "exact")
    _check_seconds(seconds)
    k, m = array.shape
    check_objectives("the hypervolume contribution", m, 2, MOST_OBJECTIVES)
    inside = (array > reference).all(axis=1)
    _warn_outside(int((~inside).sum()), k, reference)
    above = array[inside]
    kept = int(is_nondominated(above).sum())
    expected = exact_seconds(kept, m) * (1 if m <= 3 else kept + 1)
    if expected > seconds:
        raise MorlError(
            f"the hypervolume contributions of {kept} points with {m} objectives take about {expected:,.0f} "
            "seconds: pass fewer points, or seconds=float('inf') to wait for them"
        )
    contributions = np.zeros(k)
    if len(above):
        contributions[inside] = moocore.hv_contributions(above, ref=reference, maximise=True)
    _check_representable(contributions)
    return contributions


def exact_seconds(k: int, m: int) -> float:
    """Return about how long the exact hypervolume takes on one core, in seconds.

    Fitted to moocore 0.3.2 on random points of a plane and of convex and concave spheres, none dominated, with
    k from 10 to 10,000 and m from 3 to 12: within a factor of 3 above a millisecond, mostly too high. The
    algorithms need O(k log k) for up to 3 objectives, O(k^2) for 4, and at worst O(k^(m-2)) beyond, where
    O(k^(m-3)) fits the pruned search (moocore's documentation names their papers).

    Args:
        k: points above the reference point, none dominated.
        m: objectives.
    """
    if m <= 3:
        return 5e-7 * k
    if m == 4:
        return 5e-7 * k + 7e-10 * k**2
    if k <= 12:  # moocore then sums over all subsets.
        return 1e-9 * m * 2.0**k
    return 1.2e-8 * k**2 * (k / 5.5) ** (m - 5)


def _checked(points: Any, reference_point: Any, method: str) -> tuple[Array, Array]:
    if method not in ("auto", "exact", "approximate"):
        raise MorlError(f"expected the method 'auto', 'exact' or 'approximate', got {method!r}")
    array = as_points(points)
    m = array.shape[1]
    check_objectives("the hypervolume", m, 1, MOST_OBJECTIVES)
    return array, as_vector(reference_point, name="reference_point", m=m)


def _check_seconds(seconds: float) -> None:
    # Compared with NaN, everything would seem too long, or nothing.
    if not (isinstance(seconds, (int, float, np.number)) and seconds >= 0):
        raise MorlError(f"expected seconds as a non-negative number, or float('inf'), got {seconds!r}")


def _above(points: Array, reference: Array) -> Array:
    above: Array = points[(points > reference).all(axis=1)]
    return above


def _estimate(
    points: Array, reference: Array, method: Method, seconds: float, seeds: int, samples: int
) -> HypervolumeEstimate:
    """The hypervolume of points that all exceed the reference point."""
    k, m = points.shape
    if method == "auto" and exact_seconds(k, m) > seconds:  # First without the cost of filtering.
        points = points[is_nondominated(points)]
        k = len(points)
    if k == 0:
        return HypervolumeEstimate(value=0.0, standard_error=0.0, exact=True)
    if m == 1 or method == "exact" or (method == "auto" and exact_seconds(k, m) <= seconds):
        value = float(moocore.hypervolume(points, ref=reference, maximise=True))
        _check_representable(value)
        return HypervolumeEstimate(value=value, standard_error=0.0, exact=True)
    points = points[is_nondominated(points)]
    with np.errstate(over="ignore"):
        excess = points - reference
        extent = excess.max(axis=0)
        volume = float(np.prod(extent))
    _check_representable(volume)
    shares = [
        moocore.hv_approx(
            excess / extent, ref=np.zeros(m), maximise=True, nsamples=samples, seed=seed, method="DZ2019-MC"
        )
        for seed in range(seeds)
    ]
    error = float(np.std(shares, ddof=1)) / np.sqrt(seeds)
    return HypervolumeEstimate(
        value=volume * float(np.mean(shares)), standard_error=volume * float(error), exact=False
    )


def _check_representable(volume: Any) -> None:
    if not np.isfinite(volume).all():
        raise UndefinedIndicatorError(
            "the hypervolume is too large for a float64: divide the returns and the reference point by a "
            "scale for each objective"
        )


def _warn_outside(outside: int, number: int, reference: Array) -> None:
    if outside:
        warnings.warn(
            f"{outside} of {number} points do not exceed the reference point {reference.tolist()} in every "
            "objective and add nothing to the hypervolume",
            ReferencePointWarning,
            stacklevel=3,
        )


def _warn_estimated(estimates: list[HypervolumeEstimate]) -> None:
    largest = max(estimates, key=lambda estimate: estimate.standard_error)
    share = largest.standard_error / largest.value
    warnings.warn(
        ApproximationWarning(
            f"the exact hypervolume would take long and is estimated, with a standard error of {share:.2g} of "
            "the value: `hypervolume_estimate` returns both, method='exact' waits, method='approximate' is silent",
            standard_error=largest.standard_error,
        ),
        stacklevel=3,
    )
