"""The batched resource gathering against MO-Gymnasium's, step by step, with the same noise; and its front."""

from __future__ import annotations

from typing import Any

import mo_gymnasium
import numpy as np
import pytest
import torch
from beside import record, run_freely, take_each_step
from mo_gymnasium.envs.resource_gathering.resource_gathering import ResourceGathering as Original

from morl.envs.originals import make_original
from morl.envs.resource_gathering import DANGER, ResourceGathering, front
from morl.pareto import filter_nondominated

ROWS, STEPS = 64, 220
UP, DOWN, LEFT, RIGHT = range(4)


def act(row: int, original: Any, rng: np.random.Generator) -> int:
    """An eighth of the rows each: see the scripts."""
    (down, right), gold, gem = original.current_pos, original.has_gold, original.has_gem
    return (
        int(rng.integers(4)),  # anything
        DOWN if gold else UP,  # the gold, past an enemy twice
        (DOWN if down < 4 else LEFT) if gem else RIGHT if right < 4 else UP,  # the diamond
        _both(down, right, gold, gem),
        LEFT,  # to the wall, until time is up
        DOWN,  # home at once
        (UP if down > 0 else LEFT) if right == 3 else RIGHT,  # camps beside an enemy
        int(rng.choice(4, p=[0.4, 0.2, 0.2, 0.2])),
    )[row % 8]


def _both(down: int, right: int, gold: int, gem: int) -> int:
    """The diamond, then the gold past one enemy, then home past the other."""
    if not gem:
        return RIGHT if right < 4 else UP
    if not gold:
        return UP if down > 0 else LEFT
    return DOWN


def test_equals_the_original() -> None:
    recording = record(
        lambda: make_original("resource-gathering-v0", max_episode_steps=50),
        lambda original: [*(original.current_pos @ [5, 1])[None], original.has_gold, original.has_gem],
        act,
        noise=np.random.default_rng(3).random((STEPS, ROWS)),
        starts=np.zeros((STEPS + 1, ROWS)),
    )
    assert recording.action.size >= 10_000
    ends = {tuple(reward) for reward in recording.reward[recording.terminated].tolist()}
    # Guards the comparison: death, and home with nothing, either or both.
    assert ends == {(-1, 0, 0), (0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)}
    assert recording.truncated.any()
    env = ResourceGathering(ROWS, dtype=torch.float64, max_episode_steps=50)
    assert run_freely(env, recording, atol=0, reward_rtol=0) == 0
    take_each_step(ResourceGathering, recording, atol=0)


def test_the_spaces_are_the_originals() -> None:
    env, original = ResourceGathering(1), make_original("resource-gathering-v0")
    assert env.single_observation_space == original.observation_space
    assert env.single_action_space == original.action_space
    assert env.reward_space == original.get_wrapper_attr("reward_space")


def walks(gamma: float, longest: int = 25) -> np.ndarray:
    """The front by following walks forwards on the original's map, with labels (chance left, returns)."""
    grid: np.ndarray = Original().map
    labels = {(4, 2, False, False): np.array([[1.0, 0.0, 0.0, 0.0]])}
    home = [np.zeros((1, 3))]
    for _ in range(longest):
        reached: dict[tuple[int, int, bool, bool], list[np.ndarray]] = {}
        for (row, column, gold, gem), label in labels.items():
            for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                r, c = row + down, column + right
                if not (0 <= r < 5 and 0 <= c < 5):
                    r, c = row, column
                after = label.copy()
                state = (r, c, gold or grid[r, c] == "R1", gem or grid[r, c] == "R2")
                if grid[r, c] == "H":
                    home.append(after[:, 1:] + after[:, :1] * [0, state[2], state[3]])
                    continue
                if grid[r, c] in ("E1", "E2"):
                    after[:, 1] -= DANGER * after[:, 0]
                    after[:, 0] *= 1 - DANGER
                after[:, 0] *= gamma
                reached.setdefault(state, []).append(after)
        labels = {
            state: filter_nondominated(np.unique(np.concatenate(parts).round(13), axis=0))
            for state, parts in reached.items()
        }
    return filter_nondominated(np.unique(np.concatenate(home).round(12), axis=0))


@pytest.mark.parametrize(("gamma", "size"), [(0.8, 13), (0.9, 9), (0.99, 3), (1.0, 1)])
def test_the_front_is_what_walking_finds(gamma: float, size: int) -> None:
    points = front(gamma)
    expected = walks(gamma)
    assert len(points) == len(expected) == size
    np.testing.assert_allclose(rows(points), rows(expected), atol=1e-10)
    # Past no enemy, both take 18 steps: the gold from the west, the diamond from the south.
    assert (np.abs(points - [0, gamma**17, gamma**17]).max(axis=1) < 1e-10).any()


@pytest.mark.parametrize("gamma", [0.9, 0.99, 1.0])
def test_the_originals_front_is_late_by_a_step_and_misses_the_safe_walks(gamma: float) -> None:
    original: Any = mo_gymnasium.make("resource-gathering-v0").unwrapped
    given = np.array(original.pareto_front(gamma))
    diamond = given[given[:, 2] > given[:, 1]]
    np.testing.assert_allclose(diamond, [[0, 0, gamma**10]])  # but the tenth step is discounted nine times
    mended = given / gamma
    best = front(gamma)
    assert ((best >= mended[:, None] - 1e-9).all(axis=2)).any(axis=1).all()  # none is better than ours
    assert not (mended >= [0, gamma**17, gamma**17]).all(axis=1).any()


def rows(points: np.ndarray) -> np.ndarray:
    """Sorted, so that sets can be compared."""
    return points[np.lexsort(points.round(8).T)]


def test_a_front_is_a_copy() -> None:
    front(0.9)[:] = 0
    assert front(0.9).any()
