"""RandomPolicy: what an agent that learned nothing looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from morl.agent import Agent
from morl.errors import MorlError
from morl.spaces import is_bounded
from morl.streams import derive_seed, make_generator


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of `RandomPolicy`."""

    gamma: float | None = None
    """Discount; None takes the environment's default protocol (0.99 without a card)."""


class RandomPolicy(Agent):
    """Uniform random actions, whatever the preference. `learn` only counts steps.

    Evaluation calls for greedy policies; this one has no greedy action, so its front is a random one.
    """

    name = "random"
    Config: TypeAlias = Config
    deterministic = False

    def __init__(self, env: Any, *, seed: int = 0, config: Config | None = None, **settings: Any) -> None:
        super().__init__(env, seed=seed, config=config, **settings)
        space = self.spec.single_action_space
        if isinstance(space, Box) and is_bounded(space):
            bounds = torch.as_tensor(np.stack((space.low, space.high)), dtype=torch.float32)
            self.low, self.high = bounds.to(self.device)
        elif not isinstance(space, Discrete):
            raise MorlError(
                f"expected Discrete actions or a bounded Box, got {space}; wrap the environment "
                "(gymnasium.wrappers.RescaleAction bounds its actions)"
            )
        self.acting = make_generator(self.device, derive_seed(seed, 3))

    def iterate(self, max_steps: int) -> dict[str, Any]:
        """Count the steps: there is nothing to learn."""
        self.steps += max_steps - max_steps % self.spec.num_envs
        return {}

    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        """Uniform random actions (B, ...)."""
        space, n = self.spec.single_action_space, len(obs)
        if isinstance(space, Discrete):
            first, end = int(space.start), int(space.start + space.n)
            return torch.randint(first, end, (n,), generator=self.acting, device=self.device)
        share = torch.rand(n, *self.low.shape, generator=self.acting, device=self.device)
        return (self.low + (self.high - self.low) * share).clamp(self.low, self.high)

    def parameters_state(self) -> dict[str, Any]:
        """The state of the generator that acts."""
        return {"acting": self.acting.get_state()}

    def load_parameters(self, state: dict[str, Any]) -> None:
        """The inverse of `parameters_state`."""
        self.acting.set_state(state["acting"].cpu())

    def training_state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_training(self, state: dict[str, Any]) -> None:
        """Nothing to load."""
