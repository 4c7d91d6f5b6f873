"""Anybody's environments behind the tensor interface: `SyncAdapter` in a loop, `AsyncAdapter` in processes.

Both behave as the batched environments do: torch tensors on a device, reward vectors (N, m), SAME_STEP
autoreset with the full pre-reset observation in `info["final_obs"]`, and episode statistics. Observations are
flattened by Gymnasium's own rules and discrete actions count from zero, whatever the environment's `start`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from morl.envs.rewards import check_finite
from morl.envs.view import AgentView
from morl.errors import EnvError
from morl.registry import Objective
from morl.streams import derive_seed

EnvFactory = Callable[[], gymnasium.Env]


class Adapter(VectorEnv):
    """What the adapters share: spaces, episode statistics, the way to tensors."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012
    backend = "sync"
    skips_inactive = False
    """Whether `step` takes a mask of the environments to step."""

    def __init__(
        self,
        num_envs: int,
        *,
        observation_space: gymnasium.Space,
        action_space: gymnasium.Space,
        reward_space: Box,
        env_id: str,
        device: torch.device | str,
        objectives: tuple[Objective, ...] | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.env_id = env_id
        self.objectives = objectives
        self.device = torch.device(device)
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.reward_space = reward_space
        self.num_objectives = reward_space.shape[0]
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)
        self._forget_episodes()

    def _forget_episodes(self) -> None:
        self._returns = np.zeros((self.num_envs, self.num_objectives))
        self._lengths = np.zeros(self.num_envs, dtype=np.int64)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """One seed per environment: derived from an integer, or given one by one."""
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, Sequence):
            if len(seed) != self.num_envs:
                raise EnvError(f"expected {self.num_envs} seeds, one per environment, got {len(seed)}")
            return list(seed)
        # 31 bits: some environments still seed NumPy's legacy generator.
        return [derive_seed(int(seed), i) & 0x7FFFFFFF for i in range(self.num_envs)]

    def _host_actions(self, actions: Any) -> NDArray[Any]:
        array = actions.cpu().numpy() if isinstance(actions, Tensor) else np.asarray(actions)
        if array.shape != self.action_space.shape:
            raise EnvError(f"expected actions of shape {self.action_space.shape}, got {array.shape}")
        return array

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _episodes(self, reward: NDArray[Any], stepped: Any, done: NDArray[np.bool_]) -> dict[str, Tensor]:
        """Add a step to the running episodes; returns their statistics and forgets those that ended."""
        self._lengths += stepped
        check_finite(reward, self.env_id, self._lengths, self.objectives)
        self._returns += reward
        info = {
            "return": self._tensor(self._returns.astype(np.float32)),
            "length": self._tensor(self._lengths.copy()),
        }
        self._returns[done] = 0.0
        self._lengths[done] = 0
        return info


class SyncAdapter(Adapter):
    """Environments stepped one after the other in this process.

    Args:
        env_fns: one factory per environment; all must have the same spaces.
        env_id: names them in messages and files; None for the id they were registered under.
        device: where the tensors go.
    """

    skips_inactive = True

    def __init__(
        self, env_fns: Sequence[EnvFactory], *, env_id: str | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.envs = [AgentView(make(), env_id) for make in env_fns]
        first = self.envs[0]
        for index, env in enumerate(self.envs):
            if (env.observation_space, env.action_space) != (first.observation_space, first.action_space):
                raise EnvError(
                    f"expected all copies of {first.env_id} to have the spaces of the first, got "
                    f"{env.observation_space} and {env.action_space} in copy {index}"
                )
        super().__init__(
            len(self.envs),
            observation_space=first.observation_space,
            action_space=first.action_space,
            reward_space=first.reward_space,
            env_id=first.env_id,
            device=device,
            objectives=first.objectives,
            max_episode_steps=first.max_episode_steps,
        )
        self._obs: NDArray[Any] | None = None

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start all episodes. From one seed each environment derives its own; a list gives one to each."""
        seeds = self._seeds(seed)
        first = [env.reset(seed=s, options=options)[0] for env, s in zip(self.envs, seeds, strict=True)]
        self._obs = np.stack(first).astype(self.single_observation_space.dtype)
        self._forget_episodes()
        return self._tensor(self._obs), {}

    def step(
        self, actions: Tensor, active: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step every environment, or those where `active` (N,) holds.

        The others stand still: their observation stays, their reward is zero, their flags are False.

        Raises:
            EnvError: a reward has the wrong shape, or reset() has not been called.
            NonFiniteError: a reward is NaN or infinite.
        """
        if self._obs is None:
            raise EnvError("expected reset() before step(); call env.reset(seed=...) first")
        encoded = self._host_actions(actions)
        final = self._obs.copy()
        reward = np.zeros((self.num_envs, self.num_objectives), dtype=np.float32)
        terminated, truncated = (
            np.zeros(self.num_envs, dtype=np.bool_),
            np.zeros(self.num_envs, dtype=np.bool_),
        )
        stepped = np.ones_like(terminated) if active is None else np.asarray(torch.as_tensor(active).cpu())
        for i in np.flatnonzero(stepped):
            final[i], reward[i], terminated[i], truncated[i], _ = self.envs[i].step(encoded[i])
        done = terminated | truncated
        episode = self._episodes(reward, stepped, done)
        self._obs = final.copy() if done.any() else final
        for i in np.flatnonzero(done):
            self._obs[i], _ = self.envs[i].reset()
        info = {"final_obs": self._tensor(final), "episode": episode}
        return (
            self._tensor(self._obs),
            self._tensor(reward),
            self._tensor(terminated),
            self._tensor(truncated),
            info,
        )

    def close_extras(self, **kwargs: Any) -> None:
        """Close every environment."""
        for env in self.envs:
            env.close()


class _WorkerFactory:
    """Makes one worker's environment; picklable where its factory is."""

    def __init__(self, make: EnvFactory, env_id: str | None) -> None:
        self.make, self.env_id = make, env_id

    def __call__(self) -> gymnasium.Env:
        return AgentView(self.make(), self.env_id)


class AsyncAdapter(Adapter):
    """Environments in one process each: Gymnasium's `AsyncVectorEnv`, whose SAME_STEP mode carries vectors.

    Worth it where one step costs much more than a message between processes (about 0.1 ms).

    Args:
        env_fns: one factory per environment, picklable; all must have the same spaces.
        env_id: names them in messages and files; None for the id they were registered under.
        device: where the tensors go.
    """

    backend = "async"
    skips_inactive = True

    def __init__(
        self, env_fns: Sequence[EnvFactory], *, env_id: str | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.vector = AsyncVectorEnv(
            [_WorkerFactory(make, env_id) for make in env_fns], autoreset_mode=AutoresetMode.SAME_STEP
        )
        super().__init__(
            len(env_fns),
            observation_space=self.vector.single_observation_space,
            action_space=self.vector.single_action_space,
            reward_space=self.vector.get_attr("reward_space")[0],
            env_id=self.vector.get_attr("env_id")[0],
            device=device,
            objectives=self.vector.get_attr("objectives")[0],
            max_episode_steps=self.vector.get_attr("max_episode_steps")[0],
        )
        self._active = np.ones(self.num_envs, dtype=np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start all episodes. From one seed each environment derives its own; a list gives one to each."""
        obs, _ = self.vector.reset(seed=self._seeds(seed), options=options)
        self._forget_episodes()
        return self._tensor(obs), {}

    def step(
        self, actions: Tensor, active: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step every environment, or those where `active` (N,) holds; otherwise as `SyncAdapter.step`."""
        stepped = np.ones_like(self._active) if active is None else torch.as_tensor(active).cpu().numpy()
        if (stepped != self._active).any():  # told only when it changes: a message costs as much as a step
            self.vector.set_attr("idle", (~stepped).tolist())
            self._active = stepped.copy()
        obs, reward, terminated, truncated, info = self.vector.step(self._host_actions(actions))
        done = terminated | truncated
        final = obs
        if done.any():
            final = obs.copy()
            for i in np.flatnonzero(done):
                final[i] = info["final_obs"][i]
        episode = self._episodes(reward, stepped, done)
        return (
            self._tensor(obs),
            self._tensor(reward.astype(np.float32)),
            self._tensor(terminated),
            self._tensor(truncated),
            {"final_obs": self._tensor(final), "episode": episode},
        )

    def close_extras(self, **kwargs: Any) -> None:
        """End the processes."""
        self.vector.close(**kwargs)
