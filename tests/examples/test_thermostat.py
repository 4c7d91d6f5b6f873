"""The worked example is what it says: short, a pure tensor program, and trained from the command line."""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from morl.cli import main
from morl.envs.base import BatchedEnv
from morl.envs.check import check_env
from morl.envs.purity import check_pure
from morl.front import Front

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def thermostat(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example's class, found as it is by who runs `morl` in that folder."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("thermostat").Thermostat


def test_it_follows_its_physics(thermostat: type[BatchedEnv]) -> None:
    env = thermostat(3, dtype=torch.float64, max_episode_steps=5)
    obs, _ = env.reset(seed=0)
    indoor, outdoor = obs.numpy().T.copy()
    assert ((indoor >= 10) & (indoor < 20) & (outdoor >= -5) & (outdoor < 10)).all()
    for action in ([0, 1, 2], [2, 1, 0], [1, 1, 1], [0, 0, 0]):
        obs, reward, terminated, truncated, _ = env.step(torch.tensor(action))
        heating = np.array(action)
        outdoor = obs[:, 1].numpy()
        indoor = indoor + 0.05 * (outdoor - indoor) + heating
        np.testing.assert_allclose(obs[:, 0].numpy(), indoor, rtol=1e-5)
        expected = np.stack((-np.abs(indoor - 20) / 4, -1.25 * heating), axis=1)
        np.testing.assert_allclose(reward.numpy(), expected, rtol=1e-4, atol=1e-5)
        assert not (terminated | truncated).any()
    *_, truncated, info = env.step(torch.tensor(action))
    assert truncated.all() and info["episode"]["length"].tolist() == [5] * 3


def test_the_checker_finds_nothing(thermostat: type[BatchedEnv]) -> None:
    report = check_env(thermostat, steps=120)
    assert {finding.level for finding in report.findings} == {"passed"}
    assert report.facts["objectives"] == ["comfort", "energy"]
    for device in ("cpu", "meta"):
        check_pure(thermostat(4, device=device))


def test_it_is_about_thirty_lines() -> None:
    (kind,) = [
        node
        for node in ast.parse((EXAMPLES / "thermostat.py").read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "Thermostat"
    ]
    for node in ast.walk(kind):  # what is counted is code, not its documentation
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    assert len(ast.unparse(kind).splitlines()) <= 35


@pytest.mark.filterwarnings("ignore:.*evaluated on its batched twin")
def test_training_on_it_from_the_command_line(
    thermostat: type[BatchedEnv], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EXAMPLES)
    out = os.fspath(tmp_path / "run")
    words = ["thermostat:Thermostat", "--agent", "conditioned-ppo", "--steps", "2e5", "--quiet", "--out", out]
    assert main(["train", *words, "--num-envs", "256", "--agent.hidden", "32"]) == 0
    front = Front.load(tmp_path / "run" / "front.json")
    assert (front.env_id, front.objectives) == ("thermostat:Thermostat", ("comfort", "energy"))
    returns = np.asarray(front.returns)
    half = len(returns) // 2  # weights go from energy alone to comfort alone
    assert returns[half:, 0].mean() > returns[:half, 0].mean()
    assert returns[half:, 1].mean() < returns[:half, 1].mean()
    assert main(["evaluate", out, "--backend", "batched", "--partitions", "4"]) == 0
