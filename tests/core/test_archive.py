"""`ParetoArchive`: what stays, what leaves, and in which order."""

from __future__ import annotations

import json
from typing import Any

import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

from morl.errors import MorlError
from morl.pareto import ParetoArchive, crowding_distance, filter_nondominated, is_nondominated

batches = st.integers(1, 4).flatmap(
    lambda m: st.lists(
        arrays(np.float64, st.tuples(st.integers(0, 6), st.just(m)), elements=st.integers(0, 6).map(float)),
        min_size=1,
        max_size=6,
    )
)


@given(batches)
def test_holds_the_nondominated_of_all_that_was_offered(offers: list[np.ndarray]) -> None:
    archive = ParetoArchive(offers[0].shape[1])
    for number, batch in enumerate(offers):
        before = set(map(tuple, archive.points))
        accepted = archive.add(batch, [(number, i) for i in range(len(batch))])
        now = set(map(tuple, archive.points))
        assert {tuple(p) for p in batch[accepted]} == now - before
    everything = np.vstack(offers)
    assert set(map(tuple, archive.points)) == set(map(tuple, filter_nondominated(everything)))
    assert len(archive) == len(archive.payloads) == len(set(map(tuple, archive.points)))
    for point, (number, i) in zip(archive.points, archive.payloads, strict=True):
        assert (offers[number][i] == point).all()


@pytest.mark.parametrize("reference_point", [None, [-1.0, -1.0, -1.0]])
@given(seed=st.integers(0, 10**6), max_size=st.integers(1, 6))
def test_a_bound_is_kept_and_truncation_takes_nondominated_points_only(
    reference_point: list[float] | None, seed: int, max_size: int
) -> None:
    rng = np.random.default_rng(seed)
    archive = ParetoArchive(3, max_size=max_size, reference_point=reference_point)
    for _ in range(3):
        batch = rng.random((8, 3))
        accepted = archive.add(batch)
        assert len(archive) <= max_size
        assert is_nondominated(archive.points).all()
        assert {tuple(p) for p in batch[accepted]} <= {tuple(p) for p in archive.points}
        assert accepted.sum() == sum(tuple(p) in {tuple(q) for q in archive.points} for p in batch)


def test_hypervolume_truncation_drops_the_smallest_contribution() -> None:
    points = np.array([[0.0, 4.0], [1.0, 3.9], [2.0, 3.0], [4.0, 1.0]])
    archive = ParetoArchive(2, max_size=3, reference_point=[-1.0, 0.0])
    accepted = archive.add(points)
    contributions = moocore.hv_contributions(points, ref=[-1.0, 0.0], maximise=True)
    assert accepted.tolist() == [i != contributions.argmin() for i in range(4)]


def test_points_outside_the_reference_leave_first() -> None:
    archive = ParetoArchive(2, max_size=2, reference_point=[0.0, 0.0])
    archive.add([[-1.0, 50.0], [1.0, 2.0], [2.0, 1.0]])
    assert archive.points.tolist() == [[1.0, 2.0], [2.0, 1.0]]


def test_crowding_truncation_keeps_the_extremes_and_drops_the_most_crowded() -> None:
    archive = ParetoArchive(2, max_size=3)
    archive.add([[0.0, 10.0], [4.0, 6.0], [4.5, 5.5], [10.0, 0.0]])
    # [4, 6] has neighbours 4.5 apart per objective, [4.5, 5.5] has neighbours 6 apart.
    assert archive.points.tolist() == [[0.0, 10.0], [4.5, 5.5], [10.0, 0.0]]


def test_of_equals_the_newest_leaves() -> None:
    archive = ParetoArchive(2, max_size=1)
    assert archive.add([[0.0, 1.0], [1.0, 0.0]], ["old", "new"]).tolist() == [True, False]
    assert archive.add([[0.0, 1.0]], ["equal"]).tolist() == [False]
    assert archive.payloads == ["old"]


@pytest.mark.parametrize(("k", "m"), [(3, 2), (10, 2), (25, 3), (40, 5)])
def test_crowding_distance_agrees_with_pymoo(k: int, m: int) -> None:
    points = np.random.default_rng(k).normal(size=(k, m))
    # pymoo averages over the objectives, Deb et al. (2002) sum.
    np.testing.assert_allclose(crowding_distance(points) / m, calc_crowding_distance(points))


def test_an_objective_without_a_range_does_not_count_for_crowding() -> None:
    line = np.array([[0.0, 9.0], [1.0, 9.0], [3.0, 9.0], [4.0, 9.0]])
    assert crowding_distance(line).tolist() == [np.inf, 0.75, 0.75, np.inf]
    assert crowding_distance(np.empty((0, 2))).shape == (0,)
    assert crowding_distance([[1.0, 2.0]]).tolist() == [0.0]


@pytest.mark.parametrize("reference_point", [None, [0.0, 0.0]])
def test_state_survives_json_and_goes_on_identically(reference_point: list[float] | None) -> None:
    rng = np.random.default_rng(0)
    archive = ParetoArchive(2, max_size=5, reference_point=reference_point)
    archive.add(rng.random((20, 2)), [{"id": i} for i in range(20)])
    fresh = ParetoArchive(2)
    fresh.load_state_dict(json.loads(json.dumps(archive.state_dict())))
    more = rng.random((20, 2))
    assert (archive.add(more) == fresh.add(more)).all()
    assert archive.state_dict() == fresh.state_dict()


def test_an_empty_state_loads() -> None:
    fresh = ParetoArchive(3)
    fresh.load_state_dict(ParetoArchive(3, max_size=2).state_dict())
    assert (len(fresh), fresh.points.shape, fresh.max_size) == (0, (0, 3), 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": [[1.0, 1.0], [0.0, 0.0]]}, "dominated or equal points"),
        ({"points": [[1.0, 0.0, 2.0], [0.0, 1.0, 2.0]]}, "with 2 objectives"),
        ({"payloads": ["a"]}, "one payload per point, got 1 for 2"),
        ({"max_size": 1}, "more than its max_size"),
        ({"extra": 1}, "keys"),
    ],
)
def test_a_foreign_state_is_refused_and_changes_nothing(change: dict[str, Any], message: str) -> None:
    archive = ParetoArchive(2)
    archive.add([[0.0, 1.0], [1.0, 0.0]], ["a", "b"])
    state = archive.state_dict()
    with pytest.raises(MorlError, match=message):
        archive.load_state_dict({**state, **change})
    assert archive.state_dict() == state


@pytest.mark.parametrize(
    ("points", "payloads", "message"),
    [
        ([[1.0, 2.0, 3.0]], None, "with 2 objectives"),
        ([[1.0, np.nan]], None, r"nan at points\[0, 1\]"),
        ([[1.0, 2.0]], ["a", "b"], "one payload per point"),
    ],
)
def test_a_refused_offer_changes_nothing(points: Any, payloads: Any, message: str) -> None:
    archive = ParetoArchive(2)
    archive.add([[0.0, 0.0]], ["first"])
    with pytest.raises(MorlError, match=message):
        archive.add(points, payloads)
    assert archive.payloads == ["first"]


def test_what_the_archive_hands_out_is_a_copy() -> None:
    offered = np.array([[0.0, 1.0], [1.0, 0.0]])
    archive = ParetoArchive(2)
    archive.add(offered)
    archive.points[:] = 5
    archive.payloads.clear()
    offered[:] = 7
    assert archive.points.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert archive.payloads == [None, None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"m": 0}, "m to be an integer"),
        ({"m": 2, "max_size": 0}, "max_size to be an integer"),
        ({"m": 2, "reference_point": [0.0]}, "reference_point of shape"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MorlError, match=message):
        ParetoArchive(**arguments)
