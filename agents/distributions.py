"""Action distributions of stochastic policies: discrete (categorical) and continuous (diagonal Gaussian).

Each is a pure function of the policy head's output, so it works under `torch.vmap`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from torch import Tensor

from morl.errors import MorlError
from morl.spaces import is_bounded
from morl.streams import Streams

LOG_STD_RANGE = (-5.0, 1.0)
"""Bounds of the log standard deviation, in units of half the action range."""


@dataclass(frozen=True)
class Categorical:
    """Discrete actions 0 .. n - 1; the head gives n logits."""

    actions: int

    @property
    def head_width(self) -> int:
        """How many numbers the policy head gives."""
        return self.actions

    def sample(self, head: Tensor, generator: torch.Generator) -> Tensor:
        """Actions (...,) int64."""
        return self.sample_from(head, torch.rand(head.shape, generator=generator, device=head.device))

    def draw(self, streams: Streams, steps: int) -> Tensor:
        """What `sample_from` takes in so many steps of every environment of the streams, (envs, steps, ...)."""
        return streams.uniform(steps, self.actions)

    def sample_from(self, head: Tensor, uniform: Tensor) -> Tensor:
        """Actions (...,) int64 from uniform numbers (..., actions)."""
        # The first of independent exponential clocks. `exponential_` takes no generator on the meta device.
        noise = -torch.log1p(-uniform).clamp_max(-torch.finfo(uniform.dtype).tiny)
        return (head.softmax(dim=-1) / noise).argmax(dim=-1)

    def mode(self, head: Tensor) -> Tensor:
        """The most probable actions (...,)."""
        return head.argmax(dim=-1)

    def log_prob(self, head: Tensor, action: Tensor) -> Tensor:
        """Log probabilities (...,)."""
        return _at(head.log_softmax(dim=-1), action)

    def entropy(self, head: Tensor) -> Tensor:
        """Entropies (...,) in nats."""
        return _entropy(head.log_softmax(dim=-1))

    def log_prob_and_entropy(self, head: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Both, from one softmax."""
        log_prob = head.log_softmax(dim=-1)
        return _at(log_prob, action), _entropy(log_prob)

    def kl(self, head: Tensor, other: Tensor) -> Tensor:
        """KL(head || other), shape (...,)."""
        p, q = head.log_softmax(dim=-1), other.log_softmax(dim=-1)
        return (p.exp() * (p - q)).sum(dim=-1)

    def to_env(self, action: Tensor) -> Tensor:
        """What the environment is given."""
        return action


def _at(log_prob: Tensor, action: Tensor) -> Tensor:
    return log_prob.gather(-1, action.unsqueeze(-1)).squeeze(-1)


def _entropy(log_prob: Tensor) -> Tensor:
    return -(log_prob.exp() * log_prob).sum(dim=-1)


@dataclass(frozen=True)
class Gaussian:
    """Continuous actions in a box; the head gives mean and log standard deviation of the scaled action.

    The scaled action -1 .. 1 spans the box; what lies outside is clipped on its way to the environment, while
    the likelihood stays that of the unclipped sample.
    """

    low: Tensor
    high: Tensor
    initial_std: float = 1.0
    """Standard deviation where the head gives zero, as it does at the start."""

    @property
    def head_width(self) -> int:
        """How many numbers the policy head gives."""
        return 2 * len(self.low)

    def _split(self, head: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = head.chunk(2, dim=-1)
        return mean, (log_std + math.log(self.initial_std)).clamp(*LOG_STD_RANGE)

    def sample(self, head: Tensor, generator: torch.Generator) -> Tensor:
        """Scaled actions (..., d), not clipped."""
        return self.sample_from(head, torch.empty_like(self.mode(head)).normal_(generator=generator))

    def draw(self, streams: Streams, steps: int) -> Tensor:
        """What `sample_from` takes in so many steps of every environment of the streams, (envs, steps, ...)."""
        return streams.normal(steps, len(self.low))

    def sample_from(self, head: Tensor, noise: Tensor) -> Tensor:
        """Scaled actions (..., d), not clipped, from standard normal numbers (..., d)."""
        mean, log_std = self._split(head)
        return mean + log_std.exp() * noise

    def mode(self, head: Tensor) -> Tensor:
        """The most probable scaled actions (..., d)."""
        return self._split(head)[0]

    def log_prob(self, head: Tensor, action: Tensor) -> Tensor:
        """Log densities (...,)."""
        mean, log_std = self._split(head)
        z = (action - mean) * (-log_std).exp()
        return (-0.5 * z * z - log_std - 0.5 * math.log(2 * math.pi)).sum(dim=-1)

    def entropy(self, head: Tensor) -> Tensor:
        """Differential entropies (...,) in nats."""
        return (self._split(head)[1] + 0.5 * math.log(2 * math.pi * math.e)).sum(dim=-1)

    def log_prob_and_entropy(self, head: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Both."""
        return self.log_prob(head, action), self.entropy(head)

    def kl(self, head: Tensor, other: Tensor) -> Tensor:
        """KL(head || other), shape (...,)."""
        (mean, log_std), (other_mean, other_log_std) = self._split(head), self._split(other)
        ratio = (2 * (log_std - other_log_std)).exp()
        shift = ((mean - other_mean) * (-other_log_std).exp()) ** 2
        return 0.5 * (ratio + shift - 1 - 2 * (log_std - other_log_std)).sum(dim=-1)

    def to_env(self, action: Tensor) -> Tensor:
        """Actions inside the box."""
        inside = self.low + (action.clamp(-1.0, 1.0) + 1.0) * 0.5 * (self.high - self.low)
        return inside.clamp(self.low, self.high)  # which rounding may have left


def distribution_for(
    space: Space, device: torch.device | str = "cpu", *, initial_std: float = 1.0
) -> Categorical | Gaussian:
    """The distribution that fits an action space; continuous ones begin with a standard deviation.

    Raises:
        MorlError: the space is neither Discrete from 0 nor a bounded one-dimensional Box.
    """
    if isinstance(space, Discrete) and space.start == 0:
        return Categorical(int(space.n))
    if isinstance(space, Box) and len(space.shape) == 1 and is_bounded(space):
        bounds = torch.as_tensor(np.stack((space.low, space.high)), dtype=torch.float32, device=device)
        return Gaussian(bounds[0], bounds[1], initial_std)
    raise MorlError(
        f"expected actions in Discrete(n) from 0 or a bounded Box of one dimension, got {space}; "
        "give every number of a Box two finite bounds (gymnasium.wrappers.RescaleAction)"
    )
