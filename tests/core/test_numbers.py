"""NumPy's and torch's numbers are numbers wherever a count, a seed or a setting is meant; booleans are not."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import SMALL, Bandit, small_agent

import morl
from morl._arrays import as_count, as_seeds, as_steps, plain
from morl.agents import ConditionedPPO
from morl.baselines import Sweep
from morl.envs.wrappers import FrameStackObservation
from morl.errors import MorlError
from morl.runs import RunConfig
from morl.streams import Streams

THREES = [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)]
NO_COUNTS = [True, np.True_, np.array(True), torch.tensor(True), 3.0, np.float32(3), "3", None, np.array([3])]


@pytest.mark.parametrize("three", THREES, ids=repr)
def test_a_number_of_any_library_is_a_count(three: Any) -> None:
    found = [
        as_count(three, name="n"),
        as_steps(three, name="n"),
        as_seeds(three),
        plain({"a": [three]})["a"][0],
    ]
    assert found == [3] * 4 and {type(n) for n in found} == {int}
    assert morl.make_vec("deep-sea-treasure-v0", num_envs=three).num_envs == 3
    assert len(morl.weights.lattice(three, partitions=three)) == 10


@pytest.mark.parametrize("wrong", NO_COUNTS, ids=repr)
def test_what_is_no_count_is_refused(wrong: Any) -> None:
    for call in (
        lambda: as_count(wrong, name="n"),
        lambda: morl.make_vec("deep-sea-treasure-v0", num_envs=wrong),
        lambda: FrameStackObservation(Bandit(2), wrong),
        lambda: RunConfig(env="deep-sea-treasure-v0", agent="random", total_steps=wrong),
    ):
        with pytest.raises(MorlError, match="integer"):
            call()
    if not isinstance(wrong, np.ndarray) or wrong.ndim == 0:
        with pytest.raises(MorlError, match="seed"):
            small_agent("random", Bandit(2), seed=wrong)


def test_budgets_may_be_written_as_floats() -> None:
    agent = small_agent("random", Bandit(2))
    for budget in (4.0, np.float32(6), np.int32(8), 1e1):
        assert agent.learn(budget, progress=False).steps == int(budget)
    for wrong in (12.5, float("nan"), True, "20", np.inf):
        with pytest.raises(MorlError, match="total_steps"):
            agent.learn(wrong, progress=False)


def test_an_agent_made_with_numpys_numbers_is_saved(tmp_path: Path) -> None:
    settings = SMALL["conditioned-ppo"] | {
        "lr": np.float32(0.001),
        "gamma": np.float64(0.9),
        "rollout_length": np.int64(4),
        "hidden": np.array([8, 4]),
    }
    agent = ConditionedPPO(Bandit(2), seed=np.int64(5), **settings)
    agent.learn(np.int64(8), progress=False)
    loaded = morl.load(agent.save(tmp_path / "agent"))
    assert (loaded.seed, loaded.gamma, loaded.config.hidden) == (5, 0.9, (8, 4))
    assert loaded.config == agent.config and json.dumps(asdict(agent.config))
    sweep = Sweep(Bandit(4), seed=np.arange(2), **SMALL["sweep"])
    assert [part.seed for part in sweep.split()] == [0, 1]
    config = RunConfig(
        env="x", agent="random", total_steps=np.int64(9), seed=np.array(2), settings={"a": np.float32(0.5)}
    )
    assert json.loads(json.dumps(asdict(config)))["settings"] == {"a": 0.5}


def test_seeds_one_by_one() -> None:
    make = lambda: morl.make_vec("deep-sea-treasure-v0", num_envs=2, backend="original")  # noqa: E731
    for seeds in ([1, 2], (np.int64(1), np.int64(2)), np.array([1, 2]), torch.tensor([1, 2]), range(1, 3)):
        make().reset(seed=seeds)
    for seed in (np.int64(4), np.array(4), torch.tensor(4)):
        assert torch.equal(Streams(seed, 4).uniform(2), Streams(4, 4).uniform(2))
        morl.make_vec("minecart-v0", num_envs=2).reset(seed=seed)
    for wrong in (True, -1, 1.5, [1, True], np.array([1.5, 2.0])):
        with pytest.raises(MorlError, match="seed"):
            make().reset(seed=wrong)
