"""What is mended in MO-Gymnasium's four rooms and breakable bottles, so that they keep to their own spaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from morl.envs.breakable_bottles import check_arguments, make_reward_space
from morl.envs.four_room import read_maze
from morl.envs.fruit_tree import fruits


class FlaggedBottles(gymnasium.ObservationWrapper):
    """Breakable bottles that observe whether bottles lie at a place, as their space does, not how many."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        inner: Any = self.unwrapped
        self.reward_space = make_reward_space(
            inner.time_penalty, inner.bottle_reward, inner.unbreakable_bottles
        )

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """The original's dictionary with flags."""
        return {**observation, "bottles_dropped": [int(n > 0) for n in observation["bottles_dropped"]]}


class SeededFourRoom(gymnasium.Wrapper):
    """Four rooms that draw the start from their own generator, with a space that holds every column."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        inner: Any = self.unwrapped
        self.observation_space = Box(0, max(inner.maze.shape), (2 + len(inner.shape_ids),), dtype=np.int32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        """Start an episode."""
        _, info = super().reset(seed=seed, options=options)
        inner: Any = self.unwrapped
        start = inner.initial[int(inner.np_random.integers(0, len(inner.initial)))]
        inner.state = (start, inner.state[1])
        return inner.state_to_array(inner.state), info


def make_bottles(env_id: str, **arguments: Any) -> gymnasium.Env:
    """MO-Gymnasium's breakable bottles, mended."""
    check_arguments(**arguments)
    return FlaggedBottles(gymnasium.make(env_id, **arguments))


def make_four_room(env_id: str, **arguments: Any) -> gymnasium.Env:
    """MO-Gymnasium's four rooms, mended; `maze` may also be given as rows of text."""
    if "maze" in arguments:
        arguments = {**arguments, "maze": read_maze(arguments["maze"])}
    return SeededFourRoom(gymnasium.make(env_id, **arguments))


def make_fruit_tree(env_id: str, **arguments: Any) -> gymnasium.Env:
    """MO-Gymnasium's fruit tree; a depth without a table is explained."""
    if "depth" in arguments:
        fruits(arguments["depth"])
    return gymnasium.make(env_id, **arguments)


MAKERS: dict[str, Callable[..., gymnasium.Env]] = {
    "breakable-bottles": make_bottles,
    "four-room": make_four_room,
    "fruit-tree": make_fruit_tree,
}
"""What makes an original, by its name without the version."""
