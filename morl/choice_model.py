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

FEWEST = 0.2
"""The particles are renewed when fewer than this share of them would do as well (effective sample size)."""

TOO_FEW = 0.01
"""Where fewer than this share is left, they are renewed in stages: copies of a handful say nothing of the spread."""

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
        self._settled = 0
        """How many of the answers the particles had seen when they were drawn or renewed."""

    @property
    def probabilities(self) -> Array:
        """The probability (n,) of each particle."""
        return _normalised(self._log_likelihood)

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
        if effective_share(self._log_likelihood) >= FEWEST:
            return False
        self._renew_in_stages()
        return True

    def _chances(self, weights: Array, differences: Array) -> Array:
        # The sigmoid as a tanh, which does not overflow.
        sigmoid = 0.5 + 0.5 * np.tanh(0.5 * self.beta * (weights @ differences.T))
        chances: Array = self.lapse + (1 - 2 * self.lapse) * sigmoid
        return chances

    def _log_chances(self, weights: Array, differences: Array, shares: Array) -> Array:
        """Log-likelihood (n,) of answers with differences (p, m) and shares (p, 2), for weights (n, m)."""
        # In logarithms throughout: P itself would round to 0 where the user contradicts all that was said.
        utility = self.beta * (weights @ differences.T)
        with np.errstate(divide="ignore"):
            careless, careful = np.log(self.lapse), np.log1p(-2 * self.lapse)
        ways = [np.logaddexp(careless, careful - np.logaddexp(0, -sign * utility)) for sign in (1, -1)]
        total: Array = ways[0] @ shares[:, 0] + ways[1] @ shares[:, 1]
        return total

    def _renew_in_stages(self) -> None:
        """Renew the particles; where next to none of them matter, over posteriors that lie between.

        Those raise the likelihood of the answers since the last time to powers up to 1 (Neal 2001), each such that
        half of the particles matter.
        """
        stage, left = 0.0, self._log_likelihood
        while effective_share((1 - stage) * left) < TOO_FEW:
            step = _largest_step(left, 1 - stage)
            stage += step
            self._renew(step * left, stage)
            left = self._log_chances(self.weights, *self._answers(since=self._settled))
        self._renew((1 - stage) * left, 1.0)
        self._log_likelihood, self._settled = np.zeros(len(self.weights)), len(self._differences)

    def _answers(self, *, since: int = 0, until: int | None = None) -> tuple[Array, Array]:
        """Differences and shares of some answers."""
        return self._differences[since:until], self._shares[since:until]

    def _renew(self, relative: Array, stage: float) -> None:
        """Resample the particles by `relative` log-probabilities (n,), and move them by Metropolis steps.

        The steps leave the posterior as it is in which answers since the last time count to the power `stage`.
        They are Gaussian in log-ratios to the last weight, with the covariance of the particles times
        2.38^2 / (m - 1) (Roberts and Rosenthal 2001).
        """
        n, m = self.weights.shape
        places = (self._rng.random() + np.arange(n)) / n  # systematic resampling
        rows = np.searchsorted(np.cumsum(_normalised(relative)), places).clip(max=n - 1)
        weights = self.weights[rows].clip(min=SMALLEST)
        ratios = np.log(weights[:, :-1] / weights[:, -1:])
        covariance = np.atleast_2d(np.cov(ratios.T)) * 2.38**2 / (m - 1)
        factor = np.linalg.cholesky(covariance + SMALLEST * np.eye(m - 1))
        density = self._log_density(weights, stage)
        for _ in range(MOVES):
            moved = ratios + self._rng.standard_normal((n, m - 1)) @ factor.T
            proposed = _from_ratios(moved)
            proposed_density = self._log_density(proposed, stage)
            accepted = np.log(self._rng.random(n)) < proposed_density - density
            ratios[accepted], weights[accepted] = moved[accepted], proposed[accepted]
            density[accepted] = proposed_density[accepted]
        self.weights = weights

    def _log_density(self, weights: Array, stage: float) -> Array:
        """Of that posterior at weights (n, m), as a density over log-ratios, up to a constant: (n,)."""
        # The Dirichlet density times the Jacobian of the log-ratios, which is the product of the weights.
        prior = np.log(np.maximum(weights, np.finfo(np.float64).tiny)) @ self._concentration
        known = self._log_chances(weights, *self._answers(until=self._settled))
        recent = self._log_chances(weights, *self._answers(since=self._settled))
        density: Array = prior + known + stage * recent
        return density


def _normalised(relative: Array) -> Array:
    """Probabilities (n,) from logarithms (n,) of what is proportional to them."""
    chances: Array = np.exp(relative - relative.max())
    return chances / chances.sum()


def effective_share(relative: Array) -> float:
    """Effective sample size of particles with such log-probabilities (n,), as a share of n (Kong et al. 1994)."""
    return float(1 / (len(relative) * np.square(_normalised(relative)).sum()))


def _largest_step(relative: Array, most: float) -> float:
    """The largest power in (0, most] that leaves half of the particles effective, by bisection."""
    low, high = 0.0, most
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if effective_share(middle * relative) >= 0.5 else (low, middle)
    return high


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
