"""What holds for every registered batched environment, and the contract of their base class."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import morl.envs
from morl.envs.base import BatchedEnv, Step
from morl.envs.purity import check_pure
from morl.errors import EnvError
from morl.registry import NAMESPACE
from morl.streams import Streams

IDS = sorted(env_id for env_id in gymnasium.registry if env_id.startswith(NAMESPACE))
N = 8


def make(env_id: str, num_envs: int = N, **arguments: Any) -> BatchedEnv:
    made = gymnasium.make_vec(env_id, num_envs=num_envs, **arguments)
    assert isinstance(made, BatchedEnv)
    return made


def draw_actions(env: BatchedEnv, steps: int, seed: int = 0) -> Tensor:
    """Random actions (steps, num_envs, *action_shape)."""
    space = env.single_action_space
    generator = torch.Generator().manual_seed(seed)
    if isinstance(space, Discrete):
        return torch.randint(int(space.n), (steps, env.num_envs), generator=generator)
    assert isinstance(space, Box)
    low, high = (
        torch.from_numpy(space.low),
        torch.from_numpy(space.high).clamp(max=100.0),
    )  # it may be infinite
    return low + (high - low) * torch.rand((steps, env.num_envs, *space.shape), generator=generator)


def fewer(env_id: str, count: int) -> int:
    """`count`, or a few where each observation is a picture."""
    return min(count, 2) if "rgb" in env_id else count


def play(env: BatchedEnv, actions: Tensor) -> list[Tensor]:
    return [part for action in actions for part in env.step(action)[:4]]


def test_the_registry_holds_environments() -> None:
    assert len(IDS) >= 5


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("env_id", IDS)
def test_a_rollout_never_waits_for_the_device(env_id: str, device: str) -> None:
    check_pure(make(env_id, device=device), steps=fewer(env_id, 20))


@pytest.mark.parametrize("env_id", IDS)
def test_the_step_traces_into_one_graph(env_id: str) -> None:
    env = make(env_id)
    env.reset(seed=0)
    assert env._carry is not None and env.streams is not None
    noise = env.draw_step_noise(N, env.streams), env.draw_reset_noise(N, env.streams)
    arguments = (env._carry, draw_actions(env, 1)[0], *noise)
    torch.compiler.reset()  # other tests' graphs count against one limit
    traced = torch.compile(env.advance, fullgraph=True, dynamic=False, backend="eager")
    for eager, graph in zip(env.advance(*arguments)[1], traced(*arguments)[1], strict=True):
        if isinstance(eager, Tensor):
            torch.testing.assert_close(graph, eager)


@pytest.mark.parametrize("env_id", IDS)
def test_a_seed_makes_a_history(env_id: str) -> None:
    env, twin = make(env_id), make(env_id)
    actions = draw_actions(env, fewer(env_id, 60))
    env.reset(seed=3)
    first = play(env, actions)
    twin.reset(seed=3)
    assert all(torch.equal(a, b) for a, b in zip(first, play(twin, actions), strict=True))
    env.reset(seed=3)
    assert all(torch.equal(a, b) for a, b in zip(first, play(env, actions), strict=True))


@pytest.mark.parametrize("env_id", IDS)
def test_a_snapshot_has_one_future(env_id: str) -> None:
    env, other = make(env_id), make(env_id)
    half = fewer(env_id, 20)
    actions = draw_actions(env, 2 * half)
    env.reset(seed=1)
    play(env, actions[:half])
    snapshot = env.get_state()
    future = play(env, actions[half:])
    obs = other.set_state(snapshot)  # never reset before
    assert other.single_observation_space.contains(obs[0].numpy())
    assert all(torch.equal(a, b) for a, b in zip(future, play(other, actions[half:]), strict=True))


@pytest.mark.parametrize("env_id", IDS)
def test_spaces_hold_what_is_emitted(env_id: str) -> None:
    env = make(env_id, fewer(env_id, 64))
    obs, _ = env.reset(seed=0)
    for action in draw_actions(env, fewer(env_id, 100)):
        assert env.observation_space.contains(obs.numpy())
        obs, reward, terminated, truncated, info = env.step(action)
        assert reward.dtype == torch.float32 and reward.shape == (env.num_envs, env.num_objectives)
        assert terminated.dtype == truncated.dtype == torch.bool
        rows = reward.numpy()
        assert (rows >= env.reward_space.low - 1e-6).all() and (rows <= env.reward_space.high + 1e-6).all()
        assert env.observation_space.contains(info["final_obs"].numpy())


@pytest.mark.parametrize("env_id", IDS)
@settings(max_examples=10)
@given(actions=st.lists(st.integers(0, 3), min_size=1, max_size=25), row=st.integers(0, N - 1))
def test_a_row_does_not_depend_on_its_neighbours(env_id: str, actions: list[int], row: int) -> None:
    env, alone = make(env_id), make(env_id, 1)
    del actions[fewer(env_id, 25) :]
    streams = Streams(0, N)

    def own(noise: Tensor | None) -> Tensor | None:
        return None if noise is None else noise[row : row + 1]

    reset_noise = env.draw_reset_noise(N, streams)
    (carry, _), (lone, _) = env.begin(reset_noise), alone.begin(own(reset_noise))
    everyone, choices = draw_actions(env, len(actions)), draw_actions(env, 4, seed=1)[:, 0]
    for step, action in enumerate(actions):
        everyone[step, row] = choices[action]
        noise, reset_noise = env.draw_step_noise(N, streams), env.draw_reset_noise(N, streams)
        carry, together = env.advance(carry, everyone[step], noise, reset_noise)
        lone, single = alone.advance(lone, choices[action : action + 1], own(noise), own(reset_noise))
        for a, b in zip(together[:-1], single[:-1], strict=True):
            torch.testing.assert_close(a[row : row + 1], b)


class Walk(NamedTuple):
    """A position that noise moves."""

    position: Tensor


class NoisyWalk(BatchedEnv):
    """Starts in [0, 1), moves by action plus noise, ends beyond 3; pays (position, -1)."""

    def __init__(self, num_envs: int, **options: Any) -> None:
        super().__init__(
            num_envs,
            observation_space=Box(-np.inf, np.inf, (1,), dtype=np.float32),
            action_space=Discrete(2),
            reward_space=Box(-np.inf, np.inf, (2,), dtype=np.float32),
            **options,
        )

    def draw_reset_noise(self, n: int, streams: Streams) -> Tensor:
        return streams.uniform(1)

    def draw_step_noise(self, n: int, streams: Streams) -> Tensor:
        return streams.uniform(1)

    def initial_state(self, n: int, noise: Tensor | None) -> Walk:
        assert noise is not None
        return Walk(noise)

    def observe(self, state: Walk) -> Tensor:
        return state.position

    def transition(self, state: Walk, action: Tensor, noise: Tensor | None) -> Step:
        assert noise is not None
        position = state.position + action.unsqueeze(1) + noise
        reward = torch.cat((position, -torch.ones_like(position)), dim=1)
        return Step(Walk(position), reward, position[:, 0] > 3, extras={"cost": position})


def test_autoreset_keeps_the_final_observation_and_the_statistics() -> None:
    env = NoisyWalk(16, max_episode_steps=4)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    obs, _ = env.reset(seed=0)
    total, length = torch.zeros(16, 2), torch.zeros(16, dtype=torch.int64)
    ends = [0, 0]
    for action in draw_actions(env, 50):
        obs, reward, terminated, truncated, info = env.step(action)
        total, length = total + reward, length + 1
        done = terminated | truncated
        torch.testing.assert_close(info["episode"]["return"], total)
        assert torch.equal(info["episode"]["length"], length)
        assert torch.equal(info["final_obs"], reward[:, :1])  # this walk pays its position
        assert torch.equal(info["extras"]["cost"], info["final_obs"])
        assert torch.equal(obs[~done], info["final_obs"][~done])
        assert (obs[done] < 1).all() and (info["final_obs"][terminated] > 3).all()
        assert torch.equal(truncated, length >= 4)
        total[done], length[done] = 0, 0
        ends[0] += int(terminated.sum())
        ends[1] += int(truncated.sum())
    assert min(ends) > 10


def test_each_group_of_environments_has_its_own_stream() -> None:
    pair, single = NoisyWalk(8, groups=2), NoisyWalk(4)
    pair.reset(seed=7)
    single.reset(seed=7)
    actions = draw_actions(pair, 20)
    for action in actions:
        torch.testing.assert_close(pair.step(action)[0][:4], single.step(action[:4])[0])


def test_without_a_seed_the_stream_goes_on() -> None:
    env = NoisyWalk(4)
    first, _ = env.reset(seed=0)
    second, _ = env.reset()
    again, _ = env.reset(seed=0)
    assert torch.equal(first, again) and not torch.equal(first, second)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_noisy_snapshot_has_one_future(groups: int) -> None:
    env, other = (NoisyWalk(4, groups=groups, max_episode_steps=5) for _ in range(2))
    actions = draw_actions(env, 30)
    env.reset(seed=2)
    play(env, actions[:10])
    snapshot = env.get_state()
    future = play(env, actions[10:])
    other.set_state(snapshot)
    assert all(torch.equal(a, b) for a, b in zip(future, play(other, actions[10:]), strict=True))


def test_a_snapshot_is_a_copy() -> None:
    env = NoisyWalk(4)
    env.reset(seed=0)
    snapshot = env.get_state()
    before = snapshot["state"]["position"].clone()
    play(env, draw_actions(env, 3))
    assert torch.equal(snapshot["state"]["position"], before)


def test_wrong_use_is_explained() -> None:
    env = NoisyWalk(4)
    with pytest.raises(EnvError, match="reset"):
        env.step(torch.zeros(4, dtype=torch.int64))
    with pytest.raises(EnvError, match="reset"):
        env.get_state()
    with pytest.raises(EnvError, match="one integer seed"):
        env.reset(seed=[1, 2, 3, 4])
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"shape \(4,\)"):
        env.step(torch.zeros(3, dtype=torch.int64))
    with pytest.raises(EnvError, match="integer actions"):
        env.step(torch.zeros(4))
    with pytest.raises(EnvError, match="belongs to another environment"):
        env.set_state(_minecart_snapshot())
    for wrong in ({"num_envs": 0}, {"num_envs": 2, "max_episode_steps": 0}):
        with pytest.raises(EnvError, match="at least 1, got 0"):
            NoisyWalk(**wrong)


def _minecart_snapshot() -> dict[str, Any]:
    env = make("morl/minecart-v0")
    env.reset(seed=0)
    return env.get_state()


def test_without_a_compiler_the_environment_runs_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(function: Any, **options: Any) -> Any:
        def fail(*args: Any) -> Any:
            raise RuntimeError("no C++ compiler")

        return fail

    monkeypatch.setattr(torch, "compile", no_compiler)
    env, eager = NoisyWalk(4, compile=True), NoisyWalk(4)
    env.reset(seed=0)
    eager.reset(seed=0)
    action = torch.ones(4, dtype=torch.int64)
    with pytest.warns(UserWarning, match="runs eagerly"):
        obs = env.step(action)[0]
    assert torch.equal(obs, eager.step(action)[0])
    assert torch.equal(env.step(action)[0], eager.step(action)[0])  # and says so only once


def test_the_env_id_is_the_class_until_it_is_registered() -> None:
    assert NoisyWalk(1).env_id.endswith(":NoisyWalk")
    assert make("morl/minecart-v0").env_id == "minecart-v0"


def test_importing_the_package_registers() -> None:
    before = dict(gymnasium.registry)
    morl.envs.register_envs()
    assert gymnasium.registry == before and "morl/minecart-v0" in before
