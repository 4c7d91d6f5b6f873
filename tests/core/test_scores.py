from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import write_study

from morl import statistics
from morl.comparison import compare
from morl.front import Front
from morl.scores import DERIVED_POINT, UNION_FRONT, scale
from morl.study import Entry, Study
from morl.weights import lattice

DST, CONCAVE = "deep-sea-treasure-v0", "deep-sea-treasure-concave-v0"
WEIGHTS = lattice(2, partitions=10)


def entry(label: str, points, **changes) -> Entry:
    values = {
        "env_id": DST,
        "gamma": 0.99,
        "objectives": ["treasure", "time"],
        "role": "report",
        "reference_point": [0, -50],
        "weights": None,
    } | changes
    return Entry(label=label, group=label.split("/")[-1][0], front=Front.from_points(points, **values))


def front(points, **changes) -> Front:
    return entry("a", points, **changes).front


def test_the_known_front_scores_one_and_the_reference_point_none() -> None:
    found = compare({"a": front([[1, -1]]), "b": front([[0, -50]])})
    assert found.known is not None
    for indicator in ("hypervolume", "expected-utility"):
        ends = scale(found, indicator)
        assert ends is not None and (ends.zero_is, ends.one_is) == ("the reference point", "the exact front")
        known, nothing = (found.values[label][indicator] for label in ("exact front", "b"))
        np.testing.assert_allclose(ends(np.array([known, nothing])), [1, 0], atol=1e-12)
    assert scale(found, "commanded-utility") is None  # nobody was commanded


def test_commanded_utility_of_the_reference_point() -> None:
    points = np.tile([0.0, -50.0], (11, 1))
    found = compare({"a": front(points, weights=WEIGHTS), "b": front(points + 1, weights=WEIGHTS)})
    ends = scale(found, "commanded-utility")
    assert ends is not None and ends.zero == pytest.approx(found.values["a"]["commanded-utility"])


def test_what_stands_in_where_nothing_is_known() -> None:
    found = compare(
        {
            name: front([[x, x]], env_id="toy", reference_point=None)
            for name, x in (("a", 1), ("b", 3), ("c", 2))
        }
    )
    ends = scale(found, "expected-utility")
    assert ends is not None and (ends.zero_is, ends.one_is) == (DERIVED_POINT, UNION_FRONT)
    assert ends(np.array([0.8, 1.9, 3.0])).tolist() == pytest.approx([0, 0.5, 1])
    alone = scale(compare({"a": front([[1, 1]], env_id="toy", reference_point=None)}), "hypervolume")
    assert alone is not None and (alone.zero_is, alone.one_is) == (DERIVED_POINT, "the best run")


def test_over_all_environments(tmp_path: Path) -> None:
    """Scores and statistics as computed by hand from the values of every run."""
    write_study(
        tmp_path, environments=(DST, CONCAVE), agents=("envelope-dqn", "random"), seeds=4, evaluations=0
    )
    found = compare(tmp_path)
    overall = {each.indicator: each for each in found.overall}["hypervolume"]
    assert set(overall.environments) == {DST, CONCAVE}
    expected = {}
    for group in ("envelope-dqn", "random"):
        expected[group] = [
            np.array(
                [
                    found.environments[env].values[e.label]["hypervolume"]
                    / found.environments[env].values["exact front"]["hypervolume"]
                    for e in found.study.environments[env]
                    if e.group == group
                ]
            )
            for env in overall.environments
        ]
        for mine, scores in zip(overall.scores[group], expected[group], strict=True):
            np.testing.assert_allclose(mine, scores)
        pooled = np.sort(np.concatenate(expected[group]))
        assert overall.iqm[group] == pytest.approx(pooled[2:6].mean())
        low, high = overall.intervals[group]
        assert low <= overall.iqm[group] <= high
    probability, interval = overall.improvement["envelope-dqn", "random"]
    assert probability == statistics.probability_of_improvement(expected["envelope-dqn"], expected["random"])
    assert interval is not None and interval[0] <= probability <= interval[1]
    assert overall.improvement["random", "envelope-dqn"][0] == pytest.approx(1 - probability)
    assert found.overall_notes == (
        "a score is 0 at the reference point and 1 at the exact or best known front",
        "intervals over fewer than 5 seeds in an environment are too short; over one in each there are none",
    )


def test_another_agent_changes_nobody_else(tmp_path: Path) -> None:
    write_study(
        tmp_path, environments=(DST, CONCAVE), agents=("envelope-dqn", "random", "single-objective"), seeds=3
    )
    all_three = compare(tmp_path).overall
    folders = [tmp_path / env / agent for env in (CONCAVE, DST) for agent in ("envelope-dqn", "random")]
    two = compare(folders).overall
    for each, other in zip(all_three, two, strict=True):
        assert each.iqm["random"] == other.iqm["random"]
        assert each.intervals["random"] == other.intervals["random"]


def test_what_is_left_out_is_said() -> None:
    toy = {"env_id": "toy", "objectives": ["x", "y"], "reference_point": None}
    found = compare(
        Study(
            entries=(
                entry("1/a", [[1, -1]]),
                entry("1/a2", [[2, -3]]),
                entry("1/b", [[1, -1]]),
                entry("1/c", [[1, -1]]),
                entry("2/a", [[1, 1]], **toy),
                entry("2/b", [[2, 2]], **toy),
            )
        )
    )
    volume, utility = found.overall
    assert volume.indicator == "hypervolume" and volume.scores["b"][1] == pytest.approx([1])
    assert utility.indicator == "expected-utility" and set(utility.iqm) == {"a", "b"}
    assert utility.intervals["b"] is None and len(utility.scores["a"][0]) == 2
    assert found.overall_notes[1:] == (
        "where no front is known, the union front scores 1: toy",
        "where there is no reference point, one derived from the fronts scores 0: toy",
        "environments with more seeds weigh more",
        "intervals over fewer than 5 seeds in an environment are too short; over one in each there are none",
        "left out, since not in every environment: c",
    )


def test_a_single_environment_has_no_summary() -> None:
    found = compare(Study(entries=(entry("a", [[1, -1]]), entry("b", [[2, -2]]))))
    assert found.overall == () and found.overall_notes == () and not found.seeds
