"""The batched environment: a pure tensor program, thousands of copies at once, on any device.

An author writes four pure functions over a `NamedTuple` of tensors (see `BatchedEnv`); this module owns what
every environment shares: time limits, automatic resets, seeding, episode statistics, state snapshots and
compilation. Nothing here or in a `transition` depends on tensor *values* in Python, so a step never waits for
the device.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from morl._arrays import as_count, as_seeds
from morl.envs.compiling import compiled
from morl.envs.identity import of_instance
from morl.errors import EnvError
from morl.problem import Identity
from morl.registry import canonical_id
from morl.streams import Streams


class Step(NamedTuple):
    """What `transition` returns for n environments."""

    state: Any
    """The next state, a NamedTuple of tensors with first dimension n."""
    reward: Tensor
    """Vector rewards (n, m), objectives to be maximised."""
    terminated: Tensor
    """(n,) bool: the task ended here; nothing may be bootstrapped past it."""
    truncated: Tensor | None = None
    """(n,) bool: cut off by the environment itself. The time limit is the base class's business."""
    extras: dict[str, Tensor] = {}  # noqa: RUF012 - never written to
    """Room for costs (n, c), action masks (n, actions), per-agent rewards (n, agents, m)."""


class Carry(NamedTuple):
    """Everything that changes from step to step, streams apart."""

    state: Any
    elapsed: Tensor
    """(n,) int64 steps since the last reset."""
    episode_return: Tensor
    """(n, m) undiscounted sum of rewards since the last reset."""


class Outcome(NamedTuple):
    """What one step shows to the outside."""

    obs: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    final_obs: Tensor
    episode_return: Tensor
    episode_length: Tensor
    extras: dict[str, Tensor]


def select(mask: Tensor, new: Any, old: Any) -> Any:
    """Per environment, `new` where `mask` (n,) holds, else `old`; over a NamedTuple of tensors."""
    return type(old)(
        *(torch.where(mask.view(-1, *[1] * (o.dim() - 1)), n, o) for n, o in zip(new, old, strict=True))
    )


class BatchedEnv(VectorEnv):
    """Base class of the batched environments: `num_envs` copies advanced by one tensor program.

    A subclass sets its spaces, calls `super().__init__`, registers constants with `constant`, and writes

        initial_state(n, noise) -> State              first states; `noise` from draw_reset_noise
        observe(state) -> Tensor                      (n, *obs_shape)
        transition(state, action, noise) -> Step
        draw_reset_noise(n, streams), draw_step_noise(n, streams) -> Tensor | None   (default: None)

    All four are pure: randomness enters as tensors, constants live on the device, and no Python decision
    depends on data. `step` resets finished environments at once (SAME_STEP autoreset) and always returns
    the full pre-reset observation in `info["final_obs"]`; the rows that ended are `terminated | truncated`.

    Args:
        num_envs: how many copies.
        device: where every tensor lives.
        dtype: float32, or float64 for comparisons with an original environment.
        max_episode_steps: time limit after which an episode is truncated; None for no limit.
        compile: run the step through `torch.compile(fullgraph=True)`; where the machine has no compiler it
            falls back to the eager step with one warning.
        groups: how many random generators share the environments (see `morl.streams.Streams`).
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012
    backend = "batched"
    known_identity: Identity | None = None
    """Which problem this is, where `morl.make_vec` said so."""
    given: tuple[tuple[Any, ...], dict[str, Any]]
    """The arguments that it was made with."""
    single_observation_space: Space
    single_action_space: Space
    reward_space: Box

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments, which make it another problem than others of its class."""
        made = super().__new__(cls)
        made.given = (args, kwargs)
        return made

    def __init__(
        self,
        num_envs: int,
        *,
        observation_space: Space,
        action_space: Space,
        reward_space: Box,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        max_episode_steps: int | None = None,
        compile: bool = False,
        groups: int = 1,
    ) -> None:
        self.num_envs = num_envs = as_count(num_envs, name="num_envs", error=EnvError)
        if max_episode_steps is not None:
            max_episode_steps = as_count(max_episode_steps, name="max_episode_steps", error=EnvError)
        self.device = torch.device(device)
        self.dtype = dtype
        self.max_episode_steps = max_episode_steps
        self.groups = groups
        self.compile = compile
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.takes_integers = isinstance(action_space, Discrete)
        self.reward_space = reward_space
        self.num_objectives = int(np.prod(reward_space.shape))
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)
        self.streams: Streams | None = None
        self._env_id = ""
        self._carry: Carry | None = None
        self._advance = compiled(self.advance) if compile else self.advance

    @property
    def env_id(self) -> str:
        """What cards and files call this environment: the id it was made by, else its class's path."""
        if self._env_id:
            return self._env_id
        kind = type(self)
        return (
            canonical_id(self.spec.id) if self.spec is not None else f"{kind.__module__}:{kind.__qualname__}"
        )

    @env_id.setter
    def env_id(self, env_id: str) -> None:
        self._env_id = env_id

    @property
    def identity(self) -> Identity:
        """Which problem this is, among those of its id."""
        return self.known_identity or of_instance(self)

    # --- what an author writes -------------------------------------------------------------------------

    def initial_state(self, n: int, noise: Tensor | None) -> Any:
        """First states of n episodes, from reset noise drawn outside."""
        raise NotImplementedError("abstract: write initial_state(n, noise)")

    def observe(self, state: Any) -> Tensor:
        """Observations (n, *obs_shape) of n states."""
        raise NotImplementedError("abstract: write observe(state)")

    def transition(self, state: Any, action: Tensor, noise: Tensor | None) -> Step:
        """One step of the dynamics, without time limit and reset."""
        raise NotImplementedError("abstract: write transition(state, action, noise)")

    def draw_reset_noise(self, n: int, streams: Streams) -> Tensor | None:
        """Random numbers for `initial_state`; None where the start is fixed."""
        return None

    def draw_step_noise(self, n: int, streams: Streams) -> Tensor | None:
        """Random numbers for one `transition`; None where the dynamics are deterministic."""
        return None

    def constant(self, values: Any, *, dtype: torch.dtype | None = None) -> Tensor:
        """A constant of the dynamics as a tensor on the device (floats take the environment's dtype)."""
        tensor = torch.as_tensor(np.asarray(values))
        if dtype is None and tensor.is_floating_point():
            dtype = self.dtype
        return tensor.to(device=self.device, dtype=dtype)

    # --- the pure step ---------------------------------------------------------------------------------

    def begin(self, noise: Tensor | None) -> tuple[Carry, Tensor]:
        """First carry and observations of all environments (pure)."""
        state = self.initial_state(self.num_envs, noise)
        elapsed = torch.zeros(self.num_envs, dtype=torch.int64, device=self.device)
        returns = torch.zeros(self.num_envs, self.num_objectives, dtype=self.dtype, device=self.device)
        return Carry(state, elapsed, returns), self.observe(state)

    def advance(
        self, carry: Carry, action: Tensor, noise: Tensor | None, reset_noise: Tensor | None
    ) -> tuple[Carry, Outcome]:
        """One step with time limit, statistics and automatic reset (pure: what `compile` compiles)."""
        step = self.transition(carry.state, action, noise)
        elapsed = carry.elapsed + 1
        truncated = torch.zeros_like(step.terminated) if step.truncated is None else step.truncated
        if self.max_episode_steps is not None:
            truncated = truncated | (elapsed >= self.max_episode_steps)
        done = step.terminated | truncated
        episode_return = carry.episode_return + step.reward
        final_obs = self.observe(step.state)
        fresh = self.initial_state(self.num_envs, reset_noise)
        state = select(done, fresh, step.state)
        carry = Carry(
            state,
            elapsed.masked_fill(done, 0),
            episode_return.masked_fill(done.unsqueeze(1), 0.0),
        )
        outcome = Outcome(
            obs=self.observe(state),
            reward=step.reward,
            terminated=step.terminated,
            truncated=truncated,
            final_obs=final_obs,
            episode_return=episode_return,
            episode_length=elapsed,
            extras=step.extras,
        )
        return carry, outcome

    # --- Gymnasium's interface -------------------------------------------------------------------------

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start all environments anew. A `seed` restarts the streams, None continues them; a list has one seed for
        each of the `groups`.
        """
        given = as_seeds(seed)
        if isinstance(given, list):
            seeds = [s for s in given if s is not None]
            if len(seeds) != self.groups or len(given) != self.groups:
                raise EnvError(
                    "expected one integer seed for all batched environments, or one for each of the "
                    f"{self.groups} groups, got a list of {len(given)}; each environment derives its own numbers"
                )
            self.streams = Streams(seeds, self.num_envs, groups=self.groups, device=self.device)
        elif given is not None or self.streams is None:
            first = int(np.random.SeedSequence().generate_state(1)[0]) if given is None else given
            self.streams = Streams(first, self.num_envs, groups=self.groups, device=self.device)
        self._carry, obs = self.begin(self.draw_reset_noise(self.num_envs, self.streams))
        return obs, {}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Advance every environment; finished ones are reset at once (module docstring).

        Args:
            actions: (num_envs,) integers, or (num_envs, *action_shape) floats; moved to the device.

        Returns:
            obs (n, *obs_shape), reward (n, m), terminated (n,), truncated (n,), info with `final_obs`
            (n, *obs_shape), `episode` (`return` (n, m), `length` (n,), complete where done) and `extras`.
        """
        if self._carry is None or self.streams is None:
            raise EnvError("expected reset() before step(); call env.reset(seed=...) first")
        actions = torch.as_tensor(actions, device=self.device)
        if actions.shape != self.action_space.shape:
            raise EnvError(f"expected actions of shape {self.action_space.shape}, got {tuple(actions.shape)}")
        if self.takes_integers and (actions.is_floating_point() or actions.dtype == torch.bool):
            raise EnvError(f"expected integer actions for {self.single_action_space}, got {actions.dtype}")
        noise = self.draw_step_noise(self.num_envs, self.streams)
        reset_noise = self.draw_reset_noise(self.num_envs, self.streams)
        self._carry, out = self._advance(self._carry, actions, noise, reset_noise)
        info: dict[str, Any] = {
            "final_obs": out.final_obs,
            "episode": {"return": out.episode_return, "length": out.episode_length},
        }
        if out.extras:
            info["extras"] = out.extras
        return out.obs, out.reward, out.terminated, out.truncated, info

    def get_state(self) -> dict[str, Any]:
        """A snapshot from which `set_state` continues bit for bit: states, clocks, statistics, streams."""
        if self._carry is None or self.streams is None:
            raise EnvError("expected reset() before get_state(); call env.reset(seed=...) first")
        carry = self._carry
        return {
            "state": {name: value.clone() for name, value in carry.state._asdict().items()},
            "elapsed": carry.elapsed.clone(),
            "episode_return": carry.episode_return.clone(),
            "streams": self.streams.get_state(),
        }

    def set_state(self, snapshot: dict[str, Any]) -> Tensor:
        """Continue from a snapshot; returns the observations that the next actions answer to."""
        if self._carry is None or self.streams is None:
            self.reset(seed=0)
        assert self._carry is not None and self.streams is not None
        example = self._carry.state._asdict()
        given = snapshot["state"]
        if set(given) != set(example) or any(given[k].shape != v.shape for k, v in example.items()):
            raise EnvError(
                f"expected a state with {_shapes(example)}, got {_shapes(given)}; "
                "the snapshot belongs to another environment"
            )
        state = type(self._carry.state)(**{k: given[k].to(self.device, copy=True) for k in example})
        self._carry = Carry(
            state,
            snapshot["elapsed"].to(self.device, copy=True),
            snapshot["episode_return"].to(self.device, copy=True),
        )
        self.streams.set_state(snapshot["streams"])
        return self.observe(state)


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
