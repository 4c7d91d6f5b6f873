"""The batched deep-sea-treasure against MO-Gymnasium's, step by step, and its maps, spaces and fronts."""

from __future__ import annotations

from itertools import product
from typing import Any

import mo_gymnasium.envs.deep_sea_treasure.deep_sea_treasure as original_module
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from morl.envs.deep_sea_treasure import MOVES, DeepSeaTreasure
from morl.envs.originals import make_original
from morl.envs.sea_maps import MAPS
from morl.errors import EnvError

ROWS, STEPS, LIMIT = 64, 160, 40
ORIGINAL_MAPS = {
    "convex": original_module.DEFAULT_MAP,
    "concave": original_module.CONCAVE_MAP,
    "mirrored": original_module.MIRRORED_MAP,
}


def script(row: int, rng: np.random.Generator) -> list[int]:
    """Actions of one row: every third walks right by a random distance and dives, again and again."""
    if row % 3:
        # The others mostly go down and right, or they would never see the deep.
        return rng.choice(4, STEPS, p=[0.15, 0.35, 0.15, 0.35] if row % 3 == 1 else None).tolist()
    actions: list[int] = []
    while len(actions) < STEPS:
        right = int(rng.integers(10))
        actions += [3] * right + [1] * (11 - right // 2)
    return actions[:STEPS]


@pytest.mark.parametrize(("sea_map", "float_state"), list(product(MAPS, (False, True))))
def test_equals_the_original(sea_map: str, float_state: bool) -> None:
    rng = np.random.default_rng(0)
    arguments: dict[str, Any] = {"sea_map": sea_map, "float_state": float_state, "max_episode_steps": LIMIT}
    originals = [make_original("deep-sea-treasure-v0", **arguments) for _ in range(ROWS)]
    env = DeepSeaTreasure(ROWS, **arguments)
    actions = np.array([script(row, rng) for row in range(ROWS)])
    obs, _ = env.reset(seed=0)
    expected = np.stack([original.reset(seed=0)[0] for original in originals])
    treasures, cut = set(), 0
    for step in range(STEPS):
        assert obs.numpy().dtype == expected.dtype
        np.testing.assert_array_equal(obs.numpy(), expected)
        obs, reward, terminated, truncated, info = env.step(torch.tensor(actions[:, step]))
        for row, original in enumerate(originals):
            final, payment, ended, cut_off, _ = original.step(actions[row, step])
            np.testing.assert_array_equal(info["final_obs"][row].numpy(), final)
            np.testing.assert_array_equal(reward[row].numpy(), payment)
            assert (bool(terminated[row]), bool(truncated[row])) == (ended, cut_off)
            expected[row] = original.reset()[0] if ended or cut_off else final
            treasures |= {float(payment[0])} if ended else set()
            cut += cut_off
    # Guards the comparison: near and far treasures and the time limit must have been met.
    assert len(treasures) >= 5 and cut > 0


@pytest.mark.parametrize("name", MAPS)
def test_maps_are_the_originals(name: str) -> None:
    np.testing.assert_array_equal(MAPS[name].grid(), ORIGINAL_MAPS[name])


@pytest.mark.parametrize(("name", "float_state"), list(product(MAPS, (False, True))))
def test_spaces_are_the_originals_or_hold_more(name: str, float_state: bool) -> None:
    env = DeepSeaTreasure(1, sea_map=name, float_state=float_state)
    original = make_original("deep-sea-treasure-v0", sea_map=name, float_state=float_state)
    assert env.reward_space == original.get_wrapper_attr("reward_space")
    assert env.single_action_space == original.action_space
    space = env.single_observation_space
    assert isinstance(space, Box)
    if (name, float_state) == ("mirrored", True):
        assert space.high.max() == pytest.approx(1.9)  # the original's says 1.0
    else:
        assert space == original.observation_space
    free = torch.nonzero(torch.as_tensor(MAPS[name].grid().ravel() >= 0)).squeeze(1)
    assert all(space.contains(obs) for obs in env.observations[free].numpy())


@pytest.mark.parametrize(("name", "gamma"), list(product(MAPS, (0.9, 0.99, 1.0))))
def test_front_is_what_planning_finds(name: str, gamma: float) -> None:
    """Breadth-first search over the original's grid: the first visit of a treasure is its best return."""
    grid, start = ORIGINAL_MAPS[name], MAPS[name].start
    distance, frontier, found = {start: 0}, [start], []
    while frontier:
        cell = frontier.pop(0)
        if grid[cell] > 0:
            steps = distance[cell]
            found.append((gamma ** (steps - 1) * grid[cell], -sum(gamma**k for k in range(steps))))
            continue
        for move in MOVES:
            nearby = (cell[0] + move[0], cell[1] + move[1])
            inside = 0 <= nearby[0] < grid.shape[0] and 0 <= nearby[1] < grid.shape[1]
            if inside and grid[nearby] != -10 and nearby not in distance:
                distance[nearby] = distance[cell] + 1
                frontier.append(nearby)
    best = [p for p in found if not any(q[0] >= p[0] and q[1] >= p[1] and q != p for q in found)]
    np.testing.assert_allclose(sorted(MAPS[name].front(gamma).tolist()), sorted(best), rtol=1e-12)


def test_an_unknown_map_is_refused() -> None:
    with pytest.raises(EnvError, match="Did you mean 'concave'"):
        DeepSeaTreasure(1, sea_map="concav")
