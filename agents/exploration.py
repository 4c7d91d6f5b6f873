"""Exploration for value-based agents in many environments at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class PersistentExploration:
    """Temporally extended epsilon-greedy on a ladder of rates.

    Environment i explores with its own rate, between `epsilon_max` and `epsilon_min`, evenly spaced in the
    logarithm (in the manner of Ape-X, Horgan et al. 2018), so that near-greedy and wild behaviour are both in
    the data. A random action is held for a heavy-tailed number of steps (Dabney et al. 2021,
    "Temporally-Extended epsilon-Greedy Exploration"), which takes a cart across a map where independent
    random steps only shake it.

    Args:
        actions: how many discrete actions there are.
        num_envs: N.
        epsilon_max, epsilon_min: share of steps that explore, in the environment that explores most and in
            the one that explores least; a single environment takes `epsilon_min`.
        max_repeat: longest time a random action is held.
        device: where everything lies.
        ladders: how many ladders stand side by side, each over a contiguous block of environments.
    """

    def __init__(
        self,
        actions: int,
        num_envs: int,
        epsilon_max: float,
        epsilon_min: float,
        max_repeat: int,
        device: torch.device | str = "cpu",
        *,
        ladders: int = 1,
    ) -> None:
        self.actions, self.max_repeat = actions, max_repeat
        rungs = num_envs // ladders
        rank = torch.linspace(0, 1, rungs, device=device) if rungs > 1 else torch.ones(1, device=device)
        epsilon = (epsilon_max * (epsilon_min / epsilon_max) ** rank).repeat(ladders)
        # Durations are floor(1 / u) <= r for uniform u: P(duration >= k) = 1 / k, so the mean is H(r).
        mean = sum(1 / k for k in range(1, max_repeat + 1))
        # Starting with probability p from greedy steps explores p mean / (1 - p + p mean) of all steps.
        self.start = epsilon / (epsilon + (1 - epsilon) * mean)
        self.held = torch.zeros(num_envs, dtype=torch.int64, device=device)
        """Steps for which the random action is still held."""
        self.action = torch.zeros(num_envs, dtype=torch.int64, device=device)

    def __call__(self, greedy: Tensor, generator: torch.Generator, *, always: bool = False) -> Tensor:
        """Actions (N,): the greedy ones, or random ones where exploring; `always` explores everywhere."""
        n, device = len(greedy), greedy.device
        uniform = torch.rand(2, n, generator=generator, device=device)
        random = torch.randint(self.actions, (n,), generator=generator, device=device)
        return self.explore(greedy, uniform, random, always=always)

    def explore(self, greedy: Tensor, uniform: Tensor, random: Tensor, *, always: bool = False) -> Tensor:
        """The same with given luck: uniform numbers (2, N) and random actions (N,)."""
        free = self.held <= 0
        begins = free if always else free & (uniform[0] < self.start)
        # Capped while still a real number: 1 / 0 is infinite, which no integer is.
        duration = (1 / uniform[1]).clamp(max=self.max_repeat).to(torch.int64)
        self.held = torch.where(begins, duration, self.held)
        self.action = torch.where(begins, random, self.action)
        chosen = torch.where(self.held > 0, self.action, greedy)
        self.held = (self.held - 1).clamp(min=0)
        return chosen

    def state(self) -> dict[str, Any]:
        """Which actions are being held, and for how long."""
        return {"held": self.held, "action": self.action}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.held, self.action = state["held"], state["action"]
