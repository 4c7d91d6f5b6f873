"""Preference weights: points on the unit simplex, one entry per objective.

A weight vector is non-negative and sums to one; `validate` refuses anything else and says why. Chebyshev
scales are not weight vectors: see `morl.utility.chebyshev_scales`.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain, combinations
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

from morl._arrays import Array, as_count, as_vector, to_float64
from morl.errors import MorlError

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-6
"""How far the sum of a weight vector may be from one. Rounding to float32 stays well below it."""

MAX_LATTICE = 10_000_000
"""The most rows `lattice` builds: beyond it a typing error would exhaust the memory."""


def lattice(m: int, *, partitions: int) -> Array:
    """Return every weight vector whose entries are multiples of 1 / partitions (Das and Dennis 1998).

    Shape (C(partitions + m - 1, m - 1), m), float64, in ascending lexicographic order. Each entry is the
    correctly rounded fraction, so a row sums to one within m units of rounding (2.2e-16).

    Raises:
        MorlError: `m` or `partitions` is not a positive integer, or the lattice exceeds `MAX_LATTICE` rows.

    >>> lattice(2, partitions=4)
    array([[0.  , 1.  ],
           [0.25, 0.75],
           [0.5 , 0.5 ],
           [0.75, 0.25],
           [1.  , 0.  ]])
    """
    m, partitions = as_count(m, name="m"), as_count(partitions, name="partitions")
    slots = partitions + m - 1
    rows = comb(slots, m - 1)
    if rows > MAX_LATTICE:
        raise MorlError(
            f"a lattice with {partitions} partitions of {m} objectives has {rows:,} rows, more than the "
            f"{MAX_LATTICE:,} that are built: use fewer partitions, or `energy` or `dirichlet`"
        )
    # Stars and bars: the numerators are the gaps between m - 1 bars placed in the slots.
    bars = np.fromiter(chain.from_iterable(combinations(range(slots), m - 1)), np.int64, rows * (m - 1))
    fences = np.full((rows, m + 1), -1)
    fences[:, 1:m] = bars.reshape(rows, m - 1)
    fences[:, m] = slots
    return (np.diff(fences, axis=1) - 1) / partitions


def default_weights(m: int, *, more_than: int = 100) -> Array:
    """The coarsest lattice with more than 100 preferences: 101 for two objectives, 105 for three."""
    partitions = 1
    while m > 1 and comb(partitions + m - 1, m - 1) <= more_than:
        partitions += 1
    return lattice(m, partitions=partitions)


def finest_lattice(m: int, most: int) -> Array:
    """The finest lattice of weights (n, m) with n <= `most` rows; the corners, if even they are more."""
    partitions = 1
    while m > 1 and comb(partitions + m, m - 1) <= most:
        partitions += 1
    return lattice(m, partitions=partitions)


def energy(m: int, n: int, *, seed: int) -> Array:
    """Return n well-spaced weight vectors that minimise the Riesz s-energy (Blank et al. 2021, by pymoo).

    Shape (n, m), in ascending lexicographic order; the corners are among them. Takes a second or so, the first time.

    Raises:
        MorlError: n < m, since the corners alone are m vectors, or m = 1 with n > 1.
    """
    m, n, seed = as_count(m, name="m"), as_count(n, name="n"), as_count(seed, name="seed", minimum=0)
    if n < m:
        raise MorlError(
            f"energy points include all {m} corners: expected n >= {m}, got {n}; or use `dirichlet`"
        )
    if m == 1 and n > 1:
        raise MorlError(f"one objective has a single weight vector, [1.0]: expected n=1, got n={n}")
    if n == m:
        return np.eye(m)[::-1].copy()
    return _energy(m, n, seed).copy()


@lru_cache(maxsize=64)  # an agent asks whenever it is made, also when it is loaded
def _energy(m: int, n: int, seed: int) -> Array:
    from pymoo.util.ref_dirs import RieszEnergyReferenceDirectionFactory

    # Not `get_reference_directions("energy", ..., seed=seed)`: pymoo 0.6.2 drops the seed there and uses 1.
    points = RieszEnergyReferenceDirectionFactory(m, n).do(seed=seed)
    return validate(points, m)


def dirichlet(
    m: int, n: int, *, rng: int | np.random.Generator | torch.Generator, alpha: float | Any = 1.0
) -> Array:
    """Return n weight vectors drawn from a Dirichlet distribution, shape (n, m); alpha = 1 is uniform.

    Args:
        m: number of objectives.
        n: number of vectors; 0 gives an empty array of shape (0, m).
        rng: a seed, a numpy Generator or a torch Generator; a generator is advanced. A torch Generator hands
            one 63-bit seed to numpy, which synchronises a GPU: training loops use `sample`.
        alpha: concentration, one positive number or one per objective, shape (m,). Below 1 the vectors lean
            towards the corners, above 1 towards the centre.

    >>> dirichlet(3, 2, rng=0).sum(axis=1).round(12)
    array([1., 1.])
    """
    m, n = as_count(m, name="m"), as_count(n, name="n", minimum=0)
    concentration = to_float64(alpha, "alpha")
    if concentration.ndim == 0:
        concentration = np.full(m, concentration)
    concentration = as_vector(concentration, name="alpha", m=m)
    if (concentration <= 0).any():
        raise MorlError(f"expected positive concentrations alpha, got {alpha!r}")
    return _numpy_generator(rng).dirichlet(concentration, size=n)


def sample(
    m: int,
    n: int,
    generator: torch.Generator,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Return n weight vectors uniform on the simplex, as a tensor of shape (n, m), drawn on the device.

    For training loops: normalised exponential draws (a flat Dirichlet), without host synchronisation.

    Args:
        m: number of objectives.
        n: number of vectors.
        generator: a torch Generator that lives on `device`; it is advanced.
        device: where to draw; by default where the generator lives.
        dtype: floating-point type, float32 by default.
    """
    import torch

    uniform = torch.rand(
        (n, m), generator=generator, device=generator.device if device is None else device, dtype=dtype
    )
    # `rand` can return 0, hence log1p(-u), and clamping, so that no row is 0 / 0. `exponential_` would be
    # shorter, but takes no generator on the meta device.
    exponential = -torch.log1p(-uniform).clamp_max(-torch.finfo(uniform.dtype).tiny)
    return exponential / exponential.sum(-1, keepdim=True)


def sample_with_faces(
    m: int,
    n: int,
    generator: torch.Generator,
    device: torch.device | str | None = None,
    *,
    faces: float = 0.25,
) -> torch.Tensor:
    """Return n weight vectors (n, m), of which a share `faces` leaves one or more objectives out altogether.

    Uniform vectors never have a zero entry, so an agent trained on them alone is asked to extrapolate at the
    edges and corners of the simplex. Here a row of the share keeps each objective with probability one half, and at
    least its largest; it is uniform on the face that remains. The other rows are those of `sample`.

    Args:
        m: number of objectives.
        n: number of vectors.
        generator: a torch Generator that lives on `device`; it is advanced.
        device: where to draw; by default where the generator lives.
        faces: share of the rows, in [0, 1].
    """
    import torch

    weights = sample(m, n, generator, device)
    coins = torch.rand((n, m + 1), generator=generator, device=weights.device)
    drop = (coins[:, :1] < faces) & (coins[:, 1:] < 0.5) & (weights < weights.max(-1, keepdim=True).values)
    kept = weights.masked_fill(drop, 0.0)
    return kept / kept.sum(-1, keepdim=True)


def corners(m: int) -> Array:
    """Return the m weight vectors that care for one objective only: the identity matrix, shape (m, m)."""
    return np.eye(as_count(m, name="m"))


def validate(weights: Any, m: int | None = None) -> Array:
    """Return `weights` as a new float64 array of the same shape, (m,) or (n, m), once valid.

    Values are not changed: a vector within `TOLERANCE` of a sum of one keeps its sum.

    Raises:
        MorlError: wrong number of dimensions or objectives, no row, an entry that is NaN, infinite or
            negative, or a row that does not sum to one. The message names the row and says how to mend it.

    >>> validate([2, 1, 1])
    Traceback (most recent call last):
    morl.errors.MorlError: weights sum to 4, expected 1; divide by the sum: [0.5, 0.25, 0.25]
    """
    array = to_float64(weights, "weights")
    if array.ndim not in (1, 2) or array.size == 0:
        raise MorlError(f"expected weights of shape (m,) or (n, m) with n, m >= 1, got shape {array.shape}")
    if m is not None and array.shape[-1] != m:
        raise MorlError(f"expected weights for {m} objectives, got {array.shape[-1]} entries per vector")
    rows = array.reshape(-1, array.shape[-1])
    with np.errstate(invalid="ignore", over="ignore"):
        valid = np.isfinite(rows).all(1) & (rows >= 0).all(1) & (np.abs(rows.sum(1) - 1) <= TOLERANCE)
    if not valid.all():
        first = int(np.argmin(valid))
        raise MorlError(_describe(rows[first], "weights" if array.ndim == 1 else f"weights[{first}]"))
    return array


def _describe(row: Array, name: str) -> str:
    """Say what is wrong with one invalid weight vector, and what to do about it."""
    for i, value in enumerate(row):
        if not np.isfinite(value):
            return f"{name} has the entry {value} at position {i}; expected finite, non-negative numbers"
        if value < 0:
            return (
                f"{name} has the negative entry {value:.6g} at position {i}; weights are non-negative and "
                "sum to one. Objectives are maximised: to minimise one, negate its reward, not its weight"
            )
    largest = row.max()
    if largest == 0:
        equal = _brief(np.full(row.size, 1 / row.size))
        return f"{name} is all zeros, expected a sum of 1; for equal weights pass {equal}"
    # Scaled first, so that the sum of huge or tiny entries neither overflows nor vanishes.
    share = row / largest
    remedy = _brief(share / share.sum())
    with np.errstate(over="ignore"):
        return f"{name} sum to {row.sum():.9g}, expected 1; divide by the sum: {remedy}"


def _brief(row: Array) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in row) + "]"


def _numpy_generator(rng: int | np.random.Generator | torch.Generator) -> np.random.Generator:
    """A numpy Generator from a seed, from itself, or from a torch Generator (which is advanced)."""
    if isinstance(rng, np.random.Generator):
        return rng
    if not isinstance(rng, int) and hasattr(rng, "initial_seed"):  # Recognised without importing torch.
        import torch

        draw = torch.randint(2**63 - 1, (1,), generator=rng, device=rng.device)
        return np.random.default_rng(int(draw.item()))
    return np.random.default_rng(as_count(rng, name="the seed rng", minimum=0))
