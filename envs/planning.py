"""Exact planners for small environments: their own transitions as tables, and what plans are worth.

The tables are made by taking every action in every state that can be reached, so that planner and environment
cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from morl.envs.base import BatchedEnv
from morl.pareto import filter_nondominated

Array = NDArray[np.float64]

DIGITS = 12
"""Decimals to which returns are told apart: the same plan's rewards summed in another order differ by less."""


@dataclass(frozen=True)
class Model:
    """An environment with S reachable states, A actions and m objectives, as tables."""

    states: list[tuple[float, ...]]
    """The fields of each state; the first is where episodes start."""
    reward: Array
    """(S, A, m) expected rewards."""
    following: list[list[dict[int, float]]]
    """For each state and action, the chance of each next state; what is missing to 1 ends the episode."""


def tabulate(
    env: BatchedEnv,
    draws: Sequence[tuple[float, float]],
    *,
    merge: Callable[[Any], Any] = lambda state: state,
) -> Model:
    """The tables of an environment with a fixed start, discrete actions and a finite number of states.

    Args:
        env: best made with float64.
        draws: (chance, step noise) of everything that may happen in a step.
        merge: maps states onto one of those that have the same future.
    """
    frontier = merge(env.initial_state(1, None))
    number = {row: index for index, row in enumerate(_rows(frontier))}
    reward: list[list[Array]] = []
    following: list[list[dict[int, float]]] = []
    actions = int(env.single_action_space.n)  # type: ignore[attr-defined]
    while len(reward) < len(number):
        n, base, known = len(frontier[0]), len(reward), len(number)
        reward += [[np.zeros(env.num_objectives) for _ in range(actions)] for _ in range(n)]
        following += [[{} for _ in range(actions)] for _ in range(n)]
        found = []
        for action in range(actions):
            for chance, noise in draws:
                step = env.transition(
                    frontier, torch.full((n,), action), torch.full((n,), noise, dtype=env.dtype)
                )
                after = merge(step.state)
                fresh = []
                for i, (row, ended) in enumerate(zip(_rows(after), step.terminated.tolist(), strict=True)):
                    reward[base + i][action] += chance * step.reward[i].double().numpy()
                    if ended:
                        continue
                    if row not in number:
                        number[row] = len(number)
                        fresh.append(i)
                    successors = following[base + i][action]
                    successors[number[row]] = successors.get(number[row], 0.0) + chance
                found.append(type(after)(*(part[fresh] for part in after)))
        frontier = type(frontier)(*(torch.cat(parts) for parts in zip(*found, strict=True)))
        assert len(frontier[0]) == len(number) - known
    return Model(list(number), np.array(reward), following)


def _rows(state: Any) -> list[tuple[float, ...]]:
    flat = torch.cat([part.reshape(len(part), -1).to(torch.float64) for part in state], dim=1)
    return [tuple(row) for row in flat.tolist()]


def pareto_plans(model: Model, gamma: float, *, horizon: int) -> Array:
    """The Pareto front (k, m) of expected returns from the start, over deterministic plans of `horizon` steps.

    Backward induction over sets of returns (White 1982, "Multi-objective infinite-horizon discounted Markov
    decision processes"): a plan is a choice of action, and of one plan for each next state.
    """
    m = model.reward.shape[2]
    worth = [np.zeros((1, m)) for _ in model.states]
    for _ in range(horizon):
        before = worth
        worth = []
        for rewards, successors in zip(model.reward, model.following, strict=True):
            choices = []
            for reward, chances in zip(rewards, successors, strict=True):
                returns = reward[None]
                for state, chance in chances.items():
                    sums = returns[:, None] + gamma * chance * before[state]
                    returns = _best(sums.reshape(-1, m))
                choices.append(returns)
            worth.append(_best(np.concatenate(choices)))
        if all(np.array_equal(a, b) for a, b in zip(before, worth, strict=True)):
            break
    return worth[0]


def _best(returns: Array) -> Array:
    return filter_nondominated(np.unique(returns.round(DIGITS), axis=0))


def policy_return(model: Model, actions: Sequence[int], gamma: float, *, horizon: int) -> Array:
    """The expected return (m,) from the start of a policy, given as one action for each state."""
    size = len(model.states)
    chances = np.zeros((size, size))
    for state, action in enumerate(actions):
        for following, chance in model.following[state][action].items():
            chances[state, following] = chance
    reward = model.reward[np.arange(size), list(actions)]
    worth = np.zeros_like(reward)
    for _ in range(horizon):
        worth = reward + gamma * chances @ worth
    return np.asarray(worth[0])


def remembered(front: Callable[[float], Array]) -> Callable[[float], Array]:
    """A front that takes a second to plan, planned once for each discount; every caller gets a copy."""
    once = lru_cache(maxsize=16)(front)

    @wraps(front)
    def recall(gamma: float) -> Array:
        return once(gamma).copy()

    return recall
