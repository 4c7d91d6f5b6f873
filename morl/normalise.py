"""Running normalisation of observations, with statistics that are saved with the agent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CLIP = 10.0
"""Bound of scaled observations."""


class ObservationNormaliser:
    """Scales observations to zero mean and unit variance, estimated from all observations seen in training.

    `update` moves the statistics and is called in training only; calling the object never does, so they are
    frozen whenever an agent acts, is evaluated or was loaded. Batches are merged by Chan et al. 1983.

    Args:
        shape: of one observation.
        clip: bound of the scaled values.
    """

    def __init__(
        self, shape: tuple[int, ...], *, clip: float = CLIP, device: torch.device | str = "cpu"
    ) -> None:
        self.clip = clip
        self.count = torch.zeros((), device=device, dtype=torch.float64)
        self.mean = torch.zeros(shape, device=device, dtype=torch.float64)
        self.variance = torch.ones(shape, device=device, dtype=torch.float64)

    def update(self, obs: Tensor) -> None:
        """Take in a batch (..., *shape)."""
        batch = obs.reshape(-1, *self.mean.shape).to(torch.float64)
        count = len(batch)
        mean, variance = batch.mean(dim=0), batch.var(dim=0, correction=0)
        total = self.count + count
        delta = mean - self.mean
        spread = self.variance * self.count + variance * count + delta**2 * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.variance = spread / total
        self.count = total

    @property
    def scale(self) -> Tensor:
        """What centred observations are multiplied by, shape `shape`, float64."""
        return (self.variance + 1e-8).rsqrt()

    def __call__(self, obs: Tensor) -> Tensor:
        """Scaled observations (..., *shape), float32, by the statistics as they stand."""
        scaled = (obs.to(torch.float32) - self.mean.to(torch.float32)) * self.scale.to(torch.float32)
        return scaled.clamp(-self.clip, self.clip)

    def state(self) -> dict[str, Any]:
        """Count, mean and variance."""
        return {"count": self.count, "mean": self.mean, "variance": self.variance}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        for name in ("count", "mean", "variance"):
            setattr(self, name, state[name].to(getattr(self, name).device, torch.float64))
