"""How far the points are from a reference front, or from an ideal point. All but `r2_exact` hold for any m.

Distances add up objectives of different units: `scale` divides each objective first, for instance by its range
over the reference front, `np.ptp(reference_front, axis=0)`.
"""

from __future__ import annotations

from typing import Any

import moocore
import numpy as np

from morl._arrays import Array, as_vector
from morl.errors import MorlError
from morl.indicators.checks import (
    UndefinedIndicatorError,
    as_scale,
    check_objectives,
    finite,
    in_units,
    points_and_front,
    some_points,
)
from morl.indicators.utilities import SAMPLES, WeightSampler, expected_utility
from morl.utility import Chebyshev


def igd(points: Any, *, reference_front: Any, scale: Any = None) -> float:
    """Return the inverted generational distance (Coello Coello and Reyes Sierra 2004), by moocore.

    The mean over reference points of the Euclidean distance to the nearest point. It does not respect
    dominance: a better front may have a larger IGD. Prefer `igd_plus`.

    Args:
        points: shape (k, m), k >= 1.
        reference_front: shape (l, m), l >= 1, such as an exact front. Its density weights its regions.
        scale: shape (m,), positive; what each objective is divided by. By default raw units.

    >>> igd([[1, 1]], reference_front=[[1, 1], [4, 5]])
    2.5
    """
    array, reference = _in_units(points, reference_front, scale)
    return float(finite(moocore.igd(array, ref=reference, maximise=True), "IGD"))


def igd_plus(points: Any, *, reference_front: Any, scale: Any = None) -> float:
    """Return IGD+, the modified inverted generational distance (Ishibuchi et al. 2015), by moocore.

    As `igd`, but only what a point lacks of the reference point counts: the distance is the norm of
    max(r - a, 0). A front that weakly dominates another never has a larger IGD+. It is 0 where every
    reference point is matched or dominated.

    Args:
        points: shape (k, m), k >= 1.
        reference_front: shape (l, m), l >= 1, such as an exact front. Its density weights its regions.
        scale: shape (m,), positive; what each objective is divided by. By default raw units.

    >>> igd_plus([[2, 1]], reference_front=[[1, 1], [1, 5]])
    2.0
    """
    array, reference = _in_units(points, reference_front, scale)
    return float(finite(moocore.igd_plus(array, ref=reference, maximise=True), "IGD+"))


def epsilon_additive(points: Any, *, reference_front: Any, scale: Any = None) -> float:
    """Return the additive epsilon indicator (Zitzler et al. 2003), by moocore.

    The least number that, added to every objective of every point, makes the points weakly dominate the
    reference front: the worst gap. Negative if they dominate all of it strictly.

    Args:
        points: shape (k, m), k >= 1.
        reference_front: shape (l, m), l >= 1, such as an exact front.
        scale: shape (m,), positive; what each objective is divided by. By default raw units.

    >>> epsilon_additive([[3, 1], [1, 3]], reference_front=[[3, 2], [0, 3]])
    1.0
    """
    array, reference = points_and_front(points, reference_front, has_no="distance")
    divisor = as_scale(scale, array.shape[1])
    array, reference = in_units(array, divisor), in_units(reference, divisor)
    return float(finite(moocore.epsilon_additive(array, ref=reference, maximise=True), "additive epsilon"))


def epsilon_multiplicative(points: Any, *, reference_front: Any) -> float:
    """Return the multiplicative epsilon indicator (Zitzler et al. 2003), by moocore.

    The least factor by which every objective of every point must be multiplied for the points to weakly
    dominate the reference front. It does not depend on units, but on where their zero lies, and is defined
    for positive numbers only, which rules out returns that are costs.

    Args:
        points: shape (k, m), k >= 1, positive.
        reference_front: shape (l, m), l >= 1, positive, such as an exact front.

    >>> epsilon_multiplicative([[2, 1]], reference_front=[[3, 1], [1, 2]])
    2.0
    """
    array, reference = points_and_front(points, reference_front, has_no="distance")
    for name, values in (("points", array), ("reference_front", reference)):
        if (values <= 0).any():
            raise UndefinedIndicatorError(
                f"the multiplicative epsilon is defined for positive numbers, got {values.min():g} in {name}: "
                "use epsilon_additive, or measure returns from a point below all of them"
            )
    return float(finite(moocore.epsilon_mult(array, ref=reference, maximise=True), "multiplicative epsilon"))


def r2(
    points: Any,
    *,
    ideal_point: Any,
    weights: Any | WeightSampler,
    samples: int = SAMPLES,
    seed: int = 0,
) -> float:
    """Return the R2 indicator with weighted Chebyshev distances (Hansen and Jaszkiewicz 1998).

    As Brockhoff et al. (2012) write it: the mean over weights w of min_a max_j w_j (z_j - a_j), for the
    ideal point z. A front that weakly dominates another never has a larger R2.

    Args:
        points: shape (k, m), k >= 1.
        ideal_point: shape (m,), at least as good as every point in every objective.
        weights: shape (n, m), preference weights or other Chebyshev scales; or a sampler (`expected_utility`).
        samples: how many weights to draw from a sampler.
        seed: of the sampler's generator.

    >>> r2([[2, 0], [0, 2]], ideal_point=[2, 2], weights=[[0.5, 0.5], [1, 0]])
    0.5
    """
    array, ideal = _below(points, ideal_point)
    utility = Chebyshev(ideal)
    # The distance is minus the Chebyshev utility; abs() only turns -0.0 into 0.0.
    return abs(expected_utility(array, weights=weights, utility=utility, samples=samples, seed=seed))


def r2_exact(points: Any, *, ideal_point: Any) -> float:
    """Return `r2` under all weights, uniformly: its integral (Schäpermeier and Kerschke 2025), by moocore.

    Holds for 2 objectives.

    Args:
        points: shape (k, 2), k >= 1.
        ideal_point: shape (2,), at least as good as every point in both objectives.

    >>> r2_exact([[0, 0]], ideal_point=[1, 1])
    0.75
    """
    array, ideal = _below(points, ideal_point)
    check_objectives("the exact R2", array.shape[1], 2, 2)
    return float(finite(moocore.r2_exact(array, ref=ideal, maximise=True), "R2"))


def _in_units(points: Any, reference_front: Any, scale: Any) -> tuple[Array, Array]:
    """Points and reference front divided by the scale; of one objective with a second that is 0."""
    array, reference = points_and_front(points, reference_front, has_no="distance")
    divisor = as_scale(scale, array.shape[1])
    array, reference = in_units(array, divisor), in_units(reference, divisor)
    if array.shape[1] == 1:
        # moocore's way for one objective, |r|^2 + |a|^2 - 2 r a, loses half the digits.
        return np.pad(array, ((0, 0), (0, 1))), np.pad(reference, ((0, 0), (0, 1)))
    return array, reference


def _below(points: Any, ideal_point: Any) -> tuple[Array, Array]:
    array = some_points(points, has_no="distance")
    ideal = as_vector(ideal_point, name="ideal_point", m=array.shape[1])
    if (array > ideal).any():
        where = tuple(int(i) for i in np.argwhere(array > ideal)[0])
        raise MorlError(
            f"expected an ideal point at least as good as every point, got {ideal[where[1]]:g} in objective "
            f"{where[1]}, where points[{where[0]}] has {array[where]:g}: pass for instance the best of all "
            "fronts that are compared"
        )
    return array, ideal
