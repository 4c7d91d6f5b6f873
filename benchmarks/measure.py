"""Measurements inside one process: throughput of batched and original environments, peak memory."""

from __future__ import annotations

import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from gymnasium.spaces import Discrete

CHUNK = 10
"""Batched steps between two looks at the clock."""


def peak_memory() -> int:
    """The most bytes that this process has had resident.

    Not `ru_maxrss` where Linux offers better: that starts from the size of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def random_actions(env: Any, generator: torch.Generator) -> torch.Tensor:
    """Random actions for every environment, drawn on its device as Gymnasium's spaces draw them.

    Uniform; of a range without an upper end, exponential from its lower one.
    """
    space = env.single_action_space
    if isinstance(space, Discrete):
        return torch.randint(int(space.n), (env.num_envs,), generator=generator, device=env.device)
    shape = (env.num_envs, *space.shape)
    low = float(space.low.min())
    if not space.is_bounded("above"):
        return low + torch.empty(shape, device=env.device).exponential_(generator=generator)
    span = float(space.high.max()) - low
    return low + span * torch.rand(shape, generator=generator, device=env.device)


def batched_rate(env: Any, seconds: float, generator: torch.Generator) -> float:
    """Environment steps per second of a batched environment, random actions drawn at every step."""
    _finish(env.device)
    start, rounds = time.perf_counter(), 0
    while True:
        for _ in range(CHUNK):
            env.step(random_actions(env, generator))
        _finish(env.device)
        rounds += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return rounds * CHUNK * env.num_envs / elapsed


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class OriginalLoop:
    """MO-Gymnasium's environment in a loop in one process, with random actions.

    Args:
        env_id: of MO-Gymnasium.
        bare: strip what can be stripped: no wrappers, and actions drawn beforehand. Otherwise as in its
            examples: what `gymnasium.make` gives, and `action_space.sample()` at every step.
    """

    CHUNK = 1000

    def __init__(self, env_id: str, *, bare: bool) -> None:
        import gymnasium
        import mo_gymnasium  # noqa: F401 - registers its environments

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # spaces given in float64
            made = gymnasium.make(env_id, disable_env_checker=True)
        assert made.spec is not None
        self.bare = bare
        self.limit = made.spec.max_episode_steps
        made.action_space.seed(0)
        drawn = [made.action_space.sample() for _ in range(self.CHUNK)]
        self.actions = [int(a) for a in drawn] if isinstance(made.action_space, Discrete) else drawn
        self.env: Any = made.unwrapped if bare else made
        self.env.reset(seed=0)

    def rate(self, seconds: float) -> float:
        """Environment steps per second, resets included."""
        run = self._run_bare if self.bare else self._run
        start, rounds = time.perf_counter(), 0
        while True:
            run()
            rounds += 1
            elapsed = time.perf_counter() - start
            if elapsed >= seconds:
                return rounds * self.CHUNK / elapsed

    def _run(self) -> None:
        env = self.env
        for _ in range(self.CHUNK):
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            if terminated or truncated:
                env.reset()

    def _run_bare(self) -> None:
        env, limit, length = self.env, self.limit, 0
        for action in self.actions:
            _, _, terminated, truncated, _ = env.step(action)
            length += 1
            if terminated or truncated or length == limit:
                env.reset()
                length = 0
