"""MO-Gymnasium's v5 locomotion on EnvPool's C++ physics, behind the tensor interface: `backend="envpool"`.

EnvPool steps many MuJoCo environments in the threads of one process, and pays one number each;
`morl.envs.envpool_rewards` gives the vector. Two of its ways are put right here:

- It restarts an environment in the step after an episode's end, which a learner would have to leave out. Here
  those that ended are reset at once, so that `step` behaves as everywhere: SAME_STEP, `info["final_obs"]`.
- Where a time limit and a fall coincide it reports the time limit only. Here time limits are counted outside,
  and both flags are set, as Gymnasium sets them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from importlib import import_module
from math import isinf
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from morl._arrays import as_count
from morl.envs import envpool_rewards
from morl.envs.adapters import Adapter
from morl.envs.envpool_rewards import RewardFunction, Seen, Terms
from morl.envs.physics_cards import NOT_ON_ENVPOOL
from morl.envs.rewards import unbounded
from morl.errors import EnvError
from morl.spaces import observation_box

LIMIT = 1000
"""Steps of an episode of every environment here, unless the user says otherwise."""

NO_LIMIT = 2**30
"""More steps than any episode has; EnvPool adds one to it, so not the largest integer."""

SHARED = (
    "frame_skip",
    "forward_reward_weight",
    "ctrl_cost_weight",
    "reset_noise_scale",
    "exclude_current_positions_from_observation",
)
HEALTH = ("healthy_reward", "terminate_when_unhealthy")

Ranges = Mapping[str, tuple[str | None, str | None]]
"""A pair of bounds of Gymnasium -> EnvPool's names for the two; None where it must be infinite."""

HEALTHY_Z: Ranges = {"healthy_z_range": ("healthy_z_min", "healthy_z_max")}
HEALTHY_ANGLE: Ranges = {"healthy_angle_range": ("healthy_angle_min", "healthy_angle_max")}


@dataclass(frozen=True, kw_only=True)
class Physics:
    """How one environment is made and paid."""

    task: str
    """EnvPool's name of the same physics."""
    reward: RewardFunction
    cost_objective: bool | None = None
    """Whether effort is a third objective by default; None where the environment always has two."""
    names: tuple[str, ...] = SHARED
    """Arguments that Gymnasium and EnvPool call alike."""
    ranges: Ranges = field(default_factory=dict)


HOPPER = partial(
    Physics,
    task="Hopper-v5",
    reward=envpool_rewards.hopper,
    names=SHARED + HEALTH,
    ranges={
        "healthy_state_range": ("healthy_state_min", "healthy_state_max"),
        "healthy_z_range": ("healthy_z_min", None),
        **HEALTHY_ANGLE,
    },
)
ANT = partial(
    Physics,
    task="Ant-v5",
    reward=envpool_rewards.ant,
    names=(*SHARED, *HEALTH, "contact_cost_weight"),
    ranges={**HEALTHY_Z, "contact_force_range": ("contact_force_min", "contact_force_max")},
)

PHYSICS: dict[str, Physics] = {
    "mo-halfcheetah-v5": Physics(task="HalfCheetah-v5", reward=envpool_rewards.runner),
    "mo-swimmer-v5": Physics(task="Swimmer-v5", reward=envpool_rewards.runner),
    "mo-walker2d-v5": Physics(
        task="Walker2d-v5",
        reward=envpool_rewards.walker,
        names=SHARED + HEALTH,
        ranges={**HEALTHY_Z, **HEALTHY_ANGLE},
    ),
    "mo-hopper-v5": HOPPER(cost_objective=True),
    "mo-hopper-2obj-v5": HOPPER(cost_objective=False),
    "mo-ant-v5": ANT(cost_objective=True),
    "mo-ant-2obj-v5": ANT(cost_objective=False),
    "mo-humanoid-v5": Physics(
        task="Humanoid-v5",
        reward=envpool_rewards.humanoid,
        names=(*SHARED, *HEALTH, "contact_cost_weight"),
        ranges={**HEALTHY_Z, "contact_cost_range": (None, "contact_cost_max")},
    ),
}
"""The environments that EnvPool can stand in for."""


class EnvPoolAdapter(Adapter):
    """`num_envs` copies of one of `PHYSICS`, stepped by EnvPool's threads.

    Its random numbers are not Gymnasium's: a seed gives the same history again, but another one than there.

    Args:
        env_id: one of `PHYSICS`.
        num_envs: how many copies.
        device: where the tensors go.
        max_episode_steps: time limit; None for the originals' 1,000.
        num_threads: of EnvPool; 0 for one per core.
        arguments: of the environment, as MO-Gymnasium calls them.

    Raises:
        EnvError: EnvPool is not installed, or cannot stand in for the environment or for an argument.
    """

    backend = "envpool"

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        *,
        device: torch.device | str = "cpu",
        max_episode_steps: int | None = None,
        num_threads: int = 0,
        **arguments: Any,
    ) -> None:
        physics = physics_of(env_id)
        if max_episode_steps is None:
            max_episode_steps = LIMIT
        max_episode_steps = as_count(max_episode_steps, name="max_episode_steps", error=EnvError)
        cost_objective = arguments.pop("cost_objective", physics.cost_objective)
        if physics.cost_objective is None and cost_objective is not None:
            raise EnvError(f"expected arguments that {env_id} takes, got cost_objective")
        # A process that never asks for this backend must not pay for its import (a second).
        envpool = _import_envpool()
        config = {
            **_translated(env_id, physics, arguments),
            "num_envs": num_envs,
            "num_threads": num_threads,
            "max_episode_steps": NO_LIMIT,
        }
        try:
            spec = envpool.make_spec(physics.task, **config)
        except (TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise EnvError(f"expected arguments that {env_id} takes, got {arguments}: {reason}") from error
        self._make = partial(envpool.make, physics.task, env_type="gymnasium", **config)
        self._pool: Any = None
        self._limit = max_episode_steps
        self._reward = physics.reward
        self._terms = _terms(spec.config, cost_objective is not False)
        bounds = spec.gymnasium_action_space
        super().__init__(
            num_envs,
            observation_space=observation_box(spec.gymnasium_observation_space),
            action_space=Box(bounds.low.astype(np.float32), bounds.high.astype(np.float32), dtype=np.float32),
            reward_space=unbounded(3 if cost_objective else 2),
            env_id=env_id,
            device=device,
            max_episode_steps=max_episode_steps,
        )

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start all episodes. From one seed each environment derives its own; a list gives one to each.

        EnvPool takes seeds when it is made only, so a seed makes it anew: about 5 ms for each environment.
        """
        if seed is not None or self._pool is None:
            fresh = (np.random.SeedSequence().generate_state(self.num_envs) >> 1).tolist()
            given = self._seeds(seed)
            seeds = [new if old is None else int(old) for old, new in zip(given, fresh, strict=True)]
            with self._calling("__init__"):
                self._pool = self._make(env_seed=seeds)
        with self._calling("reset"):
            obs, _ = self._pool.reset()
        self._forget_episodes()
        first = obs.astype(np.float32)
        self._check_observed(first, self._lengths)
        return self._tensor(first), {}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step every environment, and reset those that ended.

        Raises:
            EnvError: the actions have the wrong shape, or reset() has not been called.
            NonFiniteError: a reward, an observation or an action is NaN or infinite.
        """
        if self._pool is None:
            raise EnvError("expected reset() before step(); call env.reset(seed=...) first")
        # Row by row in memory, whatever the tensor was: sums over a row then round as the original's do.
        action = np.ascontiguousarray(self._host_actions(actions), dtype=np.float32)
        with self._calling("step"):
            seen, paid, terminated, _, info = self._pool.step(action.astype(np.float64))
        reward = self._reward(Seen(seen, action, paid, info), self._terms)
        truncated = self._lengths + 1 >= self._limit
        done = terminated | truncated
        final = obs = seen.astype(np.float32)
        self._check_observed(final, self._lengths + 1)
        episode = self._episodes(reward, 1, done)
        if done.any():
            obs = final.copy()
            rows = np.flatnonzero(done).astype(np.int32)
            obs[rows] = self._pool.reset(rows)[0]
            self._check_observed(obs, self._lengths)
        return (
            self._tensor(obs),
            self._tensor(reward),
            self._tensor(terminated),
            self._tensor(truncated),
            {"final_obs": self._tensor(final), "episode": episode},
        )

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads."""
        self._pool = None


def physics_of(env_id: str) -> Physics:
    """How EnvPool stands in for an environment; `EnvError` with the reason where it cannot."""
    if env_id in PHYSICS:
        return PHYSICS[env_id]
    reason = f" ({NOT_ON_ENVPOOL[env_id]})" if env_id in NOT_ON_ENVPOOL else ""
    raise EnvError(
        f"expected for backend 'envpool' one of {', '.join(PHYSICS)}, got {env_id!r}{reason}; "
        "use backend='async' for processes, or 'auto'"
    )


def _import_envpool() -> Any:
    try:
        return import_module("envpool")
    except ImportError as error:
        raise EnvError(
            f"expected EnvPool for backend 'envpool', got {type(error).__name__}: {error}; "
            "pip install 'morl[envpool]', or use backend='async'"
        ) from error


def _translated(env_id: str, physics: Physics, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Gymnasium's arguments as EnvPool's."""
    config: dict[str, Any] = {}
    for name, value in arguments.items():
        if name in physics.names:
            config[name] = value
        elif name in physics.ranges:
            if np.shape(value) != (2,):
                raise EnvError(f"expected a pair of numbers as {name} of {env_id}, got {value!r}")
            for bound, number in zip(physics.ranges[name], value, strict=True):
                if bound is not None:
                    config[bound] = float(number)
                elif not isinf(number):
                    raise EnvError(f"expected an infinite bound in {name} of {env_id}, got {value}")
        else:
            known = ["max_episode_steps", "num_threads", *physics.names, *physics.ranges]
            known += ["cost_objective"] if physics.cost_objective is not None else []
            raise EnvError(
                f"expected arguments of {env_id} that backend 'envpool' knows ({', '.join(sorted(known))}), "
                f"got {name}; use backend='async' for the others"
            )
    return config


def _terms(config: Any, cost_objective: bool) -> Terms:
    """What EnvPool's configuration says about the reward."""
    shared = {item.name for item in fields(Terms)} & set(config._fields)
    return Terms(
        **{name: getattr(config, name) for name in shared},
        cost_objective=cost_objective,
        height_at=0 if config.exclude_current_positions_from_observation else 1,
    )
