"""The bootstrap behind `morl.statistics`: scipy's, stratified by environment, for samples of any number of seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from morl._arrays import Array, as_count, as_vector, check_finite, to_float64
from morl.errors import MorlError

LEVEL = 0.95
"""Confidence level of all intervals."""

RESAMPLES = 2_000
"""Bootstrap samples: the ends of an interval are quantiles known to about .35 percentage points."""

CELLS = 4_000_000
"""Numbers that the bootstrap holds in memory at a time."""


def percentile_interval(
    samples: tuple[Array, ...], statistic: Callable[..., Array], seed: int, resamples: int
) -> tuple[Array, Array] | None:
    """Ends of the percentile interval, each of the statistic's shape; seeds are drawn within each sample."""
    from scipy.stats import bootstrap

    as_count(resamples, name="resamples")
    as_count(seed, name="seed", minimum=0)
    if not enough(samples):
        return None
    # scipy refuses samples of one seed: they stay as they are, which is all that resampling could do.
    drawn = [i for i, sample in enumerate(samples) if sample.shape[-1] > 1]

    def of_all(*resampled: Array, axis: int = -1) -> Array:
        # scipy passes (..., seeds), once, or (..., batch, seeds).
        batch = resampled[0].shape[samples[0].ndim - 1 : -1]
        whole: list[Array] = []
        for sample in samples:
            inserted = sample.reshape(*sample.shape[:-1], *(1 for _ in batch), sample.shape[-1])
            whole.append(np.broadcast_to(inserted, (*sample.shape[:-1], *batch, sample.shape[-1])))
        for i, new in zip(drawn, resampled, strict=True):
            whole[i] = new
        return statistic(*whole, axis=axis)

    found = bootstrap(
        [samples[i] for i in drawn],
        of_all,
        n_resamples=resamples,
        batch=max(1, min(resamples, CELLS // sum(sample.size for sample in samples))),
        vectorized=True,
        axis=-1,
        confidence_level=LEVEL,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return np.asarray(found.low), np.asarray(found.high)


def enough(samples: tuple[Array, ...]) -> bool:
    """Whether an interval can be estimated: two degrees of freedom within the environments."""
    return sum(sample.shape[-1] - 1 for sample in samples) >= 2


def samples_of(scores: Any, name: str = "scores") -> tuple[Array, ...]:
    """Return checked scores, in any form that `morl.statistics` takes, as one array (seeds_i,) per environment."""
    if isinstance(scores, (list, tuple)) and scores and all(_is_sequence(item) for item in scores):
        return tuple(as_vector(item, name=f"{name}[{i}]") for i, item in enumerate(scores))
    array = to_float64(scores, name)
    if array.ndim not in (1, 2) or array.size == 0:
        raise MorlError(
            f"expected {name} of shape (seeds,) or (seeds, environments), or one array (seeds,) for each "
            f"environment, got shape {array.shape}"
        )
    check_finite(array, name)
    return (array,) if array.ndim == 1 else tuple(array.T)


def _is_sequence(item: Any) -> bool:
    """Whether an item of a list holds numbers itself: a list, an array, a tensor."""
    return hasattr(item, "__len__") and getattr(item, "ndim", 1) > 0
