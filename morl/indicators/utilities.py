"""Utility-based indicators: what the points are worth to users whose preferences are a set or a distribution.

Wherever `weights` are asked for, they are either an array (n, m), one user per row, or a sampler: a callable
`(m, n, *, rng) -> (n, m)` such as `morl.weights.dirichlet` or `functools.partial(dirichlet, alpha=[2, 1, 1])`,
from which `samples` users are drawn with a generator seeded by `seed`. All hold for any number of objectives.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from morl._arrays import Array, as_count
from morl.errors import MorlError
from morl.indicators.checks import UndefinedIndicatorError, as_fronts, finite, some_points
from morl.utility import UtilityFunction, as_utility, linear, validate_weights

BLOCK = 2**22
"""The most numbers that an intermediate array of utilities and their returns holds."""

SAMPLES = 10_000
"""Users drawn from a distribution: their mean is known to 1 % of the spread of utilities."""


class WeightSampler(Protocol):
    """A distribution of preferences."""

    def __call__(self, m: int, n: int, *, rng: np.random.Generator) -> Any:
        """Draw n rows of what the utility takes as weights, shape (n, m), with `rng`."""


def expected_utility(
    points: Any,
    *,
    weights: Any | WeightSampler,
    utility: str | UtilityFunction = linear,
    samples: int = SAMPLES,
    seed: int = 0,
) -> float:
    """Return the mean over weights of the utility of the best point (Zintgraf et al. 2015).

    It supposes that the best point is chosen for each weight, hence hides an agent that ignores its
    preference: see `commanded_utility`. The utility is taken of expected returns (SER, Roijers et al. 2013).

    Args:
        points: shape (k, m), k >= 1.
        weights: shape (n, m), what `utility` takes: preference weights, or Chebyshev scales; or a sampler.
        utility: a utility function, or its name.
        samples: how many users to draw from a sampler.
        seed: of the sampler's generator.

    >>> expected_utility([[1, 0], [0, 1]], weights=[[1, 0], [0.5, 0.5]])
    0.75
    """
    array = some_points(points)
    function = as_utility(utility, m=array.shape[1])
    rows = _weight_rows(function, weights, array.shape[1], samples, seed)
    return float(_mean(_best_utilities([array], rows, function)[:, 0]))


def expected_utilities(
    fronts: Any,
    *,
    weights: Any | WeightSampler,
    utility: str | UtilityFunction = linear,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Array:
    """Return the `expected_utility` of each of many fronts under the same weights, shape (f,).

    Args:
        fronts: a sequence of points (k_i, m), k_i >= 1, or an array (f, k, m) padded with rows of NaN.
        weights: as for `expected_utility`, and so the others.
        utility: a utility function, or its name.
        samples: how many users to draw from a sampler.
        seed: of the sampler's generator.
    """
    arrays = [some_points(front, f"fronts[{i}]") for i, front in enumerate(as_fronts(fronts))]
    m = arrays[0].shape[1]
    function = as_utility(utility, m=m)
    return _mean(_best_utilities(arrays, _weight_rows(function, weights, m, samples, seed), function))


def commanded_utility(
    returns: Any,
    *,
    weights: Any,
    utility: str | UtilityFunction = linear,
    users: Any | WeightSampler | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> float:
    """Return the mean utility of users who get the policy that was asked for their preference.

    By default the users are the weights themselves: the mean over i of `utility(returns[i], weights[i])`.
    Other `users` are each served by the policy whose weights are nearest to theirs (Euclidean distance, of
    equal distances the first), and judge its returns by their own. Never above the expected utility of the
    same users; the gap is what they lose because the agent does not follow its preference, or was asked
    for too few. The utility is taken of expected returns (SER).

    Args:
        returns: shape (n, m), n >= 1; row i belongs to the policy that was asked for weights[i].
        weights: shape (n, m), what `utility` takes: preference weights, or Chebyshev scales.
        utility: a utility function, or its name.
        users: shape (u, m), as `weights`, or a sampler of them; by default `weights`.
        samples: how many users to draw from a sampler.
        seed: of the sampler's generator.

    >>> commanded_utility([[1, 0], [0, 1]], weights=[[0, 1], [1, 0]])
    0.0
    """
    array = some_points(returns, "returns")
    m = array.shape[1]
    function = as_utility(utility, m=m)
    if callable(weights):
        raise MorlError("expected the weights that the policies were asked for; a distribution is `users`")
    checked = _weight_rows(function, weights, m, samples, seed)
    if len(checked) != len(array):
        raise MorlError(
            f"expected one row of weights per row of returns, got {len(checked)} for {len(array)}"
        )
    if users is None:
        return float(_mean(_finite_utilities(function, array, checked)))
    served = _weight_rows(function, users, m, samples, seed)
    return float(_mean(_finite_utilities(function, array[_nearest(checked, served)], served)))


def maximum_utility_loss(
    points: Any,
    *,
    weights: Any | WeightSampler,
    reference_front: Any,
    utility: str | UtilityFunction = linear,
    samples: int = SAMPLES,
    seed: int = 0,
) -> float:
    """Return the most that any weight loses with `points` instead of `reference_front`.

    From Zintgraf et al. (2015): the maximum over weights of (utility of the best reference point - utility
    of the best point). Negative if the points are better for every weight, which an exact reference front
    rules out for the utilities that it is exact for. Weights drawn from a distribution may miss the user
    who loses most: the maximum over them is a lower bound.

    Args:
        points: shape (k, m), k >= 1.
        weights: shape (n, m), what `utility` takes: preference weights, or Chebyshev scales; or a sampler.
        reference_front: shape (l, m), l >= 1, such as an exact front.
        utility: a utility function, or its name.
        samples: how many users to draw from a sampler.
        seed: of the sampler's generator.

    >>> maximum_utility_loss([[1, 0]], weights=[[1, 0], [0, 1]], reference_front=[[1, 0], [0, 1]])
    1.0
    """
    array = some_points(points)
    reference = some_points(reference_front, "reference_front", m=array.shape[1])
    function = as_utility(utility, m=array.shape[1])
    rows = _weight_rows(function, weights, array.shape[1], samples, seed)
    # Each on its own, so that their utilities are rounded alike: equal sets lose exactly 0.
    with np.errstate(over="ignore"):
        loss = _best_utilities([reference], rows, function) - _best_utilities([array], rows, function)
    return float(finite(loss.max(), "loss of utility"))


def _mean(utilities: Array) -> Array:
    """The mean over users of their utilities (n, ...), refused where the sum overflows: shape (...)."""
    with np.errstate(over="ignore"):
        mean: Array = finite(utilities.mean(axis=0), "sum of utilities")
    return mean


def _weight_rows(utility: UtilityFunction, weights: Any, m: int, samples: int, seed: int) -> Array:
    """Checked weights (n, m), drawn first where `weights` is a sampler."""
    if callable(weights):
        samples = as_count(samples, name="samples")
        rng = np.random.default_rng(as_count(seed, name="seed", minimum=0))
        weights = weights(m, samples, rng=rng)
    checked = validate_weights(utility, weights, m)
    if checked.ndim != 2:
        raise MorlError(
            f"expected weights of shape (n, {m}), got {checked.shape}; for one vector pass [weights]"
        )
    return checked


def _nearest(commanded: Array, users: Array) -> NDArray[np.intp]:
    """For each user (u, m) the index of the nearest commanded weights (n, m): shape (u,)."""
    from scipy.spatial.distance import cdist

    size = max(1, BLOCK // len(commanded))
    blocks = (users[start : start + size] for start in range(0, len(users), size))
    return np.concatenate([cdist(block, commanded).argmin(axis=1) for block in blocks])


def _best_utilities(fronts: list[Array], rows: Array, function: UtilityFunction) -> Array:
    """The utility of the best point of each of f fronts for each row of weights (n, m): shape (n, f)."""
    points = np.vstack(fronts)
    starts = np.cumsum([0, *map(len, fronts[:-1])])
    k, m = points.shape
    best = np.empty((len(rows), len(fronts)))
    size = max(1, BLOCK // (k * m))
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        shape = (len(block), k, m)
        # Broadcast here, so that a user's utility need not; the views are read-only.
        returns, wanted = np.broadcast_to(points[None], shape), np.broadcast_to(block[:, None], shape)
        values = _finite_utilities(function, returns, wanted)
        best[start : start + size] = np.maximum.reduceat(values, starts, axis=1)
    return best


def _finite_utilities(utility: UtilityFunction, returns: Array, weights: Array) -> Array:
    """Utilities of matching returns and weights (..., m), refused where NaN or infinite: shape (...)."""
    with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is refused below
        values = np.asarray(utility(returns, weights), dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        where = tuple(np.argwhere(~finite)[0])
        raise UndefinedIndicatorError(
            f"the utility is {values[where]} for the returns {returns[where].tolist()} and the weights "
            f"{weights[where].tolist()}: expected a finite number"
        )
    return values
