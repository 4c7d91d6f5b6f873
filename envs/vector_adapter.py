"""Somebody else's vector environment behind the tensor interface, whatever its autoreset mode."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from torch import Tensor

from morl.envs.adapters import Adapter
from morl.envs.block import FAULTS
from morl.envs.faults import described
from morl.envs.identity import declared, of_instance
from morl.envs.info_terms_vector import InfoTermsVector
from morl.envs.returned import STEPPED, returned
from morl.envs.rewards import REMEDY, as_reward_space, unbounded
from morl.envs.view import name_of
from morl.errors import EnvError
from morl.problem import Identity
from morl.spaces import Observations, action_encoder, action_space_of
from morl.spec import declared_objectives
from morl.transitions import Transitions, as_tensors

NEXT_STEP_PROCESSES = "an AsyncVectorEnv in NEXT_STEP mode, whose resets pay a scalar"
ALTERNATIVES = (
    "pass one factory to morl.make_vec(factory, num_envs=...), or use mo_gymnasium's MOSyncVectorEnv, or "
    "AsyncVectorEnv(..., autoreset_mode=AutoresetMode.SAME_STEP)"
)


class VectorAdapter(Adapter):
    """Wraps a `gymnasium.vector.VectorEnv` with rewards (N, m), numpy or torch, in any autoreset mode.

    Under SAME_STEP and DISABLED it behaves as the other adapters do. NEXT_STEP needs a step to reset, so
    there `info["valid"]` (N,) is False where a step only reset an environment: nothing happened in it, and
    its row must not be learned from. `morl.transitions.Transitions` hands this on.

    Args:
        vector: the environment. It is stepped once here, to see what its rewards look like.
        env_id: names it in messages and files; None for the id it was registered under.
        identity: which problem it is; None to look into it.
        device: where the tensors go, unless the environment has a device of its own.

    Raises:
        EnvError: the rewards are not (N, m), the autoreset mode is not declared, or a space is unsupported.
    """

    backend = "vector"

    def __init__(
        self,
        vector: VectorEnv,
        *,
        env_id: str | None = None,
        identity: Identity | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.vector = vector
        env_id = env_id or name_of(vector)
        self._own = Observations(vector.single_observation_space, env_id=env_id)
        self._encode = action_encoder(vector.single_action_space)
        self._takes_tensors = False
        self._dtype = getattr(torch, str(self._own.seen.dtype))
        device = getattr(vector, "device", None) or device
        identity = identity or of_instance(vector)
        self._known_front = declared(vector, "known_front", identity)
        self._transitions = Transitions(vector, device=device, to_tensor=self._observations)
        reward_space = self._probe(env_id)
        super().__init__(
            vector.num_envs,
            observation_space=self._own.seen,
            action_space=action_space_of(vector.single_action_space),
            reward_space=reward_space,
            env_id=env_id,
            device=device,
            objectives=declared_objectives(getattr(vector, "objectives", None), reward_space.shape[0]),
            max_episode_steps=None if vector.spec is None else vector.spec.max_episode_steps,
            native_observation_space=vector.single_observation_space,
            native_action_space=vector.single_action_space,
            identity=identity,
            reference_point=declared(vector, "reference_point", identity),
        )

    def _observations(self, obs: Any) -> Tensor:
        flat = self._own.batch(obs)
        # Copied: the environment may write its next observations into the same memory.
        flat = flat.clone() if isinstance(flat, Tensor) else torch.tensor(flat)
        return flat.to(device=self._transitions.device, dtype=self._dtype)

    def _probe(self, env_id: str) -> Box:
        """The space of the reward vectors, from one step."""
        vector = self.vector
        next_step = self._transitions.mode is AutoresetMode.NEXT_STEP
        makes_vectors = isinstance(vector, InfoTermsVector)  # of an environment with scalars, which all carry
        if isinstance(vector.unwrapped, AsyncVectorEnv) and next_step and not makes_vectors:
            raise EnvError(
                f"expected {env_id} to carry reward vectors, got {NEXT_STEP_PROCESSES}; {ALTERNATIVES}"
            )
        with self._calling("reset", env_id):
            first = vector.reset(seed=0)
        obs, _ = returned(first, ("observation", "info"), env_id)
        self._takes_tensors = isinstance(obs, Tensor)
        vector.action_space.seed(0)
        action = vector.action_space.sample()
        if self._takes_tensors:
            action = as_tensors(vector.single_action_space, action, obs.device)
        with self._calling("step", env_id):
            try:
                stepped = vector.step(action)
            except (ValueError, TypeError) as error:
                if (
                    isinstance(vector.unwrapped, SyncVectorEnv) and not makes_vectors
                ):  # its storage's own complaint
                    raise EnvError(
                        f"expected {env_id} to carry reward vectors, got a SyncVectorEnv, which stores scalars; "
                        f"{ALTERNATIVES}"
                    ) from error
                raise
        shape = np.shape(returned(stepped, STEPPED, env_id)[1])
        if len(shape) != 2 or shape[0] != vector.num_envs:
            raise EnvError(
                f"expected rewards of shape ({vector.num_envs}, m) from {env_id}, got {shape}; "
                f"{REMEDY} before it is vectorised"
            )
        declared = getattr(vector, "reward_space", None)
        if not isinstance(declared, Box):
            return unbounded(shape[1])
        if declared.shape == shape:  # the space of the batch
            declared = Box(declared.low[0], declared.high[0])
        space = as_reward_space(declared, env_id)
        if space.shape != shape[1:]:
            raise EnvError(
                f"expected {env_id} to pay {space.shape[0]} objectives as declared, got {shape[1]}"
            )
        return space

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start all episodes; the environment derives its copies' seeds in its own way."""
        self._forget_episodes()
        with self._calling("reset"):
            obs = self._transitions.reset(seed=seed)
        self._check_observed(obs, self._lengths)
        return obs, {}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step every environment; `info["valid"]` is there under NEXT_STEP only (class docstring)."""
        native = actions if self._takes_tensors else self._host_actions(actions)
        with self._calling("step"):
            step = self._transitions.step(self._encode(native))
        if step.reward.shape != (self.num_envs, self.num_objectives):
            raise EnvError(
                f"expected rewards of shape {(self.num_envs, self.num_objectives)} from {self.env_id}, as in its "
                f"first step, got {tuple(step.reward.shape)}"
            )
        reward = step.reward.cpu().numpy()
        done = (step.terminated | step.truncated).cpu().numpy()
        stepped = True if step.valid is None else step.valid.cpu().numpy()
        self._check_observed(step.next_obs, self._lengths + stepped)
        self._check_observed(self._transitions.obs, np.where(done, 0, self._lengths + stepped))
        info: dict[str, Any] = {"final_obs": step.next_obs, "episode": self._episodes(reward, stepped, done)}
        if step.valid is not None:
            info["valid"] = step.valid
        return self._transitions.obs, step.reward, step.terminated, step.truncated, info

    def known_front(self, gamma: float) -> Any:
        """What the environment says."""
        return self._known_front(gamma) if callable(self._known_front) else self._known_front

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environment; one that cannot be closed is warned of, as everything was done by then."""
        try:
            self.vector.close(**kwargs)
        except FAULTS as error:
            warnings.warn(f"close() of {self.env_id} raised {described(error)}", stacklevel=2)

    def _give_up(self) -> None:
        """End its processes, if it has any: one that is dead would be waited for."""
        inner: Any = self.vector.unwrapped
        for process in getattr(inner, "processes", ()):
            process.kill()
            process.join()
            inner.closed = True
