"""Minecart's configuration files, and the one place where the original computes NaN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from morl.envs.minecart import MINE, Minecart, config_path
from morl.errors import EnvError

SPARSE = {"ore_cnt": 1, "mine_cnt": 3, "capacity": 1.0, "mines": [{"x": 0.5, "y": 0.5}]}


def write(tmp_path: Path, data: Any) -> Path:
    path = tmp_path / "config.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_what_a_configuration_leaves_out_comes_from_the_layout_seed(tmp_path: Path) -> None:
    path = write(tmp_path, SPARSE)
    first, same, other = (Minecart(1, config=path, layout_seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.mine_x, same.mine_x) and torch.equal(first.ore_mean, same.ore_mean)
    assert first.mine_x[0] == other.mine_x[0] == 0.5 and not torch.equal(first.mine_x[1:], other.mine_x[1:])
    assert (first.mine_x.square() + first.mine_y.square() >= 0.31**2).all(), "clear of the base"
    assert first.single_observation_space.shape == (6,) and first.num_objectives == 2


def test_the_shipped_configurations_have_names() -> None:
    assert Minecart(1).stochastic and not Minecart(1, config="mine_config_det.json").stochastic
    assert config_path("mine_config.json").is_file()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("not json", "mine_config.json shows the format"),
        ([], "mine_config.json shows the format"),
        ({"ore_cnt": 2}, "mine_config.json shows the format"),
        ({**SPARSE, "mines": [{"x": 0.5}]}, "mine_config.json shows the format"),
        (
            {**SPARSE, "mines": [{"x": 0, "y": 1, "distributions": [[1, 2, 3]]}]},
            "mine_config.json shows the format",
        ),
        ({**SPARSE, "mines": [{"x": 0, "y": 1, "distributions": [[1, -2]]}]}, "no negative deviations"),
        ({**SPARSE, "mine_cnt": 0}, "got 0 mines"),
        ({**SPARSE, "capacity": 0}, "capacity 0"),
    ],
)
def test_a_wrong_configuration_is_explained(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        Minecart(1, config=write(tmp_path, data))


def test_a_missing_configuration_and_a_wrong_frame_skip_are_explained(tmp_path: Path) -> None:
    with pytest.raises(EnvError, match="found none at"):
        Minecart(1, config=tmp_path / "missing.json")
    with pytest.raises(EnvError, match="frame_skip >= 1"):
        Minecart(1, frame_skip=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_digging_nothing_into_an_overfull_cart_is_no_division_by_zero(dtype: torch.dtype) -> None:
    """Rounding makes the sum of the ores exceed the capacity by a little; then a dig may yield nothing."""
    env = Minecart(1, dtype=dtype)
    state = env.initial_state(1, None)
    overfull = torch.tensor([[1.5, np.finfo(np.float32).eps]], dtype=dtype)
    state = state._replace(x=env.mine_x[:1], y=env.mine_y[:1], content=overfull)
    nothing = torch.full((1, env.frame_skip, 2), -10.0, dtype=dtype)
    after = env.transition(state, torch.tensor([MINE]), nothing).state.content
    torch.testing.assert_close(after, overfull)


def test_a_full_cart_takes_no_more() -> None:
    env = Minecart(1, config="mine_config_det.json", dtype=torch.float64)
    state = env.initial_state(1, None)
    state = state._replace(x=env.mine_x[1:2], y=env.mine_y[1:2])
    for _ in range(5):
        state = env.transition(state, torch.tensor([MINE]), None).state
    assert state.content.sum().item() == pytest.approx(1.5)
    torch.testing.assert_close(state.content[0] / 1.5, torch.tensor([0.6, 0.4], dtype=torch.float64))
