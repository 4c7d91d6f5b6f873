"""Small environments whose every observation and reward is known beforehand."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


class Counter(gymnasium.Env):
    """Observes (episode, step); pays (step, -1). Episodes end after `length` steps, odd ones by truncation.

    A seed moves the number of the first episode, so that differently seeded copies can be told apart.
    """

    def __init__(self, length: int = 3, reward_space: bool = True) -> None:
        self.observation_space = Box(0.0, np.inf, (2,), dtype=np.float32)
        self.action_space = Discrete(2)
        if reward_space:
            self.reward_space = Box(np.array([0, -1], np.float32), np.array([length, -1], np.float32))
        self.length = length
        self.episode = 0
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.episode = self.episode + 1 if seed is None else 0
        self.steps = 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[np.ndarray, np.ndarray, bool, bool, dict]:
        self.steps += 1
        over = self.steps >= self.length
        odd = self.episode % 2 == 1
        reward = np.array([self.steps, -1.0])
        return self.observe(), reward, over and not odd, over and odd, {}

    def observe(self) -> np.ndarray:
        return np.array([self.episode, self.steps], dtype=np.float32)


@pytest.fixture
def counter() -> type[Counter]:
    """The class `Counter`: test files cannot import each other."""
    return Counter
