"""Quality indicators of fronts: one number for a set of points. Objectives are maximised.

Every indicator is a function `(points, *, options) -> float` of points (k, m): it checks its input, never changes
it, says how many objectives it holds for and refuses others. `docs/indicators.md` says when to use which.
`indicators()` lists those here together with those that other packages register under the entry-point group
"morl.indicators".
"""

from __future__ import annotations

from morl.indicators.checks import UndefinedIndicatorError
from morl.indicators.deviation import vorobev_deviation
from morl.indicators.distances import (
    epsilon_additive,
    epsilon_multiplicative,
    igd,
    igd_plus,
    r2,
    r2_exact,
)
from morl.indicators.overlap import coverage, crf1
from morl.indicators.registry import ENTRY_POINT_GROUP, INDICATORS, Indicator, find, for_each, indicators
from morl.indicators.spread import cardinality, spacing, sparsity
from morl.indicators.utilities import (
    WeightSampler,
    commanded_utility,
    expected_utilities,
    expected_utility,
    maximum_utility_loss,
)
from morl.indicators.volume import (
    ApproximationWarning,
    HypervolumeEstimate,
    ReferencePointWarning,
    exact_seconds,
    hypervolume,
    hypervolume_contributions,
    hypervolume_estimate,
    hypervolumes,
)

__all__ = [
    "ENTRY_POINT_GROUP",
    "INDICATORS",
    "ApproximationWarning",
    "HypervolumeEstimate",
    "Indicator",
    "ReferencePointWarning",
    "UndefinedIndicatorError",
    "WeightSampler",
    "cardinality",
    "commanded_utility",
    "coverage",
    "crf1",
    "epsilon_additive",
    "epsilon_multiplicative",
    "exact_seconds",
    "expected_utilities",
    "expected_utility",
    "find",
    "for_each",
    "hypervolume",
    "hypervolume_contributions",
    "hypervolume_estimate",
    "hypervolumes",
    "igd",
    "igd_plus",
    "indicators",
    "maximum_utility_loss",
    "r2",
    "r2_exact",
    "spacing",
    "sparsity",
    "vorobev_deviation",
]
