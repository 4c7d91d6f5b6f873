"""Wrappers around any tensor environment of `morl.make_vec`, whatever its backend: batched, on its device.

    env = FrameStackObservation(morl.make_vec("minecart-v0", num_envs=512), stack_size=4)

They keep the contract of what they wrap: where an episode ends, `info["final_obs"]` is what the episode led to and
`obs` begins the next one, without a trace of the last. They agree with Gymnasium's wrappers of the same names step
by step. A run names its environment by text, so give the wrapped one a class:

    class StackedMinecart(FlattenObservation):
        def __init__(self, num_envs: int, **options):  # device, backend, compile and --env-kwargs
            env = morl.make_vec("minecart-v0", num_envs, **options)
            super().__init__(FrameStackObservation(env, stack_size=4))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from morl._arrays import as_count
from morl.envs.action_repeat import ActionRepeat
from morl.envs.wrapper import ObservationWrapper, Stepped, TensorWrapper, per_row
from morl.errors import EnvError

__all__ = [
    "ActionRepeat",
    "FlattenObservation",
    "FrameStackObservation",
    "NormalizeObservation",
    "ObservationWrapper",
    "ScaleReward",
    "Statistics",
    "TensorWrapper",
    "TimeAwareObservation",
]


class ScaleReward(TensorWrapper):
    """Multiplies each objective by a number; a negative one turns a cost into a reward.

    Returns in `info["episode"]` and fronts are those of the scaled rewards, and the environment's card does not
    describe them, so fronts have another id: `ENV*(2,-1)`.

    Args:
        env: a tensor environment.
        scale: one number for each objective, not zero.
    """

    def __init__(self, env: Any, scale: Sequence[float]) -> None:
        super().__init__(env)
        factors = np.asarray(scale, dtype=np.float64)
        if factors.shape != (self.num_objectives,) or not np.isfinite(factors).all() or (factors == 0).any():
            raise EnvError(
                f"expected {self.num_objectives} finite numbers other than zero, one for each objective of "
                f"{self.env_id}, got {scale}"
            )
        self.scale = torch.as_tensor(factors).to(self.device, getattr(env, "dtype", torch.float32))
        self._suffix = f"*({','.join(f'{factor:g}' for factor in factors)})"
        bounds = np.stack((self.reward_space.low * factors, self.reward_space.high * factors))
        self.reward_space = Box(bounds.min(axis=0).astype(np.float32), bounds.max(axis=0).astype(np.float32))

    @property
    def problem_id(self) -> str:
        """`ENV*(2,-1)`, or a name given to this wrapper."""
        named = super().problem_id
        return named if self.env_id != self.env.env_id else named + self._suffix

    def step(self, actions: Tensor) -> Stepped:
        """Step every environment; rewards (N, m) and returns are scaled."""
        obs, reward, terminated, truncated, info = super().step(actions)
        episode = {**info["episode"], "return": info["episode"]["return"] * self.scale}
        return obs, reward * self.scale, terminated, truncated, {**info, "episode": episode}


class FrameStackObservation(ObservationWrapper):
    """The last `stack_size` observations (N, stack_size, *obs_shape), the newest last; see Gymnasium's.

    Args:
        env: a tensor environment.
        stack_size: how many.
        padding_type: what stands before an episode's first observation: that observation ("reset") or zeros
            ("zero"; the nearest number where the space holds no zero).
    """

    def __init__(
        self, env: Any, stack_size: int, *, padding_type: Literal["reset", "zero"] = "reset"
    ) -> None:
        super().__init__(env)
        stack_size = as_count(stack_size, name="stack_size", error=EnvError)
        if padding_type not in ("reset", "zero"):
            raise EnvError(f"expected a padding_type of 'reset' or 'zero', got {padding_type!r}")
        space = self.single_observation_space
        assert isinstance(space, Box), "make_vec flattens"
        self.stack_size = stack_size
        zero = np.clip(np.zeros(space.shape, dtype=space.dtype), space.low, space.high)
        self._zero = torch.as_tensor(zero).to(self.device) if padding_type == "zero" else None
        low, high = (np.repeat(bound[None], stack_size, axis=0) for bound in (space.low, space.high))
        self.observe_in(Box(low, high, dtype=space.dtype))

    def begin(self, obs: Tensor) -> Tensor:
        """The first observation below what pads it."""
        padding = obs if self._zero is None else self._zero.expand_as(obs)
        return torch.stack([padding] * (self.stack_size - 1) + [obs], dim=1)

    def follow(
        self, final_obs: Tensor, obs: Tensor, fresh: Tensor, restarted: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Push what came; begin anew where an episode does."""
        assert self._obs is not None, "step asks for reset first"
        pushed = torch.cat((self._obs[:, 1:], final_obs.unsqueeze(1)), dim=1)
        begun = self.begin(obs)
        stacked = torch.where(per_row(fresh, pushed), begun, pushed)
        return (pushed if restarted is None else stacked), stacked


class FlattenObservation(ObservationWrapper):
    """Observations as vectors (N, size), which is what the agents take: pictures, or stacked frames.

    Args:
        env: a tensor environment.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        space, native = self.single_observation_space, self.native_observation_space
        assert isinstance(space, Box), "make_vec flattens"
        self.observe_in(Box(space.low.ravel(), space.high.ravel(), dtype=space.dtype))
        self.native_observation_space = native  # policies flatten, too

    def begin(self, obs: Tensor) -> Tensor:
        """One row for each environment."""
        return obs.flatten(1)

    def follow(
        self, final_obs: Tensor, obs: Tensor, fresh: Tensor, restarted: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same."""
        return final_obs.flatten(1), obs.flatten(1)


class TimeAwareObservation(ObservationWrapper):
    """Appends the number of steps taken in the episode to the flattened observation: (N, size + 1), float32.

    Args:
        env: a tensor environment.
        normalize_time: as a share of the time limit instead, in [0, 1].
        max_episode_steps: the time limit, where `env` does not know it.
    """

    def __init__(
        self, env: Any, *, normalize_time: bool = False, max_episode_steps: int | None = None
    ) -> None:
        super().__init__(env)
        limit = self.max_episode_steps if max_episode_steps is None else max_episode_steps
        if normalize_time and limit is None:
            raise EnvError(
                f"expected a time limit to normalise time by, {self.env_id} tells none; "
                "pass max_episode_steps=..."
            )
        self.per_step = 1.0 / limit if normalize_time and limit is not None else 1.0
        space = self.single_observation_space
        assert isinstance(space, Box), "make_vec flattens"
        longest = np.inf if limit is None else limit * self.per_step
        low, high = (
            np.append(bound.astype(np.float32), np.float32(end))
            for bound, end in ((space.low, 0.0), (space.high, longest))
        )
        self.observe_in(Box(low, high, dtype=np.float32))
        self._clock = torch.zeros(self.num_envs, dtype=torch.int64, device=self.device)

    def begin(self, obs: Tensor) -> Tensor:
        """Time zero."""
        self._clock = torch.zeros_like(self._clock)
        return self._timed(obs, self._clock)

    def follow(
        self, final_obs: Tensor, obs: Tensor, fresh: Tensor, restarted: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """One step later; zero where an episode begins."""
        later = self._clock + 1
        if restarted is not None:
            later = later.masked_fill(restarted, 0)
        self._clock = later.masked_fill(fresh, 0)
        return self._timed(final_obs, later), self._timed(obs, self._clock)

    def _timed(self, obs: Tensor, clock: Tensor) -> Tensor:
        time = clock.unsqueeze(1).to(torch.float32) * self.per_step
        return torch.cat((obs.flatten(1).to(torch.float32), time), dim=1)

    def own_state(self) -> dict[str, Any]:
        """The clocks and the latest observations."""
        return {"clock": self._clock, **super().own_state()}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """The inverse of `own_state`."""
        super().load_own_state(state)
        self._clock = state["clock"].to(self.device)


class Statistics:
    """Running mean and variance of observations, float64, from a prior of mean 0 and variance 1 that weighs 1e-4.

    Batches are merged by Chan et al. 1983. Both match Gymnasium's `RunningMeanStd`.
    """

    def __init__(self, shape: tuple[int, ...], *, device: torch.device | str = "cpu") -> None:
        options: dict[str, Any] = {"dtype": torch.float64, "device": device}
        self.mean, self.variance = torch.zeros(shape, **options), torch.ones(shape, **options)
        self.count = torch.full((), 1e-4, **options)

    def update(self, obs: Tensor, mask: Tensor | None = None) -> None:
        """Take in a batch (N, *shape), or its rows where `mask` (N,) holds."""
        batch = obs.to(torch.float64)
        taken = batch.new_ones(len(batch)) if mask is None else mask.to(torch.float64)
        count = taken.sum()
        share = per_row(taken / count.clamp(min=1.0), batch)
        mean = (batch * share).sum(dim=0)
        variance = ((batch - mean).square() * share).sum(dim=0)
        total = self.count + count
        delta = mean - self.mean
        spread = self.variance * self.count + variance * count + delta.square() * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.variance, self.count = spread / total, total

    def state(self) -> dict[str, Any]:
        """Mean, variance and count."""
        return {"mean": self.mean, "variance": self.variance, "count": self.count}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        for name in ("mean", "variance", "count"):
            setattr(self, name, state[name].to(getattr(self, name).device, torch.float64))


class NormalizeObservation(ObservationWrapper):
    """Observations with zero mean and unit variance by statistics over all environments, float32; see Gymnasium's.

    Every observation counts once, last ones and first ones of episodes included. `ConditionedPPO` and
    `EnvelopeDQN` normalise by themselves and save their statistics; this is for loops of your own. Evaluate with
    the statistics of training, which then stand still: `NormalizeObservation(env, statistics=train.statistics)`.

    Args:
        env: a tensor environment.
        statistics: what to normalise by, unchanged; by default new ones that every step moves.
        epsilon: added to the variance.
    """

    def __init__(self, env: Any, *, statistics: Statistics | None = None, epsilon: float = 1e-8) -> None:
        super().__init__(env)
        space = self.single_observation_space
        shape = space.shape or ()
        if statistics is not None and statistics.mean.shape != shape:
            raise EnvError(
                f"expected statistics of observations {shape}, got {tuple(statistics.mean.shape)}; "
                "they belong to another environment"
            )
        self.update_running_mean = statistics is None
        """Whether steps move the statistics; may be changed at any time, as in Gymnasium."""
        self.statistics = statistics or Statistics(shape, device=self.device)
        self.epsilon = epsilon
        self.observe_in(Box(-np.inf, np.inf, shape, dtype=np.float32))

    @property
    def moving(self) -> bool:
        """Whether steps move the statistics."""
        return self.update_running_mean or super().moving

    def begin(self, obs: Tensor) -> Tensor:
        """Take in and scale first observations."""
        return self._scaled(obs, None)

    def follow(
        self, final_obs: Tensor, obs: Tensor, fresh: Tensor, restarted: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Take in and scale what the step led to, then what was observed beyond it."""
        final = self._scaled(final_obs, None)
        if restarted is not None:  # a reset was this step's own business: nothing lies beyond it
            return final, final
        return final, torch.where(per_row(fresh, final), self._scaled(obs, fresh), final)

    def _scaled(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        if self.update_running_mean:
            self.statistics.update(obs, mask)
        scale = (self.statistics.variance + self.epsilon).rsqrt()
        return ((obs.to(torch.float64) - self.statistics.mean) * scale).to(torch.float32)

    def own_state(self) -> dict[str, Any]:
        """The statistics and the latest observations."""
        return {"statistics": self.statistics.state(), **super().own_state()}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """The inverse of `own_state`."""
        super().load_own_state(state)
        self.statistics.load_state(state["statistics"])
