"""Decomposition: spread weights, turns, annealing and neighbours, none of which needs a learner."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from morl.agents.front_search import Decomposition, spread_weights
from morl.errors import MorlError


def search(weights: Any, **options: Any) -> Decomposition:
    settings: dict[str, Any] = {
        "slots": len(weights),
        "schedule": "round-robin",
        "adapt": False,
        "delta": 0.1,
    }
    return Decomposition(np.array(weights, float), rng=np.random.default_rng(0), **{**settings, **options})


FOUR = [[0, 1], [0.3, 0.7], [0.7, 0.3], [1, 0]]


@pytest.mark.parametrize("m", range(2, 10))
@pytest.mark.parametrize("method", ["energy", "random"])
def test_weights_for_any_number_of_objectives(m: int, method: Any) -> None:
    weights = spread_weights(m, 16, method, 0)
    assert weights.shape == (16, m)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_array_equal(weights, spread_weights(m, 16, method, 0))


def test_a_lattice_has_certain_sizes() -> None:
    np.testing.assert_allclose(spread_weights(2, 11, "lattice", 0)[:, 0], np.arange(11) / 10)
    assert len(spread_weights(3, 15, "lattice", 0)) == 15
    with pytest.raises(MorlError, match=r"population of 15 or 21, or weight_method=\"energy\""):
        spread_weights(3, 16, "lattice", 0)


def test_everybody_is_trained_where_there_is_room() -> None:
    tasks = search(FOUR).ask()
    assert [task.member for task in tasks] == [0, 1, 2, 3]
    assert [list(task.weights) for task in tasks] == FOUR


@pytest.mark.parametrize("schedule", ["round-robin", "random", "sparsity", "ucb"])
def test_every_member_has_its_turn(schedule: Any) -> None:
    found = search(np.full((7, 2), 0.5), slots=3, schedule=schedule)
    for _ in range(40):
        tasks = found.ask()
        assert len({task.member for task in tasks}) == 3
        found.tell(tasks, np.array([[t.member, -t.member] for t in tasks], float), np.zeros(3))
    assert found.rounds.sum() == 120 and found.rounds.min() >= (1 if schedule == "sparsity" else 10)


def test_isolated_returns_and_fruitful_members_come_first() -> None:
    points = np.array([[0.0, 10], [1, 9], [2, 8], [8, 2], [10, 0]])
    for schedule, gains, expected in (
        ("sparsity", [0, 0, 0, 0, 0], {0, 4}),  # the ends are infinitely isolated
        ("ucb", [0, 9, 0, 9, 0], {1, 3}),
    ):
        found = search(np.full((5, 2), 0.5), slots=2, schedule=schedule)
        found.returns, found.rounds, found.gains = points.copy(), np.full(5, 10), np.array(gains, float)
        assert {task.member for task in found.ask()} == expected


def test_annealing_moves_weights_away_from_the_nearest_return() -> None:
    found = search([[0.5, 0.5], [0.5, 0.5], [0.2, 0.8]], adapt=True)
    found.tell(found.ask(), np.array([[5.0, 1], [4, 2], [0, 9]]), np.zeros(3))
    # Of the first two each is the other's neighbour; the third keeps away from the second.
    high, low = 1.1 / (1.1 + 1 / 1.1), (1 / 1.1) / (1.1 + 1 / 1.1)
    np.testing.assert_allclose(found.weights[0], [high, low])
    np.testing.assert_allclose(found.weights[1], [low, high])
    third = np.array([0.2 / 1.1, 0.8 * 1.1])
    np.testing.assert_allclose(found.weights[2], third / third.sum())


def test_annealing_leaves_equal_members_alone() -> None:
    found = search([[0.4, 0.6], [0.6, 0.4]], adapt=True)
    found.tell(found.ask(), np.array([[1.0, 2], [1, 2]]), np.zeros(2))
    np.testing.assert_array_equal(found.weights, [[0.4, 0.6], [0.6, 0.4]])


def test_the_state_is_json_and_goes_on() -> None:
    found = search(FOUR, slots=2, schedule="random", adapt=True)
    found.tell(found.ask(), np.array([[1.0, 2], [2, 1]]), np.ones(2))
    state = json.loads(json.dumps(found.state()))
    other = search(FOUR, slots=2, schedule="random", adapt=True)
    other.load_state(state)
    for _ in range(5):
        mine, theirs = found.ask(), other.ask()
        assert mine == theirs
        for each, tasks in ((found, mine), (other, theirs)):
            each.tell(tasks, np.array([[t.member, 3.0] for t in tasks]), np.zeros(2))
    np.testing.assert_array_equal(found.weights, other.weights)
