"""Each action repeated for several steps, as one: exported by `morl.envs.wrappers`."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from morl._arrays import as_count
from morl.envs.base import BatchedEnv, Step, select
from morl.envs.wrapper import Stepped, TensorWrapper, per_row
from morl.errors import EnvError
from morl.streams import Streams

CLOCK = "steps_taken"
"""The field beside a repeated environment's own state."""


class ActionRepeat(TensorWrapper):
    """Repeats every action `repeats` times and pays the sum of the rewards, in objectives as many as before.

    An episode that ends among the repetitions ends the step: its row stands still until the others are done, so
    no reward of the next episode is counted and no action meant for the last one reaches it. Discounts and
    `info["episode"]["length"]` count actions chosen, not steps of the environment.

    Goes around the environment itself, other wrappers around it: a batched one, then the repetition is part of
    the tensor program (and compiled where that is), or one in a loop or in processes.

    Args:
        env: a tensor environment from `morl.make_vec`.
        repeats: how often, at least once.
    """

    def __init__(self, env: Any, repeats: int) -> None:
        repeats = as_count(repeats, name="repeats", error=EnvError)
        if isinstance(env, TensorWrapper):
            raise EnvError(
                f"expected the environment itself, got {type(env).__name__}; "
                "put ActionRepeat around it first, then the other wrappers"
            )
        if not isinstance(env, BatchedEnv) and not getattr(env, "skips_inactive", False):
            raise EnvError(
                f"expected an environment whose rows can stand still, got {type(env).__name__}; "
                "pass a factory of single environments to morl.make_vec instead of a vector environment"
            )
        self.repeats = repeats
        super().__init__(Repeated(env, repeats) if isinstance(env, BatchedEnv) else env)
        self.reward_space = summed(env.reward_space, repeats)
        self._lengths = torch.zeros(self.num_envs, dtype=torch.int64, device=self.device)
        self._env = env

    @property
    def max_episode_steps(self) -> int | None:
        """The time limit in actions chosen."""
        limit = self._env.max_episode_steps
        return None if limit is None else -(-limit // self.repeats)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start all episodes."""
        self._lengths = torch.zeros_like(self._lengths)
        return super().reset(seed=seed, options=options)

    def step(self, actions: Tensor) -> Stepped:
        """Up to `repeats` steps of every environment under one action; rewards (N, m) are their sum."""
        if isinstance(self.env, Repeated):
            return super().step(actions)
        obs, reward, terminated, truncated, info = self.env.step(actions)
        final_obs, returns = info["final_obs"], info["episode"]["return"]
        for _ in range(self.repeats - 1):
            active = ~(terminated | truncated)
            if not bool(active.any()):
                break
            obs, more, ends, cuts, info = self.env.step(actions, active=active)
            reward, terminated, truncated = reward + more, terminated | ends, truncated | cuts
            final_obs = torch.where(per_row(active, obs), info["final_obs"], final_obs)
            returns = torch.where(per_row(active, returns), info["episode"]["return"], returns)
        length = self._lengths + 1
        self._lengths = length.masked_fill(terminated | truncated, 0)
        info = {"final_obs": final_obs, "episode": {"return": returns, "length": length}}
        return obs, reward, terminated, truncated, info

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environment."""
        self._env.close(**kwargs)


class Repeated(BatchedEnv):
    """The batched environment `inner` with every action repeated: a pure tensor program like any other."""

    def __init__(self, inner: BatchedEnv, repeats: int) -> None:
        super().__init__(
            inner.num_envs,
            observation_space=inner.single_observation_space,
            action_space=inner.single_action_space,
            reward_space=summed(inner.reward_space, repeats),
            device=inner.device,
            dtype=inner.dtype,
            compile=inner.compile,
            groups=inner.groups,
        )
        self.inner, self.repeats, self.env_id = inner, repeats, inner.env_id
        self.objectives = getattr(inner, "objectives", None)
        self.known_identity = inner.identity
        streams = Streams(0, self.num_envs, groups=self.groups, device=self.device)
        example = inner.initial_state(self.num_envs, inner.draw_reset_noise(self.num_envs, streams))
        self._own: Any = type(example)
        self._state: Any = namedtuple("State", [*example._fields, CLOCK])  # type: ignore[misc]

    def initial_state(self, n: int, noise: Tensor | None) -> Any:
        """First states, with no step taken yet."""
        clock = torch.zeros(n, dtype=torch.int64, device=self.device)
        return self._state(*self.inner.initial_state(n, noise), clock)

    def observe(self, state: Any) -> Tensor:
        """Observations (n, *obs_shape)."""
        return self.inner.observe(self._own(*state[:-1]))

    def draw_reset_noise(self, n: int, streams: Streams) -> Tensor | None:
        """As the environment draws it."""
        return self.inner.draw_reset_noise(n, streams)

    def draw_step_noise(self, n: int, streams: Streams) -> Tensor | None:
        """Noise for every repetition (n, repeats, ...), or None."""
        drawn = [self.inner.draw_step_noise(n, streams) for _ in range(self.repeats)]
        noise = [part for part in drawn if part is not None]
        return torch.stack(noise, dim=1) if noise else None

    def transition(self, state: Any, action: Tensor, noise: Tensor | None) -> Step:
        """Step until the last repetition or the episode's end; rows that have ended keep what they had."""
        own, clock = self._own(*state[:-1]), state[-1]
        step, truncated, clock = self._once(own, clock, action, None if noise is None else noise[:, 0])
        for i in range(1, self.repeats):
            over = step.terminated | truncated
            more, cut, later = self._once(step.state, clock, action, None if noise is None else noise[:, i])
            step = Step(
                select(over, step.state, more.state),
                step.reward + torch.where(over.unsqueeze(1), 0.0, more.reward),
                torch.where(over, step.terminated, more.terminated),
                extras={
                    name: torch.where(per_row(over, value), step.extras[name], value)
                    for name, value in more.extras.items()
                },
            )
            truncated, clock = torch.where(over, truncated, cut), torch.where(over, clock, later)
        return Step(self._state(*step.state, clock), step.reward, step.terminated, truncated, step.extras)

    def _once(
        self, state: Any, clock: Tensor, action: Tensor, noise: Tensor | None
    ) -> tuple[Step, Tensor, Tensor]:
        """One step of the environment: the step, where it was cut off (n,), the clock after it (n,)."""
        step = self.inner.transition(state, action, noise)
        cut = torch.zeros_like(step.terminated) if step.truncated is None else step.truncated
        clock = clock + 1
        if self.inner.max_episode_steps is not None:
            cut = cut | (clock >= self.inner.max_episode_steps)
        return step, cut, clock


def summed(space: Box, repeats: int) -> Box:
    """The space of sums of one to `repeats` rewards out of `space`."""
    low, high = np.minimum(space.low, repeats * space.low), np.maximum(space.high, repeats * space.high)
    return Box(low.astype(np.float32), high.astype(np.float32))
