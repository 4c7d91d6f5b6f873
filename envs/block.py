"""Several environments as one that steps them in a loop: what each process of `AsyncAdapter` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Dict, MultiBinary
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from morl.envs.view import AgentView
from morl.errors import EnvError
from morl.problem import Identity

EnvFactory = Callable[[], gymnasium.Env]


class EnvBlock(gymnasium.Env):
    """Environments with equal spaces, stepped one after the other and restarted where an episode ends.

    A Gymnasium environment to those who step it: an observation holds a row for each place, and an action is a
    dictionary of "action" (n, ...) and "active" (n,), which says whom to step. As a single environment has but one
    flag of each kind, those of the n episodes are in the info, "terminated" and "truncated" (n,), and the flags
    themselves are False. "final_obs" is there where episodes ended: their last observations, in order.

    Only the first environment is made at once, which is enough to know the spaces. The others are made by `fill`,
    or by the first reset.

    Args:
        env_fns: one factory per environment.
        env_id: names them in messages; None for the id they were registered under.
        identity: which problem they are; None to look into the first.
        places: rows of an observation; those beyond the environments stay zero. As many as environments by default.
        first: the number of the first environment among those of all blocks.
    """

    def __init__(
        self,
        env_fns: Sequence[EnvFactory],
        env_id: str | None,
        identity: Identity | None = None,
        *,
        places: int | None = None,
        first: int = 0,
    ) -> None:
        self._waiting = list(env_fns[1:])
        self._env_id = env_id
        self._first = first
        view = AgentView(env_fns[0](), env_id, identity)
        self.envs = [view]
        self.places = places or len(env_fns)
        self.shown: dict[str, Any] = {
            "observation_space": view.observation_space,
            "action_space": view.action_space,
            "native_observation_space": view.native_observation_space,
            "native_action_space": view.native_action_space,
            "reward_space": view.reward_space,
            "env_id": view.env_id,
            "objectives": view.objectives,
            "max_episode_steps": view.max_episode_steps,
            "identity": view.identity,
            "reference_point": view.reference_point,
        }
        """What `Adapter` wants to know of each environment."""
        self.observation_space = batch_space(view.observation_space, self.places)
        self.action_space = Dict(
            action=batch_space(view.action_space, self.places), active=MultiBinary(self.places)
        )
        self._obs: NDArray[Any] = np.zeros_like(self.observation_space.sample())
        self._rewards = (self.places, view.num_objectives)

    def fill(self) -> None:
        """Make the environments that are missing.

        Raises:
            EnvError: one has other spaces than the first.
        """
        first = self.envs[0]
        while self._waiting:
            made = self._waiting[0]()
            env = AgentView(made, self._env_id, first.identity)
            if any(made.unwrapped is other.unwrapped for other in self.envs):
                raise EnvError(
                    f"expected a new environment for each copy of {first.env_id}, got the same instance for copy "
                    f"{self._first + len(self.envs)} as before, so that episodes would be mixed; pass a factory "
                    "that makes one at every call, such as lambda: MyEnv()"
                )
            if (env.observation_space, env.action_space) != (first.observation_space, first.action_space):
                raise EnvError(
                    f"expected all copies of {first.env_id} to have the spaces of the first, got "
                    f"{env.observation_space} and {env.action_space} in copy {self._first + len(self.envs)}"
                )
            self.envs.append(env)
            del self._waiting[0]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start all episodes; `options` has the "seeds" of all blocks' environments, and "options" for each."""
        self.fill()
        told = {"seeds": None, "options": None} | (options or {})
        obs = np.zeros_like(self._obs)
        for i, env in enumerate(self.envs):
            seed = told["seeds"] and told["seeds"][self._first + i]
            obs[i], _ = env.reset(seed=seed, options=told["options"])
        self._obs = obs
        return obs, {}

    def step(
        self, action: dict[str, NDArray[Any]]
    ) -> tuple[NDArray[Any], NDArray[Any], bool, bool, dict[str, Any]]:
        """Step the active environments; the others keep their observations, with no reward and no end.

        Returns:
            Observations (n, ...), rewards (n, m), False, False, and the info described above.
        """
        actions, active = action["action"], action["active"]
        obs = self._obs.copy()  # what was returned before stays as it is
        reward = np.zeros(self._rewards, np.float32)
        terminated, truncated = np.zeros((2, self.places), np.bool_)
        for i, env in enumerate(self.envs):
            if active[i]:
                stepped = env.step(actions[i])
                with np.errstate(over="ignore"):  # infinite then, and refused as such
                    obs[i], reward[i], terminated[i], truncated[i], _ = stepped
        info: dict[str, Any] = {"terminated": terminated, "truncated": truncated}
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            info["final_obs"] = obs[ended]
            for i in ended.tolist():
                obs[i], _ = self.envs[i].reset()
        self._obs = obs
        return obs, reward, False, False, info

    def known_front(self, gamma: float) -> Any:
        """What the environment says of its front under a discount; None where it says nothing."""
        told = self.envs[0].known_front
        return told(gamma) if callable(told) else told

    def close(self) -> None:
        """Close every environment."""
        for env in self.envs:
            env.close()
