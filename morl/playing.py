"""Episodes played for an evaluation: many rows as one batch, on copies of an environment that are made as needed.

An environment that is played one by one has at most `COPIES` copies at a time, as a simulator may need a process, a
port and much memory for each. Where playing takes long, they are spread over as many processes as there are cores.
That changes no number: batches, seeds and order stay the same.
"""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morl._arrays import Array, as_count
from morl.agent import Policy
from morl.commands import Asked, PolicyFactory
from morl.errors import EnvError
from morl.finite import ObservationWatch
from morl.spec import flattened
from morl.streams import derive_seed
from morl.threads import cores

LONGEST_EPISODE = 100_000
"""Steps after which an episode counts as endless, unless `max_steps` says otherwise."""

SYNC_EVERY = 16
"""On an accelerator, ask only this often whether all episodes are over: asking waits for the device."""

WITHOUT_LIMIT = 10_000
"""Steps after which a training's own evaluations cut an episode off, where the environment has no time limit: of half
a policy something is known, and the training goes on."""

HOW_TO_LIMIT = (
    "give it a time limit: --max-episode-steps, max_episode_steps in env_kwargs or in gymnasium.register, or "
    "gymnasium.wrappers.TimeLimit"
)

RANDOM_STEPS, RANDOM_SECONDS = 20_000, 10.0
"""In which random play looks for the end of an episode, at most."""

COPIES = 32
"""Copies of an environment that is played one by one: enough that the policies' share of a step is small."""

PATIENCE = 2.0
"""Seconds of playing in this process, and as many still to come, before other processes are started."""


class Episodes(NamedTuple):
    """What n episodes of each of k points earned."""

    discounted: Array
    """(k, n, m) float64."""
    undiscounted: Array
    """(k, n, m) float64."""
    lengths: NDArray[np.int64]
    """(k, n) steps."""
    seeds: NDArray[np.int64]
    """(k, n)."""

    def alike(self) -> bool:
        """Whether the episodes of each point are the same, as far as returns and lengths tell."""
        return all(bool((part == part[:, :1]).all()) for part in self[:3])

    def and_then(self, more: Episodes) -> Episodes:
        """These and more episodes of each point."""
        return Episodes(*(np.concatenate(parts, axis=1) for parts in zip(self, more, strict=True)))


class Stage:
    """The environment of an evaluation, and the copies of it that are played on; closes those that it made.

    Args:
        env: as for `make_evaluation_env`.
        device: where its tensors are.
        backend: which implementation.
        env_kwargs: keyword arguments of the environment.
        spreads: whether copies may move into other processes.
        without_limit: steps after which episodes are cut off, with a warning, if the environment has no time limit;
            None to take endless ones for an error.
    """

    def __init__(
        self,
        env: Any,
        *,
        device: torch.device | str,
        backend: str = "original",
        env_kwargs: dict[str, Any] | None = None,
        spreads: bool = True,
        without_limit: int | None = None,
    ) -> None:
        self.without_limit = without_limit
        self.env, self.env_kwargs = env, env_kwargs
        self.flattens = False
        """Whether policies want observations of several dimensions as vectors."""
        self._device, self._backend = device, backend
        self._vec: Any = None
        self._may_spread = spreads and not is_instance(env) and not multiprocessing.current_process().daemon

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was made."""
        if self._vec is not None and not is_instance(self.env):
            self._vec.close()
        self._vec = None

    def set_for(self, rows: int) -> Any:
        """The tensor environment for so many rows: with a copy for each, or fewer that play in turns."""
        if self._vec is not None and (
            is_instance(self.env) or _one_by_one(self._vec) or self._vec.num_envs == rows
        ):
            return self._vec
        self.close()
        turns = -(-rows // COPIES)
        copies = -(-rows // turns)
        self._vec = self._make(copies)
        if copies < rows and not is_instance(self.env) and not _one_by_one(self._vec):
            self.close()  # it steps all its rows at once
            self._vec = self._make(rows)
        return self._vec

    def spread_if_long(self, seconds: float, turns: int, left: int) -> Any:
        """The environment for the turns that are left, after `turns` that took so many seconds."""
        if self._may_spread and seconds > PATIENCE and seconds / turns * left > PATIENCE:
            self._may_spread = False
            if self._vec.backend in ("original", "sync") and cores() > 1:
                self._spread()
        return self._vec

    def _spread(self) -> None:
        """Move the copies into other processes, or leave them here where that does not work."""
        copies = self._vec.num_envs
        self.close()
        try:
            self._vec = self._make(copies, backend="async")
            self._vec.reset(seed=[0] * copies)  # which makes them
        except Exception:  # whatever keeps an environment from living in another process
            self.close()
            self._vec = self._make(copies)

    def _make(self, rows: int, backend: str | None = None) -> Any:
        made = make_evaluation_env(
            self.env,
            rows,
            device=self._device,
            backend=self._backend if backend is None else backend,
            env_kwargs=self.env_kwargs,
        )
        return flattened(made) if self.flattens else made


def make_evaluation_env(
    env: Any,
    rows: int,
    *,
    device: torch.device | str,
    backend: str = "original",
    env_kwargs: dict[str, Any] | None = None,
) -> Any:
    """A tensor vector environment with so many rows; of an instance, with the rows that it has.

    Raises:
        EnvError: the environment or the backend is unknown, or there is no such implementation.
    """
    import morl

    if _is_tensor_env(env):
        return env
    if is_instance(env):
        rows, backend = getattr(env, "num_envs", 1), "auto" if hasattr(env, "num_envs") else backend
    return morl.make_vec(env, num_envs=rows, device=device, backend=backend, env_kwargs=env_kwargs)


def is_instance(env: Any) -> bool:
    """Whether `env` is an environment already, which is its owner's to close."""
    return hasattr(env, "step") and not isinstance(env, type)


def _is_tensor_env(env: Any) -> bool:
    return is_instance(env) and hasattr(env, "num_objectives") and hasattr(env, "device")


def _one_by_one(vec: Any) -> bool:
    """Whether the rows are environments of their own that are stepped one after the other."""
    return vec.backend in ("original", "sync", "async")


def _seeds_each_row(vec: Any) -> bool:
    """Whether the rows have a seed each; else they share one stream."""
    return _one_by_one(vec) or vec.backend == "envpool"


def play(
    asked: Sequence[Asked],
    stage: Stage,
    episodes: range,
    *,
    of: int,
    seed: int,
    gamma: float,
    max_steps: int | None = None,
) -> Episodes:
    """Follow what policies are asked for, for episodes with these numbers, of so many in all.

    Raises:
        EnvError: an episode that does not end within `LONGEST_EPISODE` steps, where `max_steps` is None.
    """
    parts = []
    for policies, commands in asked:
        k, rows = len(commands), len(commands) * len(episodes)
        vec = stage.set_for(rows)
        seeds = _seeds(vec, k, episodes, of, seed)
        repeated = commands.repeat_interleave(len(episodes), 0)
        cut = stage.without_limit if max_steps is None and _has_no_limit(vec) else None
        earned = list(_in_turns(policies, stage, repeated, seeds, gamma, max_steps if cut is None else cut))
        if cut is not None and (earned[2] >= cut).any():
            warnings.warn(
                f"episodes of {vec.env_id} were cut off after {cut:,} steps; {HOW_TO_LIMIT}", stacklevel=2
            )
        parts.append(tuple(part.reshape(k, len(episodes), *part.shape[1:]) for part in (*earned, seeds)))
    return Episodes(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _in_turns(
    policies: PolicyFactory,
    stage: Stage,
    commands: Tensor,
    seeds: NDArray[np.int64],
    gamma: float,
    max_steps: int | None,
) -> Iterator[NDArray[Any]]:
    """Run all rows (R, ...), as many at a time as there is room for: the first three fields of `Episodes`, by row."""
    rows, vec = len(commands), stage.set_for(len(commands))
    size, seconds, parts = vec.num_envs, 0.0, []
    for turn, start in enumerate(range(0, rows, size), 1):
        began, playing = time.monotonic(), min(size, rows - start)
        index = start + np.arange(size) % playing
        own = seeds[index].tolist() if _seeds_each_row(vec) else int(seeds[start])
        policy = policies(commands[torch.from_numpy(index)].to(vec.device))
        parts.append(_first_episodes(policy, vec, own, gamma, max_steps, count=playing))
        seconds += time.monotonic() - began
        vec = stage.spread_if_long(seconds, turn, -(-rows // size) - turn)
    return (np.concatenate(column)[:rows] for column in zip(*parts, strict=True))


def require_ends(env: Any, *, device: torch.device | str, env_kwargs: dict[str, Any] | None = None) -> None:
    """Look for the end of an episode by random play, where an environment has no time limit.

    Raises:
        EnvError: there is none within `RANDOM_STEPS` steps.
    """
    with Stage(env, device=device, backend="auto", env_kwargs=env_kwargs) as stage:
        vec = stage.set_for(1)
        if not _has_no_limit(vec):
            return
        vec.action_space.seed(0)
        vec.reset(seed=0)
        until = time.monotonic() + RANDOM_SECONDS
        for step in range(1, RANDOM_STEPS + 1):
            _, _, terminated, truncated, _ = vec.step(torch.as_tensor(vec.action_space.sample()))
            if bool((terminated | truncated).any()):
                return
            if time.monotonic() > until:
                warnings.warn(
                    f"no episode of {vec.env_id} ended within {step:,} random steps; if none does, {HOW_TO_LIMIT}",
                    stacklevel=2,
                )
                return
        raise EnvError(
            f"expected episodes of {vec.env_id} to end, none did within {RANDOM_STEPS:,} random steps; "
            f"{HOW_TO_LIMIT}"
        )


def _has_no_limit(vec: Any) -> bool:
    return getattr(vec, "max_episode_steps", None) is None


def _seeds(vec: Any, k: int, episodes: range, of: int, seed: int) -> NDArray[np.int64]:
    """One seed per row, (k * n,); rows that share a stream share its seed."""
    if _seeds_each_row(vec):
        # 31 bits: some environments hand their seed to generators that take no more.
        drawn = (np.random.SeedSequence(seed).generate_state(k * of, np.uint32) >> 1).astype(np.int64)
        return drawn.reshape(k, of)[:, episodes].ravel()
    rows = k * len(episodes)
    before = -(-k * episodes.start // vec.num_envs)
    chunks = [derive_seed(seed, before + chunk) for chunk in range(-(-rows // vec.num_envs))]
    return np.repeat(np.array(chunks, dtype=np.int64), vec.num_envs)[:rows]


def _first_episodes(
    policy: Policy, vec: Any, seed: int | list[int], gamma: float, max_steps: int | None, *, count: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Step `vec` until each of its first `count` rows has finished one episode: the first fields of `Episodes`."""
    shape, device = (vec.num_envs, vec.num_objectives), vec.device
    discounted, undiscounted = (torch.zeros(shape, dtype=torch.float64, device=device) for _ in range(2))
    lengths = torch.zeros(vec.num_envs, dtype=torch.int64, device=device)
    active = torch.arange(vec.num_envs, device=device) < count
    skips_finished = getattr(vec, "skips_inactive", False)
    ask_every = 1 if device.type == "cpu" else SYNC_EVERY
    limit = LONGEST_EPISODE if max_steps is None else as_count(max_steps, name="max_steps")
    obs, _ = vec.reset(seed=seed)
    policy.reset()
    watch = ObservationWatch(vec)
    watch.see(obs, None)
    for step in range(limit):
        actions = policy.act(obs)
        options = {"active": active} if skips_finished else {}
        obs, reward, terminated, truncated, info = vec.step(actions, **options)
        done = terminated | truncated
        watch.see_step(info["final_obs"], obs, info, done)
        policy.observe(reward, done)
        gain = torch.where(active.unsqueeze(1), reward.double(), 0.0)
        undiscounted += gain
        discounted += gamma**step * gain
        lengths += active
        active = active & ~done
        if (step + 1) % ask_every == 0:
            watch.check()
            if not bool(active.any()):
                break
    if max_steps is None and bool(active.any()):
        raise EnvError(
            f"expected every episode of {vec.env_id} to end within {LONGEST_EPISODE} steps, "
            f"{int(active.sum())} did not; {HOW_TO_LIMIT}; or cut episodes off "
            "(max_steps=..., --max-steps)"
        )
    return discounted.cpu().numpy(), undiscounted.cpu().numpy(), lengths.cpu().numpy()
