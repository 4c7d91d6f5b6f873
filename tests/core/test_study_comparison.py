from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import write_study
from toy_runs import config, train

import morl
from morl import statistics
from morl.comparison import compare
from morl.errors import MorlError
from morl.front import Front
from morl.runs import Run
from morl.study import Entry, Study

DST, CONCAVE = "deep-sea-treasure-v0", "deep-sea-treasure-concave-v0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(
        tmp_path_factory.mktemp("study"),
        environments=(DST, CONCAVE),
        agents=("envelope-dqn", "random"),
        seeds=4,
        evaluations=2,
        episodes=2,
    )


def test_every_environment_is_compared_as_on_its_own(folder: Path) -> None:
    found = compare(folder)
    for section, entries in found.study.environments.items():
        alone = compare({entry.label: entry.front for entry in entries})
        assert found.environments[section].values == alone.values
    assert found.seeds


def test_estimates_are_those_of_the_values(folder: Path) -> None:
    found = compare(folder / DST)
    values = [found.environments[DST].values[f"random/{seed}"]["expected-utility"] for seed in range(4)]
    estimate = found.estimates[DST]["random"]["expected-utility"]
    assert list(estimate.values) == values
    assert estimate.iqm == pytest.approx(np.sort(values)[1:3].mean())
    assert estimate.median == pytest.approx(np.median(values))
    assert estimate.iqm_interval == statistics.bootstrap_interval(values, statistic="iqm")
    assert estimate.median_interval == statistics.bootstrap_interval(values, statistic="median")


def test_the_same_in_python_and_from_paths(folder: Path) -> None:
    from_paths = morl.compare([folder / DST, folder / CONCAVE])
    from_study = morl.compare(morl.compare(folder).study)
    assert from_paths.estimates.keys() == from_study.estimates.keys() == {DST, CONCAVE}
    assert from_paths.estimates[DST]["random"] == from_study.estimates[DST]["random"]
    fronts = {entry.label: entry.front for entry in from_paths.study.environments[DST]}
    assert morl.compare(fronts).values == from_paths.environments[DST].values


def test_a_reference_point_of_ones_own(folder: Path) -> None:
    found = compare(folder / DST, reference_point=[0, -25])
    assert found.environments[DST].reference_point is not None
    assert found.environments[DST].reference_point.tolist() == [0, -25]
    with pytest.raises(MorlError, match="expected one environment with a reference point"):
        compare(folder, reference_point=[0, -25])


def test_a_card_is_not_asked_about_an_environment_with_arguments(tmp_path: Path) -> None:
    """Its known front is that of the environment as it is, not of one changed by keyword arguments."""
    train(Run.create(tmp_path / "a", config()))
    front = Run.open(tmp_path / "a").front()
    plain = Entry(label="a", group="a", front=Front.from_points([[1, -1]], **sea()))
    changed = Entry(
        label="b",
        group="b",
        front=Front.from_points([[1, -1]], **sea()),
        provenance={"config": {"env_kwargs": {"size": 3}}},
    )
    found = compare(Study(entries=(plain, changed, Entry(label="c", group="c", front=front))))
    assert found.environments[DST].known is not None
    assert found.environments[f"{DST} (size=3)"].known is None


def sea() -> dict:
    return {"env_id": DST, "gamma": 0.99, "objectives": ["treasure", "time"], "role": "report"}


def test_a_single_seed_has_no_interval() -> None:
    entries = [
        Entry(label=name, group=name[0], front=Front.from_points([[x, -1]], **sea()))
        for name, x in (("a", 1), ("b1", 1), ("b2", 2), ("c1", 1), ("c2", 2), ("c3", 4))
    ]
    estimates = compare(Study(entries=tuple(entries))).estimates[DST]
    utilities = {group: estimates[group]["expected-utility"] for group in "abc"}
    assert [utilities[group].iqm_interval is None for group in "abc"] == [True, True, False]
    assert utilities["a"].iqm == utilities["a"].values[0]
    # Nobody was commanded, so nothing can be said of obedience.
    assert "commanded-utility" not in estimates["a"]
