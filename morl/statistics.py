"""Statistics over seeds, as Agarwal et al. (2021, "Deep Reinforcement Learning at the Edge of the Statistical
Precipice") recommend them: interquartile means with stratified bootstrap intervals, probabilities of
improvement, performance profiles, optimality gaps.

    scores = {"a": rng.random((10, 6)), "b": rng.random((10, 6))}      # 10 seeds x 6 environments
    aggregate(scores)["a"].iqm, aggregate(scores)["a"].iqm_interval
    probability_of_improvement(scores["a"], scores["b"])

Scores of one environment have shape (seeds,), of several (seeds, environments). A list or tuple of arrays has one
array (seeds,) per environment, so that the numbers of seeds may differ. Over several environments they must be on
one scale (`morl.scores` normalises). The bootstrap is scipy's: it draws seeds within each environment, and takes the
percentiles of the statistic.

Intervals need seeds. A single seed says nothing about others, and two only that they differ: the interval is None
unless the seeds, less one per environment, number two at least. With few seeds intervals are too short, since
resampling never leaves the range of the seeds: nominally 95 %, that of an interquartile mean of normal values
covers it in 74 % of cases with 3 seeds, 90 % with 5, 93 % with 10. An environment with one seed adds to the value,
not to the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from morl._arrays import Array, as_vector
from morl._bootstrap import RESAMPLES, enough, percentile_interval, samples_of
from morl.errors import MorlError

Interval = tuple[float, float]
"""Lower and upper end."""

TARGET = 1.0
"""The score of the exact or best known front."""


def interquartile_mean(scores: Any) -> float:
    """Return the mean of the middle half of all scores; of fewer than four, the mean.

    A quarter of the scores, rounded down, is left out at each end, over all environments together (scipy's
    `trim_mean(0.25)`, as in rliable), so an environment with more seeds weighs more. Less sensitive to one bad seed
    than the mean, and less wasteful than the median.

    >>> interquartile_mean([0, 1, 2, 300])
    1.5
    """
    return float(_interquartile_mean(*samples_of(scores)))


def median(scores: Any) -> float:
    """Return the median of all scores.

    >>> median([3, 1, 2])
    2.0
    """
    return float(_median(*samples_of(scores)))


def optimality_gap(scores: Any, *, target: float = TARGET) -> float:
    """Return by how much scores fall short of `target`, a finite number, on average; what exceeds it counts as it.

    >>> optimality_gap([0.5, 1.5])
    0.25
    """
    as_vector([target], name="target")
    return float(_optimality_gap(target)(*samples_of(scores)))


def bootstrap_interval(
    scores: Any, *, statistic: str = "iqm", seed: int = 0, resamples: int = RESAMPLES
) -> Interval | None:
    """Return the stratified bootstrap 95 % interval of a statistic of scores; None where seeds are too few.

    Args:
        scores: shape (seeds,), (seeds, environments), or a sequence of (seeds_i,), one per environment.
        statistic: a name in `STATISTICS`: "iqm", "median", "mean" or "optimality-gap".
        seed: of the resampling; the same seed gives the same interval.
        resamples: how many bootstrap samples are drawn.
    """
    if statistic not in STATISTICS:
        raise MorlError(f"expected one of {', '.join(STATISTICS)} as the statistic, got {statistic!r}")
    ends = percentile_interval(samples_of(scores), STATISTICS[statistic], seed, resamples)
    return None if ends is None else (float(ends[0]), float(ends[1]))


def probability_of_improvement(x: Any, y: Any) -> float:
    """Return the probability that a random seed of `x` scores above one of `y`; equal scores count half.

    The Mann-Whitney statistic divided by the number of pairs, averaged over environments (Agarwal et al. 2021).

    Args:
        x: scores, shape (seeds,), (seeds, environments), or a sequence of (seeds_i,).
        y: scores of the same environments; the number of seeds may differ.

    >>> probability_of_improvement([1, 2], [0, 1])
    0.875
    """
    pair = _pair(x, y)
    return float(_improvement(*pair))


def improvement_interval(x: Any, y: Any, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval | None:
    """Return the stratified bootstrap 95 % interval of `probability_of_improvement(x, y)`.

    None where the seeds of `x` or of `y` are too few.
    """
    pair = _pair(x, y)
    half = len(pair) // 2
    if not (enough(pair[:half]) and enough(pair[half:])):
        return None
    ends = percentile_interval(pair, _improvement, seed, resamples)
    return None if ends is None else (float(ends[0]), float(ends[1]))


class Profile(NamedTuple):
    """A performance profile: how large a part of the runs exceeds each threshold."""

    thresholds: Array
    """Shape (t,)."""
    fractions: Array
    """Of the scores above each threshold, shape (t,), averaged over environments."""
    low: Array | None
    """Lower end of the pointwise 95 % band, shape (t,); None where seeds are too few."""
    high: Array | None
    """Its upper end."""


def performance_profile(
    scores: Any, thresholds: Any, *, seed: int = 0, resamples: int = RESAMPLES
) -> Profile:
    """Return the fraction of scores above each threshold, with a pointwise stratified bootstrap band.

    The run-score distribution of Agarwal et al. (2021, equation 2). Where the curve of one agent lies above
    another's everywhere, it is stochastically better.

    Args:
        scores: shape (seeds,), (seeds, environments), or a sequence of (seeds_i,).
        thresholds: shape (t,).
        seed: of the resampling.
        resamples: how many bootstrap samples are drawn.
    """
    levels = as_vector(thresholds, name="thresholds")
    above = tuple((sample > levels[:, None]).astype(np.float64) for sample in samples_of(scores))
    ends = percentile_interval(above, _mean_of_means, seed, resamples)
    low, high = (None, None) if ends is None else ends
    return Profile(levels, _mean_of_means(*above), low, high)


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """The scores of one group, summed up over seeds and environments."""

    iqm: float
    iqm_interval: Interval | None
    median: float
    median_interval: Interval | None
    optimality_gap: float
    optimality_gap_interval: Interval | None


def aggregate(
    scores: Mapping[str, Any], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Aggregate]:
    """Sum up the scores of every group, with intervals.

    Args:
        scores: group -> scores, shape (seeds,), (seeds, environments), or a sequence of (seeds_i,).
        seed: of the resampling.
        resamples: how many bootstrap samples are drawn.
    """

    def interval(values: Any, statistic: str) -> Interval | None:
        return bootstrap_interval(values, statistic=statistic, seed=seed, resamples=resamples)

    return {
        group: Aggregate(
            iqm=interquartile_mean(values),
            iqm_interval=interval(values, "iqm"),
            median=median(values),
            median_interval=interval(values, "median"),
            optimality_gap=optimality_gap(values),
            optimality_gap_interval=interval(values, "optimality-gap"),
        )
        for group, values in scores.items()
    }


# Statistics of one sample per environment, each (..., seeds): vectorised as scipy's bootstrap wants them.


def _interquartile_mean(*samples: Array, axis: int = -1) -> Array:
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(np.concatenate(samples, axis=axis), 0.25, axis=axis))


def _median(*samples: Array, axis: int = -1) -> Array:
    return np.asarray(np.median(np.concatenate(samples, axis=axis), axis=axis))


def _mean(*samples: Array, axis: int = -1) -> Array:
    return np.asarray(np.concatenate(samples, axis=axis).mean(axis=axis))


def _mean_of_means(*samples: Array, axis: int = -1) -> Array:
    return np.mean([sample.mean(axis=axis) for sample in samples], axis=0)


def _optimality_gap(target: float) -> Callable[..., Array]:
    def gap(*samples: Array, axis: int = -1) -> Array:
        return target - _mean(*(np.minimum(sample, target) for sample in samples), axis=axis)

    return gap


def _improvement(*samples: Array, axis: int = -1) -> Array:
    """Of the first half of the samples over the second, environment by environment."""
    from scipy.stats import rankdata

    half = len(samples) // 2
    chances = []
    for a, b in zip(samples[:half], samples[half:], strict=True):
        n, k = a.shape[axis], b.shape[axis]
        # Mann-Whitney's U from ranks: a table of all pairs for every bootstrap sample takes too much memory.
        ranks = rankdata(np.concatenate([a, b], axis=axis), axis=axis)
        mine = np.take(ranks, range(n), axis=axis).sum(axis=axis)
        chances.append((mine - n * (n + 1) / 2) / (n * k))
    return np.mean(chances, axis=0)


STATISTICS: Mapping[str, Callable[..., Array]] = {
    "iqm": _interquartile_mean,
    "median": _median,
    "mean": _mean,
    "optimality-gap": _optimality_gap(TARGET),
}
"""What `bootstrap_interval` knows."""


def _pair(x: Any, y: Any) -> tuple[Array, ...]:
    """Samples of x, then those of y, of the same environments."""
    first, second = samples_of(x, "x"), samples_of(y, "y")
    if len(first) != len(second):
        raise MorlError(
            f"expected scores of the same environments in x and y, got {len(first)} and {len(second)}"
        )
    return (*first, *second)
