"""Environments in a loop and in processes: the interface, seeds, spaces, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Sequence, Space, Tuple
from gymnasium.vector import AutoresetMode

from morl.envs.adapters import AsyncAdapter, SyncAdapter
from morl.envs.block import EnvBlock
from morl.envs.originals import make_original
from morl.errors import EnvError, NonFiniteError
from morl.spaces import observation_box

ADAPTERS = [SyncAdapter, AsyncAdapter]
NOTHING = torch.zeros(2, dtype=torch.int64)


class Echo(gymnasium.Env):
    """Observes a constant, pays what it is told to, and remembers its last action and seed."""

    def __init__(self, observation: Any, space: Space, actions: Space, rewards: Any = (1.0, 2.0)) -> None:
        self.observation, self.observation_space, self.action_space = observation, space, actions
        self.rewards = iter(rewards) if isinstance(rewards, list) else None
        self.reward = rewards
        self.action: Any = None
        self.seed: int | None = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.seed = seed
        return self.observation, {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.action = action
        reward = next(self.rewards) if self.rewards is not None else self.reward
        return self.observation, reward, False, False, {"text": "anything"}


UNIT = Box(0.0, 1.0, (2,), dtype=np.float32)
echo = partial(Echo, np.zeros(2, dtype=np.float32), UNIT)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_same_step_autoreset_with_final_observations(adapter: Any, counter: type[gymnasium.Env]) -> None:
    env = adapter([partial(counter, 2), partial(counter, 3)])
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    obs, _ = env.reset(seed=0)
    assert obs.tolist() == [[0, 0], [0, 0]] and obs.dtype == torch.float32
    history = [env.step(NOTHING) for _ in range(4)]
    assert [step[0].tolist() for step in history] == [
        [[0, 1], [0, 1]],
        [[1, 0], [0, 2]],
        [[1, 1], [1, 0]],
        [[2, 0], [1, 1]],
    ]
    assert [step[4]["final_obs"].tolist() for step in history] == [
        [[0, 1], [0, 1]],
        [[0, 2], [0, 2]],
        [[1, 1], [0, 3]],
        [[1, 2], [1, 1]],
    ]
    assert [step[2].tolist() for step in history] == [[False] * 2, [True, False], [False, True], [False] * 2]
    assert [step[3].tolist() for step in history] == [[False] * 2] * 3 + [[True, False]]
    assert [step[4]["episode"]["length"].tolist() for step in history] == [[1, 1], [2, 2], [1, 3], [2, 1]]
    assert history[2][4]["episode"]["return"].tolist() == [[1, -1], [6, -3]]
    assert history[0][1].dtype == torch.float32
    env.close()


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_processes_and_the_loop_tell_one_history(count: int) -> None:
    make = [partial(make_original, "minecart-v0", max_episode_steps=20)] * 3
    loop, processes = SyncAdapter(make), AsyncAdapter(make, processes=count)
    assert processes.processes == min(count, 3)
    assert loop.env_id == processes.env_id == "minecart-v0" and (loop.backend, processes.backend) == (
        "sync",
        "async",
    )
    assert loop.reward_space == processes.reward_space
    generator = torch.Generator().manual_seed(0)
    first, second = loop.reset(seed=1)[0], processes.reset(seed=1)[0]
    for _ in range(50):
        assert torch.equal(first, second)
        actions = torch.randint(6, (3,), generator=generator)
        (first, *ours), (second, *theirs) = loop.step(actions), processes.step(actions)
        for a, b in zip(ours[:3], theirs[:3], strict=True):
            assert torch.equal(a, b)
        assert torch.equal(ours[3]["final_obs"], theirs[3]["final_obs"])
        assert torch.equal(ours[3]["episode"]["return"], theirs[3]["episode"]["return"])
    processes.close()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_inactive_environments_stand_still(adapter: Any, counter: type[gymnasium.Env]) -> None:
    env = adapter([counter] * 2)
    env.reset(seed=0)
    env.step(NOTHING)
    obs, reward, terminated, truncated, info = env.step(NOTHING, active=torch.tensor([True, False]))
    assert obs.tolist() == info["final_obs"].tolist() == [[0, 2], [0, 1]]
    assert reward.tolist() == [[2, -1], [0, 0]] and not (terminated | truncated).any()
    assert info["episode"]["length"].tolist() == [2, 1]
    assert env.step(NOTHING)[0].tolist() == [[1, 0], [0, 2]]
    env.close()


def test_each_environment_has_its_own_seed() -> None:
    env = SyncAdapter([partial(echo, Discrete(2))] * 3)

    def seeds(seed: Any) -> list[int | None]:
        env.reset(seed=seed)
        return [inner.unwrapped.seed for inner in env.envs]

    assert len(set(seeds(5))) == 3 and seeds(5) == seeds(5) != seeds(6)
    assert seeds([7, None, 9]) == [7, None, 9] and seeds(None) == [None] * 3
    assert all(seed is not None and 0 <= seed < 2**31 for seed in seeds(2**60))
    with pytest.raises(EnvError, match="expected 3 seeds"):
        env.reset(seed=[1])


@pytest.mark.parametrize(
    ("space", "observation", "flat"),
    [
        (Discrete(3, start=4), 5, [0, 1, 0]),
        (MultiDiscrete([2, 3]), np.array([1, 2]), [0, 1, 0, 0, 1]),
        (MultiBinary(2), np.array([1, 0], dtype=np.int8), [1, 0]),
        (
            Dict(b=Box(0, 9, (1, 2), dtype=np.float64), a=Discrete(2)),
            {"b": np.array([[3.0, 4.0]]), "a": 1},
            [3, 4, 0, 1],
        ),
        (Tuple((Discrete(2), UNIT)), (0, np.array([0.5, 1.0], dtype=np.float32)), [1, 0, 0.5, 1.0]),
        (Box(-1, 1, (2,), dtype=np.float64), np.array([0.5, 1.0]), [0.5, 1.0]),
        (Box(0, 255, (2, 2), dtype=np.uint8), np.full((2, 2), 7, dtype=np.uint8), [[7, 7], [7, 7]]),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_observations_become_one_box(adapter: Any, space: Space, observation: Any, flat: list) -> None:
    env = adapter([partial(Echo, observation, space, Discrete(2))] * 2)
    obs, _ = env.reset(seed=0)
    assert obs.tolist() == [flat, flat]
    assert isinstance(env.single_observation_space, Box)
    assert env.observation_space.contains(obs.numpy())
    assert env.step(NOTHING)[4]["final_obs"].dtype == obs.dtype != torch.float64
    env.close()


def test_discrete_actions_count_from_zero() -> None:
    env = SyncAdapter([partial(echo, Discrete(3, start=5))] * 2)
    assert env.single_action_space == Discrete(3)
    env.reset(seed=0)
    env.step(torch.tensor([0, 2]))
    assert [inner.unwrapped.action for inner in env.envs] == [5, 7]  # type: ignore[attr-defined]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_box_actions_keep_their_type(adapter: Any) -> None:
    env = adapter([partial(echo, Box(-1, 1, (3,), dtype=np.float64))] * 2)
    env.reset(seed=0)
    env.step(torch.full((2, 3), 0.5))  # the environment asserts that it contains them
    with pytest.raises(EnvError, match=r"actions of shape \(2, 3\)"):
        env.step(torch.zeros(2, 2))
    env.close()


@pytest.mark.parametrize(
    ("space", "actions", "message"),
    [
        (Sequence(UNIT), Discrete(2), "an observation space of fixed size"),
        (UNIT, Tuple((Discrete(2), UNIT)), "of choices .* or of numbers"),
        (
            UNIT,
            MultiDiscrete([100] * 3),
            r"at most 65,536 combinations of actions, got 1e\+06 from 3 choices",
        ),
    ],
)
def test_unsupported_spaces_are_refused(space: Space, actions: Space, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        SyncAdapter([partial(Echo, "x", space, actions)])


VECTOR = np.ones(2)


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        (1.0, "the scalar 1.0"),
        (np.float32(1.0), "the scalar"),
        (np.ones((1, 2)), r"shape \(1, 2\)"),
        ([VECTOR, np.ones(3)], r"shape \(2,\) from .*Echo, got shape \(3,\)"),
        ([VECTOR, 1.0], "the scalar 1.0"),
        ([VECTOR, np.array(["a", "b"])], "real numbers"),
    ],
    ids=str,
)
def test_rewards_that_are_no_vectors_are_refused(rewards: Any, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        env = SyncAdapter([partial(echo, Discrete(2), rewards=rewards)])
        env.reset(seed=0)
        env.step(torch.zeros(1, dtype=torch.int64))


def test_lists_are_vectors_too() -> None:
    env = SyncAdapter([partial(echo, Discrete(2), rewards=(1, 2))])
    env.reset(seed=0)
    assert env.step(torch.zeros(1, dtype=torch.int64))[1].tolist() == [[1, 2]]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_reward_that_is_not_finite_is_located(adapter: Any, bad: float) -> None:
    fine = partial(echo, Discrete(2), rewards=[VECTOR] * 9)
    broken = partial(echo, Discrete(2), rewards=[VECTOR, VECTOR, np.array([0.0, bad])])
    env = adapter([fine, broken], env_id="lab/echo-v0")
    env.reset(seed=0)
    env.step(NOTHING)
    with pytest.raises(NonFiniteError, match=r"echo-v0.*objective 1 in sub-environment 1 at step 2 of"):
        env.step(NOTHING)
    env.close()


def test_the_objective_is_named_where_it_is_known() -> None:
    env = SyncAdapter(
        [partial(echo, Discrete(2), rewards=[VECTOR, np.array([0.0, np.nan])])], env_id="deep-sea-treasure-v0"
    )
    env.reset(seed=0)
    with pytest.raises(NonFiniteError, match=r"objective 1 \(time\)"):
        env.step(torch.zeros(1, dtype=torch.int64))


def test_an_undeclared_reward_space_is_read_off_a_step(counter: Callable[..., gymnasium.Env]) -> None:
    env = SyncAdapter([partial(counter, 3, reward_space=False)])
    assert env.reward_space.shape == (2,) and np.isinf(env.reward_space.high).all()


def test_wrong_use_is_explained(counter: type[gymnasium.Env]) -> None:
    with pytest.raises(EnvError, match=r"reset\(\) before step"):
        SyncAdapter([counter]).step(torch.zeros(1, dtype=torch.int64))
    with pytest.raises(EnvError, match="the spaces of the first"):
        SyncAdapter([counter, partial(echo, Discrete(2), rewards=(1, 2))])
    with pytest.raises(EnvError, match=r"the spaces of the first.*in copy 5"):
        EnvBlock([counter, partial(echo, Discrete(2), rewards=(1, 2))], None, first=4)
    with pytest.raises(EnvError, match=r"processes.* got 0"):
        AsyncAdapter([counter], processes=0)
    with pytest.raises(EnvError, match=r"a gymnasium\.Env, got int"):
        SyncAdapter([lambda: 3])  # type: ignore[list-item, return-value]


def test_large_integers_become_floats() -> None:
    assert observation_box(Box(0, 10, (1,), dtype=np.uint64)).dtype == np.float32
