"""Is this a vector-reward environment that `morl` can run, and if not, what is to be fixed?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import VectorEnv
from torch import Tensor

from morl.envs.adapters import SyncAdapter
from morl.envs.base import BatchedEnv
from morl.envs.make import TensorEnv, make_vec
from morl.envs.purity import check_pure
from morl.errors import MorlError
from morl.streams import make_generator

COPIES, BATCH = 2, 64
"""Copies stepped side by side, where the environment can be copied; and of a batched one."""
REPLAY = 100
"""Steps of the two replays that are compared under one seed."""

Level = Literal["passed", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    level: Level
    title: str
    detail: str = ""
    """What was found."""
    fix: str = ""
    """What to do about it; empty where it passed."""


@dataclass
class Report:
    """What `check_env` found."""

    env_id: str
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """Plain values: num_objectives, the spaces as text, reward_low and reward_high per objective under random
    play, episodes, mean_episode_length, steps_per_second, backends."""

    @property
    def ok(self) -> bool:
        """Whether `morl` can run the environment: there is no problem, though there may be warnings."""
        return all(finding.level != "problem" for finding in self.findings)


@dataclass
class Play:
    """What random play showed, over all copies."""

    reward_low: Tensor
    reward_high: Tensor
    obs_inside: bool = True
    obs_finite: bool = True
    lengths: list[int] = field(default_factory=list)
    steps_per_second: float = 0.0


def check_env(env: Any, *, steps: int = 1000, seed: int = 0, backend: str = "auto", **kwargs: Any) -> Report:
    """Make an environment, play it at random and say what stands in the way of training on it.

    Args:
        env: whatever `morl.make_vec` takes.
        steps: steps of random play of each copy: two, 64 of a batched environment, one of an instance.
        seed: of the environment and of the random actions.
        backend: as for `morl.make_vec`; "auto" checks the batched twin where there is one.
        kwargs: arguments of the environment.

    Returns:
        The report; nothing is raised for what is wrong with the environment.
    """
    is_instance = isinstance(env, (gymnasium.Env, VectorEnv))
    report = Report(env_id=env if isinstance(env, str) else type(env).__name__)
    title = "is a vector-reward environment that morl can make"
    try:
        vec = make_vec(env, num_envs=1 if is_instance else COPIES, backend=backend, **kwargs)
        if isinstance(vec, BatchedEnv) and not is_instance:
            vec = make_vec(env, num_envs=BATCH, backend=backend, **kwargs)
    except MorlError as error:
        report.findings.append(_problem(title, error))
        return report
    report.env_id = vec.env_id
    report.facts |= {
        "num_objectives": vec.num_objectives,
        "observation_space": str(vec.single_observation_space),
        "action_space": str(vec.single_action_space),
        "reward_space": str(vec.reward_space),
        "backend": vec.backend,
    }
    detail = f"{vec.num_objectives} objectives; the spaces are supported"
    report.findings.append(Finding("passed", title, detail))
    try:
        play = _play(vec, steps, seed)
        report.findings += [*_judge_play(vec, play, steps), _judge_replay(vec, seed)]
        report.facts |= _facts(play)
    except Exception as error:  # whatever somebody's step() raises is a finding
        report.findings.append(_problem("can be played", error))
    if isinstance(vec, BatchedEnv):
        report.findings += [_judge_snapshot(vec, seed), _judge_purity(vec, env, is_instance, kwargs)]
    if not is_instance:
        vec.close()
    if report.ok and not is_instance:
        report.findings += _judge_processes(env, kwargs)
    report.facts["backends"] = _backends(vec, report)
    return report


def _problem(title: str, error: Exception) -> Finding:
    """A failure as a finding; our own messages name the remedy after their last semicolon."""
    if not isinstance(error, MorlError):
        return Finding(
            "problem", title, f"{type(error).__name__}: {error}", "see the traceback of its step()"
        )
    detail, _, fix = str(error).rpartition("; ")
    return Finding("problem", title, detail, fix) if detail else Finding("problem", title, fix, "as it says")


def _random_actions(vec: TensorEnv, generator: torch.Generator) -> Tensor:
    """Actions drawn evenly from the action space (from [-1, 1] where it is unbounded)."""
    space, n = vec.single_action_space, vec.num_envs
    if isinstance(space, Discrete):
        return torch.randint(int(space.n), (n,), generator=generator)
    assert isinstance(space, Box), "make_vec refuses others"
    low, high = (
        np.where(np.isfinite(space.low), space.low, -1.0),
        np.where(np.isfinite(space.high), space.high, 1.0),
    )
    unit = torch.rand((n, *space.shape), generator=generator)
    return torch.as_tensor(low, dtype=torch.float32) + unit * torch.as_tensor(high - low, dtype=torch.float32)


def _play(vec: TensorEnv, steps: int, seed: int) -> Play:
    generator = make_generator("cpu", seed)
    infinity = torch.full((vec.num_objectives,), float("inf"))
    play = Play(reward_low=infinity, reward_high=-infinity)
    obs, _ = vec.reset(seed=seed)
    started = time.perf_counter()
    for _ in range(steps):
        _watch_obs(vec, obs, play)
        obs, reward, terminated, truncated, info = vec.step(_random_actions(vec, generator))
        reward, done = reward.cpu(), (terminated | truncated).cpu()
        play.reward_low = torch.minimum(play.reward_low, reward.amin(dim=0))
        play.reward_high = torch.maximum(play.reward_high, reward.amax(dim=0))
        play.lengths += info["episode"]["length"].cpu()[done].tolist()
        _watch_obs(vec, info["final_obs"], play)
    play.steps_per_second = steps * vec.num_envs / (time.perf_counter() - started)
    return play


def _watch_obs(vec: TensorEnv, obs: Tensor, play: Play) -> None:
    space = vec.single_observation_space
    assert isinstance(space, Box), "make_vec flattens"
    values = obs.cpu().numpy()
    play.obs_inside &= bool(((values >= space.low) & (values <= space.high)).all())
    play.obs_finite &= bool(np.isfinite(values).all())


def _facts(play: Play) -> dict[str, Any]:
    return {
        "reward_low": play.reward_low.tolist(),
        "reward_high": play.reward_high.tolist(),
        "episodes": len(play.lengths),
        "mean_episode_length": float(np.mean(play.lengths)) if play.lengths else None,
        "steps_per_second": round(play.steps_per_second),
    }


def _judge_play(vec: TensorEnv, play: Play, steps: int) -> Iterator[Finding]:
    """What random play says about observations, rewards and episode ends."""
    if not play.obs_finite:
        yield Finding(
            "problem",
            "observations are finite",
            "found NaN or infinity",
            "return finite numbers from step and reset",
        )
    elif not play.obs_inside:
        yield Finding(
            "warning",
            "observations lie in the observation space",
            f"found values outside {vec.single_observation_space}",
            "widen observation_space",
        )
    else:
        yield Finding("passed", "observations are finite and lie in the observation space")
    low, high = play.reward_low.numpy(), play.reward_high.numpy()
    slack = 1e-5 * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
    if (low < vec.reward_space.low - slack).any() or (high > vec.reward_space.high + slack).any():
        yield Finding(
            "warning",
            "rewards lie in the reward space",
            f"found {low.tolist()} to {high.tolist()} outside {vec.reward_space}",
            "widen reward_space",
        )
    else:
        yield Finding("passed", "rewards are finite and lie in the reward space")
    for objective in np.flatnonzero(low == high):
        yield Finding(
            "warning",
            f"objective {objective} varies",
            f"it paid {low[objective]} in each of {steps} random steps",
            "check that it is computed; an objective that random play never touches is hard to learn",
        )
    if not play.lengths:
        yield Finding(
            "warning",
            "episodes end",
            f"none ended within {steps} steps",
            "give it a time limit: max_episode_steps in gymnasium.register, or gymnasium.wrappers.TimeLimit",
        )
    else:
        yield Finding(
            "passed", "episodes end", f"{len(play.lengths)} ended, after {min(play.lengths)} steps or more"
        )


def _judge_replay(vec: TensorEnv, seed: int) -> Finding:
    """Whether one seed and one sequence of actions give one history."""
    first, second = (list(_history(vec, seed)) for _ in range(2))
    if all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True)):
        return Finding("passed", "reset(seed=...) makes episodes reproducible")
    return Finding(
        "warning",
        "reset(seed=...) makes episodes reproducible",
        f"two replays of {REPLAY} steps differ",
        "draw random numbers from self.np_random only, which super().reset(seed=seed) seeds",
    )


def _history(vec: TensorEnv, seed: int) -> Iterator[np.ndarray]:
    generator = make_generator("cpu", seed)
    obs, _ = vec.reset(seed=seed)
    yield obs.cpu().numpy()
    for _ in range(REPLAY):
        for part in vec.step(_random_actions(vec, generator))[:4]:
            yield part.cpu().numpy()


def _judge_snapshot(vec: BatchedEnv, seed: int) -> Finding:
    """Whether a batched environment continues from a snapshot as it did the first time."""
    title, fix = "set_state() continues where get_state() was", "keep the whole state in the State tuple"
    actions = _random_actions(vec, make_generator("cpu", seed))
    try:
        vec.reset(seed=seed)
        snapshot = vec.get_state()
        first = vec.step(actions)[:4]
        vec.set_state(snapshot)
        second = vec.step(actions)[:4]
    except Exception as error:
        return Finding("problem", title, f"{type(error).__name__}: {error}", fix)
    if all(torch.equal(a, b) for a, b in zip(first, second, strict=True)):
        return Finding("passed", title)
    return Finding("problem", title, "the step after it differs", fix)


def _judge_purity(vec: BatchedEnv, env: Any, is_instance: bool, kwargs: dict[str, Any]) -> Finding:
    """Whether the step of a batched environment never waits for its device."""
    title = "the step is a pure tensor program"
    try:
        check_pure(vec)
        if not is_instance:
            on_meta = make_vec(env, num_envs=COPIES, device="meta", **kwargs)
            assert isinstance(on_meta, BatchedEnv), "made as vec was"
            check_pure(on_meta)
    except Exception as error:
        return replace(_problem(title, error), level="warning")
    return Finding("passed", title)


def _judge_processes(env: Any, kwargs: dict[str, Any]) -> Iterator[Finding]:
    """Whether the environment runs in processes of its own; nothing where only a batched form exists."""
    title = "runs in processes (backend 'async')"
    try:
        make_vec(env, num_envs=COPIES, backend="sync", **kwargs).close()
    except MorlError:
        return
    try:
        vec = make_vec(env, num_envs=COPIES, backend="async", **kwargs)
        try:
            vec.reset(seed=0)
            vec.step(_random_actions(vec, make_generator("cpu", 0)))
        finally:
            vec.close()
    except Exception as error:  # pickling and process errors have many types
        yield Finding("warning", title, f"{type(error).__name__}: {error}", "use backend 'auto' or 'sync'")
    else:
        yield Finding("passed", title)


def _backends(vec: TensorEnv, report: Report) -> list[str]:
    """The values of `backend` that work."""
    if not report.ok:
        return []
    processes = {finding.level for finding in report.findings if "async" in finding.title}
    works = ["auto"]
    works += ["batched"] if isinstance(vec, BatchedEnv) else []
    works += ["original", "sync"] if processes or isinstance(vec, SyncAdapter) else []
    return works + (["async"] if "passed" in processes else [])
