"""Small environments and an agent whose results are known in closed form."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Dict, Discrete
from torch import Tensor

from morl.agent import Agent
from morl.envs.base import BatchedEnv, Step
from morl.errors import MorlError
from morl.streams import derive_seed, make_generator

LENGTH = 8
STOP, WALK = 0, 1


class State(NamedTuple):
    position: Tensor


class Corridor(BatchedEnv):
    """Walk right for as long as you like (-1 per step in objective 1), then stop (`position` in objective 0).

    With probability `slip` a step does not move. Walking on at the end of the corridor goes nowhere.
    """

    env_id = "toys:Corridor"

    def __init__(
        self, num_envs: int, slip: float = 0.0, max_episode_steps: int | None = 20, **options: Any
    ) -> None:
        super().__init__(
            num_envs,
            observation_space=Box(0, LENGTH, (1,), np.float32),
            action_space=Discrete(2),
            reward_space=Box(-1, LENGTH, (2,), np.float32),
            max_episode_steps=max_episode_steps,
            **options,
        )
        self.slip = slip

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        return State(torch.zeros(n, device=self.device))

    def observe(self, state: State) -> Tensor:
        return state.position.unsqueeze(1)

    def draw_step_noise(self, n: int, streams: Any) -> Tensor:
        return streams.uniform()

    def transition(self, state: State, action: Tensor, noise: Tensor) -> Step:
        stop = action == STOP
        moved = (~stop & (noise >= self.slip)).float()
        reward = torch.stack([torch.where(stop, state.position, 0.0), -torch.ones_like(state.position)], 1)
        return Step(State((state.position + moved).clamp(max=LENGTH)), reward, terminated=stop)


class PlainCorridor(gymnasium.Env):
    """The same as an ordinary environment."""

    def __init__(self, slip: float = 0.0, limit: int = 20) -> None:
        self.observation_space = Box(0, LENGTH, (1,), np.float32)
        self.action_space = Discrete(2)
        self.reward_space = Box(-1, LENGTH, (2,), np.float32)
        self.slip, self.limit, self.steps_taken = slip, limit, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.position, self.elapsed = 0, 0
        return self._obs(), {}

    def step(self, action: int) -> tuple[Any, Any, bool, bool, dict]:
        self.elapsed += 1
        self.steps_taken += 1
        gain = self.position if action == STOP else 0
        if action == WALK and self.np_random.random() >= self.slip:
            self.position = min(self.position + 1, LENGTH)
        reward = np.array([gain, -1], dtype=np.float32)
        return self._obs(), reward, action == STOP, self.elapsed >= self.limit, {}

    def _obs(self) -> Any:
        return np.array([self.position], dtype=np.float32)


class Unprintable(Exception):
    """An error that neither goes through a pipe nor onto paper."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def __str__(self) -> str:
        raise RuntimeError


def fail(how: str) -> None:
    """Do what an environment should not."""
    match how:
        case "hang":
            time.sleep(1000)
        case "exit":
            os._exit(3)
        case "sys.exit":
            sys.exit(0)
        case "raise":
            raise ZeroDivisionError("two\nlines")
        case "unprintable":
            raise Unprintable
        case "huge":
            raise ValueError("x" * 10**7)
        case "thread":
            threading.Thread(target=time.sleep, args=(1000,)).start()
        case _:
            os.kill(os.getpid(), getattr(signal, how))


class FailingCorridor(PlainCorridor):
    """Fails in one of its methods."""

    def __init__(self, where: str, how: str) -> None:
        super().__init__()
        self.where, self.how = where, how
        self._fail("__init__")

    def reset(self, **options: Any) -> tuple[Any, dict]:
        self._fail("reset")
        return super().reset(**options)

    def step(self, action: int) -> tuple[Any, Any, bool, bool, dict]:
        self._fail("step")
        return super().step(action)

    def close(self) -> None:
        self._fail("close")

    def _fail(self, here: str) -> None:
        if here == self.where:
            fail(self.how)


class Endless(PlainCorridor):
    """Never ends by itself, whatever is done."""

    def step(self, action: int) -> Any:
        obs, reward, *_ = super().step(action)
        return obs, reward, False, False, {}


class Patient(PlainCorridor):
    """Ends only when it is stopped."""

    def __init__(self) -> None:
        super().__init__(limit=10**9)


class ScalarCorridor(PlainCorridor):
    """Pays one number."""

    def __init__(self) -> None:
        super().__init__()
        del self.reward_space

    def step(self, action: int) -> tuple[Any, Any, bool, bool, dict]:
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, float(reward.sum()), terminated, truncated, info


class WrongShapeCorridor(PlainCorridor):
    """Declares two objectives and pays three."""

    def step(self, action: int) -> tuple[Any, Any, bool, bool, dict]:
        obs, _, terminated, truncated, info = super().step(action)
        return obs, np.zeros(3, dtype=np.float32), terminated, truncated, info


class NanCorridor(PlainCorridor):
    """Pays NaN from the third step on."""

    def step(self, action: int) -> tuple[Any, Any, bool, bool, dict]:
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, reward * np.nan if self.elapsed >= 3 else reward, terminated, truncated, info


class DictActionCorridor(PlainCorridor):
    """Wants actions that no agent gives."""

    def __init__(self) -> None:
        super().__init__()
        self.action_space = Dict({"a": Discrete(2), "b": Box(0, 1, (1,))})


class ContinuousCorridor(PlainCorridor):
    """Wants a continuous action: stop below zero."""

    def __init__(self) -> None:
        super().__init__()
        self.action_space = Box(-1, 1, (1,), np.float32)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        return super().step(STOP if float(action[0]) < 0 else WALK)


class CorridorWalker(Agent):
    """Walks until `weights[0] * LENGTH`, rounded down, then stops. Training is noise, and reproducible."""

    name: ClassVar[str] = "corridor-walker"
    default_num_envs: ClassVar[int] = 4

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """What the walker can be told."""

        learning_rate: float = 0.1
        """Step size of the noise."""
        gamma: float | None = None
        """Discount; that of the environment by default."""
        layers: tuple[int, ...] = (3, 2)
        """Sizes of nothing in particular."""
        extras: dict[str, Any] = field(default_factory=dict)
        """Named values of nothing in particular."""
        nan_after: int | None = None
        """Steps after which the loss turns NaN."""

        def __post_init__(self) -> None:
            if self.learning_rate <= 0:
                raise MorlError(f"expected learning_rate > 0, got {self.learning_rate}")

    def __init__(self, env: Any, **options: Any) -> None:
        super().__init__(env, **options)
        self.generator = make_generator(self.device, derive_seed(self.seed, 1))
        self.parameters = torch.zeros(*self.config.layers, device=self.device)
        if self.env is not None:
            self.obs, _ = self.env.reset(seed=self.seed)

    def iterate(self, max_steps: int) -> dict[str, Any]:
        actions = torch.randint(2, (self.spec.num_envs,), generator=self.generator)
        self.obs, reward, _, _, info = self.env.step(actions)
        noise = torch.randn(self.parameters.shape, generator=self.generator)
        self.parameters = self.parameters + self.config.learning_rate * (noise + reward.mean())
        self.steps += self.spec.num_envs
        loss = self.parameters.square().mean()
        if self.config.nan_after is not None and self.steps > self.config.nan_after:
            loss = loss * torch.nan
        return {"loss": loss, "return/0": info["episode"]["return"][:, 0].mean(), "return/1": 1.5}

    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        goal = (weights[..., 0] * LENGTH + 1e-4).floor()
        return torch.where(obs[:, 0] < goal, WALK, STOP)

    def parameters_state(self) -> dict[str, Any]:
        return {"parameters": self.parameters}

    def load_parameters(self, state: dict[str, Any]) -> None:
        self.parameters = state["parameters"]

    def training_state(self) -> dict[str, Any]:
        env = self.env.get_state() if hasattr(self.env, "get_state") else None
        return {"generator": self.generator.get_state(), "env": env}

    def load_training(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"].cpu())
        if state["env"] is not None:
            self.obs = self.env.set_state(state["env"])
