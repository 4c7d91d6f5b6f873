"""The transition layer over a counting environment, in every autoreset mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv
from mo_gymnasium.wrappers.vector import MOSyncVectorEnv
from torch import Tensor

from morl.envs.adapters import SyncAdapter
from morl.envs.vector_adapter import VectorAdapter
from morl.errors import EnvError
from morl.transitions import Transitions

LENGTHS = (2, 3, 5)
STEPS = 40


class TorchCounters(VectorEnv):
    """Counting environments in torch, one tensor program, in any autoreset mode; reuses its memory."""

    def __init__(self, mode: AutoresetMode) -> None:
        self.metadata = {"autoreset_mode": mode}
        self.num_envs = len(LENGTHS)
        self.single_observation_space = gymnasium.spaces.Box(0, np.inf, (2,), dtype=np.float32)
        self.single_action_space = gymnasium.spaces.Discrete(2)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, self.num_envs)
        self.lengths = torch.tensor(LENGTHS)
        self.state = torch.zeros(self.num_envs, 2)
        self.over = torch.zeros(self.num_envs, dtype=torch.bool)

    def _restart(self, mask: Tensor) -> None:
        self.state[mask, 0] += 1
        self.state[mask, 1] = 0
        self.over &= ~mask

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Tensor, dict]:
        if options and "reset_mask" in options:
            self._restart(torch.as_tensor(options["reset_mask"]))
        else:
            self.state.zero_()
            self.over.zero_()
        return self.state, {}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict]:
        mode = self.metadata["autoreset_mode"]
        resets = self.over.clone()
        assert mode is AutoresetMode.NEXT_STEP or not resets.any()
        self._restart(resets)
        self.state[~resets, 1] += 1
        reward = torch.stack((self.state[:, 1], -torch.ones(self.num_envs)), dim=1)
        reward[resets] = 0
        done = (self.state[:, 1] >= self.lengths) & ~resets
        odd = self.state[:, 0] % 2 == 1
        info = {"final_obs": self.state.clone()} if mode is AutoresetMode.SAME_STEP else {}
        self.over = done.clone()
        if mode is AutoresetMode.SAME_STEP:
            self._restart(done)
        return self.state, reward, done & ~odd, done & odd, info


@pytest.fixture(
    params=[
        "same-step torch",
        "next-step torch",
        "disabled torch",
        "mo-sync",
        "async same",
        "async disabled",
        "ours",
    ]
)
def vector(request: pytest.FixtureRequest, counter: type[gymnasium.Env]) -> Iterator[VectorEnv]:
    factories: list[Callable] = [partial(counter, length) for length in LENGTHS]
    make: dict[str, Callable[[], VectorEnv]] = {
        "same-step torch": lambda: TorchCounters(AutoresetMode.SAME_STEP),
        "next-step torch": lambda: TorchCounters(AutoresetMode.NEXT_STEP),
        "disabled torch": lambda: TorchCounters(AutoresetMode.DISABLED),
        "mo-sync": lambda: MOSyncVectorEnv(factories),
        "async same": lambda: AsyncVectorEnv(factories, autoreset_mode=AutoresetMode.SAME_STEP),
        "async disabled": lambda: AsyncVectorEnv(factories, autoreset_mode=AutoresetMode.DISABLED),
        "ours": lambda: SyncAdapter(factories),
    }
    env = make[request.param]()
    yield env
    env.close()


def check_history(transitions: Transitions) -> None:
    """Follow every row: only real steps are valid, and each says what the counting environment did."""
    obs = transitions.reset(seed=0)
    expected = obs.clone()
    assert torch.equal(expected, torch.zeros(len(LENGTHS), 2))
    resets = torch.zeros(len(LENGTHS), dtype=torch.bool)
    ends = torch.zeros(2, dtype=torch.int64)
    counted = torch.zeros(len(LENGTHS), dtype=torch.int64)
    for _ in range(STEPS):
        step = transitions.step(torch.zeros(len(LENGTHS), dtype=torch.int64))
        valid = torch.ones_like(resets) if step.valid is None else step.valid
        assert torch.equal(valid, ~resets), "exactly the steps that only reset are invalid"
        assert torch.equal(step.obs[valid], expected[valid])
        expected[valid, 1] += 1
        assert torch.equal(step.next_obs[valid], expected[valid]), "the observation before any reset"
        assert torch.equal(step.reward[valid], torch.stack((expected[:, 1], -torch.ones(3)), 1)[valid])
        assert not step.reward[~valid].any()
        over = (expected[:, 1] >= torch.tensor(LENGTHS)) & valid
        odd = expected[:, 0] % 2 == 1
        assert torch.equal(step.terminated, over & ~odd) and torch.equal(step.truncated, over & odd)
        ends += torch.stack((step.terminated.sum(), step.truncated.sum()))
        counted += valid
        started = resets if transitions.mode is AutoresetMode.NEXT_STEP else over
        expected[started, 0] += 1
        expected[started, 1] = 0
        resets = over if transitions.mode is AutoresetMode.NEXT_STEP else resets
        assert torch.equal(transitions.obs[~resets], expected[~resets])
    assert (ends > 5).all()
    per_episode = torch.tensor(LENGTHS) + (transitions.mode is AutoresetMode.NEXT_STEP)
    assert torch.equal(counted, STEPS // per_episode * torch.tensor(LENGTHS) + STEPS % per_episode)


def test_every_mode_tells_the_same_history(vector: VectorEnv) -> None:
    transitions = Transitions(vector)
    if isinstance(vector, TorchCounters):
        transitions = Transitions(vector, to_tensor=torch.clone)  # it overwrites its observations
    check_history(transitions)


def test_the_adapter_hands_the_history_on(vector: VectorEnv) -> None:
    if isinstance(vector, SyncAdapter):
        pytest.skip("is an adapter itself")
    adapter = VectorAdapter(vector)
    transitions = Transitions(adapter)
    obs = transitions.reset(seed=0)
    lengths, returns = torch.zeros(3, dtype=torch.int64), torch.zeros(3, 2)
    resets = torch.zeros(3, dtype=torch.bool)
    next_step = vector.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    for _ in range(STEPS):
        before = obs
        step = transitions.step(torch.zeros(3, dtype=torch.int64))
        obs = transitions.obs
        assert (step.valid is None) is not next_step
        valid = ~resets if step.valid is None else step.valid
        assert torch.equal(valid, ~resets)
        assert torch.equal(step.next_obs[valid, 1], before[valid, 1] + 1)
        lengths, returns = lengths + valid, returns + step.reward
        episode = transitions.info["episode"]
        assert torch.equal(episode["length"], lengths) and torch.equal(episode["return"], returns)
        done = step.terminated | step.truncated
        assert torch.equal(lengths[done], torch.tensor(LENGTHS)[done])
        lengths[done], returns[done] = 0, 0
        resets = done if next_step else resets


def test_an_undeclared_mode_is_refused(counter: type[gymnasium.Env]) -> None:
    env = SyncAdapter([counter])
    env.metadata = {}
    with pytest.raises(EnvError, match="autoreset_mode"):
        Transitions(env)


def test_a_same_step_environment_without_final_observations_is_refused() -> None:
    class Forgetful(TorchCounters):
        def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict]:
            return (*super().step(actions)[:4], {})

    transitions = Transitions(Forgetful(AutoresetMode.SAME_STEP))
    transitions.reset()
    transitions.step(torch.zeros(3, dtype=torch.int64))
    with pytest.raises(EnvError, match="final_obs"):
        transitions.step(torch.zeros(3, dtype=torch.int64))
