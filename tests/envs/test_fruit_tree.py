"""The batched fruit tree against MO-Gymnasium's, step by step, to every leaf; and its front."""

from __future__ import annotations

from typing import Any

import mo_gymnasium
import numpy as np
import pytest
import torch
from beside import record, run_freely, take_each_step

from morl.envs.fruit_tree import DEPTHS, FruitTree, front, fruits
from morl.envs.make import make_vec
from morl.envs.originals import make_original
from morl.errors import EnvError
from morl.pareto import coverage_set

ROWS, STEPS = 128, 84


def act(row: int, original: Any, rng: np.random.Generator) -> int:
    """Every other row walks anywhere; the others to the leaf with their number, less a wrong turn or two."""
    turn = (row >> int(original.current_state[0])) & 1
    return int(rng.integers(2)) if row % 2 else turn ^ int(rng.random() < 0.1)


@pytest.mark.parametrize("depth", DEPTHS)
def test_equals_the_original(depth: int) -> None:
    recording = record(
        lambda: make_original("fruit-tree-v0", depth=depth),
        lambda original: [original.get_ind(original.current_state)],
        act,
        noise=np.zeros((STEPS, ROWS)),
        starts=np.zeros((STEPS + 1, ROWS)),
    )
    assert recording.action.size >= 10_000
    assert recording.terminated.sum() == ROWS * (STEPS // depth) and not recording.truncated.any()
    assert len(np.unique(recording.after)) == 2 ** (depth + 1) - 2  # everywhere but at the root
    env = FruitTree(ROWS, depth=depth, dtype=torch.float64)
    assert run_freely(env, recording, atol=0, reward_rtol=0) == 0
    take_each_step(lambda n: FruitTree(n, depth=depth), recording, atol=0)


@pytest.mark.parametrize("depth", DEPTHS)
def test_both_backends_have_the_spaces_of_the_original(depth: int) -> None:
    original = mo_gymnasium.make("fruit-tree-v0", depth=depth)
    for backend in ("batched", "original"):
        env = make_vec("fruit-tree-v0", 2, backend=backend, depth=depth)
        assert env.single_observation_space == original.observation_space
        assert env.single_action_space == original.action_space
        assert env.reward_space == original.get_wrapper_attr("reward_space")


def test_a_time_limit_cuts_a_walk_off() -> None:
    env = FruitTree(2, max_episode_steps=3)
    env.reset(seed=0)
    ends = [env.step(torch.ones(2, dtype=torch.int64))[2:4] for _ in range(3)]
    assert [bool(cut.all()) for _, cut in ends] == [False, False, True]
    assert not any(bool(over.any()) for over, _ in ends)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("gamma", [0.9, 1.0])
def test_the_front_is_every_fruit_and_weights_ask_for_each(depth: int, gamma: float) -> None:
    """Returns of all walks at once, and the original's own front."""
    leaves = 2**depth
    env = FruitTree(leaves, depth=depth, dtype=torch.float64)
    env.reset(seed=0)
    returns = torch.zeros(leaves, 6, dtype=torch.float64)
    for level in range(depth):
        turns = torch.arange(leaves) >> (depth - 1 - level) & 1
        returns += gamma**level * env.step(turns)[1]
    points = front(gamma, depth=depth)
    np.testing.assert_allclose(returns.numpy(), points, rtol=1e-6)  # paid in float32
    original: Any = mo_gymnasium.make("fruit-tree-v0", depth=depth).unwrapped
    np.testing.assert_array_equal(points, np.array(original.pareto_front(gamma)))
    assert len(coverage_set(points)) == len(points) == leaves
    assert fruits(depth).max() <= 10 and fruits(depth).min() >= 0


@pytest.mark.parametrize("backend", ["batched", "original"])
def test_a_depth_without_fruits_is_refused(backend: str) -> None:
    with pytest.raises(EnvError, match="a depth of 5, 6 or 7, for which there are tables of fruits, got 4"):
        make_vec("fruit-tree-v0", backend=backend, depth=4)
