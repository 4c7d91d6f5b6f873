"""Anybody's environments behind the tensor interface: `SyncAdapter` in a loop, `AsyncAdapter` in processes.

Both behave as the batched environments do: torch tensors on a device, reward vectors (N, m), SAME_STEP
autoreset with the full pre-reset observation in `info["final_obs"]`, and episode statistics. Observations are
flattened by Gymnasium's own rules and discrete actions count from zero, whatever the environment's `start`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from morl._arrays import as_count, as_seeds
from morl.envs.block import FAULTS, EnvBlock, EnvFactory
from morl.envs.faults import described
from morl.envs.view import AgentView
from morl.envs.workers import Workers
from morl.errors import EnvError, MorlError
from morl.finite import check_actions, check_observations, check_rewards
from morl.problem import ORDINARY, Identity
from morl.registry import Objective
from morl.step_limit import checked
from morl.streams import derive_seed
from morl.threads import cores


class Adapter(VectorEnv):
    """What the adapters share: spaces, episode statistics, the way to tensors."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012
    backend = "sync"
    checks_observations = True
    """That every observation is a finite number."""
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
        native_observation_space: gymnasium.Space | None = None,
        native_action_space: gymnasium.Space | None = None,
        identity: Identity = ORDINARY,
        reference_point: Any = None,
    ) -> None:
        self.num_envs = num_envs
        self.known_identity, self.reference_point = identity, reference_point
        self.max_episode_steps = max_episode_steps
        self.env_id = env_id
        self.objectives = objectives
        self.device = torch.device(device)
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        # Not asked whether they are true: a space may be empty, and Gymnasium warns of some when asked.
        self.native_observation_space = (
            observation_space if native_observation_space is None else native_observation_space
        )
        self.native_action_space = action_space if native_action_space is None else native_action_space
        self.reward_space = reward_space
        self.num_objectives = reward_space.shape[0]
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)
        self._forget_episodes()

    @property
    def identity(self) -> Identity:
        """Which problem this is, among those of its id."""
        return self.known_identity

    def known_front(self, gamma: float) -> Any:
        """What the environment itself says of its front under a discount (l, m); None where it says nothing."""
        return None

    def _forget_episodes(self) -> None:
        self._returns = np.zeros((self.num_envs, self.num_objectives))
        self._lengths = np.zeros(self.num_envs, dtype=np.int64)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """One seed per environment: derived from an integer, or given one by one."""
        given = as_seeds(seed)
        if given is None:
            return [None] * self.num_envs
        if isinstance(given, list):
            if len(given) != self.num_envs:
                raise EnvError(f"expected {self.num_envs} seeds, one per environment, got {len(given)}")
            return given
        # 31 bits: some environments still seed NumPy's legacy generator.
        return [derive_seed(given, i) & 0x7FFFFFFF for i in range(self.num_envs)]

    def _host_actions(self, actions: Any) -> NDArray[Any]:
        array = actions.cpu().numpy() if isinstance(actions, Tensor) else np.asarray(actions)
        if array.shape != self.action_space.shape:
            raise EnvError(f"expected actions of shape {self.action_space.shape}, got {array.shape}")
        check_actions(array, self.single_action_space, self.env_id)
        return array

    def _check_observed(self, obs: Any, lengths: NDArray[np.int64]) -> None:
        """Raise `NonFiniteError` for the first observation that is NaN or infinite, after so many steps (N,)."""
        check_observations(obs, self.env_id, lengths, self.native_observation_space)

    @contextmanager
    def _calling(self, method: str, env_id: str | None = None) -> Iterator[None]:
        """Turn what somebody else's vector environment raises in a method into one line, with its cause."""
        try:
            yield
        except MorlError:
            raise
        except FAULTS as error:
            self._give_up()
            name = self.env_id if env_id is None else env_id
            raise EnvError(
                f"expected {method}() of {name} to return, got {described(error)}; mend the environment"
            ) from error

    def _give_up(self) -> None:
        """Called once somebody else's environment has failed."""

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _episodes(self, reward: NDArray[Any], stepped: Any, done: NDArray[np.bool_]) -> dict[str, Tensor]:
        """Add a step to the running episodes; returns their statistics and forgets those that ended."""
        self._lengths += stepped
        check_rewards(reward, self.env_id, self._lengths, self.objectives)
        self._returns += reward
        info = {
            "return": self._tensor(self._returns.astype(np.float32)),
            "length": self._tensor(self._lengths.copy()),
        }
        self._returns[done] = 0.0
        self._lengths[done] = 0
        return info

    def _stepped(self, active: Tensor | None) -> NDArray[np.bool_]:
        """Whom to step, from what `step` was told."""
        if active is None:
            return np.ones(self.num_envs, dtype=np.bool_)
        return torch.as_tensor(active).cpu().numpy()

    def _result(
        self,
        obs: NDArray[Any],
        reward: NDArray[Any],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        last: NDArray[Any],
        stepped: NDArray[np.bool_],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """What `step` returns, from arrays of all environments and the last observations of ended episodes."""
        done = terminated | truncated
        final = obs
        if len(last):
            final = obs.copy()
            final[done] = last
        self._check_observed(final, self._lengths + stepped)
        self._check_observed(obs, np.where(done, 0, self._lengths + stepped))
        info = {"final_obs": self._tensor(final), "episode": self._episodes(reward, stepped, done)}
        return (
            self._tensor(obs),
            self._tensor(reward),
            self._tensor(terminated),
            self._tensor(truncated),
            info,
        )


class BlockAdapter(Adapter):
    """What steps environments by blocks: one here, or several in processes."""

    skips_inactive = True
    _block: EnvBlock | Workers
    _running = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start all episodes. From one seed each environment derives its own; a list gives one to each.

        Raises:
            EnvError: an environment failed.
            NonFiniteError: an observation is NaN or infinite.
        """
        obs = self._block.reset(self._seeds(seed), options)
        self._running = True
        self._forget_episodes()
        self._check_observed(obs, self._lengths)
        return self._tensor(obs), {}

    def step(
        self, actions: Tensor, active: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step every environment, or those where `active` (N,) holds.

        The others stand still: their observation stays, their reward is zero, their flags are False.

        Raises:
            EnvError: an environment failed, a reward has the wrong shape, or reset() has not been called.
            NonFiniteError: a reward, an observation or an action is NaN or infinite.
        """
        if not self._running:
            raise EnvError("expected reset() before step(); call env.reset(seed=...) first")
        stepped = self._stepped(active)
        obs, reward, terminated, truncated, last = self._block.step(self._host_actions(actions), stepped)
        return self._result(obs, reward, terminated, truncated, last, stepped)

    def known_front(self, gamma: float) -> Any:
        """What the first environment says."""
        return self._block.known_front(gamma)

    def close_extras(self, **kwargs: Any) -> None:
        """Close every environment."""
        self._block.close()


class SyncAdapter(BlockAdapter):
    """Environments stepped one after the other in this process.

    Args:
        env_fns: one factory per environment; all must have the same spaces.
        env_id: names them in messages and files; None for the id they were registered under.
        identity: which problem they are; None to look into the first.
        device: where the tensors go.

    Raises:
        EnvError: an environment could not be made, or the copies differ in their spaces.
    """

    def __init__(
        self,
        env_fns: Sequence[EnvFactory],
        *,
        env_id: str | None = None,
        identity: Identity | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._block: EnvBlock = EnvBlock(env_fns, env_id, identity)
        super().__init__(len(env_fns), device=device, **self._block.shown)

    @property
    def envs(self) -> list[AgentView]:
        """The environments, as agents see them."""
        return self._block.envs

    def close_extras(self, **kwargs: Any) -> None:
        """Close every environment, as far as they can be closed."""
        self._block.close(checked(None))


class AsyncAdapter(BlockAdapter):
    """Environments in processes, a block of them in each.

    A message to a process costs about as much as a step of MuJoCo. There are as many processes as cores, each of
    which steps its block in a loop, rather than a process and a message for every environment.

    Args:
        env_fns: one factory per environment, picklable; all must have the same spaces.
        env_id: names them in messages and files; None for the id they were registered under.
        identity: which problem they are; None to look into the first.
        device: where the tensors go.
        processes: how many there are at most; as many as cores by default. More pay where a step waits for
            something other than a core.
        step_timeout: seconds that one call of an environment (constructor, reset, step, close) may take; 0 for no
            limit. By default that of the run around (`morl.step_limit`), else 60.

    Raises:
        EnvError: an environment could not be made, or the copies differ in their spaces. This and any later failure
            of a process (it died, it is stuck, it raised something) ends all of them.
    """

    backend = "async"

    def __init__(
        self,
        env_fns: Sequence[EnvFactory],
        *,
        env_id: str | None = None,
        identity: Identity | None = None,
        device: torch.device | str = "cpu",
        processes: int | None = None,
        step_timeout: float | None = None,
    ) -> None:
        if processes is not None:
            processes = as_count(processes, name="processes", error=EnvError)
        count = len(env_fns)
        each = -(-count // (processes or cores()))
        blocks = [min(each, count - first) for first in range(0, count, each)]
        self._block: Workers = Workers(env_fns, env_id, identity, blocks=blocks, limit=checked(step_timeout))
        super().__init__(count, device=device, **self._block.shown)

    @property
    def processes(self) -> int:
        """How many there are."""
        return len(self._block)
