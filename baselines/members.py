"""Agents that are sets of policies: evaluating every member, whatever preference it may be best for."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from morl import weights
from morl._arrays import Array
from morl.agent import Policy
from morl.errors import MorlError
from morl.evaluation import evaluate
from morl.front import Front


class Members(Protocol):
    """An agent with k policies."""

    num_objectives: int

    @property
    def returns(self) -> Tensor:
        """What each policy is thought to earn, (k, m)."""

    def follow(self, index: Tensor) -> Policy:
        """Policies with numbers `index` (B,), one per row."""


class _Each:
    """An agent whose members are asked for by marks in the place of preferences."""

    def __init__(self, agent: Members) -> None:
        self._agent = agent
        share = np.arange(1, len(agent.returns) + 1) / len(agent.returns)
        self.marks = np.zeros((len(share), agent.num_objectives))
        self.marks[:, 0] = share
        self.marks[:, -1] += 1 - share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._agent, name)

    def policy(self, preference: Tensor) -> Policy:
        """The members with these marks (B, m)."""
        marks = torch.as_tensor(self.marks, dtype=torch.float32, device=preference.device)
        return self._agent.follow((preference[:, None, 0] == marks[:, 0]).to(torch.int8).argmax(dim=1))


def evaluate_members(agent: Members, env: Any, **options: Any) -> Front:
    """Follow each of an agent's k policies; return what they earned, a front of k points without preferences.

    Linear preferences never ask for what lies in the concave parts of a front: this shows it.

    Args:
        agent: such as `Evolution`, `MOQLearning` or `ParetoQLearning`.
        env: as for `morl.evaluate`.
        options: episodes, seed, backend and others of `morl.evaluate`, except weights.

    Raises:
        MorlError: the agent is no set of policies, or has no member yet.
    """
    if not hasattr(agent, "follow"):
        raise MorlError(
            f"expected an agent that is a set of policies, such as morld or evolution, got {type(agent).__name__}; "
            "evaluate it for preferences: morl.evaluate"
        )
    if len(agent.returns) == 0:
        raise MorlError("expected an agent with at least one policy, got none; train it for longer")
    each = _Each(agent)
    return replace(evaluate(each, env, weights=each.marks, **options), weights=None)


def finest_lattice(m: int, most: int) -> Array:
    """The finest lattice of weights (n, m) with n <= `most` rows; the corners, if even they are more."""
    partitions = 1
    while m > 1 and comb(partitions + m, m - 1) <= most:
        partitions += 1
    return weights.lattice(m, partitions=partitions)
