"""Is this a vector-reward environment that `morl` can run, and if not, what is to be fixed?"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import VectorEnv

from morl import registry
from morl.envs.adapters import SyncAdapter
from morl.envs.check_play import Finding, facts, judge, play, random_actions
from morl.envs.envpool_backend import PHYSICS
from morl.envs.make import TensorEnv, make_vec
from morl.envs.purity import check_pure
from morl.errors import MorlError
from morl.known import facts_of
from morl.streams import make_generator

COPIES, BATCH = 2, 64
"""Copies stepped side by side, where the environment can be copied; and of a batched one."""
REPLAY = 100
"""Steps of the two replays that are compared under one seed."""


@dataclass
class Report:
    """What `check_env` found."""

    env_id: str
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """Plain values: num_objectives, the spaces as text, num_envs (copies that were played), and backends; of
    random play, per objective, reward_low and reward_high of a step, return_low and return_high of an episode
    and their correlations (m, m), of what (correlations_of); episodes, mean_episode_length, steps_per_second."""

    @property
    def ok(self) -> bool:
        """Whether `morl` can run the environment: there is no problem, though there may be warnings."""
        return all(finding.level != "problem" for finding in self.findings)


def check_env(
    env: Any,
    *,
    steps: int = 1000,
    seed: int = 0,
    backend: str = "auto",
    env_kwargs: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Report:
    """Make an environment, play it at random and say what stands in the way of training on it.

    Args:
        env: whatever `morl.make_vec` takes.
        steps: steps of random play of each copy: two, 64 of a batched environment, one of an instance.
        seed: of the environment and of the random actions.
        backend: as for `morl.make_vec`; "auto" checks the batched twin where there is one.
        env_kwargs: arguments of the environment as a mapping, for those whose names are taken here (`steps`, say).
        kwargs: arguments of the environment.

    Returns:
        The report; nothing is raised for what is wrong with the environment.
    """
    kwargs = {**(env_kwargs or {}), **kwargs}
    is_instance = isinstance(env, (gymnasium.Env, VectorEnv))
    report = Report(env_id=env if isinstance(env, str) else getattr(env, "__name__", type(env).__name__))
    title = "is a vector-reward environment that morl can make"
    try:
        vec = make_vec(env, num_envs=1 if is_instance else COPIES, backend=backend, env_kwargs=kwargs)
        if vec.backend == "batched" and not is_instance:
            vec = make_vec(env, num_envs=BATCH, backend=backend, env_kwargs=kwargs)
    except Exception as error:  # whatever somebody's constructor, reset or step raises is a finding
        report.findings.append(_problem(title, error))
        return report
    report.env_id = vec.env_id
    report.facts |= {
        "num_objectives": vec.num_objectives,
        "observation_space": str(vec.single_observation_space),
        "action_space": str(vec.single_action_space),
        "reward_space": str(vec.reward_space),
        "backend": vec.backend,
        "num_envs": vec.num_envs,
    }
    detail = f"{vec.num_objectives} objectives; the spaces are supported"
    report.findings.append(Finding("passed", title, detail))
    try:
        seen = play(vec, steps, seed)
        report.findings += [*judge(vec, seen, steps), _judge_replay(vec, seed)]
        report.facts |= facts(vec, seen)
        report.findings += _judge_known(vec)
    except Exception as error:
        report.findings.append(_problem("can be played", error))
    if hasattr(vec, "get_state"):
        report.findings.append(_judge_snapshot(vec, seed))
    if vec.backend == "batched":
        report.findings.append(_judge_purity(vec, env, is_instance, kwargs))
    if not is_instance:
        try:
            vec.close()
        except Exception as error:
            report.findings.append(_problem("can be closed", error))
    if report.ok and not is_instance:
        report.findings += _judge_processes(env, kwargs)
    report.facts["backends"] = _backends(vec, report)
    return report


def _problem(title: str, error: Exception) -> Finding:
    """A failure as a finding; our own messages name the remedy after their last semicolon."""
    if not isinstance(error, MorlError):
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"look at {place.name}() in {place.filename}, line {place.lineno}"
        return Finding("problem", title, f"{type(error).__name__}: {error}", where)
    detail, _, fix = str(error).rpartition("; ")
    return Finding("problem", title, detail, fix) if detail else Finding("problem", title, fix, "as it says")


def _judge_replay(vec: TensorEnv, seed: int) -> Finding:
    """Whether one seed and one sequence of actions give one history."""
    if getattr(vec, "moving", False):
        return Finding(
            "note",
            "reset(seed=...) makes episodes reproducible",
            "not asked, since observation statistics go on moving; ask without them",
        )
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
        for part in vec.step(random_actions(vec, generator))[:4]:
            yield part.cpu().numpy()


def _judge_known(vec: TensorEnv) -> Iterator[Finding]:
    """Whether what the environment says of its own problem can be read; nothing where it can, or says nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        facts_of(vec, vec.num_objectives, registry.DEFAULT_GAMMA)
    title = "its reference point and known front can be read"
    for warning in caught:
        yield Finding("warning", title, str(warning.message), "mend that attribute, or leave it out")


def _judge_snapshot(vec: Any, seed: int) -> Finding:
    """Whether an environment with snapshots continues from a snapshot as it did the first time."""
    title, fix = "set_state() continues where get_state() was", "keep the whole state in the State tuple"
    actions = random_actions(vec, make_generator("cpu", seed))
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


def _judge_purity(vec: TensorEnv, env: Any, is_instance: bool, kwargs: dict[str, Any]) -> Finding:
    """Whether the step of a batched environment never waits for its device."""
    title = "the step is a pure tensor program"
    try:
        check_pure(vec)
        if not is_instance:
            on_meta = make_vec(env, num_envs=COPIES, device="meta", env_kwargs=kwargs)
            check_pure(on_meta)
    except Exception as error:
        return replace(_problem(title, error), level="warning")
    return Finding("passed", title)


def _judge_processes(env: Any, kwargs: dict[str, Any]) -> Iterator[Finding]:
    """Whether the environment runs in processes of its own; nothing where only a batched form exists."""
    title = "runs in processes (backend 'async')"
    try:
        make_vec(env, num_envs=COPIES, backend="sync", env_kwargs=kwargs).close()
    except MorlError:  # there is a batched form only
        return
    try:
        vec = make_vec(env, num_envs=COPIES, backend="async", env_kwargs=kwargs)
        try:
            vec.reset(seed=0)
            vec.step(random_actions(vec, make_generator("cpu", 0)))
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
    works += ["batched"] if vec.backend == "batched" else []
    works += ["original", "sync"] if processes or isinstance(vec, SyncAdapter) else []
    works += ["async"] if "passed" in processes else []
    return works + (["envpool"] if vec.env_id in PHYSICS and find_spec("envpool") is not None else [])
