"""What environments return and are given is looked at: shapes, types, flags, shared arrays, shared instances."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Space, Text, Tuple
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from morl.envs.check import check_env
from morl.envs.info_terms import from_info_terms
from morl.envs.make import make_vec
from morl.errors import EnvError, NonFiniteError

UNIT = Box(-1, 1, (3,), np.float32)
PAIR = Dict(a=Box(0, 1, (2,), np.float32), b=Box(0, 1, (1,), np.float32))
ZEROS = np.zeros(3, np.float32)


class Says(gymnasium.Env):
    """Returns what it is told to; episodes last five steps."""

    def __init__(
        self, space: Space = UNIT, obs: Any = ZEROS, actions: Space | None = None, **step: Any
    ) -> None:
        self.observation_space, self.action_space = space, actions or Discrete(3)
        self.obs, self.later = obs, step.pop("later", obs)
        self.reward = step.pop("reward", np.array([1.0, -0.5]))
        self.flags, self.reward_space = step.pop("flags", None), Box(-9, 9, (2,), np.float32)
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self.obs, {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), action
        self.steps += 1
        ends = (self.steps >= 5, False) if self.flags is None else self.flags
        return self.later, self.reward, *ends, {}


def stepped(**options: Any) -> Any:
    env = make_vec(partial(Says, **options), num_envs=2)
    env.reset(seed=0)
    return env.step(torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize(
    ("space", "obs", "named"),
    [
        (UNIT, np.float32(0.5), r"\(3,\).*\(\)"),
        (UNIT, np.zeros(1), r"\(3,\).*\(1,\)"),
        (UNIT, np.zeros((1, 3)), r"\(3,\).*batch of 1"),
        (UNIT, np.zeros(4), r"\(3,\).*\(4,\)"),
        (UNIT, [0.0, [1.0], 2.0], r"\(3,\)"),
        (UNIT, np.array(["a", "b", "c"]), "<U1"),
        (UNIT, None, "object"),
        (UNIT, 1j * np.zeros(3), "complex"),
        (UNIT, {"a": ZEROS}, r"\(3,\)"),
        (Box(0, 1, (2, 3)), np.zeros(3), r"\(2, 3\).*\(3,\)"),
        (Box(0, 9, (2,), np.int32), np.array([0.5, 1.0]), "int32.*float64"),
        (Box(0, 255, (2,), np.uint8), np.array([3, 256]), "uint8.*int64"),
        (PAIR, {"a": np.zeros(1), "b": np.zeros(2)}, ""),
        (PAIR, {"a": np.zeros(2)}, "'b'"),
        (PAIR, (np.zeros(2), np.zeros(1)), "tuple"),
        (Tuple((UNIT, UNIT)), (ZEROS,), "2 parts"),
        (Discrete(3), 3, "Discrete.*3"),
        (Discrete(3, start=1), 0, "start=1.*0"),
        (MultiDiscrete([2, 2]), np.array([0, 2]), r"\[0, 2\]"),
        (Text(3, charset="ab"), "abc", "Text"),
    ],
    ids=str,
)
def test_an_observation_that_is_not_of_its_space_is_refused(space: Space, obs: Any, named: str) -> None:
    with pytest.raises(EnvError, match=f"Says.*{named}"):
        make_vec(partial(Says, space, obs), num_envs=1).reset(seed=0)
    assert not check_env(partial(Says, space, obs), steps=2).ok


@pytest.mark.parametrize(
    ("space", "obs", "seen"),
    [
        (UNIT, [0, 0.5, 1], [0, 0.5, 1]),
        (UNIT, torch.ones(3, dtype=torch.float64, requires_grad=True), [1, 1, 1]),
        (UNIT, np.array([True, False, True]), [1, 0, 1]),
        (Box(0, 9, (2,), np.int32), np.array([3.0, 4.0]), [3, 4]),
        (Box(0, 255, (2,), np.uint8), np.array([3, 255]), [3, 255]),
        (Box(0, 1, (), np.float32), 0.5, [0.5]),
        (Box(0, 1, (), np.float64), np.float64(0.25), [0.25]),
        (Discrete(3, start=1), torch.tensor(2), [0, 1, 0]),
        (Discrete(3), np.array(2), [0, 0, 1]),
        (Dict(a=Box(0, 9, (2, 1)), b=Discrete(2)), {"b": 1, "a": [[3], [4]], "c": None}, [3, 4, 0, 1]),
        (Text(3, charset="ab"), "ba", [1, 0, 2]),
    ],
    ids=str,
)
def test_what_means_the_same_is_taken(space: Space, obs: Any, seen: list[float]) -> None:
    env = make_vec(partial(Says, space, obs), num_envs=2)
    assert env.reset(seed=0)[0].tolist() == [seen, seen]
    assert env.native_observation_space == space


@pytest.mark.parametrize(
    "flags", [(None, False), ("False", False), (2, False), (0.0, False), (np.zeros(2, bool), False)], ids=str
)
def test_flags_that_are_neither_true_nor_false_are_refused(flags: Any) -> None:
    with pytest.raises(EnvError, match="terminated from"):
        stepped(flags=flags)


def test_flags_and_rewards_of_every_type_are_taken() -> None:
    for flags in ((np.True_, 0), (1, np.array([False])), (torch.tensor(True), np.int64(0))):
        _, reward, terminated, truncated, _ = stepped(flags=flags)
        assert terminated.tolist() == [True, True] and truncated.tolist() == [False, False]
    for reward in (
        [1, 2],
        (1.0, 2),
        torch.tensor([1.0, 2.0], requires_grad=True),
        np.array([1, 2], np.uint8),
    ):
        assert stepped(reward=reward)[1].tolist() == [[1, 2], [1, 2]]
    for reward in ([1, None], [[1], [2, 3]], {"a": 1}, np.array([1, 2], object), [1, 2, 3], np.array(1.0)):
        with pytest.raises(EnvError, match="Says"):
            stepped(reward=reward)


@pytest.mark.parametrize("space", [Box(0, 1, (2,)), PAIR, Box(0, 1, (2,), np.float64)], ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_an_observation_that_is_not_finite_is_located(space: Space, bad: float) -> None:
    with np.errstate(over="ignore"):
        value = np.array([0.0, bad]).astype(np.float32 if space != PAIR else float)
    obs: Any = np.zeros(2)
    if isinstance(space, Dict):
        obs, value = {"a": obs, "b": np.zeros(1)}, {"a": value, "b": np.zeros(1)}
    options = {"space": space, "obs": obs}
    place = r"entry 1 \(\['a'\], 1\)" if isinstance(space, Dict) else "entry 1"
    with pytest.raises(NonFiniteError, match=rf"Says.*{place} in sub-environment 0 at step 1 "):
        stepped(**options, later=value)
    with pytest.raises(NonFiniteError, match="sub-environment 0 at step 0 "):
        stepped(space=space, obs=value)


def test_actions_that_are_none_are_refused() -> None:
    env = make_vec(partial(Says, actions=Box(-1, 1, (2,))), num_envs=2)
    env.reset(seed=0)
    with pytest.raises(NonFiniteError, match="nan in entry 1 for sub-environment 1"):
        env.step(torch.tensor([[0.0, 0.0], [0.0, torch.nan]]))
    env = make_vec(Says, num_envs=2)
    env.reset(seed=0)
    for wrong in (torch.tensor([0, 3]), torch.tensor([-1, 0]), torch.tensor([0.0, 1.0])):
        with pytest.raises(EnvError, match="whole numbers from 0 to 2"):
            env.step(wrong)


class Reusing(gymnasium.Env):
    """Writes every observation and reward into the same arrays, and into its action, too."""

    observation_space, action_space = Box(0, 99, (1,)), Box(-1, 1, (1,))

    def __init__(self, actions: Space | None = None) -> None:
        self.obs, self.reward = np.zeros(1, np.float32), np.zeros(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.obs[:] = 0
        return self.obs, {}

    def step(self, action: Any) -> Any:
        self.obs += 1
        self.reward += 1
        action *= 50
        return self.obs, self.reward, self.obs[0] >= 3, False, {}


class ReusingVector(VectorEnv):
    """The same of two at once; no episode ends."""

    metadata = {"autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012

    def __init__(self) -> None:
        self.num_envs, self.single_observation_space = 2, Reusing.observation_space
        self.single_action_space = Reusing.action_space
        self.observation_space = batch_space(self.single_observation_space, 2)
        self.action_space = batch_space(self.single_action_space, 2)
        self.obs, self.reward = np.zeros((2, 1), np.float32), np.zeros((2, 2))

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.obs[:], self.reward[:] = 0, 0
        return self.obs, {}

    def step(self, actions: Any) -> Any:
        self.obs += 1
        self.reward += 1
        actions *= 50
        return self.obs, self.reward, np.zeros(2, bool), np.zeros(2, bool), {}


@pytest.mark.parametrize("make", [partial(make_vec, Reusing, 2), lambda: make_vec(ReusingVector())])
def test_nothing_is_shared_with_an_environment(make: Any) -> None:
    env = make()
    seen, paid = [env.reset(seed=0)[0]], []
    actions = torch.full((2, 1), 0.5)
    for _ in range(2):
        obs, reward, *_ = env.step(actions)
        seen.append(obs)
        paid.append(reward)
    assert torch.equal(actions, torch.full((2, 1), 0.5))
    assert [obs[0].item() for obs in seen] == [0, 1, 2]
    assert paid[1][0, 0] == paid[0][0, 0] + 1


class Old(Says):
    """As environments were in Gym before 0.26."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        if fault == "spaces":
            del self.observation_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.obs if self.fault == "reset" else super().reset()

    def step(self, action: Any) -> Any:
        obs, reward, terminated, _, info = super().step(action)
        return (
            (obs, reward, terminated, info)
            if self.fault == "step"
            else (obs, reward, terminated, False, info)
        )


class Seedless(Says):
    def reset(self) -> Any:  # type: ignore[override]
        return super().reset()


class Demanding(Says):
    def reset(self, seed: Any, options: Any) -> Any:  # type: ignore[override]
        return super().reset()


class Failing(Says):
    def __init__(self) -> None:
        raise RuntimeError("SIM_HOME is not set")


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (partial(Old, "reset"), "observation, info"),
        (partial(Old, "step"), "terminated, truncated"),
        (partial(Old, "spaces"), "observation_space"),
        (Seedless, "seed=None"),
        (Demanding, "seed=None"),
        (Failing, "SIM_HOME"),
    ],
)
def test_what_is_not_gymnasiums_interface_is_reported(make: Any, named: str) -> None:
    report = check_env(make, steps=2)
    finding = next(finding for finding in report.findings if finding.level == "problem")
    assert named in finding.detail + finding.fix and finding.fix


def test_one_instance_is_not_several_environments() -> None:
    one = Says()
    for factory in (lambda: one, lambda: gymnasium.wrappers.TimeLimit(one, 3)):
        with pytest.raises(EnvError, match="the same instance for copy 1"):
            make_vec(factory, num_envs=2)
    assert make_vec(lambda: one, num_envs=1).num_envs == 1


def test_an_info_that_is_no_dictionary_matters_only_where_it_is_read() -> None:
    class Silent(Says):
        def step(self, action: Any) -> Any:
            return (*super().step(action)[:4], None)

    env = make_vec(Silent, num_envs=1)
    env.reset(seed=0)
    assert env.step(torch.zeros(1, dtype=torch.int64))[1].tolist() == [[1, -0.5]]
    with pytest.raises(EnvError, match=r"info of .*Silent.* None"):
        make_vec(from_info_terms(Silent, ["gain"]), num_envs=1)
