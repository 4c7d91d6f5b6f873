"""Fruit tree, batched: walk down a binary tree to one of many fruits, each with six nutrients.

Yang et al. 2019, "A generalized algorithm for multi-objective reinforcement learning and policy adaptation"
(arXiv 1908.08342), with the tables of MO-Gymnasium's `fruit-tree-v0`, equal to it step by step. No fruit is
dominated, and each is best for some weights.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.single import SingleEnv
from morl.errors import EnvError
from morl.pareto import filter_nondominated

DEPTHS = (5, 6, 7)
"""There is a table of fruits for each."""

RICHEST = 10.0
"""No fruit has more of any nutrient."""


class State(NamedTuple):
    """Where n walkers are."""

    node: Tensor
    """(n,) int64, counted from the root (0), level by level."""


class FruitTree(BatchedEnv):
    """`num_envs` walkers, starting at the root. Observation: (level, place in the level), int32.

    Actions: left, right. Objectives: protein, carbs, fats, vitamins, minerals and water of the fruit at the
    leaf, where the episode ends; nothing is paid before.

    Args:
        num_envs: how many walkers.
        depth: steps to a leaf; 5, 6 or 7.
    """

    def __init__(self, num_envs: int, *, depth: int = 6, **options: Any) -> None:
        table = fruits(depth)
        leaves, nutrients = table.shape
        super().__init__(
            num_envs,
            observation_space=Box(0, leaves - 1, (2,), dtype=np.int32),
            action_space=Discrete(2),
            reward_space=Box(0.0, RICHEST, (nutrients,), dtype=np.float32),
            **options,
        )
        nodes = np.arange(2 * leaves - 1)
        level = np.floor(np.log2(nodes + 1)).astype(np.int64)
        self.position = self.constant(np.stack((level, nodes + 1 - 2**level), axis=1), dtype=torch.int32)
        # The original rounds to float32, too.
        paid = np.concatenate((np.zeros((leaves - 1, nutrients)), table)).astype(np.float32)
        self.rewards = self.constant(paid)
        self.first_leaf = leaves - 1

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        """All at the root."""
        return State(torch.zeros(n, dtype=torch.int64, device=self.device))

    def observe(self, state: State) -> Tensor:
        """Levels and places (n, 2)."""
        return self.position.index_select(0, state.node)

    def transition(self, state: State, action: Tensor, noise: Tensor | None) -> Step:
        """Go down; an episode is over at a leaf, below which there is nothing."""
        node = (2 * state.node + 1 + action).clamp(max=2 * self.first_leaf)
        return Step(State(node), self.rewards.index_select(0, node), node >= self.first_leaf)


def fruits(depth: int) -> NDArray[np.float64]:
    """The nutrients of the fruits at the leaves of a tree, from left to right: (2**depth, 6).

    Raises:
        EnvError: there is no table for this depth.
    """
    if depth not in DEPTHS:
        raise EnvError(f"expected a depth of 5, 6 or 7, for which there are tables of fruits, got {depth}")
    from mo_gymnasium.envs.fruit_tree.fruit_tree import FRUITS  # late: it imports pygame

    return np.array(FRUITS[str(depth)], dtype=np.float64)


def front(gamma: float, *, depth: int = 6) -> NDArray[np.float64]:
    """The Pareto front (k, 6) of discounted returns, over deterministic policies: all fruits, `depth` steps away."""
    return filter_nondominated(gamma ** (depth - 1) * fruits(depth))


def make_single(**options: Any) -> SingleEnv:
    """One walker as a `gymnasium.Env`; takes the arguments of `FruitTree`."""
    return SingleEnv(FruitTree, **options)
