"""The batched mountain cars against MO-Gymnasium's, step by step, from the same starts."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from beside import Recording, record, run_freely, take_each_step

from morl.envs.base import BatchedEnv
from morl.envs.make import make_vec
from morl.envs.mountain_car import COAST, LEFT, LEFTMOST, MAX_SPEED, RIGHT, RIGHTMOST
from morl.envs.originals import make_original
from morl.errors import EnvError

ROWS, STEPS, LIMIT = 24, 430, 180

CASES: list[tuple[str, dict[str, Any]]] = [
    ("mo-mountaincar-v0", {}),
    ("mo-mountaincar-3d-v0", {}),
    ("mo-mountaincar-timemove-v0", {}),
    ("mo-mountaincar-timespeed-v0", {}),
    ("mo-mountaincar-v0", {"add_speed_objective": True, "goal_velocity": 0.02}),
    ("mo-mountaincar-v0", {"remove_move_penalty": True, "merge_move_penalty": True}),
    ("mo-mountaincar-3d-v0", {"goal_velocity": 1.0}),
    ("mo-mountaincarcontinuous-v0", {}),
    ("mo-mountaincarcontinuous-v0", {"goal_velocity": 0.03}),
    ("mo-mountaincarcontinuous-v0", {"goal_velocity": 1.0}),
]
NAMES = [f"{env_id} {arguments}" for env_id, arguments in CASES]


def act(row: int, original: Any, rng: np.random.Generator) -> Any:
    """Rows in turn: pump energy, at random, pump by fits and starts, pump and rest. Throttles are between."""
    push = (
        RIGHT if original.state[1] >= 0 else LEFT,
        int(rng.integers(3)),
        int(rng.choice([RIGHT if original.state[1] >= 0 else LEFT, COAST, LEFT], p=[0.75, 0.2, 0.05])),
        COAST if abs(original.state[0] + 0.5) < 0.1 else RIGHT if original.state[1] >= 0 else LEFT,
    )[row % 4]
    if isinstance(original.action_space, gymnasium.spaces.Discrete):
        return push
    strength = 1.0 if row % 8 < 4 else rng.uniform(0.4, 1.0)
    return np.array([(push - COAST) * strength], dtype=np.float32)


def drive(env_id: str, arguments: dict[str, Any]) -> Recording:
    """One recording of a case."""
    return record(
        lambda: make_original(env_id, max_episode_steps=LIMIT, **arguments),
        lambda original: [float(number) for number in original.state],
        act,
        noise=np.zeros((STEPS, ROWS)),
        starts=np.random.default_rng(3).random((STEPS + 1, ROWS)),
    )


def make(env_id: str, n: int, arguments: dict[str, Any], **options: Any) -> BatchedEnv:
    made = gymnasium.make_vec("morl/" + env_id, num_envs=n, max_episode_steps=LIMIT, **arguments, **options)
    assert isinstance(made, BatchedEnv)
    return made


@pytest.mark.parametrize(("env_id", "arguments"), CASES, ids=NAMES)
def test_equals_the_original(env_id: str, arguments: dict[str, Any]) -> None:
    recording = drive(env_id, arguments)
    assert recording.action.size >= 10_000 and recording.truncated.sum() > 0
    position, velocity = recording.after[..., 0], recording.after[..., 1]
    assert (position == np.float32(LEFTMOST)).any() or (position == LEFTMOST).any(), "the left wall"
    if arguments.get("goal_velocity") == 1.0:
        assert not recording.terminated.any() and np.isclose(position, RIGHTMOST, atol=1e-7).any()
        assert np.isclose(np.abs(velocity), MAX_SPEED, atol=1e-8).any(), "the speed limit"
    else:
        assert recording.terminated.sum() >= 10, "the goal"
        assert (recording.reward[recording.terminated][:, 0] == 0).all()
    env = make(env_id, ROWS, arguments, dtype=torch.float64)
    assert run_freely(env, recording) <= 1e-9
    take_each_step(lambda n: make(env_id, n, arguments), recording)


@pytest.mark.parametrize(("env_id", "arguments"), CASES, ids=NAMES)
def test_the_spaces_are_the_originals_or_hold_more(env_id: str, arguments: dict[str, Any]) -> None:
    env, original = make(env_id, 1, arguments), make_original(env_id, **arguments)
    assert env.single_observation_space == original.observation_space
    assert env.single_action_space == original.action_space
    theirs = original.get_wrapper_attr("reward_space")
    np.testing.assert_array_equal(env.reward_space.low, theirs.low)
    np.testing.assert_array_equal(env.reward_space.high[1:], theirs.high[1:])
    assert env.reward_space.high[0] == 0  # mo-mountaincar's says -1, and pays 0 at the goal


@pytest.mark.parametrize("backend", ["batched", "original"])
def test_both_backends_take_the_same_arguments(backend: str) -> None:
    arguments: dict[str, Any] = {"add_speed_objective": True, "goal_velocity": 0.01, "max_episode_steps": 3}
    env = make_vec("mo-mountaincar-v0", 2, backend=backend, **arguments)
    env.reset(seed=0)
    action = torch.tensor([LEFT, COAST])
    for step in range(3):
        _, reward, _, truncated, _ = env.step(action)
        assert reward[:, :3].tolist() == [[-1, -1, 0], [-1, 0, 0]] and (reward[:, 3] > 0).all()
        assert bool(truncated.all()) == (step == 2)
    env = make_vec("mo-mountaincarcontinuous-v0", 2, backend=backend, goal_velocity=0.01)
    env.reset(seed=0)
    reward = env.step(torch.tensor([[0.5], [2.0]]))[1]
    assert reward.tolist() == [[-1, -0.25], [-1, -4]]  # beyond the bounds it burns, but does not push
    with pytest.raises(EnvError, match="colour"):
        make_vec("mo-mountaincar-v0", 2, backend=backend, colour="red")
