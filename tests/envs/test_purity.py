"""Every way of waiting for a device is caught, and what only looks like one is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.purity import PureMode, check_pure
from morl.errors import EnvError
from morl.streams import Streams


def put_where_positive(x: Tensor) -> Tensor:
    x = x.clone()
    x[x > 0] = x.sum()
    return x


IMPURE: dict[str, tuple[str, Callable[[Tensor], Any]]] = {
    "item": ("reads a value back", lambda x: x.sum().item()),
    "if": ("reads a value back", lambda x: x if x.sum() > 0 else -x),
    "boolean index": ("boolean index", lambda x: x[x > 0]),
    "boolean assignment": ("boolean index", put_where_positive),
    "nonzero": ("shape that depends on data", lambda x: x.nonzero()),
    "masked_select": ("shape that depends on data", lambda x: x.masked_select(x > 0)),
    "unique": ("shape that depends on data", lambda x: x.unique()),
    "random": ("draws random numbers", lambda x: x + torch.rand_like(x)),
    "dropout": ("draws random numbers", lambda x: torch.nn.functional.dropout(x)),
}
PURE: dict[str, Callable[[Tensor], Any]] = {
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "arange": lambda x: x + torch.arange(len(x), device=x.device),
    "index": lambda x: x[torch.zeros(2, dtype=torch.int64, device=x.device)],
    "masked_fill": lambda x: x.masked_fill(x > 0, 1.0),
    "cast": lambda x: (x > 0).to(torch.float64),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", IMPURE)
def test_impure_operations_are_refused(name: str, device: str) -> None:
    reason, operation = IMPURE[name]
    with pytest.raises(EnvError, match=reason), PureMode():
        operation(torch.zeros(4, device=device))


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", PURE)
def test_pure_operations_pass(name: str, device: str) -> None:
    with PureMode():
        PURE[name](torch.zeros(4, device=device))


def test_random_numbers_may_be_allowed() -> None:
    with PureMode(allow_random=True):
        torch.rand(3)


class Point(NamedTuple):
    """A number."""

    x: Tensor


class Adder(BatchedEnv):
    """Adds what `add` returns in each step."""

    def __init__(self, add: Callable[[Tensor], Any], **options: Any) -> None:
        unit = Box(-np.inf, np.inf, (1,), dtype=np.float32)
        super().__init__(4, observation_space=unit, action_space=unit, reward_space=unit, **options)
        self.add = add

    def initial_state(self, n: int, noise: Tensor | None) -> Point:
        return Point(torch.zeros(n, 1, device=self.device))

    def observe(self, state: Point) -> Tensor:
        return state.x

    def draw_step_noise(self, n: int, streams: Streams) -> Tensor:
        return streams.normal(1)

    def transition(self, state: Point, action: Tensor, noise: Tensor | None) -> Step:
        x = state.x + action + self.add(state.x)
        return Step(Point(x), x, x[:, 0] > 5)


def test_a_pure_environment_passes_and_an_impure_one_does_not() -> None:
    for device in ("cpu", "meta"):
        check_pure(Adder(lambda x: x * 2, device=device, max_episode_steps=3))
    array = np.ones((4, 1), dtype=np.float32)
    with pytest.raises(EnvError, match=r"self\.constant"):
        check_pure(Adder(lambda x: torch.as_tensor(array, device=x.device), device="meta"))
    with pytest.raises(EnvError, match=r"self\.constant"):
        check_pure(Adder(lambda x: torch.tensor([1.0], device=x.device), device="cpu"))


def test_a_result_on_another_device_is_found() -> None:
    env = Adder(lambda x: x, device="cpu")
    env.device = torch.device("meta")  # as if its tensors had stayed behind
    env.initial_state = lambda n, noise: Point(torch.zeros(n, 1))  # type: ignore[method-assign]
    with pytest.raises((EnvError, RuntimeError)):
        check_pure(env)
