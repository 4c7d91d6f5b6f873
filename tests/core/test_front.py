"""`Front`: derived numbers, validation of every field, subsets and equality."""

from __future__ import annotations

import dataclasses
import platform
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from morl import Front, __version__
from morl.errors import MorlError, NonFiniteError
from morl.pareto import is_nondominated

EPISODES = np.array(
    [
        [[1.0, -1.0], [3.0, -3.0]],
        [[8.0, -5.0], [8.0, -5.0]],
        [[0.0, -9.0], [1.0, -9.0]],
    ]
)


def a_front(**changes: Any) -> Front:
    """Three points of two objectives from two episodes each; the last point is dominated."""
    given_fields: dict[str, Any] = {
        "episode_returns": EPISODES,
        "episode_returns_undiscounted": EPISODES * 2,
        "episode_lengths": [[1, 3], [5, 5], [9, 9]],
        "episode_seeds": [11, 12],
        "evaluation_seed": 1,
        "weights": [[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]],
        "env_id": "toy-v0",
        "gamma": 0.99,
        "objectives": ("gain", "time"),
        "role": "report",
        "backend": "original",
        "reference_point": [0.0, -10.0],
        "agent": "envelope-dqn",
        "training_seed": 7,
        "training_steps": 1000,
        "training_seconds": 1.5,
    }
    return Front(**{**given_fields, **changes})


def test_means_and_standard_errors() -> None:
    front = a_front()
    assert (len(front), front.num_objectives, front.episodes) == (3, 2, 2)
    assert front.returns.tolist() == [[2.0, -2.0], [8.0, -5.0], [0.5, -9.0]]
    # Two values one apart have a standard error of half their distance.
    assert front.standard_errors.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.5, 0.0]]


def test_standard_errors_are_zero_if_exact_and_unknown_for_one_episode() -> None:
    exact = Front.from_points([[1, 2]], env_id="toy", gamma=1, objectives=["a", "b"])
    assert exact.standard_errors.tolist() == [[0.0, 0.0]]
    reported = Front.from_points([[1, 2]], env_id="toy", gamma=1, objectives=["a", "b"], role="report")
    assert np.isnan(reported.standard_errors).all()


@given(arrays(np.float64, (4, 6, 3), elements=st.floats(-1e3, 1e3)))
def test_standard_errors_are_those_of_the_textbook(returns: np.ndarray) -> None:
    front = Front(episode_returns=returns, env_id="toy", gamma=1, objectives=("a", "b", "c"), role="report")
    np.testing.assert_allclose(front.standard_errors, returns.std(1, ddof=1) / 6**0.5)


def test_indicators_by_hand() -> None:
    means = EPISODES.mean(axis=1, keepdims=True).repeat(2, axis=1)
    front = a_front(episode_returns=means)
    # Boxes above (0, -10): (2, 8), (8, 5), (0.5, 1): 8 * 5 + 2 * 3.
    assert front.hypervolume() == 46.0
    # Best for (1/4, 3/4): (2, -2); for (1, 0) and (1/2, 1/2): (8, -5).
    assert front.expected_utility() == pytest.approx((-1.0 + 8.0 + 1.5) / 3)
    assert front.expected_utility([[0.0, 1.0]]) == -2.0
    assert front.commanded_utility() == pytest.approx((-1.0 + 8.0 - 4.25) / 3)
    assert front.maximum_utility_loss([[10.0, -1.0]]) == pytest.approx(3.0)
    assert front.maximum_utility_loss(front) == 0.0


def test_nondominated_keeps_the_rows_of_its_points() -> None:
    kept = a_front().nondominated()
    assert kept == a_front(
        episode_returns=EPISODES[:2],
        episode_returns_undiscounted=EPISODES[:2] * 2,
        episode_lengths=[[1, 3], [5, 5]],
        weights=[[0.25, 0.75], [1.0, 0.0]],
    )
    assert is_nondominated(kept.returns).all()


def test_subset_takes_indices_and_masks() -> None:
    front = a_front()
    assert front.subset([2, 0]).returns.tolist() == [[0.5, -9.0], [2.0, -2.0]]
    assert front.subset(np.array([False, True, False])) == front.subset([1])
    assert front.subset([0]).episode_seeds.tolist() == [[11, 12]]  # type: ignore[union-attr]
    for nothing in ([], [False, False, False]):
        with pytest.raises(MorlError, match="at least one point"):
            front.subset(nothing)


def test_arrays_are_copied_and_read_only() -> None:
    returns = EPISODES.copy()
    front = a_front(episode_returns=returns)
    returns[:] = 0
    assert front == a_front()
    with pytest.raises(ValueError, match="read-only"):
        front.episode_returns[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        front.gamma = 1.0  # type: ignore[misc]


def test_seeds_of_all_points_or_of_each() -> None:
    assert a_front().episode_seeds.tolist() == [[11, 12]] * 3  # type: ignore[union-attr]
    each = [[1, 2], [3, 4], [5, 2**63 - 1]]
    assert a_front(episode_seeds=each).episode_seeds.tolist() == each  # type: ignore[union-attr]


def test_tensors_and_numpy_scalars_are_taken() -> None:
    front = a_front(
        episode_returns=torch.tensor(EPISODES, dtype=torch.float32),
        episode_lengths=torch.tensor([[1, 3], [5, 5], [9, 9]]),
        training_seed=np.int64(7),
        gamma=np.float64(0.99),
    )
    assert front == a_front()
    assert type(front.training_seed) is int and type(front.gamma) is float


def test_versions_are_recorded() -> None:
    versions = a_front().versions
    assert versions["python"] == platform.python_version()
    assert versions["morl"] == __version__
    assert {"numpy", "torch", "gymnasium", "mo-gymnasium"} <= set(versions)


def test_equality_compares_every_field() -> None:
    assert a_front() == a_front()
    changes: list[dict[str, Any]] = [
        {"gamma": 1.0},
        {"weights": None},
        {"episode_lengths": None},
        {"agent": None},
        {"episode_seeds": [1, 2]},
    ]
    for change in changes:
        assert a_front(**change) != a_front()
        assert a_front() != a_front(**change)
    assert a_front() != "a front"


def test_a_set_of_policies_says_which_point_answers_each_preference() -> None:
    front = a_front(answers=[1, 1, 0, 1], weights=np.eye(2)[[0, 0, 1, 0]], members=[4, 7, 9])
    assert front.commanded_returns is not None
    assert front.commanded_returns[:, 0].tolist() == [8.0, 8.0, 2.0, 8.0]
    assert front.commanded_utility() == pytest.approx((8 + 8 - 2 + 8) / 4)
    assert front.expected_utility() == pytest.approx((8 + 8 - 2 + 8) / 4)
    assert [len(front.preferences_of(point)) for point in range(3)] == [1, 3, 0]
    some = front.subset([2, 1, 1])
    assert some.members is not None and some.members.tolist() == [9, 7, 7]
    assert some.answers is not None and some.answers.tolist() == [1, 1, 1]
    assert some.weights is not None and some.weights.tolist() == [[1.0, 0.0]] * 3
    alone = front.subset([2])
    assert (alone.weights, alone.answers) == (None, None)


def test_repr_reads_well() -> None:
    assert repr(a_front()) == (
        "<Front of toy-v0: 3 points x 2 objectives (gain, time), gamma=0.99, 2 episodes each, report, "
        "backend=original, envelope-dqn seed 7>"
    )


def test_a_front_without_weights_or_reference_point_asks_for_them() -> None:
    front = Front.from_points([[1, -1]], env_id="toy", gamma=1.0, objectives=["gain", "time"])
    with pytest.raises(
        MorlError, match=r"toy has no default reference point: pass hypervolume\(reference_point"
    ):
        front.hypervolume()
    with pytest.raises(MorlError, match="no weights of its own: pass weights"):
        front.expected_utility()
    with pytest.raises(MorlError, match="no weights of its own"):
        front.maximum_utility_loss([[1, 2]])
    with pytest.raises(MorlError, match="nothing was commanded"):
        front.commanded_utility()


def test_fronts_under_different_discounts_are_not_compared() -> None:
    with pytest.raises(MorlError, match=r"gamma=0.99, got gamma=1.0"):
        a_front().maximum_utility_loss(a_front(gamma=1.0))


def test_from_points_takes_any_provenance() -> None:
    front = Front.from_points(
        [[1, -1], [2, -3]],
        env_id="toy",
        gamma=1,
        objectives=["gain", "time"],
        weights=np.eye(2),
        reference_point=[0, -9],
    )
    assert (front.role, front.episodes, front.backend) == ("exact", 1, None)
    assert front.returns.tolist() == [[1.0, -1.0], [2.0, -3.0]]
    assert front.hypervolume() == 8 + 6
    with pytest.raises(MorlError, match="for a single point pass"):
        Front.from_points([1, 2], env_id="toy", gamma=1, objectives=["gain", "time"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"episode_returns": EPISODES[0]}, r"shape \(k, episodes, m\).*got shape \(2, 2\)"),
        ({"episode_returns": np.empty((0, 2, 2))}, "at least one of each"),
        ({"episode_returns_undiscounted": EPISODES[:, :1]}, r"of shape \(3, 2, 2\) to match episode_returns"),
        ({"episode_lengths": [[1, 3]]}, r"episode_lengths of shape \(3, 2\)"),
        ({"episode_lengths": [[1, 3], [5, 5], [9, 0]]}, "episode_lengths from 1"),
        ({"episode_lengths": [[1.5, 3], [5, 5], [9, 9]]}, "integers below 2.* in episode_lengths"),
        ({"episode_lengths": [[1, 3], [5, 5], [9]]}, "episode_lengths of shape"),
        ({"episode_seeds": [1, 2, 3]}, r"episode_seeds of shape \(3, 2\)"),
        ({"episode_seeds": [-1, 2]}, "episode_seeds from 0"),
        ({"episode_seeds": [2**63, 2]}, "integers below 2.* in episode_seeds"),
        ({"episode_seeds": np.array([2**63, 2], np.uint64)}, "episode_seeds from 0 to"),
        ({"weights": [[0.5, 0.5]]}, r"weights of shape \(3, 2\)"),
        ({"weights": [[1, 0], [0, 1], [1, 1]]}, r"weights\[2\] sum to 2"),
        ({"reference_point": [0.0]}, r"reference_point of shape \(2,\)"),
        ({"objectives": ("gain",)}, "objectives to be 2 different names"),
        ({"objectives": ("gain", "gain")}, "objectives to be 2 different names"),
        ({"objectives": "ab"}, "names of 2 objectives, got 'ab'"),
        ({"objectives": ("gain", 3)}, r"objectives\[1\] to be a non-empty string"),
        ({"role": "guess"}, "role to be one of selection, report, exact, got 'guess'"),
        ({"gamma": 1.01}, "gamma to be a number from 0 to 1"),
        ({"gamma": float("nan")}, "gamma to be a number"),
        ({"gamma": True}, "gamma to be a number"),
        ({"gamma": "0.9"}, "gamma to be a number"),
        ({"env_id": ""}, "env_id to be a non-empty string"),
        ({"agent": 3}, "agent to be a non-empty string"),
        ({"backend": ["original"]}, "backend to be a non-empty string"),
        ({"training_seed": -1}, "training_seed to be an integer of at least 0"),
        ({"training_steps": 2.5}, "training_steps to be an integer"),
        ({"training_seconds": float("inf")}, "training_seconds to be a number"),
        ({"evaluation_seed": True}, "evaluation_seed to be an integer"),
        ({"versions": ["torch"]}, "versions to map package names"),
        ({"versions": {"torch": 2}}, r"versions\['torch'\] to be a non-empty string"),
        ({"answers": [0, 1, 3]}, "answers from 0 to 2, got 0 to 3"),
        ({"answers": [0, 1]}, r"answers of shape \(3,\)"),
        ({"answers": [0.0, 1.0, 2.0]}, "integers below 2.* in answers"),
        ({"answers": [0], "weights": None}, "answers only where there are weights"),
        ({"members": [0, 1]}, r"members of shape \(3,\)"),
        ({"members": [0, 1, -2]}, "members from -1"),
        ({"schema_version": 3}, "expected schema_version from 1 to 2, got 3"),
    ],
)
def test_every_field_is_checked(change: dict[str, Any], message: str) -> None:
    with pytest.raises(MorlError, match=message):
        a_front(**change)


@pytest.mark.parametrize("name", ["episode_returns", "episode_returns_undiscounted"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_returns_that_are_not_finite_are_refused(name: str, value: float) -> None:
    bad = EPISODES.copy()
    bad[2, 0, 1] = value
    with pytest.raises(NonFiniteError, match=rf"got {value} at {name}\[2, 0, 1\]"):
        a_front(**{name: bad})
