"""The batched water reservoir against MO-Gymnasium's, step by step, with the same inflow."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from beside import record, run_freely, take_each_step
from gymnasium.spaces import Box

from morl.envs.make import make_vec
from morl.envs.originals import make_original
from morl.envs.water_reservoir import LEVELS, LEVELS_PENALISED, WaterReservoir
from morl.errors import EnvError

ROWS, STEPS = 24, 110
CASES: list[dict[str, Any]] = [
    {},
    {"nO": 3, "time_limit": 30},
    {"nO": 4, "penalize": True},
    {"nO": 4, "penalize": True, "normalized_action": True},
    {"nO": 3, "normalized_action": True, "max_episode_steps": 25},
    {"penalize": True, "initial_state": 42.3, "time_limit": 20},
    {"nO": 4, "initial_state": np.array([150.7])},
]


def act(row: int, original: Any, rng: np.random.Generator) -> np.ndarray:
    """Every sixth of the rows: anything, nothing, all, the demand, just no flood, far too much."""
    level = float(original.state[0])
    share = original.normalized_action
    wanted = (
        rng.uniform(0, 1 if share else 220),
        0.0,
        1.0 if share else level,
        0.6 if share else 50.0,
        rng.choice([0.25, 0.5]) if share else max(0.0, level - 10),
        1.0 if share else level + rng.exponential(100.0),
    )[row % 6]
    return np.array([wanted], dtype=np.float32)


@pytest.mark.parametrize("arguments", CASES)
def test_equals_the_original(arguments: dict[str, Any]) -> None:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((STEPS, ROWS))
    noise[rng.random(noise.shape) < 0.05] = -5.0  # the inflow is negative, and an empty reservoir stays empty
    recording = record(
        lambda: make_original("water-reservoir-v0", **arguments),
        lambda original: [float(original.state[0])],
        act,
        noise=noise,
        starts=rng.integers(
            LEVELS_PENALISED if arguments.get("penalize") else len(LEVELS), size=(STEPS + 1, ROWS)
        ),
    )
    assert recording.action.size * len(CASES) >= 10_000
    limit = min(arguments.get(name, 100) for name in ("time_limit", "max_episode_steps"))
    assert recording.truncated.sum() == ROWS * (STEPS // limit) and not recording.terminated.any()
    assert (recording.after == 0).any() and (recording.after > 100).any()
    assert (recording.reward < 0).any(axis=(0, 1)).all() and (recording.reward == 0).any()
    env = WaterReservoir(ROWS, dtype=torch.float64, **arguments)
    assert run_freely(env, recording, atol=0) == 0
    # A level of some hundreds has a last float32 digit of 3e-5.
    take_each_step(lambda n: WaterReservoir(n, **arguments), recording, rtol=1e-6)


@pytest.mark.parametrize("arguments", CASES)
def test_the_spaces_are_the_originals(arguments: dict[str, Any]) -> None:
    env, original = WaterReservoir(1, **arguments), make_original("water-reservoir-v0", **arguments)
    assert env.single_observation_space == original.observation_space
    assert env.single_action_space == original.action_space
    assert env.reward_space == original.get_wrapper_attr("reward_space")


@pytest.mark.parametrize("arguments", CASES)
@pytest.mark.parametrize("backend", ["batched", "original"])
def test_both_backends_take_the_same_arguments(backend: str, arguments: dict[str, Any]) -> None:
    env = make_vec("water-reservoir-v0", 3, backend=backend, **arguments)
    obs, _ = env.reset(seed=0)
    if "initial_state" in arguments:
        assert obs.flatten().tolist() == pytest.approx([float(np.ravel(arguments["initial_state"])[0])] * 3)
    elif arguments.get("penalize"):
        assert torch.equal(obs, obs.floor()) and (obs < LEVELS_PENALISED).all()
    else:
        assert np.isin(obs.numpy(), np.array(LEVELS, dtype=np.float32)).all()
    assert env.step(torch.full((3, 1), 0.5))[1].shape == (3, arguments.get("nO", 2))


def test_the_single_view_has_the_time_limit() -> None:
    env = gymnasium.make("morl/water-reservoir-v0", time_limit=150)
    env.reset(seed=0)
    action = np.array([40.0], dtype=np.float32)
    assert [env.step(action)[3] for _ in range(150)] == [False] * 149 + [True]


def test_an_endless_action_is_bounded_and_charges_nothing() -> None:
    """The original multiplies the infinite excess by zero and pays NaN."""
    env = WaterReservoir(1, initial_state=80.0)
    env.reset(seed=0)
    reward = env.step(torch.tensor([[torch.inf]]))[1]
    assert torch.isfinite(reward).all()
    assert isinstance(env.single_action_space, Box)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nO": 5}, "nO of 2, 3 or 4 objectives, got 5"),
        ({"time_limit": 0}, "time_limit >= 1, got 0"),
        ({"initial_state": [1.0, 2.0]}, "one level >= 0 as initial_state"),
        ({"initial_state": -1.0}, "one level >= 0 as initial_state"),
        ({"max_episode_steps": 0}, "max_episode_steps"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        WaterReservoir(1, **arguments)
