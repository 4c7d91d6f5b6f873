"""The checker finds what is wrong and names a remedy, and never raises."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from morl.envs.check import Report, check_env


def levels(report: Report) -> dict[str, str]:
    return {finding.title: finding.level for finding in report.findings}


def test_a_batched_environment_passes() -> None:
    report = check_env("minecart-v0", steps=200)
    assert report.ok and set(levels(report).values()) == {"passed"}
    assert report.env_id == "minecart-v0" and report.facts["num_objectives"] == 3
    assert report.facts["backends"] == ["auto", "batched", "original", "sync", "async"]
    assert report.facts["reward_low"][2] == pytest.approx(-0.22) and report.facts["steps_per_second"] > 0


def test_an_original_passes() -> None:
    report = check_env("deep-sea-treasure-v0", backend="original", steps=300)
    assert report.ok and report.facts["backend"] == "original" and report.facts["episodes"] > 0
    assert levels(report)["objective 1 varies"] == "warning"  # time: -1 always


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
        self.action_space = Box(-np.inf, np.inf, (1,), dtype=np.float32)
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
        if self.fault == "crash":
            raise KeyError("broken")
        return obs, reward, False, self.fault != "endless" and self.steps >= 10, {}


@pytest.mark.parametrize(
    ("fault", "title", "level"),
    [
        ("", "", "passed"),
        ("nan observation", "observations are finite", "problem"),
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
