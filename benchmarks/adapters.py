"""The section `adapters` of speed.py: what the asynchronous adapter costs, and what EnvPool gains over it.

`processes` and `pools` are the measurements themselves: worker.py runs each in a fresh process.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from statistics import median
from typing import Any

import common
from common import Bar, BenchmarkError, spread, table

OVERHEAD_BAR = Bar("ratio", 1.15, at_least=False)
"""Seconds of the adapter to seconds of Gymnasium's environment underneath, for the same steps."""
GAIN_BAR = Bar("ratio", 3)
"""Steps per second on EnvPool to those in processes."""

COPIES, HOPPER = 8, "mo-hopper-v5"
POOLED = (HOPPER, "mo-halfcheetah-v5")
PROCESSES, POOLS = (8, 16, 32, 64), (8, 32, 128, 512)
"""Numbers of environments to choose the best of: in processes, and in one pool."""
CORES = 2
ROUND = 500
"""Different actions, taken in turns; also steps between two looks at the clock."""

Result = dict[str, Any]
Request = dict[str, Any]


# --- what worker.py runs -----------------------------------------------------------------------------


def processes(request: Request) -> Result:
    """Steps per second of bare Gymnasium and of the adapter, in turns, over the same histories."""
    import gymnasium
    import mo_gymnasium  # noqa: F401 - registers its environments
    import torch
    from gymnasium.vector import AsyncVectorEnv, AutoresetMode

    import morl

    env_id, copies = request["env"], request["copies"]
    make = partial(gymnasium.make, env_id, disable_env_checker=True)
    bare = AsyncVectorEnv([make] * copies, autoreset_mode=AutoresetMode.SAME_STEP)
    ours = morl.make_vec(env_id, num_envs=copies, backend="async")
    actions = random_actions(ours, seed=0)
    seeds = list(range(copies))
    steps: dict[str, Callable[[int], Any]] = {
        "bare": lambda i: bare.step(actions[i]),
        "ours": lambda i: ours.step(torch.from_numpy(actions[i])),
    }
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(request["repeats"]):
        # Who is first changes, so that neither always has the warmer machine.
        for name in list(steps)[:: 1 if turn % 2 == 0 else -1]:
            (bare if name == "bare" else ours).reset(seed=seeds)
            rates[name].append(copies * calls_per_second(steps[name], request["seconds"]))
    bare.close()
    ours.close()
    return {"rates": rates}


def pools(request: Request) -> Result:
    """Steps per second in processes and on EnvPool, in turns, for several numbers of environments."""
    import torch

    import morl

    wanted = {f"async {size}": ("async", size) for size in request["processes"]}
    wanted |= {f"envpool {size}": ("envpool", size) for size in request["pools"]}
    rates: dict[str, list[float]] = {name: [] for name in wanted}
    envs: dict[str, Any] = {}
    for name, (backend, size) in wanted.items():
        envs[name] = morl.make_vec(request["env"], num_envs=size, backend=backend)
    for turn in range(request["repeats"]):
        for name in list(wanted)[:: 1 if turn % 2 == 0 else -1]:
            env = envs[name]
            actions = [torch.from_numpy(action) for action in random_actions(env, seed=0)]
            env.reset(seed=0)
            step = partial(_step, env, actions)
            rates[name].append(env.num_envs * calls_per_second(step, request["seconds"]))
    for env in envs.values():
        env.close()
    return {"rates": rates}


def _step(env: Any, actions: Sequence[Any], i: int) -> None:
    env.step(actions[i])


def random_actions(env: Any, seed: int) -> Any:
    """`ROUND` uniform actions for all copies, (ROUND, copies, k) float32."""
    import numpy as np

    space = env.single_action_space
    shape = (ROUND, env.num_envs, *space.shape)
    return np.random.default_rng(seed).uniform(space.low, space.high, shape).astype(np.float32)


def calls_per_second(call: Callable[[int], Any], seconds: float) -> float:
    """How often `call(i)` runs in a second; i goes round 0 .. ROUND - 1."""
    calls, start = 0, time.perf_counter()
    while True:
        for i in range(10):
            call((calls + i) % ROUND)
        calls += 10
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return calls / elapsed


# --- the section -------------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> Result:
    """The asynchronous adapter against bare Gymnasium, and EnvPool against both, on two cores."""
    missing = [name for name in ("mujoco", "envpool") if find_spec(name) is None]
    if missing:
        raise BenchmarkError(f"expected {' and '.join(missing)}; pip install -e '.[mujoco,envpool]'")
    request = {"repeats": options.repeats, "seconds": options.seconds}
    with _on(CORES):
        print(f"adapters: {COPIES} x {HOPPER} in processes", flush=True)
        asked = {**request, "env": HOPPER, "copies": COPIES}
        result: Result = {"overhead": common.fresh_process("processes", asked, threads=options.threads)}
        result["versions"] = {name: version(name) for name in ("envpool", "mujoco")}
        result["gain"] = {}
        for env_id in POOLED:
            print(f"adapters: {env_id} on EnvPool", flush=True)
            asked = {**request, "env": env_id, "processes": PROCESSES, "pools": POOLS}
            result["gain"][env_id] = common.fresh_process("pools", asked, threads=options.threads)
    return result


@contextmanager
def _on(cores: int) -> Iterator[None]:
    """Keep processes started inside to this many cores, where the machine lets one choose."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def show(result: Result) -> str:
    """Ratios of the same round; of the numbers of environments each side's best counts."""
    rates = result["overhead"]["rates"]
    slower = [bare / ours for bare, ours in zip(rates["bare"], rates["ours"], strict=True)]
    rows = [
        [
            f"{COPIES} x {HOPPER}",
            f"AsyncVectorEnv: {_thousands(rates['bare'])}",
            f"async: {_thousands(rates['ours'])}",
            f"{spread(slower, '{:.3f}')} times slower",
            f"<= {OVERHEAD_BAR.limit:g}",
            OVERHEAD_BAR.verdict(median(slower)),
        ]
    ]
    for env_id, found in result["gain"].items():
        rates = found["rates"]
        best = {kind: _best(rates, kind) for kind in ("async", "envpool")}
        gains = [b / a for a, b in zip(*(rates[best[kind]] for kind in best), strict=True)]
        rows.append(
            [
                env_id,
                *(f"{best[kind]}: {_thousands(rates[best[kind]])}" for kind in best),
                f"{spread(gains, '{:.2f}')} times faster",
                f">= {GAIN_BAR.limit:g}",
                GAIN_BAR.verdict(median(gains)),
            ]
        )
    headers = ["environment", "compared with, 1000 steps/s", "measured, 1000 steps/s"]
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return f"{table([*headers, 'ratio', 'bar', 'verdict'], rows)}\n\nWith {versions}."


def _best(rates: dict[str, list[float]], kind: str) -> str:
    return max((name for name in rates if name.startswith(kind)), key=lambda name: median(rates[name]))


def _thousands(rates: Sequence[float]) -> str:
    return spread([rate / 1000 for rate in rates], "{:,.1f}")
