"""Environments that observe and act in every kind of space; what is right can be read off an action."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple

OBSERVED: dict[str, Space] = {
    "vector": Box(-1, 1, (3,), np.float64),
    "number": Box(0, 9, (), np.float32),
    "picture": Box(0, 255, (3, 4, 2), np.uint8),
    "whole": Box(0, 9, (2,), np.int32),
    "choice": Discrete(5, start=2),
    "choices": MultiDiscrete([3, 2]),
    "bits": MultiBinary(3),
    "dictionary": Dict(
        machine=Dict(heat=Box(0, 1, (2,), np.float32), mode=Discrete(3)), tick=Box(0, 9, (1,))
    ),
    "tuple": Tuple((Discrete(2), Box(0, 1, (2, 2)))),
}
ACTED: dict[str, Space] = {
    "from one": Discrete(3, start=1),
    "choices": MultiDiscrete([2, 3], start=[4, 0]),
    "bits": MultiBinary(2),
    "asymmetric": Box(np.array([-0.1, 5.0]), np.array([0.3, 7.0]), dtype=np.float64),
    "whole": Box(-1, 2, (2,), np.int64),
    "table": Box(-1, 1, (2, 2), np.float32),
    "number": Box(0, 1, (), np.float32),
    "dictionary": Dict(speed=Discrete(3, start=-1), turn=MultiDiscrete([2, 2])),
    "tuple": Tuple((Box(-1, 1, (2,)), Box(0, 9, (1,), np.int16))),
}


class Machine(gymnasium.Env):
    """Observes samples of its space, insists on actions of its space, pays the sum of an action and the opposite.

    Episodes last five steps.
    """

    def __init__(self, observed: str = "dictionary", acted: str = "from one") -> None:
        self.observation_space, self.action_space = OBSERVED[observed], ACTED[acted]
        self.elapsed, self.taken = 0, list[Any]()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.elapsed = 0
        return self._observed(), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.taken.append(action)
        self.elapsed += 1
        paid = float(np.sum(gymnasium.spaces.flatten(self.action_space, action) * 1.0))
        return self._observed(), np.array([paid, -paid]), self.elapsed >= 5, False, {}

    def _observed(self) -> Any:
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        return self.observation_space.sample()
