"""The full Pareto front of a small environment, by backward induction over sets of returns.

Criterion: a utility of the expected return (SER), not the expected utility of returns (ESR).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from morl.envs.planning import Array, Indices, Model, decimals, settling_steps, unsettled
from morl.errors import MorlError
from morl.pareto import is_nondominated
from morl.registry import check_discount

MOST_CANDIDATES = 20_000_000
"""Points to sift in one step of the induction; some environments have more trade-offs than can be listed."""


class Sets(NamedTuple):
    """A set of points for each of S states."""

    points: Array
    """(N, m), state by state."""
    ends: Indices
    """(S + 1,) where the points of each state begin, and where the last ones end."""

    def of(self, state: int) -> Array:
        """The points (k, m) of one state."""
        return self.points[self.ends[state] : self.ends[state + 1]]


def pareto_front(model: Model, gamma: float) -> Array:
    """The Pareto front (k, m) of expected returns over deterministic, history-independent policies; all of it.

    Pareto value iteration: White 1982, "Multi-objective infinite-horizon discounted Markov decision processes". The
    sets have one step more to go each time, so time is part of the state where a limit cuts episodes off. What is
    combined for several successors may need a memory of the way there; so chance may decide whether an episode ends
    and what it pays, but not how it goes on (`Model.has_one_way`). Then a policy is a sequence of actions: it sees
    the time, without a time limit too, and may do another thing when it comes to a state again. Memory of the way
    adds nothing; memory of random rewards might: with it a policy may mix sequences as if by lot.

    Raises:
        MorlError: chance decides where a step leads, there are too many trade-offs to list, or returns without time
            limit do not settle.
    """
    *_, last = _sets(model, gamma)
    return last.of(int(model.starts[0])).copy()


def pareto_plans(model: Model, gamma: float) -> tuple[Array, list[list[int]]]:
    """The Pareto front (k, m), and for each point the actions that earn it.

    A plan ends where the episode does. Where the time limit ends it, the plan is as long as that, and without a time
    limit as long as anything is earned.

    Raises:
        MorlError: as `pareto_front`.
    """
    history = list(_sets(model, gamma))
    points = history[-1].of(int(model.starts[0])).copy()
    return points, [_plan(model, gamma, history, point) for point in points]


def _sets(model: Model, gamma: float) -> Iterator[Sets]:
    """The sets with 0, 1, 2, ... steps left, up to the time limit or to where nothing changes any more."""
    gamma = check_discount(gamma)
    if not model.has_one_way:
        raise MorlError(
            "expected one start and actions that decide every state, for the full Pareto front; here chance decides "
            "where a step leads or an episode starts: take the convex hull (kind='hull')"
        )
    size, _, m = model.reward.shape
    sets = Sets(np.zeros((size, m)), np.arange(size + 1))
    yield sets
    for _ in range(settling_steps(model)):
        before, sets = sets, _backed_up(model, gamma, sets)
        if np.array_equal(before.ends, sets.ends) and np.array_equal(before.points, sets.points):
            return
        yield sets
    if model.horizon is None:
        raise unsettled()


def _backed_up(model: Model, gamma: float, sets: Sets) -> Sets:
    """The sets with one step more to go, of all states at once."""
    size, actions, m = model.reward.shape
    after, chance = model.successor[:, :, 0].ravel(), model.chance[:, :, 0].ravel()
    counts = np.where(chance > 0, np.diff(sets.ends)[after], 1)
    total = int(counts.sum())
    if total * m > MOST_CANDIDATES:
        raise MorlError(
            f"expected at most {MOST_CANDIDATES} numbers to sift for the full Pareto front, got {total} points with "
            f"{m} objectives; take the convex hull (kind='hull'), another discount, or a smaller environment"
        )
    choice = np.repeat(np.arange(size * actions), counts)
    # The place of each candidate in the set that it comes from; where the episode ends there is nothing to add.
    place = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    ahead = sets.points[sets.ends[after][choice] + place]
    points = model.reward.reshape(-1, m)[choice] + gamma * chance[choice, None] * ahead
    points = points.round(decimals(model)) + 0.0
    state = choice // actions
    kept = _nondominated(points, state)
    ends = np.searchsorted(state[kept], np.arange(size + 1))
    return Sets(points[kept], ends)


def _nondominated(points: Array, group: Indices) -> Indices:
    """Which points (N, m) no other of their group (N,) dominates, of equal ones one; by group, in a fixed order."""
    order = np.lexsort((*-points.T[::-1], group))
    points, group = points[order], group[order]
    new = np.ones(len(points), dtype=bool)
    new[1:] = (group[1:] != group[:-1]) | (points[1:] != points[:-1]).any(axis=1)
    order, points, group = order[new], points[new], group[new]
    if points.shape[1] == 2:
        return np.asarray(order[_rising(points[:, 1], group)])
    keep = np.ones(len(points), dtype=bool)
    bounds = np.flatnonzero(np.diff(group, prepend=-1, append=-1))
    for begin, end in pairwise(bounds.tolist()):
        if end - begin > 1:
            keep[begin:end] = is_nondominated(points[begin:end])
    return np.asarray(order[keep])


def _rising(values: Array, group: Indices) -> NDArray[np.bool_]:
    """Mask of the values (N,) that exceed all before them in their group; groups are numbered upwards."""
    rank = np.unique(values, return_inverse=True)[1].ravel()
    level = group * (len(values) + 1) + rank
    highest = np.maximum.accumulate(level)
    mask = np.ones(len(values), dtype=bool)
    mask[1:] = (group[1:] != group[:-1]) | (level[1:] > highest[:-1])
    return mask


def _plan(model: Model, gamma: float, history: list[Sets], point: Array) -> list[int]:
    """Actions that earn a point of the last sets: the shortest that end the episode, else with all steps.

    A point may be earned with fewer steps left in the sets, too, by being cut off: that is no plan with more time.
    """
    start = int(model.starts[0])
    full = len(history) - 1
    for left in range(1, full + 1):
        if (np.abs(history[left].of(start) - point) <= _near(model)).all(axis=1).any():
            actions, ended = _followed(model, gamma, history, point, left)
            if ended:
                return actions
    return _followed(model, gamma, history, point, full if model.horizon is None else model.horizon)[0]


def _followed(
    model: Model, gamma: float, history: list[Sets], point: Array, left: int
) -> tuple[list[int], bool]:
    """Actions that earn a point with `left` steps to go, and whether they end the episode."""
    state = int(model.starts[0])
    actions: list[int] = []
    for steps in range(left - 1, -1, -1):
        sets = history[min(steps, len(history) - 1)]
        best = (np.inf, 0, 0, point)
        for action, reward in enumerate(model.reward[state]):
            after, chance = int(model.successor[state, action, 0]), model.chance[state, action, 0]
            ahead = sets.of(after) if chance > 0 else np.zeros((1, len(point)))
            error = np.abs(reward + gamma * chance * ahead - point).max(axis=1)
            # Of equally good actions the one that ends the episode, then the first.
            if chance == 0 and error.min() <= _near(model):
                return [*actions, action], True
            index = int(error.argmin())
            if error[index] < best[0] - _near(model):
                best = (float(error[index]), action, after, ahead[index])
        _, action, state, point = best
        actions.append(action)
    return actions, False


def _near(model: Model) -> float:
    """How far apart the same return may come out along different ways."""
    return float(10.0 ** (1 - decimals(model)))
