"""Preference weights: lattices, samples, and what `validate` says about bad ones."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.util.ref_dirs import get_reference_directions
from scipy.spatial.distance import pdist

from morl import weights
from morl.errors import MorlError


@given(m=st.integers(1, 6), partitions=st.integers(1, 9))
def test_a_lattice_holds_every_fraction_once_in_order(m: int, partitions: int) -> None:
    rows = weights.lattice(m, partitions=partitions)
    numerators = np.rint(rows * partitions)
    assert rows.shape == (comb(partitions + m - 1, m - 1), m)
    assert (numerators / partitions == rows).all()
    assert (numerators.sum(1) == partitions).all()
    assert np.abs(rows.sum(1) - 1).max() <= m * np.finfo(float).eps
    as_tuples = [tuple(row) for row in numerators]
    assert as_tuples == sorted(set(as_tuples))


@pytest.mark.parametrize(("m", "partitions"), [(2, 100), (3, 12), (4, 7), (9, 3)])
def test_a_lattice_agrees_with_pymoo(m: int, partitions: int) -> None:
    theirs = get_reference_directions("das-dennis", m, n_partitions=partitions)
    np.testing.assert_allclose(weights.lattice(m, partitions=partitions), theirs, rtol=0, atol=1e-15)


def test_a_lattice_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(MorlError, match=r"12,565,671,261 rows.*fewer partitions"):
        weights.lattice(10, partitions=50)


@pytest.mark.parametrize("partitions", [0, -3, 2.5, True, "4"])
def test_partitions_must_be_a_positive_integer(partitions: object) -> None:
    with pytest.raises(MorlError, match="partitions to be an integer of at least 1"):
        weights.lattice(3, partitions=partitions)  # type: ignore[arg-type]


def test_energy_points_are_valid_well_spaced_and_follow_their_seed() -> None:
    first, other = (weights.energy(3, 12, seed=seed) for seed in (1, 7))
    weights._energy.cache_clear()
    again = weights.energy(3, 12, seed=1)
    weights.validate(first, 3)
    assert first.shape == (12, 3)
    assert (first == again).all()
    again[:] = 0
    assert (first == weights.energy(3, 12, seed=1)).all()
    assert (weights.energy(3, 3, seed=1) == np.eye(3)[::-1]).all()
    # pymoo's own `get_reference_directions` ignores the seed; see the comment in `energy`.
    assert not (first == other).all()
    for corner in np.eye(3):
        assert np.abs(first - corner).sum(1).min() < 1e-9
    # Nearly as far apart as the 15 points of a lattice, whose neighbours are sqrt(2) / 4 away.
    assert pdist(first).min() > 0.9 * np.sqrt(2) / 4


@pytest.mark.parametrize(("m", "n"), [(3, 2), (3, 0), (1, 2)])
def test_energy_refuses_numbers_of_points_it_cannot_place(m: int, n: int) -> None:
    with pytest.raises(MorlError, match="expected n"):
        weights.energy(m, n, seed=1)


def test_one_objective_has_one_weight_vector() -> None:
    for rows in (weights.energy(1, 1, seed=0), weights.lattice(1, partitions=5), weights.corners(1)):
        assert rows.tolist() == [[1.0]]


@given(m=st.integers(1, 8), n=st.integers(0, 40), seed=st.integers(0, 2**32), alpha=st.floats(0.05, 50))
def test_dirichlet_rows_are_weights(m: int, n: int, seed: int, alpha: float) -> None:
    rows = weights.dirichlet(m, n, rng=seed, alpha=alpha)
    assert rows.shape == (n, m)
    if n:
        weights.validate(rows, m)
    assert (rows == weights.dirichlet(m, n, rng=np.random.default_rng(seed), alpha=alpha)).all()


def test_dirichlet_advances_a_torch_generator_reproducibly() -> None:
    first, again = (torch.Generator().manual_seed(3) for _ in range(2))
    one, two = (weights.dirichlet(3, 5, rng=first) for _ in range(2))
    assert (one == weights.dirichlet(3, 5, rng=again)).all()
    assert not (one == two).all()


def test_dirichlet_has_the_moments_of_its_concentration() -> None:
    alpha = np.array([1.0, 2.0, 5.0])
    rows = weights.dirichlet(3, 40_000, rng=0, alpha=alpha)
    share = alpha / 8
    np.testing.assert_allclose(rows.mean(0), share, atol=0.005)
    np.testing.assert_allclose(rows.var(0), share * (1 - share) / 9, atol=0.002)


@pytest.mark.parametrize("alpha", [0.0, -1.0, [1.0, 2.0], np.nan])
def test_dirichlet_refuses_bad_concentrations(alpha: object) -> None:
    with pytest.raises(MorlError, match="alpha"):
        weights.dirichlet(3, 2, rng=0, alpha=alpha)


@pytest.mark.parametrize("rng", [None, 1.5, -1])
def test_dirichlet_refuses_what_is_no_source_of_randomness(rng: object) -> None:
    with pytest.raises(MorlError, match="seed rng"):
        weights.dirichlet(3, 2, rng=rng)  # type: ignore[arg-type]


def test_sample_is_uniform_on_the_simplex() -> None:
    rows = weights.sample(3, 50_000, torch.Generator().manual_seed(0))
    assert rows.dtype == torch.float32
    weights.validate(rows, 3)
    # Uniform on the simplex of m = 3: each entry is Beta(1, 2), whose distribution function is 1 - (1 - x)^2.
    for x in (0.1, 0.3, 0.5, 0.9):
        share = (rows <= x).double().mean(0)
        np.testing.assert_allclose(share, 1 - (1 - x) ** 2, atol=0.01)


def test_sample_never_divides_zero_by_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda size, **_: torch.zeros(size))
    assert weights.sample(4, 2, torch.Generator()).tolist() == [[0.25] * 4] * 2


def test_sample_runs_on_the_device_alone() -> None:
    rows = weights.sample(3, 8, torch.Generator(), device="meta", dtype=torch.float64)
    assert (rows.device.type, rows.shape, rows.dtype) == ("meta", (8, 3), torch.float64)


@pytest.mark.parametrize("m", [1, 2, 3, 7, 9, 30])
def test_float32_weights_pass(m: int) -> None:
    rows = weights.dirichlet(m, 200, rng=m).astype(np.float32)
    assert (weights.validate(torch.from_numpy(rows), m) == rows).all()


def test_validate_copies_and_keeps_shape_and_values() -> None:
    given_rows = np.array([[0.25, 0.75], [1.0, 0.0]])
    checked = weights.validate(given_rows)
    checked[0] = 9
    assert given_rows[0].tolist() == [0.25, 0.75]
    assert weights.validate([0.5, 0.5 + 5e-7]).tolist() == [0.5, 0.5 + 5e-7]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([0.5, float("nan")], r"weights has the entry nan at position 1"),
        ([[0.5, 0.5], [float("inf"), 0]], r"weights\[1\] has the entry inf at position 0"),
        (
            [[1, 0], [0, 1], [1.5, -0.5]],
            r"weights\[2\] has the negative entry -0.5 at position 1.*negate its reward",
        ),
        ([[2, 2]], r"weights\[0\] sum to 4, expected 1; divide by the sum: \[0.5, 0.5\]"),
        ([0.2, 0.2], r"weights sum to 0.4.*\[0.5, 0.5\]"),
        ([1e308, 1e308], r"weights sum to inf.*\[0.5, 0.5\]"),
        ([0.0, 0.0], r"all zeros.*\[0.5, 0.5\]"),
        ([1.0, 0.0, 0.0], r"weights for 2 objectives, got 3"),
        (0.5, r"shape \(m,\) or \(n, m\).*got shape \(\)"),
        (np.ones((1, 1, 2)) / 2, r"got shape \(1, 1, 2\)"),
        ([], r"got shape \(0,\)"),
        (np.empty((0, 2)), r"got shape \(0, 2\)"),
        ([[0.5, 0.5], [1.0]], "rectangular array of real numbers"),
        (["half", "half"], "rectangular array of real numbers"),
        ([0.5 + 0j, 0.5], "real numbers"),
    ],
)
def test_validate_says_what_is_wrong_where_and_what_to_do(bad: object, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        weights.validate(bad, 2)


@settings(max_examples=50)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=6))
def test_validate_accepts_exactly_the_simplex(row: list[float]) -> None:
    on_simplex = all(np.isfinite(w) and w >= 0 for w in row) and abs(sum(row) - 1) <= weights.TOLERANCE
    if on_simplex:
        assert weights.validate(row).tolist() == row
    else:
        with pytest.raises(MorlError):
            weights.validate(row)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=9).filter(lambda row: sum(row) > 1e-3))
def test_dividing_by_the_sum_is_the_remedy_that_the_message_says(row: list[float]) -> None:
    weights.validate(np.array(row) / np.sum(row))
