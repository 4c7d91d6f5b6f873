"""Is a batched environment's step a pure tensor program that never waits for its device?

No accelerator is needed to know: a dispatch mode sees every operation, also those that would wait for a real
device only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from gymnasium.spaces import Discrete
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from morl.envs.base import BatchedEnv
from morl.envs.make import TensorEnv
from morl.errors import EnvError
from morl.streams import Streams

FROM_HOST = ("lift_fresh", "lift_fresh_copy")
"""What `torch.tensor(values)` ends in: data made on the host in the middle of a step."""


class PureMode(TorchDispatchMode):
    """Raises `EnvError` at the first operation that waits for the device, or that draws random numbers.

    Args:
        allow_random: let random numbers be drawn; for whole steps, which draw them outside the pure part.
    """

    def __init__(self, *, allow_random: bool = False) -> None:
        super().__init__()
        self.allow_random = allow_random

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        reason = self._reason(func, args, kwargs)
        if reason:
            raise EnvError(f"expected a pure tensor program, got {func}, {reason}")
        return func(*args, **kwargs)

    def _reason(self, func: Any, args: Any, kwargs: Any) -> str:
        """Why `func` may not be called, or nothing."""
        name = func.overloadpacket.__name__
        if name in FROM_HOST:
            return "which makes a tensor from host data; register it with self.constant in __init__"
        if torch.Tag.data_dependent_output in func.tags:
            return "which reads a value back to the host; use torch.where instead of a Python decision"
        if name in ("index", "index_put", "index_put_"):
            if any(
                isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1]
            ):
                return "a boolean index, whose result has a shape that depends on data; use torch.where"
        elif torch.Tag.dynamic_output_shape in func.tags:
            return "whose result has a shape that depends on data; use torch.where"
        if torch.Tag.nondeterministic_seeded in func.tags and not self.allow_random:
            return "which draws random numbers; draw them in draw_step_noise or draw_reset_noise"
        if name in ("_to_copy", "copy_") and _moves(args, kwargs):
            return "which moves data between host and device; register constants with self.constant"
        return ""


def _moves(args: Any, kwargs: Any) -> bool:
    """Whether a copy changes the device: `_to_copy(source, device=...)` or `copy_(target, source)`."""
    source = args[1] if len(args) > 1 and isinstance(args[1], Tensor) else args[0]
    target = kwargs.get("device") or args[0].device
    return bool(torch.device(target).type != source.device.type)


def check_pure(env: TensorEnv, *, steps: int = 2) -> None:
    """Run a short rollout of `env` under `PureMode`, and where it is no wrapper also `begin` and `advance`.

    Check an environment on `meta` and one on the CPU: a moved array shows on the first only, a tensor made
    from host data on the second only.

    Raises:
        EnvError: an operation is not pure, or a result is not on the environment's device.
    """
    takes_integers = isinstance(env.single_action_space, Discrete)
    actions = torch.zeros(
        env.action_space.shape or (env.num_envs,),
        dtype=torch.int64 if takes_integers else torch.float32,
        device=env.device,
    )
    if isinstance(env, BatchedEnv):
        _check_parts(env, actions)
    env.reset(seed=0)
    with PureMode(allow_random=True):
        for _ in range(steps):
            stepped = env.step(actions)
    _check_places(env, "step", stepped)


def _check_parts(env: BatchedEnv, actions: Tensor) -> None:
    """The parts of a step that draw nothing."""
    streams = Streams(0, env.num_envs, groups=env.groups, device=env.device)
    reset_noise = env.draw_reset_noise(env.num_envs, streams)
    noise = env.draw_step_noise(env.num_envs, streams)
    with PureMode():
        carry, obs = env.begin(reset_noise)
        following, outcome = env.advance(carry, actions, noise, reset_noise)
    _check_places(env, "begin", (carry, obs))
    _check_places(env, "advance", (following, outcome))


def _check_places(env: TensorEnv, place: str, results: Any) -> None:
    for tensor in tensors_in(results):
        if tensor.device.type != env.device.type:
            raise EnvError(f"expected every result of {place} on {env.device}, got one on {tensor.device}")


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors_in(part)
