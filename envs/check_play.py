"""What random play shows of an environment: ranges, correlations, episode ends, speed. Used by `check_env`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import Tensor

from morl.envs.make import TensorEnv
from morl.spaces import is_bounded
from morl.spec import objectives_of
from morl.streams import make_generator

ALIKE = 0.999
"""Correlation from which two objectives count as one."""

ENOUGH = 10
"""Episodes from which their returns say more about correlations than single steps do."""

Level = Literal["passed", "note", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    level: Level
    """A note is worth knowing and nothing to be changed."""
    title: str
    detail: str = ""
    """What was found."""
    fix: str = ""
    """What to do about it; empty where it passed, and for notes."""


@dataclass
class Play:
    """What random play showed, over all copies."""

    rewards: NDArray[np.float64]
    """(steps, m) of all copies one after the other, resets left out."""
    returns: NDArray[np.float64]
    """(episodes, m), undiscounted, of the episodes that ended."""
    lengths: list[int]
    steps_per_second: float
    obs_inside: bool = True
    obs_finite: bool = True


@dataclass
class _Record:
    """What is collected while playing."""

    rewards: list[Tensor] = field(default_factory=list)
    returns: list[Tensor] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)


def random_actions(vec: TensorEnv, generator: torch.Generator) -> Tensor:
    """Actions drawn evenly from the action space (of a number without two bounds, from a range of length 2)."""
    space, n = vec.single_action_space, vec.num_envs
    if isinstance(space, Discrete):
        return torch.randint(int(space.n), (n,), generator=generator)
    assert isinstance(space, Box), "make_vec refuses others"
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    low, high = (
        np.where(np.isfinite(low), low, np.where(np.isfinite(high), high - 2, -1)),
        np.where(np.isfinite(high), high, np.where(np.isfinite(low), low + 2, 1)),
    )
    unit = torch.rand((n, *space.shape), generator=generator, dtype=torch.float64)
    drawn = torch.as_tensor(low) * (1 - unit) + torch.as_tensor(high) * unit
    return drawn.to(torch.float32).clamp(torch.as_tensor(space.low), torch.as_tensor(space.high))


def play(vec: TensorEnv, steps: int, seed: int) -> Play:
    """`steps` steps of every copy under random actions; only the environment's own time is counted."""
    generator = make_generator("cpu", seed)
    record, seconds = _Record(), 0.0
    obs, _ = vec.reset(seed=seed)
    inside, finite = _watch(vec, obs)
    for _ in range(steps):
        actions = random_actions(vec, generator)
        started = time.perf_counter()
        obs, reward, terminated, truncated, info = vec.step(actions)
        done = (terminated | truncated).cpu()  # the copy waits for a device to finish
        seconds += time.perf_counter() - started
        valid = info.get("valid")
        record.rewards.append(reward.cpu() if valid is None else reward[valid].cpu())
        record.returns.append(info["episode"]["return"].cpu()[done])
        record.lengths += info["episode"]["length"].cpu()[done].tolist()
        for seen in (obs, info["final_obs"]):
            here, number = _watch(vec, seen)
            inside, finite = inside and here, finite and number
    return Play(
        rewards=torch.cat(record.rewards).double().numpy(),
        returns=torch.cat(record.returns).double().numpy(),
        lengths=record.lengths,
        steps_per_second=steps * vec.num_envs / max(seconds, 1e-9),
        obs_inside=inside,
        obs_finite=finite,
    )


def _watch(vec: TensorEnv, obs: Tensor) -> tuple[bool, bool]:
    """Whether observations lie in their space, and whether they are finite."""
    space = vec.single_observation_space
    assert isinstance(space, Box), "make_vec flattens"
    values = obs.cpu().numpy()
    return bool(((values >= space.low) & (values <= space.high)).all()), bool(np.isfinite(values).all())


def facts(vec: TensorEnv, seen: Play) -> dict[str, Any]:
    """Plain values about the objectives, the episodes and the speed."""
    objectives = objectives_of(vec)
    ended = len(seen.returns) > 0
    source, of = (
        (seen.returns, "episode returns") if len(seen.returns) >= ENOUGH else (seen.rewards, "step rewards")
    )
    return {
        "objectives": [o.name for o in objectives] if objectives else names(vec),
        "reward_low": seen.rewards.min(axis=0).tolist(),
        "reward_high": seen.rewards.max(axis=0).tolist(),
        "return_low": seen.returns.min(axis=0).tolist() if ended else None,
        "return_high": seen.returns.max(axis=0).tolist() if ended else None,
        "correlations": correlations(source),
        "correlations_of": of,
        "episodes": len(seen.lengths),
        "mean_episode_length": float(np.mean(seen.lengths)) if seen.lengths else None,
        "steps_per_second": round(seen.steps_per_second),
    }


def names(vec: TensorEnv) -> list[str]:
    """What findings call the objectives: `objective 1 (time)`, or the number alone."""
    objectives = objectives_of(vec)
    plain = [f"objective {i}" for i in range(vec.num_objectives)]
    if objectives is None:
        return plain
    return [f"{number} ({objective.name})" for number, objective in zip(plain, objectives, strict=True)]


def correlations(values: NDArray[np.float64]) -> list[list[float | None]]:
    """Pearson's, (m, m), of values (n, m); None where an objective does not vary."""
    centred = values - values.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0))
    varies = spread > 1e-9 * (1.0 + np.abs(values).max(axis=0))
    shares = centred / np.where(varies, spread, 1.0)
    matrix = shares.T @ shares
    m = values.shape[1]
    return [[float(matrix[i, j]) if varies[i] and varies[j] else None for j in range(m)] for i in range(m)]


def judge(vec: TensorEnv, seen: Play, steps: int) -> Iterator[Finding]:
    """What random play says about spaces, rewards, objectives and episode ends."""
    if isinstance(vec.single_action_space, Box) and not is_bounded(vec.single_action_space):
        yield Finding(
            "warning",
            "actions have bounds",
            f"found {vec.single_action_space}; the agents that learn take bounded actions only",
            "give action_space finite bounds, or wrap the environment so (gymnasium.wrappers.RescaleAction)",
        )
    yield _judge_observations(vec, seen)
    yield _judge_rewards(vec, seen)
    yield from _judge_objectives(vec, seen, steps)
    if not seen.lengths:
        yield Finding(
            "warning",
            "episodes end",
            f"none ended within {steps} steps",
            "give it a time limit: max_episode_steps in gymnasium.register, or gymnasium.wrappers.TimeLimit",
        )
    else:
        yield Finding(
            "passed", "episodes end", f"{len(seen.lengths)} ended, after {min(seen.lengths)} steps or more"
        )


def _judge_observations(vec: TensorEnv, seen: Play) -> Finding:
    if not seen.obs_finite:
        return Finding(
            "problem",
            "observations are finite",
            "found NaN or infinity",
            "return finite numbers from step and reset",
        )
    if not seen.obs_inside:
        return Finding(
            "warning",
            "observations lie in the observation space",
            f"found values outside {vec.single_observation_space}",
            "widen observation_space",
        )
    return Finding("passed", "observations are finite and lie in the observation space")


def _judge_rewards(vec: TensorEnv, seen: Play) -> Finding:
    low, high = seen.rewards.min(axis=0), seen.rewards.max(axis=0)
    slack = 1e-5 * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
    if (low < vec.reward_space.low - slack).any() or (high > vec.reward_space.high + slack).any():
        return Finding(
            "warning",
            "rewards lie in the reward space",
            f"found {low.tolist()} to {high.tolist()} outside {vec.reward_space}",
            "widen reward_space",
        )
    return Finding("passed", "rewards are finite and lie in the reward space")


def _judge_objectives(vec: TensorEnv, seen: Play, steps: int) -> Iterator[Finding]:
    """Which objectives say nothing, and which say the same."""
    called = names(vec)
    low, high = seen.rewards.min(axis=0), seen.rewards.max(axis=0)
    for i in np.flatnonzero(low == high).tolist():
        paid = f"it paid {low[i]:g} in each of {steps} random steps"
        returns = seen.returns[:, i]
        if len(returns) and returns.min() < returns.max():
            yield Finding("note", f"{called[i]} varies", f"{paid}: its return tells how long an episode was")
        else:
            yield Finding(
                "warning",
                f"{called[i]} varies",
                f"{paid}, and the same in every episode" if len(returns) else paid,
                "check that it is computed; an objective that random play never touches is hard to learn",
            )
    measured = facts(vec, seen)
    matrix = measured["correlations"]
    for i in range(vec.num_objectives):
        for j in range(i):
            if matrix[i][j] is not None and matrix[i][j] > ALIKE:
                yield Finding(
                    "note",
                    f"{called[j]} and {called[i]} differ",
                    f"their {measured['correlations_of']} rise and fall together (correlation "
                    f"{matrix[i][j]:.4f}): there may be nothing to trade off between them",
                )
