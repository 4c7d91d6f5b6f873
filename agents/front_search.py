"""Front search by decomposition: which members of a population are trained next, for which weights.

Asked for tasks and told their outcome, it knows nothing of learners and environments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import numpy as np

from morl import weights as preference_weights
from morl._arrays import Array
from morl.errors import MorlError
from morl.pareto import crowding_distance, is_nondominated

Schedule = Literal["round-robin", "random", "sparsity", "ucb"]


@dataclass(frozen=True)
class Task:
    """Train one member for one round."""

    member: int
    """Whose parameters to start from, and whose they are then."""
    weights: tuple[float, ...]
    """(m,) of the scalarisation."""


def spread_weights(m: int, count: int, method: Literal["lattice", "energy", "random"], seed: int) -> Array:
    """Weights (count, m) of a population.

    Raises:
        MorlError: no lattice has so many points; the message names the nearest.
    """
    if method == "random":
        return preference_weights.dirichlet(m, count, rng=seed)
    if method == "energy":
        return preference_weights.energy(m, count, seed=seed)
    partitions = 1
    while comb(partitions + m - 1, m - 1) < count:
        partitions += 1
    above, below = comb(partitions + m - 1, m - 1), comb(partitions + m - 2, m - 1)
    if above != count:
        raise MorlError(
            f"no lattice of {m} objectives has {count} points: take a population of {below} or {above}, or "
            'weight_method="energy"'
        )
    return preference_weights.lattice(m, partitions=partitions)


class Decomposition:
    """K members with weights, who is next, and pareto simulated annealing of the weights.

    Args:
        weights: (K, m) to begin with.
        slots: how many members are trained at once; K for all.
        schedule: who is next where slots < K: "round-robin"; "random"; "sparsity", the most isolated returns first;
            "ucb", those whose training raised the front most (UCB1, Auer et al. 2002).
        adapt: whether weights move away from those of the nearest return (PSA, Czyzak and Jaszkiewicz 1998).
        delta: by how much, in (0, 1): a weight is multiplied or divided by 1 + delta.
        rng: of the random schedule.
    """

    def __init__(
        self,
        weights: Array,
        *,
        slots: int,
        schedule: Schedule,
        adapt: bool,
        delta: float,
        rng: np.random.Generator,
    ) -> None:
        self.start = weights
        """(K, m) the weights at the beginning."""
        self.weights, self.slots, self.schedule = weights.copy(), slots, schedule
        self.adapt, self.delta, self.rng = adapt, delta, rng
        size = len(weights)
        self.returns = np.full(weights.shape, np.nan)
        """(K, m) the latest of each member; NaN before its first round."""
        self.rounds = np.zeros(size, dtype=np.int64)
        """(K,) how often each member was trained."""
        self.gains = np.zeros(size)
        """(K,) sum over rounds of what the member's training added to the front, as `tell` was told."""
        self.turn = 0

    def ask(self) -> list[Task]:
        """The next round: as many tasks as there are slots, for different members."""
        return [Task(int(k), tuple(self.weights[k].tolist())) for k in self._next()]

    def tell(self, tasks: Sequence[Task], returns: Array, gains: Array) -> None:
        """Take in what each task's member earns now, returns (slots, m), and what it added to the front (slots,)."""
        for task, earned, gain in zip(tasks, returns, gains, strict=True):
            self.returns[task.member] = earned
            self.rounds[task.member] += 1
            self.gains[task.member] += gain
        if self.adapt:
            self._anneal()

    def _next(self) -> list[int]:
        size = len(self.weights)
        if self.slots == size:
            return list(range(size))
        untrained = np.flatnonzero(self.rounds == 0)[: self.slots].tolist()
        if self.schedule == "round-robin" or len(untrained) == self.slots:
            first, self.turn = self.turn, (self.turn + self.slots) % size
            return sorted((first + i) % size for i in range(self.slots))
        if self.schedule == "random":
            return sorted(self.rng.choice(size, self.slots, replace=False).tolist())
        if self.schedule == "sparsity":
            worth = np.full(size, -1.0)
            known = np.flatnonzero(self.rounds > 0)
            best = known[is_nondominated(self.returns[known])]
            worth[best] = crowding_distance(self.returns[best])
        else:
            rounds = np.maximum(self.rounds, 1)
            worth = self.gains / rounds + np.sqrt(2 * np.log(rounds.sum()) / rounds)
        worth[self.rounds == 0] = np.inf
        return sorted(np.argsort(-worth, kind="stable")[: self.slots].tolist())

    def _anneal(self) -> None:
        """PSA: what a member does better than its nearest neighbour in the front counts more for it from now on.

        The paper's rule alone drives weights into the corners wherever two members go on earning alike. So they are
        drawn back by the share `delta` of the way (in logarithms) to where they began: each moves by a factor of e at
        most.
        """
        known = np.flatnonzero(self.rounds > 0)
        span = np.ptp(self.returns[known], axis=0)
        scaled = self.returns / np.where(span > 0, span, 1.0)
        for k in known:
            others = known[(known != k) & (scaled[known] != scaled[k]).any(axis=1)]
            others = (
                others[is_nondominated(self.returns[others], keep_duplicates=True)] if len(others) else others
            )
            if len(others) == 0:
                continue
            nearest = others[np.linalg.norm(scaled[others] - scaled[k], axis=1).argmin()]
            better = self.returns[k] > self.returns[nearest]
            worse = self.returns[k] < self.returns[nearest]
            drawn = self.weights[k] ** (1 - self.delta) * self.start[k] ** self.delta
            moved = drawn * np.where(better, 1 + self.delta, np.where(worse, 1 / (1 + self.delta), 1.0))
            self.weights[k] = moved / moved.sum()

    def state(self) -> dict[str, Any]:
        """Everything that changes, ready for JSON."""
        return {
            "weights": self.weights.tolist(),
            "returns": rows_to_json(self.returns),
            "rounds": self.rounds.tolist(),
            "gains": self.gains.tolist(),
            "turn": self.turn,
            "rng": self.rng.bit_generator.state,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.weights = np.array(state["weights"])
        self.returns = rows_from_json(state["returns"], self.weights.shape[1])
        self.rounds, self.gains = np.array(state["rounds"]), np.array(state["gains"])
        self.turn = state["turn"]
        self.rng.bit_generator.state = state["rng"]


def rows_to_json(rows: Array) -> list[list[float] | None]:
    """Rows (k, m) as JSON holds them: one with a NaN, which is not known yet, as None."""
    return [None if np.isnan(row).any() else row.tolist() for row in rows]


def rows_from_json(rows: Sequence[Sequence[float] | None], m: int) -> Array:
    """The inverse of `rows_to_json`, (k, m)."""
    return np.array([[np.nan] * m if row is None else row for row in rows])
