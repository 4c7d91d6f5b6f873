"""EnvPool's physics, watched in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl.envs.envpool_backend import EnvPoolAdapter


class Pool:
    """EnvPool's own, remembering what it showed in float64."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.stepped = self.fresh = np.empty(0)

    def reset(self, *rows: Any) -> Any:
        result = self.pool.reset(*rows)
        self.fresh = result[0].copy()
        return result

    def step(self, action: Any) -> Any:
        result = self.pool.step(action)
        self.stepped = result[0].copy()
        return result


def watched(env_id: str, num_envs: int, **options: Any) -> EnvPoolAdapter:
    """An adapter that shows whole states, and keeps them in float64 in `env._pool`."""
    env = EnvPoolAdapter(env_id, num_envs, exclude_current_positions_from_observation=False, **options)
    make = env._make
    env._make = lambda **seeds: Pool(make(**seeds))  # type: ignore[assignment]
    return env


def draw(env: Any, generator: torch.Generator) -> Tensor:
    """Actions, half of them weak: with strong ones everybody falls at once."""
    high = torch.from_numpy(env.single_action_space.high)
    strength = torch.rand((env.num_envs, 1), generator=generator).round() * 0.7 + 0.3
    return strength * high * (2 * torch.rand((env.num_envs, len(high)), generator=generator) - 1)
