"""The transition layer: what happened in a step, whatever a vector environment does when an episode ends.

Gymnasium's vector environments end episodes in three ways (`AutoresetMode`), and two of them hide traps:
under NEXT_STEP the step after an end ignores its action and only resets, and under SAME_STEP the observation
returned at an end belongs to the next episode. `Transitions` hides the difference: `next_obs` is always the
observation before a reset, and a step that only reset is marked invalid. Whatever stores or learns from
transitions takes them from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Dict, Space, Tuple
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array
from torch import Tensor

from morl.errors import EnvError
from morl.finite import ObservationWatch


class Transition(NamedTuple):
    """One step of N environments."""

    obs: Tensor
    """(N, *obs_shape) what the action answered to."""
    action: Any
    """(N, *action_shape); one such tensor for each part of a Dict or Tuple space."""
    reward: Tensor
    """(N, m) float32."""
    terminated: Tensor
    """(N,) bool: the task ended; the value of `next_obs` is zero."""
    truncated: Tensor
    """(N,) bool: the episode was cut off; bootstrap from `next_obs`."""
    next_obs: Tensor
    """(N, *obs_shape) what the step itself led to, before any reset."""
    valid: Tensor | None
    """(N,) bool: False where the step only reset an environment, and must be neither stored nor learned from.
    None where every row is a transition."""


class Transitions:
    """Steps a vector environment of any autoreset mode, numpy or torch, and returns `Transition`s.

    Over the tensor environments of `morl.make_vec` it costs nothing.

    Args:
        env: the vector environment, with rewards (N, m).
        device: where the tensors go; the environment's own device, or the CPU.
        to_tensor: turns observations of all environments into one tensor (N, *obs_shape).

    Attributes:
        obs: the observations that the next actions answer to.
        info: the last info dictionary of the environment.
        resetting: (N,) bool, where the next step will only reset; None unless the mode is NEXT_STEP.

    Raises:
        EnvError: the environment does not say which autoreset mode it has.
    """

    def __init__(
        self,
        env: VectorEnv,
        *,
        device: torch.device | str | None = None,
        to_tensor: Callable[[Any], Tensor] | None = None,
    ) -> None:
        mode = env.metadata.get("autoreset_mode")
        if not isinstance(mode, AutoresetMode):
            raise EnvError(
                "expected env.metadata['autoreset_mode'] to be a gymnasium.vector.AutoresetMode, "
                f"got {mode!r}; set it to how {type(env).__name__} ends episodes, for example NEXT_STEP"
            )
        self.env = env
        self.mode = mode
        self.device = torch.device(device or getattr(env, "device", None) or "cpu")
        self.to_tensor = to_tensor or self._as_tensor
        self.obs = torch.empty(0)
        self.info: dict[str, Any] = {}
        self.resetting = self._nobody()
        self.watch = ObservationWatch(env)
        """Looks for observations that are NaN or infinite; `watch.check()` raises."""

    def reset(self, seed: Any = None) -> Tensor:
        """Start all episodes; returns the first observations."""
        obs, self.info = self.env.reset(seed=seed)
        self.obs = self.to_tensor(obs)
        self.resetting = self._nobody()
        self.watch.see(self.obs, None)
        return self.obs

    def step(self, action: Any) -> Transition:
        """Advance all environments; `self.obs` is then what the next actions answer to.

        Args:
            action: whatever the environment takes.
        """
        before = self.obs
        # First, and copied: the environment may change what it is given.
        told = as_tensors(self.env.single_action_space, action, self.device)
        returned, reward, terminated, truncated, self.info = self.env.step(action)
        reward = self._as_tensor(reward).to(torch.float32)
        terminated, truncated = self._as_tensor(terminated).bool(), self._as_tensor(truncated).bool()
        obs = next_obs = self.to_tensor(returned)
        valid = self.info.get("valid")
        if self.mode is AutoresetMode.SAME_STEP:
            next_obs = self._final_obs(terminated | truncated, obs)
        elif self.resetting is not None:
            valid = ~self.resetting
            terminated, truncated = terminated & valid, truncated & valid
            reward = reward.masked_fill(self.resetting.unsqueeze(1), 0.0)
            self.resetting = terminated | truncated
        else:
            obs = self._reset_where(terminated | truncated, obs)
        self.obs = obs
        self.watch.see_step(next_obs, obs, self.info, terminated | truncated)
        return Transition(before, told, reward, terminated, truncated, next_obs, valid)

    def state(self) -> dict[str, Any]:
        """What `load_state` takes: the environment's snapshot, if it can give one."""
        snapshot = getattr(self.env, "get_state", None)
        return {"env": None if snapshot is None else snapshot()}

    def load_state(self, state: dict[str, Any], *, seed: int) -> Tensor:
        """Continue the episodes of `state`; environments without snapshots start new ones with `seed`."""
        if state["env"] is None:
            return self.reset(seed)
        self.obs = self.to_tensor(self.env.set_state(state["env"]))  # type: ignore[attr-defined]
        self.resetting = self._nobody()
        return self.obs

    def _nobody(self) -> Tensor | None:
        if self.mode is not AutoresetMode.NEXT_STEP:
            return None
        return torch.zeros(self.env.num_envs, dtype=torch.bool, device=self.device)

    def _as_tensor(self, values: Any) -> Tensor:
        return _as_tensor(values, self.device)

    def _final_obs(self, done: Tensor, obs: Tensor) -> Tensor:
        """SAME_STEP: the observations before the reset, for every row."""
        final = self.info.get("final_obs")
        if isinstance(final, Tensor):  # a full tensor already
            return final
        rows = done.nonzero().squeeze(1)
        if len(rows) == 0:
            return obs
        if final is None:
            raise EnvError(
                f"expected info['final_obs'] where {type(self.env).__name__} ended an episode, found none; "
                "a SAME_STEP environment must return the observations before its resets there"
            )
        result = obs.clone()
        result[rows] = self.to_tensor(self._stack([final[i] for i in rows.tolist()]))
        return result

    def _stack(self, rows: list[Any]) -> Any:
        """Observations of single environments as a batch in the observation space's own structure."""
        space = self.env.single_observation_space
        empty: Any = create_empty_array(space, len(rows))
        return concatenate(space, rows, empty)

    def _reset_where(self, done: Tensor, obs: Tensor) -> Tensor:
        """DISABLED: reset the environments that ended; the others keep their observations."""
        if not bool(done.any()):
            return obs
        fresh, self.info["reset_info"] = self.env.reset(options={"reset_mask": done.cpu().numpy()})
        mask = done.view(-1, *[1] * (obs.dim() - 1))
        return torch.where(mask, self.to_tensor(fresh), obs)


def as_tensors(space: Space, action: Any, device: torch.device | str) -> Any:
    """Actions of an environment as tensors: one for each part of a Dict or Tuple space, else one."""
    if isinstance(space, Dict):
        return {name: as_tensors(part, action[name], device) for name, part in space.spaces.items()}
    if isinstance(space, Tuple):
        return tuple(as_tensors(p, value, device) for p, value in zip(space.spaces, action, strict=True))
    return _as_tensor(action, device)


def _as_tensor(values: Any, device: torch.device | str) -> Tensor:
    if isinstance(values, Tensor):
        return values.to(device)
    # A copy: the environment may reuse its array.
    return torch.tensor(np.asarray(values), device=device)
