"""Cooperative parallel environments as one: against a team of our own, and against MOMAland's own wrapper."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, Tuple

import morl
from morl.envs.check import check_env
from morl.envs.make import make_vec
from morl.envs.momaland import IDS, JointEnv, from_parallel, make_joint
from morl.errors import EnvError


class Team:
    """Two carriers with PettingZoo's parallel interface; `b` leaves after two steps, `a` after four.

    Each observes (number of steps, own last action) and is paid (own action, -1), or all are paid the sum.
    """

    metadata = {"name": "team_v0", "render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self, shared: bool = False, cut: bool = False, swapped: bool = False, scalar: bool = False
    ) -> None:
        self.possible_agents = ["a", "b"]
        self.agents: list[str] = []
        self.shared, self.cut, self.swapped, self.scalar = shared, cut, swapped, scalar
        self.terminations: dict[str, bool] = {}
        self.truncations: dict[str, bool] = {}
        self.seed: int | None = None

    @property
    def unwrapped(self) -> Team:
        return self

    def observation_space(self, agent: str) -> Any:
        return Box(0, 9, (2,), np.float32) if agent == "a" else Tuple((Discrete(10), Discrete(3, start=1)))

    def action_space(self, agent: str) -> Any:
        return Discrete(2) if agent == "a" else Discrete(3, start=1)

    def reward_space(self, agent: str) -> Box:
        return Box(np.array([0, -1], np.float32), np.array([3, 0], np.float32))

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.agents, self.steps, self.seed = list(self.possible_agents), 0, seed
        return {"a": np.zeros(2, np.float32), "b": (0, 1)}, {"a": {}, "b": {}}

    def step(self, actions: dict[str, Any]) -> Any:
        assert list(actions) == self.agents and all(
            self.action_space(n).contains(a) for n, a in actions.items()
        )
        self.steps += 1
        observations = {"a": np.array([self.steps, actions["a"]], np.float32)}
        if "b" in actions:
            observations["b"] = self.steps, actions["b"]  # type: ignore[assignment]
        paid = {name: np.array([float(action), -1.0]) for name, action in actions.items()}
        if self.shared:
            paid = dict.fromkeys(paid, sum(paid.values()))
        if self.scalar:
            paid = {name: value[0] for name, value in paid.items()}
        self.terminations = {name: self.steps >= (4 if name == "a" else 2) for name in self.agents}
        self.truncations = dict.fromkeys(self.agents, False)
        if self.cut and "b" not in self.agents:
            self.terminations, self.truncations = self.truncations, self.terminations
        ends = self.terminations, self.truncations
        self.agents = [n for n in self.agents if not (self.terminations[n] or self.truncations[n])]
        return observations, paid, *(reversed(ends) if self.swapped else ends), {}

    def state(self) -> Any:
        return np.full((2, 2), self.steps)

    def render(self) -> str:
        return "a picture"

    def close(self) -> None:
        self.possible_agents = []


@pytest.mark.parametrize("swapped", [False, True])
def test_one_episode_of_a_team(swapped: bool) -> None:
    env = JointEnv(Team(swapped=swapped), aggregate="sum")
    assert env.env_id == "team_v0" and isinstance(env.action_space, Tuple)
    assert env.observation_space == Box(
        np.zeros(15, np.float32), np.array([9, 9] + [1] * 13, np.float32), dtype=np.float32
    )
    obs, _ = env.reset(seed=3)
    assert obs.tolist() == [0, 0] + [1] + [0] * 9 + [1, 0, 0] and env.parallel.seed == 3
    steps = [env.step((1, 3)) for _ in range(4)]
    assert [reward.tolist() for _, reward, *_ in steps] == [[4, -2], [4, -2], [1, -1], [1, -1]]
    assert [(over, cut) for _, _, over, cut, _ in steps] == [(False, False)] * 3 + [(True, False)]
    assert steps[1][0].tolist() == [2, 1] + [0, 0, 1] + [0] * 7 + [0, 0, 1]
    assert steps[2][0].tolist() == [3, 1] + [0] * 13  # b has left
    assert env.render() == "a picture"
    env.close()
    assert env.parallel.possible_agents == []


def test_an_episode_that_is_cut_off() -> None:
    env = JointEnv(Team(cut=True), aggregate="sum")
    env.reset()
    assert [env.step((0, 1))[2:4] for _ in range(4)] == [(False, False)] * 3 + [(False, True)]


@pytest.mark.parametrize(
    ("aggregate", "options", "rewards", "high"),
    [
        ("team", {"shared": True}, [[4, -2], [1, -1]], [3, 0]),
        ("sum", {}, [[4, -2], [1, -1]], [6, 0]),
        ("mean", {}, [[2, -1], [0.5, -0.5]], [3, 0]),
        ("each", {}, [[1, -1, 3, -1], [1, -1, 0, 0]], [3, 0, 3, 0]),
        ("each", {"scalar": True}, [[1, 3], [1, 0]], None),
    ],
)
def test_ways_to_make_one_reward(aggregate: Any, options: Any, rewards: Any, high: Any) -> None:
    env = JointEnv(Team, aggregate=aggregate, **options)
    env.reset()
    steps = [env.step((1, 3)) for _ in range(3)]
    assert [steps[0][1].tolist(), steps[2][1].tolist()] == rewards
    assert high is None or env.reward_space.high.tolist() == high  # type: ignore[attr-defined]


def test_the_state_instead_of_what_agents_see() -> None:
    class Central(Team):
        metadata = {**Team.metadata, "central_observation": True}  # noqa: RUF012

        def get_central_observation_space(self) -> Box:
            return Box(0, 4, (4,), np.int64)

        def state(self) -> Any:
            if self.steps == 4:
                raise AttributeError("forgotten with the agents")
            return super().state()

    env = JointEnv(Central(), aggregate="sum")
    assert env.observes_state and env.reset()[0].tolist() == [0] * 4
    assert [env.step((0, 1))[0].tolist() for _ in range(4)] == [[1] * 4, [2] * 4, [3] * 4, [3] * 4]
    assert not JointEnv(Central(), observe="agents").observes_state
    with pytest.raises(EnvError, match="the space of its state"):
        JointEnv(Team(), observe="state")


def test_it_plugs_in() -> None:
    make = from_parallel(Team, aggregate="sum", objectives=("load", "time"))
    for backend in ("sync", "async"):
        env = make_vec(make, 2, backend=backend)
        assert env.env_id == "team_v0" and env.single_action_space == Discrete(6)
        env.reset(seed=0)
        assert env.step(torch.tensor([5, 0]))[1].tolist() == [[4, -2], [1, -2]]
        env.close()
    assert check_env(make, steps=30).facts["objectives"] == ["load", "time"]
    named = make_vec("morl.envs:JointEnv", 2, parallel=f"{__name__}:Team", shared=True)
    assert named.num_objectives == 2 and named.env_id == "team_v0"
    front = morl.evaluate(morl.baselines.RandomPolicy(env), make, episodes=1, weights=[[1, 0]])
    assert front.objectives == ("load", "time")


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        (Team, {"aggregate": "max"}, "one of team, sum, mean, each, got 'max'"),
        (Team, {"observe": "all"}, "one of auto, agents, state"),
        (SimpleNamespace, {}, r"the parallel interface.*use its parallel_env\(\)"),
        (Team(), {"shared": True}, r"no arguments for an existing environment, got \['shared'\]"),
    ],
)
def test_what_does_not_fit_is_explained(env: Any, options: Any, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        JointEnv(env, **options)


def test_a_team_is_paid_alike() -> None:
    env = JointEnv(Team)
    env.reset()
    with pytest.raises(EnvError, match=r"team_v0 to be paid alike.*aggregate='sum' or 'mean'"):
        env.step((1, 3))
    scalar = JointEnv(Team, scalar=True, shared=True)
    scalar.reset()
    with pytest.raises(EnvError, match="a reward vector from team_v0, got the scalar"):
        scalar.step((0, 1))


def test_without_momaland_its_ids_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "momaland", None)
    with pytest.raises(EnvError, match=r"pip install 'morl\[momaland\]'"):
        make_vec("momaland/catch-v0")


# --- with the libraries ---------------------------------------------------------------------------------------


def test_pettingzoos_interface_is_the_one_assumed() -> None:
    conversions = pytest.importorskip("pettingzoo.utils.conversions")
    zoo = pytest.importorskip("pettingzoo")
    assert {"reset", "step", "observation_space", "action_space", "state", "unwrapped"} <= set(
        dir(zoo.ParallelEnv)
    )
    assert hasattr(zoo.AECEnv, "agent_iter") and not hasattr(zoo.ParallelEnv, "agent_iter")

    class Zoo(Team, zoo.ParallelEnv):  # type: ignore[name-defined, misc]
        @property
        def unwrapped(self) -> Any:
            return self

        render_mode = None

    turns = conversions.parallel_to_aec(Zoo(shared=True))
    with pytest.raises(EnvError, match=r"use its parallel_env\(\)"):
        JointEnv(turns)


@pytest.mark.filterwarnings("ignore")  # MOMAland's and PettingZoo's own
@pytest.mark.parametrize("name", IDS)
def test_momalands_environments_are_those_of_its_own_wrapper(name: str) -> None:
    pytest.importorskip("momaland")
    wrappers = pytest.importorskip("momaland.utils.parallel_wrappers")
    folder, objectives, options = IDS[name]
    env_id = f"momaland/{name.replace('_', '-')}-v0"
    vec = make_vec(env_id, 2)
    assert vec.env_id == env_id
    assert vec.objectives is None or tuple(o.name for o in vec.objectives) == objectives
    vec.reset(seed=0)

    joint = make_joint(name)
    module = importlib.import_module(f"momaland.envs.{folder}.{name}_v0")
    arguments = {key: value for key, value in options.items() if key != "aggregate"}
    summed = options.get("aggregate") == "sum"
    central = wrappers.CentraliseAgent(
        module.parallel_env(**arguments), reward_type="sum" if summed else "average"
    )
    assert joint.observation_space.shape == central.observation_space.shape
    np.testing.assert_allclose(joint.reset(seed=5)[0], np.ravel(central.reset(seed=5)[0]), rtol=1e-6)
    joint.action_space.seed(0)
    terminated = truncated = False
    while not (terminated or truncated):
        action = joint.action_space.sample()
        obs, reward, terminated, truncated, _ = joint.step(action)
        if name == "momultiwalker_stability" and not joint.parallel.agents:
            break  # MOMAland's wrapper asks for a state that has gone with the agents
        expected, total, over, cut, _ = central.step(np.concatenate([np.ravel(part) for part in action]))
        np.testing.assert_allclose(reward, total, rtol=1e-4, atol=1e-5)
        assert (over or cut) == (terminated or truncated)
        if len(expected):  # the same of its beach
            np.testing.assert_allclose(obs, expected, rtol=1e-5, atol=1e-6)
    core = joint.parallel.unwrapped
    if getattr(
        core, "terminations", None
    ):  # what the environment itself says, whatever the order it returns it in
        assert terminated == any(core.terminations.values()) == (not any(core.truncations.values()))
    joint.close()
