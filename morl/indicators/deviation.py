"""How much the fronts of several runs differ from one another."""

from __future__ import annotations

import warnings
from typing import Any

import moocore
import numpy as np

from morl._arrays import as_vector
from morl.errors import NonFiniteError
from morl.indicators.checks import as_fronts, check_objectives, some_points
from morl.indicators.volume import ReferencePointWarning


def vorobev_deviation(fronts: Any, *, reference_point: Any) -> float:
    """Return the Vorob'ev deviation of fronts, such as those of one agent under several seeds, by moocore.

    The mean hypervolume by which a front and the Vorob'ev expectation differ (their symmetric difference), where
    the expectation is the attainment surface whose hypervolume is the mean of the fronts' (Binois, Ginsbourger
    and Roustant 2015); of few fronts none has exactly that, and moocore takes one of the two next to it. In units of
    the hypervolume. Small means that the seeds agree, not that they are good: it is 0 for a single front, for equal
    ones, and, with a `ReferencePointWarning`, where no point exceeds the reference point.

    Holds for 2 and 3 objectives. Needs several fronts, so it is no `Indicator` of one.

    Args:
        fronts: a sequence of points (k_i, m), k_i >= 1, or an array (f, k, m) padded with rows of NaN.
        reference_point: shape (m,), worse than the points of interest in every objective.

    Raises:
        NonFiniteError: volumes overflow.

    >>> vorobev_deviation([[[1, 1]], [[1, 1]]], reference_point=[0, 0])
    0.0
    """
    arrays = [some_points(front, f"fronts[{i}]") for i, front in enumerate(as_fronts(fronts))]
    m = arrays[0].shape[1]
    check_objectives("the Vorob'ev deviation", m, 2, 3)
    reference = as_vector(reference_point, name="reference_point", m=m)
    points = np.vstack(arrays)
    outside = int((points <= reference).any(axis=1).sum())
    if outside:
        warnings.warn(
            f"{outside} of {len(points)} points do not exceed the reference point {reference.tolist()} in every "
            "objective and add nothing to the deviation",
            ReferencePointWarning,
            stacklevel=2,
        )
    with np.errstate(over="ignore"):
        largest = np.prod((points.max(axis=0) - reference).clip(min=0.0))
    if not np.isfinite(largest):  # moocore would search for ever for a surface of infinite volume
        raise NonFiniteError(
            f"expected fronts whose hypervolume is a number, they reach {points.max(axis=0).tolist()} above "
            f"{reference.tolist()}, whose product overflows; scale the objectives"
        )
    sets = np.repeat(np.arange(len(arrays)), [len(array) for array in arrays])
    deviation = moocore.vorob_dev(-points, sets=sets, ref=-reference)  # moocore minimises.
    return max(0.0, float(deviation))  # A difference of volumes, which rounding may turn negative.
