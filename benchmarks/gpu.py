"""What a GPU must show: throughput, no waiting for the device, peak memory, agreement with the CPU.

Ends with exit status 0 and one line where there is no CUDA device, with 1 where a check fails. Speed is only
reported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import common
from common import table

SIZES = (4096, 65536, 1_048_576)
AGENTS = ("envelope-dqn", "conditioned-ppo")
AGENT_ENVS, AGENT_STEPS = 256, 128
"""Environments that the agents train in, and steps of each while they are watched."""
TOLERANCE = 1e-5
"""Greatest difference of a float32 between the devices after one step from the same state."""
TIES = 1e-5
"""Greatest share of steps in which a flag or an integer may differ: a last bit can decide a boundary."""


# --- throughput --------------------------------------------------------------------------------------


def throughput(env_ids: Sequence[str], sizes: Sequence[int], seconds: float, device: str) -> str:
    """Steps per second and peak memory of every environment at several sizes."""
    import measure
    import torch

    import morl

    rows = []
    for env_id in env_ids:
        for mode in ("eager", "compiled"):
            torch.compiler.reset()  # one process may compile the same function only so often
            for size in sizes:
                torch.cuda.reset_peak_memory_stats(device)
                env = morl.make_vec(
                    env_id, num_envs=size, device=device, backend="batched", compile=mode == "compiled"
                )
                env.reset(seed=0)
                generator = torch.Generator(device).manual_seed(0)
                measure.batched_rate(env, 0.0, generator)  # compile and warm up
                rate = measure.batched_rate(env, seconds, generator)
                peak = torch.cuda.max_memory_allocated(device) / 1e6
                rows.append([env_id, mode, f"{size:,}", f"{rate:,.0f}", f"{peak:,.0f}"])
                del env
                torch.cuda.empty_cache()
    return table(["environment", "mode", "environments", "steps/s", "peak memory, MB"], rows)


# --- synchronisation ---------------------------------------------------------------------------------


@contextmanager
def waiting_is_an_error() -> Iterator[None]:
    """Whatever makes the host wait for the device raises RuntimeError."""
    import torch

    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def step_rollout(env_id: str, device: str) -> Callable[[], None]:
    """A rollout of env.step, warmed up."""
    import measure
    import torch

    import morl

    env = morl.make_vec(env_id, num_envs=4096, device=device, backend="batched")
    env.reset(seed=0)
    generator = torch.Generator(device).manual_seed(0)

    def run() -> None:
        for _ in range(AGENT_STEPS):
            env.step(measure.random_actions(env, generator))

    run()
    return run


def training_round(agent_name: str, env_id: str, device: str) -> Callable[[], None]:
    """Collection and updates of an agent, past its warm-up."""
    import morl
    from morl import registry

    env = morl.make_vec(env_id, num_envs=AGENT_ENVS, device=device, backend="batched")
    agent: Any = registry.agent_class(agent_name)(env, seed=0)
    steps = AGENT_STEPS * AGENT_ENVS
    agent.learn(steps, progress=False)
    agent.total_steps = 4 * steps  # so that schedules have somewhere to go

    def run() -> None:
        agent.iterate(steps)

    return run


def synchronisation(env_ids: Sequence[str], device: str) -> tuple[str, bool]:
    """Whether rollouts and training rounds run without waiting for the device, and their peak memory."""
    import torch

    rows, fine = [], True
    tasks: list[tuple[str, str]] = [("env.step", env_id) for env_id in env_ids]
    tasks += [(agent, env_id) for agent in AGENTS for env_id in env_ids]
    for what, env_id in tasks:
        run = step_rollout(env_id, device) if what == "env.step" else training_round(what, env_id, device)
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        verdict = "never waits"
        try:
            with waiting_is_an_error():
                run()
        except RuntimeError as error:
            verdict, fine = f"FAILS: {str(error).partition(chr(10))[0]}", False
        peak = torch.cuda.max_memory_allocated(device) / 1e6
        rows.append([what, env_id, verdict, f"{peak:,.0f}"])
    return table(["what", "environment", "synchronisation", "peak memory, MB"], rows), fine


# --- agreement ---------------------------------------------------------------------------------------


class Agreement(NamedTuple):
    """How far one step on two devices differs, over many steps of many environments."""

    difference: float
    """The greatest between two floats, in rows where all else is equal."""
    ties: float
    """Share of rows where a flag or an integer differs."""

    @property
    def holds(self) -> bool:
        return self.difference <= TOLERANCE and self.ties <= TIES


def agreement(env_id: str, device: str, *, num_envs: int = 4096, steps: int = 1000) -> Agreement:
    """Step the environment on both devices from the same states, with the same actions and noise."""
    import torch
    from torch.utils._pytree import tree_leaves, tree_map

    import morl
    from morl.streams import Streams

    host, twin = (
        morl.make_vec(env_id, num_envs=num_envs, device=place, backend="batched") for place in ("cpu", device)
    )
    streams = Streams(0, num_envs, groups=1, device=torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    carry, _ = host.begin(host.draw_reset_noise(num_envs, streams))
    difference, differing = 0.0, 0
    for _ in range(steps):
        action = torch.randint(host.single_action_space.n, (num_envs,), generator=generator)
        noise = host.draw_step_noise(num_envs, streams), host.draw_reset_noise(num_envs, streams)
        inputs = (carry, action, *noise)
        moved = tree_map(lambda x: x.to(device) if isinstance(x, torch.Tensor) else x, inputs)
        ours, theirs = host.advance(*inputs), twin.advance(*moved)
        unequal = torch.zeros(num_envs, dtype=torch.bool)
        gap = torch.zeros(num_envs)
        for mine, other in zip(tree_leaves(ours), tree_leaves(theirs), strict=True):
            rows, back = mine.reshape(num_envs, -1), other.cpu().reshape(num_envs, -1)
            if mine.is_floating_point():
                gap = torch.maximum(gap, (rows - back).abs().amax(dim=1))
            else:
                unequal |= (rows != back).any(dim=1)
        differing += int(unequal.sum())
        difference = max(difference, float(gap.masked_fill(unequal, 0.0).max()))
        carry = ours[0]
    return Agreement(difference, differing / (steps * num_envs))


def agreements(env_ids: Sequence[str], device: str) -> tuple[str, bool]:
    """Every environment's agreement with the CPU."""
    found = {env_id: agreement(env_id, device) for env_id in env_ids}
    rows = [
        [env_id, f"{a.difference:.1e}", f"{a.ties:.1e}", "agrees" if a.holds else "FAILS"]
        for env_id, a in found.items()
    ]
    headers = ["environment", "greatest difference", "share of ties", "verdict"]
    return table(headers, rows), all(a.holds for a in found.values())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--env", nargs="+", metavar="ID", help="batched environments; default: all")
    add("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="numbers of environments to time")
    add("--seconds", type=float, default=2, metavar="S", help="of one throughput measurement; default: 2")
    add("--device", default="cuda", help="default: cuda")
    add("--write", action="store_true", help="put the tables into README.md")
    options = parser.parse_args(argv)
    import torch

    if not torch.cuda.is_available():
        print("gpu.py: no CUDA device on this machine, so there is nothing to measure.")
        return 0
    from morl import registry

    device = options.device
    env_ids = options.env or [env_id for env_id, card in registry.cards().items() if card.batched]
    waiting, never_waits = synchronisation(env_ids, device)
    agreeing, agrees = agreements(env_ids, device)
    parts = [agreeing, waiting, throughput(env_ids, options.sizes, options.seconds, device)]
    name = torch.cuda.get_device_name(device)
    content = f"Measured on {name} with {common.hardware()}.\n\n" + "\n\n".join(parts)
    print(content)
    if options.write:
        common.write_block("gpu", content)
    return 0 if never_waits and agrees else 1


if __name__ == "__main__":
    sys.exit(main())
