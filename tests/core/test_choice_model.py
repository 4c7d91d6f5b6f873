"""The posterior over weights is Bayes', however it is carried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import morl
from morl import choice_model
from morl.choice_model import Belief, entropy, weighted_quantiles


def belief(m: int, *, particles: int = 4000, seed: int = 0, **options: Any) -> Belief:
    chosen = {"beta": 25.0, "lapse": 0.05, "concentration": 1.0, **options}
    return Belief(m, particles=particles, rng=np.random.default_rng(seed), **chosen)


def quadrature(m: int, answers: list[tuple[Any, bool]], model: Belief, alpha: float) -> Any:
    """Mean weights (m,) by summing over a fine lattice, with the model written out anew."""
    grid = morl.weights.lattice(m, partitions=2000 if m == 2 else 150)
    grid = grid[(grid > 0).all(axis=1)]
    density = np.prod(grid ** (alpha - 1), axis=1)
    for difference, indifferent in answers:
        p = model.lapse + (1 - 2 * model.lapse) / (1 + np.exp(-model.beta * grid @ difference))
        density = density * (np.sqrt(p * (1 - p)) if indifferent else p)
    return density @ grid / density.sum()


@pytest.mark.parametrize("alpha", [1.0, 3.0])
@pytest.mark.parametrize("count", [0, 1, 5, 40])
@pytest.mark.parametrize("m", [2, 3])
def test_the_posterior_mean_is_that_of_an_integral(
    m: int, count: int, alpha: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if count == 40:
        monkeypatch.setattr(choice_model, "FEWEST", 0.5)
    rng = np.random.default_rng(count)
    model = belief(m, concentration=alpha)
    truth = rng.dirichlet(np.ones(m))
    gaps = [rng.uniform(-1, 1, m) for _ in range(count)]
    answers = [(gap * np.sign(gap @ truth), bool(rng.random() < 0.1)) for gap in gaps]
    renewed = [model.update(difference, indifferent=same) for difference, same in answers]
    assert any(renewed) == (count == 40), "renewed when too few particles matter"
    np.testing.assert_allclose(model.mean, quadrature(m, answers, model, alpha), atol=0.02)
    assert model.probabilities.sum() == pytest.approx(1) and (model.weights >= 0).all()
    np.testing.assert_allclose(model.weights.sum(axis=1), 1)


def test_renewing_changes_nothing_but_the_particles(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, moved = belief(3), belief(3)
    difference = np.array([0.6, -0.5, 0.1])
    plain.update(difference)
    monkeypatch.setattr(choice_model, "FEWEST", 1.0)
    assert moved.update(difference) and not np.array_equal(plain.weights, moved.weights)
    np.testing.assert_allclose(moved.mean, plain.mean, atol=0.02)
    np.testing.assert_allclose(moved.quantiles([0.1, 0.5, 0.9]), plain.quantiles([0.1, 0.5, 0.9]), atol=0.05)
    # All moved: resampling alone would leave copies.
    assert len(np.unique(moved.weights, axis=0)) > 0.95 * len(moved.weights)


@pytest.mark.parametrize(
    ("lapse", "beta", "most"), [(0.0, 50.0, 0.01), (0.0, 200.0, 0.005), (0.01, 50.0, 0.02)]
)
def test_contradictions_that_leave_next_to_no_particle(lapse: float, beta: float, most: float) -> None:
    """Without careless answers a circle of preferences allows a small region only, which few particles hit."""
    model = belief(3, lapse=lapse, beta=beta, particles=1000)
    circle = ([1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -0.2, -0.9], [-0.9, -0.1, 1.0])
    for difference in circle:
        model.update(np.array(difference))
    grid = morl.weights.lattice(3, partitions=400)
    utility = beta * grid @ np.array(circle).T
    log_density = np.log(lapse + (1 - 2 * lapse) * np.exp(-np.logaddexp(0, -utility))).sum(axis=1)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    mean = density @ grid
    spread = np.sqrt(density @ (grid - mean) ** 2)
    np.testing.assert_allclose(model.mean, mean, atol=most)
    found = np.sqrt(model.probabilities @ (model.weights - model.mean) ** 2)
    np.testing.assert_allclose(found, spread, rtol=0.25)


def test_the_likelihood_keeps_its_digits() -> None:
    """Certain users who contradict themselves: the probability is exp(-50), not 0."""
    model = belief(2, lapse=0.0, beta=100.0, particles=4)
    model.weights = np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
    found = model._log_chances(model.weights, np.array([[-1.0, 1.0]]), np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(found, [-50.0, -np.log(2), 0.0, -100.0], atol=1e-12)


@given(arrays(np.float64, 3, elements=st.floats(-1, 1)))
def test_chances_of_both_orders_add_up(difference: Any) -> None:
    model = belief(3, particles=50)
    there, back = model.chances(difference[None]), model.chances(-difference[None])
    np.testing.assert_allclose(there + back, 1)
    assert (there >= 0.05 - 1e-12).all() and (there <= 0.95 + 1e-12).all()


def test_contradictions_cancel_out() -> None:
    model, prior = belief(2), belief(2).mean
    for sign in (1, -1) * 5:
        model.update(sign * np.array([0.2, -0.2]))
    assert np.isfinite(model.mean).all()
    np.testing.assert_allclose(model.mean, prior, atol=0.05)


def test_quantiles_and_entropy() -> None:
    values, chances = np.array([3.0, 1.0, 2.0]), np.array([0.5, 0.2, 0.3])
    assert weighted_quantiles(values, chances, [0.0, 0.1, 0.3, 0.9, 1.0]).tolist() == [1, 1, 2, 3, 3]
    np.testing.assert_allclose(entropy(np.array([0.0, 0.5, 1.0])), [0, np.log(2), 0], atol=1e-12)
