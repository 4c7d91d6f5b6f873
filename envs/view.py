"""One environment as the adapters step it: the spaces that agents see, and reward vectors that are checked."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from morl import registry
from morl.envs.rewards import check_vector, reward_space_of
from morl.envs.spaces import action_encoder, action_space_of, flattener, observation_box
from morl.errors import EnvError
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
    kind = type(env.unwrapped)
    return f"{kind.__module__}:{kind.__qualname__}"


def attribute(env: Any, name: str) -> Any:
    """An attribute of an environment or of what it wraps; None where there is none."""
    if isinstance(env, gymnasium.Env):
        return env.get_wrapper_attr(name) if env.has_wrapper_attr(name) else None
    return getattr(env, name, None)


class AgentView(gymnasium.Wrapper):
    """One environment with the spaces that agents see, its reward's shape checked, and an empty info."""

    def __init__(self, env: gymnasium.Env, env_id: str | None) -> None:
        if not isinstance(env, gymnasium.Env):
            raise EnvError(
                f"expected {env_id or 'the factory'} to make a gymnasium.Env, got {type(env).__name__}"
            )
        super().__init__(env)
        self.env_id = env_id or name_of(env)
        self._flatten = flattener(env.observation_space)
        self._encode = action_encoder(env.action_space)
        self.observation_space = observation_box(env.observation_space)
        self.action_space = action_space_of(env.action_space)
        self.reward_space = reward_space_of(env, self.env_id)
        self.num_objectives = self.reward_space.shape[0]
        self.objectives = declared_objectives(attribute(env, "objectives"), self.num_objectives)

    @property
    def max_episode_steps(self) -> int | None:
        """The time limit that the environment was registered with."""
        return None if self.spec is None else self.spec.max_episode_steps

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start an episode."""
        obs, _ = self.env.reset(seed=seed, options=options)
        return self._flatten(obs), {}

    def step(self, action: Any) -> tuple[NDArray[Any], Any, bool, bool, dict[str, Any]]:
        """One step; raises `EnvError` where the reward is not a vector of the declared length."""
        obs, reward, terminated, truncated, _ = self.env.step(self._encode(action))
        return self._flatten(obs), self._checked(reward), terminated, truncated, {}

    def _checked(self, reward: Any) -> NDArray[Any]:
        # What every step pays is recognised at once; all else is looked at closely.
        if type(reward) is np.ndarray and reward.shape == (self.num_objectives,) and reward.dtype.kind == "f":
            return reward
        return check_vector(reward, self.env_id, self.num_objectives)
