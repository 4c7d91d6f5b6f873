"""One environment as a `gymnasium.Env`: a view of any batched environment, written once."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray

from morl.envs.base import BatchedEnv
from morl.errors import EnvError


class SingleEnv(gymnasium.Env):
    """A batch of one, in Gymnasium's terms: numpy observations, reward vectors (m,), no automatic reset.

    Args:
        kind: the batched environment's class.
        render_mode: must be None; the batched environments do not render.
        options: the arguments of `kind`. `max_episode_steps` defaults to None here, because
            `gymnasium.make` brings its own time limit.
    """

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self, kind: type[BatchedEnv], *, render_mode: None = None, **options: Any) -> None:
        if render_mode is not None:
            raise EnvError(
                f"expected render_mode=None, got {render_mode!r}: batched environments do not render; "
                "render the original environment with mo_gymnasium.make(..., render_mode=...)"
            )
        self.batch = kind(1, **{"max_episode_steps": None, **options})
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space
        self.reward_space = self.batch.reward_space
        self._running = False
        self._following: torch.Tensor | None = None  # the first observation of an episode begun by the batch

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start an episode; a given `seed` restarts the random stream, None continues it."""
        super().reset(seed=seed)
        obs, info = self._following, dict[str, Any]()
        if obs is None or seed is not None:
            obs, info = self.batch.reset(seed=seed, options=options)
        self._running, self._following = True, None
        return obs[0].cpu().numpy(), info

    def step(self, action: Any) -> tuple[NDArray[Any], NDArray[Any], bool, bool, dict[str, Any]]:
        """One step.

        Returns:
            obs (the last one at an episode's end), reward (m,), terminated, truncated, info.

        Raises:
            EnvError: the action is not in the action space, or the episode is over.
        """
        if not self._running:
            raise EnvError("expected reset() before step(), also after an episode's end")
        if not self.action_space.contains(action):
            raise EnvError(f"expected an action in {self.action_space}, got {action!r}")
        following, reward, terminated, truncated, info = self.batch.step(
            torch.as_tensor(np.asarray(action)[None])
        )
        self._running = not bool(terminated[0] | truncated[0])
        self._following = None if self._running else following
        obs = info["final_obs"][0].cpu().numpy()
        return obs, reward[0].cpu().numpy(), bool(terminated[0]), bool(truncated[0]), {}
