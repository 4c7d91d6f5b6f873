"""Learning what a user wants from pairwise choices, instead of asking for numbers.

    session = morl.elicit("runs/a")
    while (question := session.next_question()) is not None and session.answered < 10:
        i, j = question                       # two rows of the front
        session.answer(i, j, preferred=i)     # or j, or None for "they are equal to me"
    morl.choose("runs/a", weights=session.weights).save("policy/")

The user's utility is taken to be linear, and the answers to follow the logistic choice model of
`morl.choice_model`, wrong answers included. Asking users to compare points of a front in order to learn what
they want is what Zintgraf et al. (2018) propose, with Gaussian processes in the place of linear utilities.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morl import pareto
from morl._arrays import Array, as_count, as_points, as_vector
from morl.choice_model import Belief, entropy, weighted_quantiles
from morl.errors import MorlError
from morl.judging import mean_returns, ranges, to_choose_from

MOST_PAIRS = 500
"""Of more pairs of points, so many are drawn as possible questions."""

SHORTLIST = 32
"""So many of the most informative questions are compared by what their answers would be worth."""

TOLERANCE, SURE = 0.01, 0.95
"""Questions end early once the choice loses no more than this share of the range, with this probability."""

Pair = tuple[int, int]


class Elicitation:
    """A dialogue with one user about the points of a front.

    Swing weights are what the whole range of each objective is worth to the user, on the simplex; ranges are
    those of the points that none dominates. `weights` are the same in the units of the returns.

    Args:
        points: returns (k, m) of the front, maximised. Dominated and repeated points are never asked about.
        beta: how sharply the user sees differences: log-odds of a choice for each range of utility.
        lapse: share of answers that are wrong whatever the difference, in [0, 0.5).
        concentration: of the Dirichlet prior over swing weights, a number or (m,); 1 is uniform.
        particles: how many represent the posterior.
        seed: of the particles, and of the order in which two points are shown.

    Raises:
        MorlError: no points, or settings out of their range.
    """

    def __init__(
        self,
        points: Any,
        *,
        beta: float = 50.0,
        lapse: float = 0.1,
        concentration: Any = 1.0,
        particles: int = 1000,
        seed: int = 0,
    ) -> None:
        self.points = as_points(points)
        if len(self.points) == 0:
            raise MorlError("expected at least one point to choose from, got none")
        self.low, self.span = ranges(self.points)
        """The least value and the range (m,) of each objective."""
        self.answered = self.skipped = 0
        """How many questions were answered, and how many skipped."""
        self._rng = np.random.default_rng(as_count(seed, name="seed", minimum=0))
        self.posterior = Belief(
            self.points.shape[1],
            beta=beta,
            lapse=lapse,
            concentration=concentration,
            particles=particles,
            rng=self._rng,
        )
        """What is believed of the user's swing weights: particles `weights` (n, m) with `probabilities` (n,),
        their `mean` and `quantiles`."""
        self._rows = np.flatnonzero(pareto.is_nondominated(self.points))
        self._unit = self._scaled(self.points[self._rows])
        self._pairs = self._possible_pairs()
        self._open = np.ones(len(self._pairs), dtype=bool)
        """Which pairs have neither been answered nor skipped."""
        self._tables: tuple[Array, Array] | None = None
        """For each particle and pair the chance of the first (n, p), and its entropy."""
        self._question: Pair | None = None

    # --- what is believed ------------------------------------------------------------------------------------

    @property
    def weights(self) -> Array:
        """The preference (m,) in the units of the returns, as agents and `morl.choose` take it.

        The mean swing weights, each divided by its objective's range: it ranks points by their expected
        utility. An objective in which the points do not differ gets 0.
        """
        if not (self.span > 0).any():
            return np.full(len(self.span), 1 / len(self.span))
        share = np.where(self.span > 0, self.posterior.mean / np.where(self.span > 0, self.span, 1.0), 0.0)
        share = share / share.max()
        preference: Array = share / share.sum()
        return preference

    def best(self) -> int:
        """The row of `points` with the greatest expected utility."""
        return int(self._rows[self._best()])

    def regret(self, level: float = 0.9) -> float:
        """The `level`-quantile of how much utility `best()` loses against the point that is truly best.

        As a share of the difference in utility between the best and the worst point that none dominates.

        Raises:
            MorlError: a level outside of [0, 1].
        """
        if not 0 <= level <= 1:
            raise MorlError(f"expected a level in [0, 1], got {level!r}")
        utilities = self.posterior.weights @ self._unit.T
        most, least = utilities.max(axis=1), utilities.min(axis=1)
        lost = (most - utilities[:, self._best()]) / np.where(most > least, most - least, 1.0)
        return float(weighted_quantiles(lost, self.posterior.probabilities, [level])[0])

    # --- questions and answers -------------------------------------------------------------------------------

    def next_question(self) -> Pair | None:
        """Two rows of `points` to compare, or None if there is nothing left to ask.

        Of the questions whose answers tell most about the weights (expected information gain, the mutual
        information of Houlsby et al. 2011), that after whose answer the best point is expected to be worth
        most (expected value of information, Viappiani and Boutilier 2010). The same until it is answered or
        skipped.
        """
        if self._question is None and self._open.any():
            i, j = self._rows[self._pairs[self._best_pair()]].tolist()
            self._question = (i, j) if self._rng.random() < 0.5 else (j, i)
        return self._question

    def answer(self, i: int, j: int, preferred: int | None) -> None:
        """Take in that the user prefers row `i` or row `j` of `points`, or neither (None)."""
        i, j = self._checked_pair(i, j)
        if preferred is not None and preferred not in (i, j):
            raise MorlError(
                f"expected {i}, {j} or None (indifferent) as the preferred row, got {preferred!r}"
            )
        better, worse = (j, i) if preferred == j else (i, j)
        self.prefer(self.points[better], self.points[worse], indifferent=preferred is None)
        self._close(i, j)

    def skip(self, i: int, j: int) -> None:
        """Never ask about these two again."""
        self._close(*self._checked_pair(i, j))
        self.skipped += 1

    def prefer(self, preferred: Any, other: Any, *, indifferent: bool = False) -> None:
        """Take in a choice between any two returns (m,), such as those of two demonstrations."""
        m = self.points.shape[1]
        better, worse = (self._scaled(as_vector(r, name="returns", m=m)) for r in (preferred, other))
        if self.posterior.update(better - worse, indifferent=indifferent):
            self._tables = None
        self.answered += 1
        self._question = None

    # --- inside ----------------------------------------------------------------------------------------------

    def _scaled(self, points: Array) -> Array:
        """Points (..., m) in units of the ranges; an objective without a range counts for nothing."""
        return np.where(self.span > 0, (points - self.low) / np.where(self.span > 0, self.span, 1.0), 0.0)

    def _possible_pairs(self) -> NDArray[np.int64]:
        """Pairs (p, 2) of points to ask about, as rows of `_unit`."""
        n = len(self._unit)
        if n * (n - 1) // 2 <= MOST_PAIRS:
            return np.array(list(combinations(range(n), 2)), dtype=np.int64).reshape(-1, 2)
        first = self._rng.integers(n, size=4 * MOST_PAIRS)  # more, since some come twice
        second = (first + self._rng.integers(1, n, size=len(first))) % n
        drawn = np.unique(np.sort(np.stack((first, second), axis=1), axis=1), axis=0)
        return self._rng.permutation(drawn)[:MOST_PAIRS]

    def _best(self) -> int:
        return int((self._unit @ self.posterior.mean).argmax())

    def _best_pair(self) -> int:
        """Which of the open pairs to ask about."""
        if self._tables is None:
            ends = self._unit[self._pairs]
            table = self.posterior.chances(ends[:, 0] - ends[:, 1])
            self._tables = table, entropy(table)
        chances, entropies = self._tables
        belief = self.posterior.probabilities
        information = entropy(belief @ chances) - belief @ entropies
        candidates = np.flatnonzero(self._open)
        candidates = candidates[np.argsort(-information[candidates], kind="stable")][:SHORTLIST]
        utilities = self.posterior.weights @ self._unit.T
        first = (belief[:, None] * chances[:, candidates]).T @ utilities
        second = belief @ utilities - first
        value = first.max(axis=1) + second.max(axis=1)
        # Rounded, so that where no answer would change the choice, the most informative comes first.
        return int(candidates[np.round(value, 9).argmax()])

    def _checked_pair(self, i: Any, j: Any) -> Pair:
        rows = [as_count(row, name="a row of the points", minimum=0) for row in (i, j)]
        if max(rows) >= len(self.points) or rows[0] == rows[1]:
            raise MorlError(f"expected two different rows below {len(self.points)}, got {i!r} and {j!r}")
        return rows[0], rows[1]

    def _close(self, i: int, j: int) -> None:
        asked = self._rows[self._pairs]
        self._open &= ~(((asked == i) | (asked == j)).all(axis=1))
        self._question = None


def elicit(
    source: Any,
    *,
    ask: Callable[[Array, Array], int | None] | None = None,
    questions: int = 10,
    tolerance: float = TOLERANCE,
    undiscounted: bool = False,
    members: bool = False,
    **settings: Any,
) -> Elicitation:
    """Begin an elicitation about the points of a front; with `ask`, go through with it.

    Args:
        source: a run or its directory, a `Front` or its file, or points (k, m).
        ask: called with the returns (m,) of two points; returns 1 or 2 for the one that is preferred, 0 for
            neither, None to skip the question. Without it, nothing is asked yet.
        questions: at most so many are answered.
        tolerance: stop earlier when the choice loses no more than this share of the range of utility, with
            a probability of 95 % (`Elicitation.regret`).
        undiscounted: compare undiscounted returns.
        members: compare all policies of a run whose agent is a set of policies; see `morl.choose`.
        settings: of `Elicitation`.

    Raises:
        MorlError: no front, settings out of their range, or an answer that is none.
    """
    questions = as_count(questions, name="questions", minimum=0)
    if not 0 <= tolerance <= 1:
        raise MorlError(f"expected a tolerance in [0, 1], a share of the range, got {tolerance!r}")
    if isinstance(source, (np.ndarray, list, tuple)) or hasattr(source, "detach"):
        points = as_points(source)
    else:
        points, _ = mean_returns(to_choose_from(source, members=members).front, undiscounted=undiscounted)
    session = Elicitation(points, **settings)
    if ask is None:
        return session
    while session.answered < questions and session.regret(SURE) > tolerance:
        question = session.next_question()
        if question is None:
            break
        i, j = question
        reply = ask(session.points[i].copy(), session.points[j].copy())
        if reply is None:
            session.skip(i, j)
        elif reply in (0, 1, 2):
            session.answer(i, j, preferred=(None, i, j)[reply])
        else:
            raise MorlError(f"expected 1, 2, 0 (neither) or None (skip) as an answer, got {reply!r}")
    return session
