"""Indicators of means over random episodes, without the luck that choosing the best of many means brings.

The expected utility takes the best point for every user, the hypervolume the outermost points, a loss the user who
loses most. Where the points are means over random episodes, the best is partly the luckiest (the winner's curse):
such numbers promise too much, the more so the more points and the fewer episodes there are.

Cross-fitting (Chernozhukov et al. 2018) chooses on one half of the episodes and values on the other, both ways, here
averaged over several halvings. It does so with every indicator I in the same way. With means A and B over the halves:

    I(A) + (I(A + t (B - A)) - I(A)) / t,  where t is tiny

Whatever I chooses, it chooses by A; B counts with the weight that A gave it. For what is piecewise linear (expected
utility, utility loss, epsilon, R2) that is the value on B of what is best on A: on average never more than the front
is worth, and less by what is lost to wrong choices on half of the episodes. For the hypervolume, a sum of products,
it errs downwards too, by less than half of what the plain one is too large. `docs/indicators.md` has numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from morl._arrays import Array
from morl.errors import MorlError
from morl.indicators import ApproximationWarning, Indicator, ReferencePointWarning

HALVINGS = 3
"""Over which the mean is taken; more change little."""

PARTS = 5
"""Of a half, at most: the standard error is that of their mean, which bounds the work for many episodes."""

STEP = 2.0**-24
"""The step t: rounding then disturbs the eighth digit."""

JITTER = 2.0**-14
"""In standard deviations of an episode: so little is taken off the means by which is chosen, so that equal ones, as
episodes with few outcomes have, are told apart by chance."""

Function = Callable[[Array], float]


class SingleEpisodeWarning(UserWarning):
    """Points are known by one random episode each, so that what is said of the best of them is too good."""


class Estimate(NamedTuple):
    """An indicator of a front."""

    value: float
    standard_error: float
    """Over the episodes; 0 where nothing is random, NaN where it cannot be told."""


def estimate(indicator: Indicator, episodes: Array, **needs: Any) -> Estimate:
    """An indicator of the mean returns of k points, n >= 2 random episodes each (k, n, m), and its standard error.

    Of means over some episodes it may have no value, such as a ratio of negative numbers: then that of all stands.

    Raises:
        UndefinedIndicatorError: the points have no value.
    """
    function = partial(indicator.fn, **needs)
    plain = Estimate(
        function(episodes.mean(axis=1)), np.nan
    )  # which warns, once, of what there is to warn of
    if indicator.under_noise == "plain":
        return plain
    with warnings.catch_warnings():
        for category in (ApproximationWarning, ReferencePointWarning):
            warnings.simplefilter("ignore", category)
        try:
            return (averaged if indicator.under_noise == "averaged" else cross_fitted)(function, episodes)
        except MorlError:
            return plain


def cross_fitted(function: Function, episodes: Array) -> Estimate:
    """An indicator of the mean returns of k points, what it chooses chosen on other episodes than it is valued on.

    The standard error is that of the mean of what parts of the episodes add (the delta method), points chosen.

    Args:
        function: `(points (k, m)) -> float`.
        episodes: (k, n, m), n >= 2.
    """
    n = episodes.shape[1]
    rng = np.random.default_rng(n)
    spread = np.sqrt(episodes.var(axis=1, ddof=1).mean(axis=0))
    values: list[float] = []
    scores: list[float] = []
    for halving in range(HALVINGS if n > 2 else 1):
        halves = np.array_split(rng.permutation(n), 2)
        for chooses, values_it in (halves, halves[::-1]):
            jitter = rng.random(episodes.shape[::2]) * spread * JITTER
            tangent = _Tangent(function, _mean(episodes, chooses) - jitter)
            values.append(tangent.at(_mean(episodes, values_it)))
            if halving == 0:
                scores += tangent.over(episodes, values_it)
    return Estimate(float(np.mean(values)), _error(scores))


def averaged(function: Function, episodes: Array) -> Estimate:
    """An indicator that chooses nothing, of the mean returns of k points (k, n, m), n >= 2."""
    tangent = _Tangent(function, episodes.mean(axis=1))
    return Estimate(tangent.value, _error(tangent.over(episodes, np.arange(episodes.shape[1]), 2 * PARTS)))


class _Tangent:
    """The tangent of a function of points (k, m), in whatever direction it is asked for."""

    def __init__(self, function: Function, points: Array) -> None:
        self.function, self.points, self.value = function, points, function(points)

    def at(self, points: Array) -> float:
        """Its value at other points."""
        return self.value + (self.function(self.points + STEP * (points - self.points)) - self.value) / STEP

    def over(self, episodes: Array, index: NDArray[np.int64], parts: int = PARTS) -> list[float]:
        """Its values at the means over parts of some episodes."""
        return [self.at(_mean(episodes, part)) for part in np.array_split(index, min(parts, len(index)))]


def _mean(episodes: Array, index: NDArray[np.int64]) -> Array:
    mean: Array = episodes[:, index].mean(axis=1)
    return mean


def _error(scores: list[float]) -> float:
    return float(np.std(scores, ddof=1) / np.sqrt(len(scores)))
