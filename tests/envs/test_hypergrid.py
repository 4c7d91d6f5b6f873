"""Hypergrids: the front in closed form against enumeration and planning, its shape, and the rules of the walk."""

from __future__ import annotations

from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from morl.envs.hypergrid import HyperGrid, State
from morl.envs.hypergrid_map import DEPTHS, make_map
from morl.envs.make import make_vec
from morl.envs.many_cards import HYPERGRIDS
from morl.errors import EnvError
from morl.indicators import hypervolume
from morl.pareto import coverage_set, filter_nondominated
from morl.registry import get_card

Points = NDArray[np.float64]


def rows(points: Points) -> Points:
    """Sorted, so that sets can be compared; rounded before, so that rounding errors do not change the order."""
    return points[np.lexsort(points.round(9).T)]


def plain_filter(points: Points) -> Points:
    """The non-dominated ones among points, of equal ones the first, by comparing all with all.

    Rounded before: sums of the same numbers in another order differ in the last bit, and would dominate.
    """
    points = np.unique(points.round(9), axis=0)
    weakly = (points[:, None] >= points).all(axis=2)
    strictly = weakly & (points[:, None] > points).any(axis=2)
    return points[~strictly.any(axis=0)]


@pytest.mark.parametrize("gamma", [1.0, 0.99, 0.9, 0.5])
@pytest.mark.parametrize(
    "arguments",
    [
        {"objectives": 2, "depth": 6},
        {"objectives": 3, "depth": 4},
        {"objectives": 3, "depth": 4, "shape": "concave", "barren": 0.5, "layout_seed": 3},
        {"objectives": 4, "depth": 3, "barren": 0.6},
        {"objectives": 5, "depth": 2, "shape": "concave", "barren": 0.0},
    ],
)
def test_the_front_is_what_enumeration_finds(arguments: dict[str, Any], gamma: float) -> None:
    """Every action sequence is played, also those that waste steps and those that never dig."""
    length = arguments["depth"] + 2
    sequences = torch.tensor(list(product(range(arguments["objectives"]), repeat=length)))
    env = HyperGrid(len(sequences), dtype=torch.float64, **arguments)
    env.reset(seed=0)
    returns = np.zeros((len(sequences), env.num_objectives))
    running = np.ones(len(sequences))
    for step in range(length):
        _, reward, terminated, _, _ = env.step(sequences[:, step])
        returns += (running * gamma**step)[:, None] * reward.numpy()
        running *= ~terminated.numpy()
    np.testing.assert_allclose(rows(env.map.front(gamma)), rows(plain_filter(returns)), atol=1e-8)


@pytest.mark.parametrize("gamma", [1.0, 0.97])
@pytest.mark.parametrize("env_id", HYPERGRIDS)
def test_the_front_is_what_planning_finds(env_id: str, gamma: float) -> None:
    """Pareto value iteration on the environment's own transitions, farthest cells first."""
    env = make_vec(env_id, dtype=torch.float64)
    assert isinstance(env, HyperGrid)
    actions, grid = env.num_objectives, env.map
    cells = torch.arange(len(grid.cells)).repeat_interleave(actions)
    step = env.transition(State(cells), torch.arange(actions).repeat(len(grid.cells)), None)
    following = step.state.cell.numpy().reshape(-1, actions)
    reward = step.reward.numpy().reshape(-1, actions, actions)
    ended = step.terminated.numpy().reshape(-1, actions)
    fronts: dict[int, Points] = {}
    for cell in np.argsort(-grid.cells.sum(axis=1), kind="stable"):
        found = []
        for action in range(actions):
            if ended[cell, action]:
                found.append(reward[cell, action][None])
            elif following[cell, action] != cell:  # staying is never better than doing the same at once
                found.append(reward[cell, action] + gamma * fronts[following[cell, action]])
        fronts[cell] = filter_nondominated(np.concatenate(found).round(10))
    np.testing.assert_allclose(rows(grid.front(gamma)), rows(fronts[0]), atol=1e-8)


@pytest.mark.parametrize("env_id", HYPERGRIDS)
def test_the_card_holds_the_front_of_the_environment(env_id: str) -> None:
    card, env = get_card(env_id), make_vec(env_id)
    assert card is not None and card.front is not None and isinstance(env, HyperGrid)
    for protocol in card.protocols:
        front = card.front(protocol.gamma)
        np.testing.assert_array_equal(front, env.map.front(protocol.gamma))
        assert (front > np.array(protocol.reference_point)).all()
    linear, front = card.linear_front(0.99), card.front(0.99)
    assert linear is not None
    assert len(linear) == (len(front) if env.map.shape == "convex" else card.num_objectives)


def test_a_front_by_hand() -> None:
    """Depth 2: f(1) = 5/4 and f(2) = 2 where the slope falls, f(1) = 3/4 where it rises."""
    front = make_map(2, depth=2, barren=0.0).front(1.0)
    np.testing.assert_allclose(rows(front), [[2, -3], [1.25, -2], [0, -1]])
    assert hypervolume(front, reference_point=(-1, -4)) == pytest.approx(3 + 2.25 + 1)
    rising = make_map(2, depth=2, shape="concave", barren=0.0)
    np.testing.assert_allclose(rows(rising.front(1.0)), [[2, -3], [0.75, -2], [0, -1]])
    # Discounted by a half: 2/4 for time 7/4, (5/4)/2 for 3/2: the nearer treasure is better in both.
    np.testing.assert_allclose(rows(make_map(2, 2, barren=0.0).front(0.5)), [[0.625, -1.5], [0, -1]])


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_weighted_sums_reach_all_of_a_convex_front_and_the_ends_of_a_concave_one(objectives: int) -> None:
    convex = make_map(objectives).front(1.0)
    assert len(coverage_set(convex)) == len(convex)
    concave = make_map(objectives, shape="concave")
    front, depth = concave.front(1.0), concave.depth
    ends = np.vstack((np.eye(objectives)[:-1] * depth, np.zeros(objectives)))
    ends[:, -1] = [*[-depth - 1.0] * (objectives - 1), -1.0]
    assert len(front) > objectives
    np.testing.assert_allclose(rows(coverage_set(front)), rows(ends))


@pytest.mark.parametrize("env_id", HYPERGRIDS)
def test_every_pair_of_objectives_has_a_trade_off(env_id: str) -> None:
    """What is not dominated in two objectives is not in more, so this holds for every subset, too."""
    card = get_card(env_id)
    assert card is not None and card.front is not None
    front = card.front(0.99)
    for pair in combinations(range(card.num_objectives), 2):
        assert len(filter_nondominated(front[:, pair])) >= (2 if card.num_objectives > 7 else 3)


@pytest.mark.parametrize("objectives", DEPTHS)
def test_without_discount_every_treasure_is_on_the_front(objectives: int) -> None:
    grid = make_map(objectives)
    with_treasure = grid.treasures.any(axis=1)
    assert len(grid.front(1.0)) == with_treasure.sum() + 1  # and digging at once
    inner = len(grid.cells) - objectives
    assert grid.is_barren.sum() == round(0.3 * inner)
    assert not (grid.is_barren & with_treasure).any()
    other = make_map(objectives, layout_seed=1)
    assert (other.is_barren != grid.is_barren).any()


def test_the_order_of_steps_does_not_matter_and_the_depth_stops_the_walk() -> None:
    walks = torch.tensor(list(permutations([0, 0, 1, 2])))
    env = HyperGrid(len(walks), objectives=4, depth=4, barren=0.0)
    obs, _ = env.reset(seed=0)
    assert not obs.any()
    for step in range(4):
        obs, reward, terminated, _, _ = env.step(walks[:, step])
        assert not terminated.any() and (reward == torch.tensor([0.0, 0, 0, -1])).all()
    assert (obs == torch.tensor([0.5, 0.25, 0.25])).all()
    beyond, reward, terminated, _, _ = env.step(torch.zeros(len(walks), dtype=torch.int64))
    assert torch.equal(beyond, obs) and not terminated.any() and (reward[:, -1] == -1).all()
    _, reward, terminated, _, info = env.step(torch.full((len(walks),), 3))
    assert terminated.all() and torch.equal(info["final_obs"], obs)
    # f(k) = k (3 * 4 - k) / (2 * 4)
    assert (reward == torch.tensor([2.5, 1.375, 1.375, -1.0])).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objectives": 1}, "2 to 10 objectives, got 1"),
        ({"objectives": 11}, "2 to 10 objectives, got 11"),
        ({"depth": 0}, "depth >= 1"),
        ({"shape": "convx"}, "Did you mean 'convex'"),
        ({"barren": 1.0}, r"barren share in \[0, 1\)"),
        ({"objectives": 10, "depth": 20}, "lower the depth"),
    ],
)
def test_wrong_arguments_are_explained(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        HyperGrid(1, **arguments)
