"""The checker finds what is wrong and names a remedy, and never raises."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from mo_gymnasium.wrappers.vector import MOSyncVectorEnv

from morl.envs.check import Report, check_env
from morl.envs.check_play import correlations


def levels(report: Report) -> dict[str, str]:
    return {finding.title: finding.level for finding in report.findings}


def test_a_batched_environment_passes() -> None:
    report = check_env("minecart-v0", steps=200)
    assert report.ok and set(levels(report).values()) == {"passed"}
    assert report.env_id == "minecart-v0" and report.facts["num_objectives"] == 3
    assert report.facts["backends"] == ["auto", "batched", "original", "sync", "async"]
    assert report.facts["reward_low"][2] == pytest.approx(-0.22) and report.facts["steps_per_second"] > 0
    assert report.facts["objectives"] == ["ore 1", "ore 2", "fuel"]


def test_an_original_passes() -> None:
    report = check_env("deep-sea-treasure-v0", backend="original", steps=300)
    assert report.ok and report.facts["backend"] == "original" and report.facts["episodes"] > 0
    assert levels(report)["objective 1 (time) varies"] == "note"  # -1 a step, but episodes differ in length


@pytest.mark.parametrize(
    ("env", "detail"),
    [("CartPole-v1", "the scalar 1.0"), ("minecrat-v0", "minecart-v0"), ("nowhere:Env", "nowhere")],
)
def test_what_cannot_be_made_is_one_problem(env: str, detail: str) -> None:
    report = check_env(env)
    assert not report.ok and len(report.findings) == 1
    finding = report.findings[0]
    assert finding.level == "problem" and detail in finding.detail and finding.fix


class Faulty(gymnasium.Env):
    """Breaks one rule, named by `fault`."""

    def __init__(self, fault: str = "") -> None:
        self.observation_space = Box(0, 1, (1,), dtype=np.float32)
        limit = np.inf if fault == "unbounded" else 1
        self.action_space = Box(-limit, limit, (1,), dtype=np.float32)
        self.reward_space = Box(-1, 1, (2,), dtype=np.float32)
        self.fault, self.steps = fault, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        obs, reward = np.full(1, 0.5, dtype=np.float32), self.np_random.uniform(-1, 1, 2)
        if self.fault == "nan observation":
            obs = obs * np.nan
        if self.fault == "observation outside":
            obs = obs + 1
        if self.fault == "reward outside":
            reward = reward * 3
        if self.fault == "nan reward" and self.steps > 5:
            reward = reward * np.nan
        if self.fault == "not reproducible":
            reward = np.random.default_rng().uniform(-1, 1, 2)
        if self.fault == "constant":
            reward[1] = 0.25
        if self.fault in ("time", "time, alike"):
            reward[1] = -1
        if self.fault in ("alike", "time, alike"):
            reward[0] = 0.5 * reward[1]
        if self.fault == "crash":
            raise KeyError("broken")
        lucky = self.fault.startswith("time") and self.np_random.random() < 0.1
        return obs, reward, lucky, self.fault != "endless" and self.steps >= 10, {}


def test_what_is_worth_knowing_is_a_note() -> None:
    """An honest -1 for every step is no fault, as long as episodes differ; nor are objectives that agree."""
    for fault, titles in (
        ("time", ["objective 1 varies"]),
        ("alike", ["objective 0 and objective 1 differ"]),
        ("time, alike", ["objective 0 varies", "objective 1 varies", "objective 0 and objective 1 differ"]),
    ):
        report = check_env(partial(Faulty, fault), steps=50)
        found = [finding for finding in report.findings if finding.level != "passed"]
        assert [finding.title for finding in found] == titles
        assert all(finding.level == "note" and finding.detail and not finding.fix for finding in found)


def test_ranges_and_correlations_are_those_of_the_rewards() -> None:
    report = check_env(partial(Faulty, "time"), steps=50)
    facts = report.facts
    assert facts["return_low"][1] >= -10 and facts["return_high"][1] <= -1
    assert facts["return_low"][1] < facts["return_high"][1] and facts["reward_low"][1] == -1
    assert facts["correlations_of"] == "episode returns" and facts["episodes"] >= 10
    assert facts["correlations"][0][0] == pytest.approx(1) and -1 <= facts["correlations"][0][1] <= 1
    values = np.random.default_rng(0).normal(size=(50, 3))
    values[:, 2] = -1.0
    expected = np.corrcoef(values[:, :2].T)
    found = correlations(values)
    np.testing.assert_allclose([row[:2] for row in found[:2]], expected)
    assert found[2] == [None] * 3 and found[0][2] is None


def test_resets_of_next_step_environments_are_not_counted(counter: type[gymnasium.Env]) -> None:
    report = check_env(MOSyncVectorEnv([counter] * 2), steps=40)
    assert report.facts["reward_low"] == [1, -1] and report.facts["reward_high"] == [3, -1]
    assert report.facts["return_low"] == [6, -3] and report.facts["mean_episode_length"] == 3


@pytest.mark.parametrize(
    ("fault", "title", "level"),
    [
        ("", "", "passed"),
        ("nan observation", "can be played", "problem"),
        ("unbounded", "actions have bounds", "warning"),
        ("observation outside", "observations lie in the observation space", "warning"),
        ("reward outside", "rewards lie in the reward space", "warning"),
        ("nan reward", "can be played", "problem"),
        ("not reproducible", "reset(seed=...) makes episodes reproducible", "warning"),
        ("constant", "objective 1 varies", "warning"),
        ("crash", "can be played", "problem"),
        ("endless", "episodes end", "warning"),
    ],
)
def test_each_fault_is_found_and_nothing_else(fault: str, title: str, level: str) -> None:
    report = check_env(partial(Faulty, fault), steps=50)
    found = [finding for finding in report.findings if finding.level != "passed"]
    assert [(finding.title, finding.level) for finding in found] == ([(title, level)] if title else [])
    assert all(finding.detail and finding.fix for finding in found)
    assert report.ok == (level != "problem")


def test_an_instance_is_checked_alone() -> None:
    report = check_env(Faulty(), steps=20)
    assert report.ok and report.facts["backends"] == ["auto", "original", "sync"]


class Named(gymnasium.Env):
    """Its arguments have names that the checker and `make_vec` use; a step pays its own arguments."""

    observation_space = Box(0, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    reference_point = (0.0, 0.0, 0.0)
    """One number too many."""

    def __init__(self, steps: int = 1, device: float = 0.0, env: int = 0, kind: int = 0) -> None:
        self.steps, self.paid = steps, [device, env + kind]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.t += 1
        return np.zeros(1, np.float32), self.paid, self.t == self.steps, False, {}


def test_arguments_may_have_any_name() -> None:
    report = check_env(Named, steps=8, env_kwargs={"steps": 4, "device": 2.0, "env": 3, "kind": 4})
    assert report.ok and report.facts["mean_episode_length"] == 4
    assert report.facts["reward_low"] == [2, 7]


def test_what_an_environment_says_of_itself_is_read() -> None:
    said = [finding for finding in check_env(Named, steps=8).findings if "reference point" in finding.title]
    assert [finding.level for finding in said] == ["warning"] and "reference_point" in said[0].detail
