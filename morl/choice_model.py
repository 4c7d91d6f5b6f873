"""The Bayesian choice model behind `morl.elicitation`: what pairwise choices say of a user's weights.

The user's utility of a point z (m,), each objective in units of its range, is `s . z`, with s on the simplex.
Of two points a and b the user prefers a with probability

    P(a over b | s) = lapse + (1 - 2 lapse) sigmoid(beta s . (a - b)),

the logistic choice model of Bradley and Terry (1952) with a share of careless answers, so that answers may
contradict one another. An indifferent answer counts as half a choice each way, sqrt(P(a over b) P(b over a)),
as in Davidson (1970) up to a constant.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from morl import weights as preference_weights
from morl._arrays import Array, as_count
from morl.errors import MorlError

FEWEST = 0.05
"""The particles are renewed when fewer than this share of them would do as well (effective sample size)."""

MOVES = 20
"""Metropolis steps of every particle when they are renewed."""

SMALLEST = 1e-12
"""The least entry of a particle that is moved: its logarithm is taken."""


class Belief:
    """The posterior over a user's weights, as weighted particles on the simplex.

    Draws from a Dirichlet prior, weighted by the likelihood of the answers; where too few of them matter,
    they are resampled and moved by Metropolis steps (resample-move, Gilks and Berzuini 2001). Deterministic
    given the generator and the answers.

    Args:
        m: number of objectives.
        beta: how sharply differences are seen: the log-odds of a choice for each unit of utility.
        lapse: share of answers that are wrong whatever the difference, in [0, 0.5).
        concentration: of the Dirichlet prior, a number or (m,); 1 is uniform on the simplex.
        particles: how many, n.
        rng: advanced by drawing and moving the particles.

    Raises:
        MorlError: a setting out of its range.
    """

    def __init__(
        self,
        m: int,
        *,
        beta: float,
        lapse: float,
        concentration: Any,
        particles: int,
        rng: np.random.Generator,
    ) -> None:
        if not (np.isfinite(beta) and beta > 0):
            raise MorlError(f"expected a positive beta, got {beta!r}")
        if not 0 <= lapse < 0.5:
            raise MorlError(f"expected a lapse in [0, 0.5), got {lapse!r}")
        particles = as_count(particles, name="particles", minimum=2)
        self.beta, self.lapse, self._rng = float(beta), float(lapse), rng
        self.weights = preference_weights.dirichlet(m, particles, rng=rng, alpha=concentration)
        """The particles (n, m)."""
        self._concentration = np.broadcast_to(np.asarray(concentration, dtype=np.float64), (m,))
        self._log_likelihood = np.zeros(particles)
        """Of each particle, up to a constant, since the particles were drawn or renewed."""
        self._differences = np.zeros((0, m))
        self._shares = np.zeros((0, 2))
        """Of each answer: a - b, and which share of it was for a and for b."""

    @property
    def probabilities(self) -> Array:
        """The probability (n,) of each particle."""
        relative = np.exp(self._log_likelihood - self._log_likelihood.max())
        return relative / relative.sum()

    @property
    def mean(self) -> Array:
        """The mean weights (m,), on the simplex."""
        return self.probabilities @ self.weights

    def quantiles(self, levels: Any) -> Array:
        """Quantiles of each objective's weight, (len(levels), m)."""
        columns = [weighted_quantiles(column, self.probabilities, levels) for column in self.weights.T]
        return np.stack(columns, axis=1)

    def chances(self, differences: Array) -> Array:
        """P(a over b) by each particle, (n, p), for a - b (p, m)."""
        return self._chances(self.weights, differences)

    def update(self, difference: Array, *, indifferent: bool = False) -> bool:
        """Take in that a was preferred to b, for a - b (m,), or neither; True if the particles were renewed."""
        share = np.array([[0.5, 0.5] if indifferent else [1.0, 0.0]])
        self._differences = np.vstack((self._differences, difference))
        self._shares = np.vstack((self._shares, share))
        self._log_likelihood = self._log_likelihood + self._log_chances(
            self.weights, self._differences[-1:], share
        )
        probabilities = self.probabilities
        if 1 / np.square(probabilities).sum() >= FEWEST * len(probabilities):
            return False
        self._renew(probabilities)
        return True

    def _chances(self, weights: Array, differences: Array) -> Array:
        # The sigmoid as a tanh, which does not overflow.
        sigmoid = 0.5 + 0.5 * np.tanh(0.5 * self.beta * (weights @ differences.T))
        chances: Array = self.lapse + (1 - 2 * self.lapse) * sigmoid
        return chances

    def _log_chances(self, weights: Array, differences: Array, shares: Array) -> Array:
        """Log-likelihood (n,) of answers with differences (p, m) and shares (p, 2), for weights (n, m)."""
        # Both ways, since 1 - P would lose the digits of a P near 1; the smallest float where P is 0.
        least = np.finfo(np.float64).tiny
        ways = [np.log(np.maximum(self._chances(weights, sign * differences), least)) for sign in (1, -1)]
        total: Array = ways[0] @ shares[:, 0] + ways[1] @ shares[:, 1]
        return total

    def _renew(self, probabilities: Array) -> None:
        """Resample the particles, and move them by Metropolis steps that leave the posterior as it is.

        Steps are Gaussian in log-ratios to the last weight, with the covariance of the particles times
        2.38^2 / (m - 1) (Roberts and Rosenthal 2001).
        """
        n, m = self.weights.shape
        places = (self._rng.random() + np.arange(n)) / n  # systematic resampling
        rows = np.searchsorted(np.cumsum(probabilities), places).clip(max=n - 1)
        weights = self.weights[rows].clip(min=SMALLEST)
        ratios = np.log(weights[:, :-1] / weights[:, -1:])
        covariance = np.atleast_2d(np.cov(ratios.T)) * 2.38**2 / (m - 1)
        factor = np.linalg.cholesky(covariance + SMALLEST * np.eye(m - 1))
        density = self._log_density(weights)
        for _ in range(MOVES):
            moved = ratios + self._rng.standard_normal((n, m - 1)) @ factor.T
            proposed = _from_ratios(moved)
            proposed_density = self._log_density(proposed)
            accepted = np.log(self._rng.random(n)) < proposed_density - density
            ratios[accepted], weights[accepted] = moved[accepted], proposed[accepted]
            density[accepted] = proposed_density[accepted]
        self.weights, self._log_likelihood = weights, np.zeros(n)

    def _log_density(self, weights: Array) -> Array:
        """Of the posterior at weights (n, m), as a density over log-ratios, up to a constant: (n,)."""
        # The Dirichlet density times the Jacobian of the log-ratios, which is the product of the weights.
        prior = np.log(np.maximum(weights, np.finfo(np.float64).tiny)) @ self._concentration
        density: Array = prior + self._log_chances(weights, self._differences, self._shares)
        return density


def _from_ratios(ratios: Array) -> Array:
    """Weights (n, m) from the logarithms (n, m - 1) of their ratios to the last."""
    padded = np.hstack((ratios, np.zeros((len(ratios), 1))))
    relative = np.exp(padded - padded.max(axis=1, keepdims=True))
    weights: Array = relative / relative.sum(axis=1, keepdims=True)
    return weights


def weighted_quantiles(values: Array, probabilities: Array, levels: Any) -> Array:
    """The smallest of `values` (n,) that holds each of `levels` (q,) of the probability (n,): (q,)."""
    order = np.argsort(values, kind="stable")
    places = np.searchsorted(np.cumsum(probabilities[order]), np.asarray(levels, dtype=np.float64))
    return values[order][places.clip(max=len(values) - 1)]


def entropy(chances: Array) -> Array:
    """Of coins that fall on one side with these chances, in nats, of the same shape."""
    sides = np.stack((chances, 1 - chances))
    found: Array = -(sides * np.log(np.maximum(sides, np.finfo(np.float64).tiny))).sum(axis=0)
    return found
