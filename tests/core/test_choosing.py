"""A choice follows its rule, and says why where it cannot; test_artefact.py has what becomes of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from morl.choosing import choose
from morl.errors import MorlError, NonFiniteError
from morl.front import Front
from morl.utility import Chebyshev

NAMES = ("gain", "ore 1", "time")


def front_of(points: Any, **options: Any) -> Front:
    m = np.shape(points)[-1]
    names = {"env_id": "toy", "gamma": 0.9, "objectives": NAMES[:2] if m == 2 else NAMES[:m]}
    return Front.from_points(points, **{**names, **options})


SEA = front_of([[1.0, -1.0], [2.0, -3.0], [8.0, -9.0], [3.0, -9.0], [8.0, -9.0]], objectives=("gain", "time"))

returns = st.integers(1, 12).flatmap(
    lambda k: arrays(np.float64, (k, 3), elements=st.integers(-4, 4).map(float))
)


@given(
    points=returns,
    raw=arrays(np.float64, 3, elements=st.integers(0, 9).map(float)).filter(np.any),
    limit=st.integers(-4, 4),
)
def test_the_best_of_those_that_meet_every_threshold(points: Any, raw: Any, limit: int) -> None:
    weights, feasible = raw / raw.sum(), points[:, 2] >= limit
    chosen = partial(choose, front_of(points), weights=weights, at_least={"time": limit})
    if not feasible.any():
        with pytest.raises(
            MorlError, match=f"too little.*The largest of any point: time {points[:, 2].max():.4g};"
        ):
            chosen()
        return
    choice = chosen()
    assert feasible[choice.index] and (choice.feasible == feasible).all()
    assert choice.utilities[choice.index] == pytest.approx((points[feasible] @ weights).max())
    better = (points >= points[choice.index]).all(axis=1) & (points > points[choice.index]).any(axis=1)
    assert not (better & feasible).any(), "a feasible point dominates the chosen one"


@given(points=returns, scale=arrays(np.float64, 3, elements=st.sampled_from([0.01, 1.0, 64.0])))
def test_thresholds_alone_choose_the_same_in_any_units(points: Any, scale: Any) -> None:
    def chosen(values: Any, threshold: float) -> Any:
        try:
            return values[choose(front_of(values), at_least={"time": threshold}).index] / scale
        except MorlError:
            return None

    scale[2] = 1.0
    first, second = chosen(points * scale, 0.0), chosen(points * scale * [4, 4, 1], 0.0)
    if first is None:
        assert second is None
    else:
        np.testing.assert_allclose(second, first * [4, 4, 1])


@pytest.mark.parametrize(
    ("options", "index", "rule"),
    [
        ({"weights": [0.8, 0.2]}, 2, "largest weighted sum 0.8 gain + 0.2 time"),
        ({"weights": [0.0, 1.0]}, 0, "largest weighted sum 0 gain + 1 time"),
        # Epsilon constraints: the other objective is maximised.
        ({"at_least": {"time": -5}}, 1, "largest gain among the points with time of at least -5"),
        ({"at_least": {"gain": 1.5}}, 1, "largest time among the points with gain of at least 1.5"),
        (
            {"at_least": {"gain": 1.5, "time": -9}},
            2,  # 1 + 0 against 1/7 + 6/8 in units of the ranges
            "largest sum of gain, time, each in units of its range over the front, among the points with gain "
            "of at least 1.5 and time of at least -9",
        ),
        ({"weights": [1.0, 0.0], "at_least": {"time": -3}}, 1, "largest weighted sum 1 gain + 0 time among"),
        ({"utility": Chebyshev([8.0, -1.0])}, 1, "largest utility"),
        ({"utility": "linear", "weights": [0.0, 1.0]}, 0, "largest utility linear with weights 0 1"),
        ({"utility": lambda r, w: -np.abs(r - 2).sum(-1)}, 0, "<lambda> with weights 0.5 0.5"),
    ],
)
def test_what_each_rule_chooses(options: dict[str, Any], index: int, rule: str) -> None:
    choice = choose(SEA, **options)
    assert choice.index == index
    assert rule in choice.rule


def test_ties_are_broken_for_the_point_that_nothing_dominates() -> None:
    front = front_of([[1.0, 0.0, 0.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [0.0, 9.0, 9.0]])
    assert choose(front, weights=[1, 0, 0]).index == 1
    assert choose(front, at_least={"ore 1": 0.5, "time": 0.5}).index == 1
    # One point dominates all, so that the front has no range.
    assert choose(front_of([[1.0, -1.0], [1.0, 0.0]]), weights=[1, 0]).index == 1


def test_names_may_be_written_as_on_the_command_line() -> None:
    front = front_of([[1.0, 0.0, 0.0], [0.0, 2.0, 3.0]])
    for name in ("ore 1", "ore-1", "Ore_1"):
        assert dict(choose(front, at_least={name: 1}).at_least) == {"ore 1": 1.0}


def test_neighbours_and_what_was_excluded() -> None:
    steps = np.arange(10.0)
    points = np.stack([steps, -(steps**2)], axis=1)
    front = front_of(np.vstack([points, points[3], [2.5, -81.0]]), objectives=("gain", "time"))
    choice = choose(front, at_least={"time": -30})
    assert points[choice.index].tolist() == [5, -25]
    # By distance in units of the ranges 9 and 81, feasible ones only.
    assert choice.neighbours(3).tolist() == [4, 3, 2]
    assert choice.excluded().tolist() == [9, 8, 7] and choice.excluded(1).tolist() == [9]
    assert choice.shortfalls[9].tolist() == [0, 51] and choice.shortfalls[5].tolist() == [0, 0]
    assert choose(SEA, weights=[0.5, 0.5]).excluded().tolist() == []
    assert choose(front_of([[1.0, 2.0]]), weights=[1, 0]).neighbours().tolist() == []


def test_discounted_unless_asked_otherwise() -> None:
    front = Front(
        episode_returns=np.array([[[1.0, -1.0]], [[2.0, -3.0]]]),
        episode_returns_undiscounted=np.array([[[1.0, -1.0]], [[9.0, -5.0]]]),
        env_id="toy",
        gamma=0.5,
        objectives=("gain", "time"),
        role="report",
    )
    assert choose(front, weights=[0.4, 0.6]).index == 0
    plain = choose(front, weights=[0.4, 0.6], undiscounted=True)
    assert plain.index == 1 and plain.returns.tolist() == [[1, -1], [9, -5]]
    assert choose(front, at_least={"time": -4}).feasible.tolist() == [True, True]
    assert choose(front, at_least={"time": -4}, undiscounted=True).feasible.tolist() == [True, False]
    with pytest.raises(MorlError, match="expected a front with undiscounted returns"):
        choose(SEA, weights=[0.5, 0.5], undiscounted=True)


def test_a_threshold_within_the_noise_is_pointed_out() -> None:
    spread = np.array([-1.0, 1.0] * 8)
    episodes = np.stack([np.stack([spread + mean, 0 * spread], axis=1) for mean in (0.1, 5.0)])
    front = Front(episode_returns=episodes, env_id="toy", gamma=1.0, objectives=NAMES[:2], role="report")
    assert choose(front.subset([0]), at_least={"gain": 0, "ore 1": 0}).unsure == ("gain",)
    assert choose(front.subset([1]), at_least={"gain": 0, "ore 1": 0}).unsure == ()
    assert choose(SEA, at_least={"time": -3}).unsure == (), "an exact front has no noise"


def test_nothing_given_is_changed() -> None:
    weights, limits = np.array([0.5, 0.5]), {"Time": -5}

    def greedy(values: Any, given: Any) -> Any:
        values *= 0
        return values.sum(-1)

    choose(SEA, weights=weights, at_least=limits)
    choose(SEA, utility=greedy, weights=weights)
    assert weights.tolist() == [0.5, 0.5] and limits == {"Time": -5} and SEA.returns[0, 0] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "something to choose by, got nothing"),
        ({"weights": [0.5, 0.6]}, "weights sum to 1.1"),
        ({"weights": [[0.5, 0.5]]}, "expected one weight vector"),
        ({"weights": [1 / 3] * 3}, "weights for 2 objectives"),
        ({"at_least": {"tme": -5}}, r"got 'tme'\. Did you mean 'time'\? Objectives: 'gain', 'time'"),
        ({"at_least": {"time": "soon"}}, "threshold of time"),
        ({"at_least": {"time": np.nan}}, "finite number as threshold of 'time'"),
        ({"at_least": {"time": -5, "TIME": -6}}, "one threshold for each objective, got two for 'time'"),
        ({"utility": "lineer"}, "unknown utility"),
        ({"utility": lambda r, w: r}, "must map"),
    ],
)
def test_what_cannot_be_chosen_by(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MorlError, match=message):
        choose(SEA, **options)


def test_a_utility_that_is_no_number_is_refused() -> None:
    with pytest.raises(NonFiniteError, match=r"the utilities\[0\]"):
        choose(SEA, utility=lambda r, w: np.log(r).sum(-1))


def test_the_nearest_miss_is_in_numbers() -> None:
    with pytest.raises(MorlError) as caught:
        choose(SEA, at_least={"time": -2, "gain": 4})
    # In units of the ranges, the second point misses by 1/8 and 2/7: the least of the larger misses.
    assert "the nearest has gain 2 (2 too little), time -3 (1 too little)" in str(caught.value)
    assert "The largest of any point: gain 8, time -1" in str(caught.value)


@pytest.mark.parametrize("source", [3, None, [[1.0, 2.0]]])
def test_what_is_no_front(source: Any) -> None:
    with pytest.raises(MorlError, match=r"expected a run, its directory, a front or its file"):
        choose(source, weights=[0.5, 0.5])
