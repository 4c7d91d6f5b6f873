"""Rollouts: T steps of N environments under one preference per environment, as tensors [T, N, ...]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from morl.transitions import Transition

Act = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""(obs, weights) -> (action to learn from, its log probability, action for the environment)."""


class Source(Protocol):
    """What steps are collected from: `Transitions`, or what stands before them."""

    @property
    def obs(self) -> Tensor:
        """The observations (N, ...) that the next actions answer to."""

    @property
    def info(self) -> dict[str, Any]:
        """The last info dictionary of the environment."""

    def step(self, action: Any) -> Transition:
        """Advance all environments."""


class Rollout(NamedTuple):
    """What T steps of N environments gave; every field starts with [T, N]."""

    obs: Tensor
    action: Tensor
    log_prob: Tensor
    reward: Tensor
    """[T, N, m]."""
    terminated: Tensor
    truncated: Tensor
    next_obs: Tensor
    """Before any reset."""
    weights: Tensor
    """[T, N, m] the preference followed in this step."""
    valid: Tensor
    """[T, N] bool: False for steps that only reset an environment."""


DrawPreferences = Callable[[int], Tensor]
"""n -> (n, m) random weight vectors."""


class EpisodeReturns:
    """Mean undiscounted return per objective of the episodes that ended since the last report.

    Sums stay on the device: nothing waits for them until somebody reads the report. Where no episode ended,
    the last report stands; before the first end it is zero.
    """

    def __init__(self, objectives: int, device: torch.device | str = "cpu") -> None:
        self.total = torch.zeros(objectives, device=device)
        self.count = torch.zeros((), device=device)
        self.mean = torch.zeros(objectives, device=device)

    def add(self, info: dict[str, Any], done: Tensor) -> None:
        """Take in a step's `info["episode"]["return"]` (N, m) where `done` (N,) holds."""
        self.total = self.total + (info["episode"]["return"] * done.unsqueeze(1)).sum(dim=0)
        self.count = self.count + done.sum()

    def state(self) -> dict[str, Any]:
        """The sums and the last report."""
        return {"total": self.total, "count": self.count, "mean": self.mean}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.total, self.count, self.mean = state["total"], state["count"], state["mean"]

    def report(self) -> dict[str, Tensor]:
        """`return/i` for each objective i; the sums start anew."""
        self.mean = torch.where(self.count > 0, self.total / self.count.clamp(min=1), self.mean)
        self.total, self.count = torch.zeros_like(self.total), torch.zeros_like(self.count)
        return {f"return/{i}": self.mean[i] for i in range(len(self.mean))}


def renew(weights: Tensor, done: Tensor, draw: DrawPreferences) -> Tensor:
    """New preferences (N, m) where `done` (N,) holds, the old ones elsewhere."""
    return torch.where(done.unsqueeze(1), draw(len(weights)), weights)


def collect(
    transitions: Source,
    act: Act,
    weights: Tensor,
    length: int,
    draw: DrawPreferences,
    returns: EpisodeReturns,
) -> tuple[Rollout, Tensor]:
    """`length` steps of all environments; an environment gets a new preference when its episode ends.

    Args:
        transitions: the environments, reset before.
        act: the behaviour policy.
        weights: (N, m) the preferences to begin with.
        length: T.
        draw: draws new preferences.
        returns: takes in the episodes that end.

    Returns:
        The rollout and the preferences (N, m) to continue with.
    """
    rows = []
    for _ in range(length):
        obs = transitions.obs
        action, log_prob, sent = act(obs, weights)
        step = transitions.step(sent)
        valid = torch.ones_like(step.terminated) if step.valid is None else step.valid
        ends = step.terminated, step.truncated
        rows.append((obs, action, log_prob, step.reward, *ends, step.next_obs, weights, valid))
        done = step.terminated | step.truncated
        returns.add(transitions.info, done)
        weights = renew(weights, done, draw)
    return Rollout(*(torch.stack(field) for field in zip(*rows, strict=True))), weights
