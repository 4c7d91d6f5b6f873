"""What wrappers around tensor environments share; the wrappers themselves are in `morl.envs.wrappers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from gymnasium.spaces import Box, Space
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from morl.envs.identity import of_instance
from morl.errors import EnvError
from morl.problem import Identity

Stepped = tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]
"""What `step` returns: obs, reward, terminated, truncated, info."""


class TensorWrapper(VectorEnv):
    """A tensor environment around another, `env`; passes everything on until a subclass changes it.

    A subclass that remembers something between steps says what in `own_state` and `load_own_state`, so that
    `get_state` and `set_state` continue bit for bit. Both are there where `env` has them.

    Attributes:
        env: what is wrapped.
        problem_id: what fronts call the environment; other than `env_id` where rewards are changed.
        moving: whether observations depend on statistics that still move.
    """

    known_identity: Identity | None = None
    """Which problem this is, where `morl.make_vec` said so."""
    given: tuple[tuple[Any, ...], dict[str, Any]]
    """The arguments that it was made with."""

    def __init__(self, env: Any) -> None:
        if not (isinstance(env, VectorEnv) and hasattr(env, "num_objectives") and hasattr(env, "env_id")):
            raise EnvError(
                f"expected a tensor environment, got {type(env).__name__}; make it one: "
                "morl.make_vec(env_or_id_or_factory, num_envs=...)"
            )
        inner: Any = env
        self.env = inner
        self.num_envs: int = inner.num_envs
        self.device: torch.device = inner.device
        self.env_id: str = inner.env_id
        self.backend: str = inner.backend
        self.metadata = inner.metadata
        self.num_objectives: int = inner.num_objectives
        self.objectives = getattr(env, "objectives", None)
        self.reward_space: Box = inner.reward_space
        self.single_action_space, self.action_space = env.single_action_space, env.action_space
        self.observe_in(env.single_observation_space)
        self.native_observation_space: Space = getattr(
            env, "native_observation_space", env.single_observation_space
        )
        self.native_action_space: Space = getattr(env, "native_action_space", env.single_action_space)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments, which make it another problem than others of its class."""
        made = super().__new__(cls)
        made.given = (args, kwargs)
        return made

    def observe_in(self, space: Space) -> None:
        """Declare the space of one environment's observations; what a policy for it is given, too."""
        self.single_observation_space = self.native_observation_space = space
        self.observation_space = batch_space(space, self.num_envs)

    @property
    def problem_id(self) -> str:
        """What fronts call the environment: a name given to this wrapper, else what the wrapped one says."""
        inner: str = getattr(self.env, "problem_id", self.env.env_id)
        return inner if self.env_id == self.env.env_id else self.env_id

    @property
    def identity(self) -> Identity:
        """Which problem this is, among those of its id."""
        return self.known_identity or of_instance(self)

    @property
    def reference_point(self) -> Any:
        """What the environment within says of the hypervolume, where this wrapper leaves the problem as it is."""
        return getattr(self.env, "reference_point", None) if self._same_problem else None

    @property
    def known_front(self) -> Any:
        """What the environment within says of its front, where this wrapper leaves the problem as it is."""
        return getattr(self.env, "known_front", None) if self._same_problem else None

    @property
    def _same_problem(self) -> bool:
        inner = self.env
        return (self.problem_id, self.identity) == (
            getattr(inner, "problem_id", inner.env_id),
            inner.identity,
        )

    @property
    def checks_observations(self) -> bool:
        """Whether the environment looks whether its observations are finite."""
        return bool(getattr(self.env, "checks_observations", False))

    @property
    def moving(self) -> bool:
        """Whether statistics of observations still move."""
        return bool(getattr(self.env, "moving", False))

    @property
    def max_episode_steps(self) -> int | None:
        """The time limit, where the environment knows of one."""
        limit: int | None = getattr(self.env, "max_episode_steps", None)
        return limit

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start all episodes."""
        started: tuple[Tensor, dict[str, Any]] = self.env.reset(seed=seed, options=options)
        return started

    def step(self, actions: Tensor) -> Stepped:
        """Step every environment."""
        stepped: Stepped = self.env.step(actions)
        return stepped

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environment."""
        self.env.close(**kwargs)

    # --- snapshots -----------------------------------------------------------------------------------------

    def own_state(self) -> dict[str, Any]:
        """What this wrapper remembers: nested dictionaries of tensors and JSON values."""
        return {}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """The inverse of `own_state`."""

    def observed(self, obs: Tensor) -> Tensor:
        """What is observed now, own state loaded, where the wrapped environment observes `obs`."""
        return obs

    @property
    def get_state(self) -> Callable[[], dict[str, Any]]:
        """`get_state()` takes a snapshot; there is no such attribute where `env` has none."""
        inner = self.env.get_state
        return lambda: {"env": inner(), "own": self.own_state()}

    @property
    def set_state(self) -> Callable[[dict[str, Any]], Tensor]:
        """`set_state(snapshot)` continues from a snapshot; returns the observations to act on."""
        inner = self.env.set_state

        def set_state(snapshot: dict[str, Any]) -> Tensor:
            if set(snapshot) != {"env", "own"} or set(snapshot["own"]) != set(self.own_state()):
                raise EnvError(
                    f"expected a snapshot of {type(self).__name__} around {self.env_id}, got one with "
                    f"{sorted(snapshot)}; the snapshot belongs to another environment"
                )
            obs = inner(snapshot["env"])
            self.load_own_state(snapshot["own"])
            return self.observed(obs)

        return set_state


class ObservationWrapper(TensorWrapper):
    """Changes observations: a subclass writes `begin` and `follow`, pure tensor programs."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._obs: Tensor | None = None

    def begin(self, obs: Tensor) -> Tensor:
        """The first observations of all, from the environment's (N, *obs_shape)."""
        raise NotImplementedError("abstract: write begin(obs)")

    def follow(
        self, final_obs: Tensor, obs: Tensor, fresh: Tensor, restarted: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The observations that a step led to, and those that the next actions answer to.

        Args:
            final_obs: what the step led to, before any reset (N, *obs_shape).
            obs: the same, except where `fresh`.
            fresh: (N,) where `obs` is the first observation of an episode.
            restarted: (N,) where this step did nothing but reset (NEXT_STEP autoreset), so that `final_obs` is a
                first observation, too; there `fresh` is the same. None for all other environments.
        """
        raise NotImplementedError("abstract: write follow(final_obs, obs, fresh, restarted)")

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start all episodes."""
        obs, info = super().reset(seed=seed, options=options)
        self._obs = self.begin(obs)
        return self._obs, info

    def step(self, actions: Tensor) -> Stepped:
        """Step every environment; `info["final_obs"]` is changed as the observations are."""
        if self._obs is None:
            raise EnvError("expected reset() before step(); call env.reset(seed=...) first")
        obs, reward, terminated, truncated, info = super().step(actions)
        valid = info.get("valid")
        restarted = None if valid is None else ~valid
        fresh = terminated | truncated if restarted is None else restarted
        final_obs, self._obs = self.follow(info["final_obs"], obs, fresh, restarted)
        return self._obs, reward, terminated, truncated, {**info, "final_obs": final_obs}

    def own_state(self) -> dict[str, Any]:
        """The latest observations."""
        return {"obs": self._obs}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """The inverse of `own_state`."""
        self._obs = state["obs"].to(self.device)

    def observed(self, obs: Tensor) -> Tensor:
        """The latest observations."""
        return obs if self._obs is None else self._obs


def per_row(mask: Tensor, like: Tensor) -> Tensor:
    """A mask (N,) with as many dimensions as `like` (N, ...), to be used beside it."""
    return mask.view(-1, *[1] * (like.dim() - 1))
