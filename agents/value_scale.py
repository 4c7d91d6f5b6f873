"""PopArt: a critic that predicts values in the scale of the returns seen so far (van Hasselt et al. 2016)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from morl.agents.networks import Network
from morl.agents.optim import AdamState

MEMORY = 50
"""Rollouts over which the statistics are averaged: long enough for a steady scale, short enough to follow returns
that grow."""

SMALLEST, LARGEST = 1e-4, 1e6
"""Bounds of the standard deviations, as in the paper."""


class ValueScale:
    """Mean and standard deviation of the value targets of each objective.

    The critic predicts `(value - mean) / std`. When the statistics move, its last layer makes up for the change, so
    that the values themselves stay as they were ("preserving outputs precisely", arXiv 1602.07714, equation 4).
    Advantages stay in the units of the rewards, so weights keep their meaning.

    Args:
        network: whose part `critic` predicts the values.
        objectives: m.
        hidden_layers: how many the critic has.
    """

    def __init__(
        self, network: Network, objectives: int, hidden_layers: int, *, device: torch.device | str = "cpu"
    ) -> None:
        self._network = network
        self._last = (f"critic.weight{hidden_layers}", f"critic.bias{hidden_layers}")
        self.count = 0
        """Rollouts taken in."""
        self.mean = torch.zeros(objectives, device=device)
        """Running mean of the targets (m,)."""
        self.square = torch.zeros(objectives, device=device)
        """Running mean of their squares (m,)."""

    @property
    def std(self) -> Tensor:
        """Standard deviations (m,); before the first rollout the smallest, so that all values are nearly zero."""
        return (self.square - self.mean**2).clamp(SMALLEST**2, LARGEST**2).sqrt()

    def values(self, predictions: Tensor) -> Tensor:
        """The values (..., m) that predictions stand for."""
        return predictions * self.std + self.mean

    def predictions(self, values: Tensor) -> Tensor:
        """What the critic should predict for values (..., m)."""
        return (values - self.mean) / self.std

    def update(
        self, targets: Tensor, mask: Tensor, theta: Tensor, adam: AdamState
    ) -> tuple[Tensor, AdamState]:
        """Take in a rollout's targets (..., m) where `mask` (...) is 1.

        Returns:
            Parameters and optimiser state that predict the same values in the new scale. Those before the first
            rollout are left as they are: they predict nothing yet.
        """
        mean, std = self.mean, self.std
        share = (mask / mask.sum().clamp(min=1.0)).unsqueeze(-1)
        self.count += 1
        rate = 1 / min(self.count, MEMORY)
        self.mean = self.mean + rate * ((targets * share).flatten(0, -2).sum(dim=0) - self.mean)
        self.square = self.square + rate * ((targets**2 * share).flatten(0, -2).sum(dim=0) - self.square)
        if self.count == 1:
            return theta, adam
        ratio, shift = std / self.std, (mean - self.mean) / self.std
        return self._moved(theta, ratio, shift), AdamState(
            adam.step, self._moved(adam.mean, ratio), self._moved(adam.square, ratio**2)
        )

    def _moved(self, vector: Tensor, ratio: Tensor, shift: Tensor | float = 0.0) -> Tensor:
        """`vector` (P,) with the critic's last layer times `ratio` (m,), and its bias moved by `shift` (m,)."""
        weight, bias = self._last
        parts = dict(self._network.layout.unflatten(vector))
        parts[weight] = parts[weight] * ratio.unsqueeze(1)
        parts[bias] = parts[bias] * ratio + shift
        return torch.cat([part.flatten() for part in parts.values()])

    def state(self) -> dict[str, Any]:
        """The statistics."""
        return {"count": self.count, "mean": self.mean, "square": self.square}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.count = state["count"]
        self.mean, self.square = (state[name].to(self.mean.device) for name in ("mean", "square"))
