"""One environment as the adapters step it: the spaces that agents see, and what they return, checked."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Space
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from morl import registry
from morl.envs.identity import declared, of_instance
from morl.envs.returned import STEPPED, as_flag, check_reset, returned
from morl.envs.rewards import check_vector, reward_space_of
from morl.errors import EnvError
from morl.problem import Identity, path_of
from morl.spaces import Observations, action_encoder, action_space_of
from morl.spec import declared_objectives


def gymnasium_id(env: str) -> str | None:
    """The id that `env` is, also in Gymnasium's form module:Id-v0 (the import registers it); None for a path."""
    module, colon, name = env.rpartition(":")
    if colon and name.replace(".", "").isidentifier():
        return None
    if colon:
        registry.import_module(module, env)
    return registry.canonical_id(name)


def name_of(env: gymnasium.Env | VectorEnv) -> str:
    """What an environment calls itself (`env_id`), else its registered id, else the path of its class."""
    named = attribute(env, "env_id")
    if isinstance(named, str) and named:
        return named
    if env.spec is not None:
        return registry.canonical_id(env.spec.id)
    if isinstance(env.unwrapped, SyncVectorEnv):
        return name_of(env.unwrapped.envs[0])
    return path_of(type(env.unwrapped))


def attribute(env: Any, name: str) -> Any:
    """An attribute of an environment or of what it wraps; None where there is none."""
    if isinstance(env, gymnasium.Env):
        return env.get_wrapper_attr(name) if env.has_wrapper_attr(name) else None
    return getattr(env, name, None)


class AgentView(gymnasium.Wrapper):
    """One environment with the spaces that agents see, what it returns checked, and an empty info."""

    def __init__(self, env: gymnasium.Env, env_id: str | None, identity: Identity | None = None) -> None:
        if not isinstance(env, gymnasium.Env):
            raise EnvError(
                f"expected {env_id or 'the factory'} to make a gymnasium.Env, got {type(env).__name__}"
            )
        super().__init__(env)
        self.identity = identity or of_instance(env)  # before anything has been played
        self.reference_point, self.known_front = (
            declared(env, name, self.identity) for name in ("reference_point", "known_front")
        )
        self.env_id = env_id or name_of(env)
        for reset in (env.reset, env.unwrapped.reset):
            check_reset(reset, self.env_id)
        self.native_observation_space = _declared(env, "observation_space", self.env_id)
        self.native_action_space = _declared(env, "action_space", self.env_id)
        self.observations = Observations(self.native_observation_space, env_id=self.env_id)
        self._encode = action_encoder(self.native_action_space)
        self.observation_space = self.observations.seen
        self.action_space = action_space_of(self.native_action_space)
        self.reward_space = reward_space_of(env, self.env_id)
        self.num_objectives = self.reward_space.shape[0]
        self.objectives = declared_objectives(attribute(env, "objectives"), self.num_objectives)

    @property
    def max_episode_steps(self) -> int | None:
        """The time limit that the environment was registered with, or that of a `TimeLimit` around it."""
        if self.spec is not None:
            return self.spec.max_episode_steps
        limit: int | None = attribute(self.env, "_max_episode_steps")  # Gymnasium has no other name for it
        return limit if isinstance(limit, int) else None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start an episode.

        Raises:
            EnvError: reset() does not return an observation of the observation space and an info.
        """
        obs, _ = returned(self.env.reset(seed=seed, options=options), ("observation", "info"), self.env_id)
        return self.observations.one(obs), {}

    def step(self, action: Any) -> tuple[NDArray[Any], Any, bool, bool, dict[str, Any]]:
        """One step.

        Raises:
            EnvError: the reward is not a vector of the declared length, the observation is not one of the
                observation space, or a flag is neither true nor false.
        """
        stepped = returned(self.env.step(self._encode(action)), STEPPED, self.env_id)
        obs, reward, terminated, truncated, _ = stepped
        return (
            self.observations.one(obs),
            self._checked(reward),
            as_flag(terminated, "terminated", self.env_id),
            as_flag(truncated, "truncated", self.env_id),
            {},
        )

    def _checked(self, reward: Any) -> NDArray[Any]:
        # What every step pays is recognised at once; all else is looked at closely.
        if type(reward) is np.ndarray and reward.shape == (self.num_objectives,) and reward.dtype.kind == "f":
            return reward
        return check_vector(reward, self.env_id, self.num_objectives)


def _declared(env: gymnasium.Env, name: str, env_id: str) -> Space:
    """A space that an environment must have."""
    space = getattr(env, name, None)
    if not isinstance(space, Space):
        raise EnvError(
            f"expected {env_id} to have an {name}, a gymnasium.Space, got {space!r}; set self.{name} in __init__"
        )
    return space
