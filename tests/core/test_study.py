from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_study
from toy_runs import config, train

import morl
from morl.errors import CheckpointError, MorlError
from morl.front import Front
from morl.history import FILE
from morl.runs import Run
from morl.study import Entry, Evaluation, Study, load_study

DST, CONCAVE = "deep-sea-treasure-v0", "deep-sea-treasure-concave-v0"
LOGGED = '{"columns":["objective_1","objective_2"],"data":[[1.0,2.5],[3,-1e-7]]}'


def front(points=((1.0, -1.0),), **changes) -> Front:
    values = {"env_id": DST, "gamma": 0.99, "objectives": ["treasure", "time"], "role": "report"} | changes
    return Front.from_points(points, **values)


def entry(label: str, **changes) -> Entry:
    return Entry(label=label, group=label, front=front(**changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two environments, two agents, two seeds."""
    return write_study(
        tmp_path / "runs",
        environments=(DST, CONCAVE),
        agents=("envelope-dqn", "random"),
        seeds=2,
        evaluations=3,
        episodes=2,
    )


def test_a_folder_of_runs(folder: Path) -> None:
    study = load_study(folder)
    assert list(study.environments) == [CONCAVE, DST] and study.groups == ("envelope-dqn", "random")
    entries = study.environments[DST]
    assert [(e.label, e.group) for e in entries] == [
        (f"{DST}/envelope-dqn/0", "envelope-dqn"),
        (f"{DST}/envelope-dqn/1", "envelope-dqn"),
        (f"{DST}/random/0", "random"),
        (f"{DST}/random/1", "random"),
    ]
    first = entries[0]
    assert first.source == folder / DST / "envelope-dqn" / "0"
    assert first.front == Front.load(first.source / "front.json")
    assert [look.steps for look in first.history] == [33333, 66666, 100000]
    assert first.history[0].returns.shape == (101, 2)
    assert first.provenance["seed"] == 0 and first.provenance["config"]["agent"] == "envelope-dqn"
    assert json.loads(json.dumps(dict(first.provenance))) == first.provenance


def test_labels_are_short_where_they_can_be(folder: Path, tmp_path: Path) -> None:
    runs = [folder / DST / "envelope-dqn" / "0", folder / DST / "envelope-dqn" / "1"]
    assert [e.label for e in load_study(runs).entries] == ["0", "1"]
    runs[1] = folder / DST / "random" / "0"
    assert [e.label for e in load_study(runs).entries] == ["envelope-dqn/0", "random/0"]
    named = load_study([f"mine={runs[0]}", runs[1]])
    assert [(e.label, e.group) for e in named.entries] == [("mine", "mine"), ("0", "random")]
    assert [e.label for e in load_study(runs[0] / "front.json").entries] == ["front"]


def test_a_name_makes_a_group(folder: Path) -> None:
    study = load_study([f"all of them={folder / DST}", folder / CONCAVE / "random"])
    assert [e.group for e in study.entries] == ["all of them"] * 4 + ["random"] * 2
    with pytest.raises(MorlError, match="expected NAME=PATH, got '=x'"):
        load_study("=x")
    odd = folder.rename(folder.with_name("a=b"))
    assert len(load_study(odd).entries) == 8  # a path that exists is a path


def test_what_a_search_finds(tmp_path: Path, folder: Path) -> None:
    table = "wandb/offline-run-20261124-ja0w/files/media/table/eval"
    for name, text in {
        f"{table}/front_2_aa.table.json": LOGGED.replace("1.0", "2.0"),
        f"{table}/front_10_bb.table.json": LOGGED,
        "exports/gpi.csv": "objective_1,objective_2\n5,-6\n",
        "exports/progress.csv": "step,loss\n1,2\n",
        "exports/named.csv": "time,treasure,note\n-1,2,x\n",
        "exports/settings.json": "{}",
        ".cache/gpi.csv": "objective_1,objective_2\n5,-6\n",
        "model/config.json": '{"hidden": 64}',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    front().save(tmp_path / "model" / "published.json")
    study = load_study(tmp_path, env=DST, gamma=0.99)
    others = [e for e in study.entries if "runs" not in e.label]
    assert [e.label for e in others] == ["exports/gpi", "model/published", "wandb/offline-run-20261124-ja0w"]
    assert len(study.entries) == 8 + 3 and others[2].front.returns.tolist() == [[1.0, 2.5], [3, -1e-7]]
    study = load_study(tmp_path / "exports", env=DST, gamma=0.99, objectives=["treasure", "time"])
    assert {e.label: e.front.returns.tolist() for e in study.entries} == {
        "gpi": [[5, -6]],
        "named": [[2, -1]],
    }


def test_unfinished_runs_are_left_out_of_a_search(folder: Path) -> None:
    run = folder / DST / "random" / "1"
    (run / "front.json").unlink()
    with pytest.warns(UserWarning, match=r"left out, since unfinished: .*random/1; go on with"):
        assert len(load_study(folder).entries) == 7
    with pytest.raises(CheckpointError, match="expected the result of a finished run"):
        load_study(run)


def test_real_runs(tmp_path: Path) -> None:
    for seed in (5, 6):
        run = Run.create(tmp_path / str(seed), config(seed=seed, env_kwargs={"slip": 0.3}))
        train(run, evaluation_seconds=0.0)
    study = load_study(tmp_path)
    assert study.groups == ("corridor-walker",) and list(study.environments) == ["toys:Corridor (slip=0.3)"]
    assert study.entries[0].env_kwargs == {"slip": 0.3}


def test_other_settings_are_no_seeds(tmp_path: Path) -> None:
    for name, changes in {
        "a": {"seed": 1},
        "b": {"seed": 2},
        "c": {"seed": 1, "settings": {"learning_rate": 0.5}},
        "d": {"seed": 1, "total_steps": 44, "env_kwargs": {"slip": 0.3}},
    }.items():
        train(Run.create(tmp_path / name, config(**changes)))
    groups = {e.label: e.group for e in load_study(tmp_path).entries}
    assert groups == {
        "a": "corridor-walker (learning_rate=0.1)",
        "b": "corridor-walker (learning_rate=0.1)",
        "c": "corridor-walker (learning_rate=0.5)",
        "d": "corridor-walker (learning_rate=0.1)",  # budgets differ between environments only
    }
    named = load_study([f"mine={tmp_path}"])
    assert named.groups == ("mine",)


def test_one_seed_twice_is_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        front([[len(name), ord(name)]], agent="x", training_seed=3).save(tmp_path / f"{name}.json")
    with pytest.warns(UserWarning, match=r"the same training: a and b \(seed 3\)"):
        load_study(tmp_path)


def test_one_training_counts_once(tmp_path: Path) -> None:
    for seed in (1, 2):
        train(Run.create(tmp_path / "runs" / f"s{seed}", config(seed=seed)))
    run, runs = tmp_path / "runs" / "s1", tmp_path / "runs"
    copy = shutil.copytree(run, tmp_path / "runs" / "copy")
    (runs / "latest").symlink_to(run)
    (tmp_path / "elsewhere").symlink_to(runs)
    (runs / "round").symlink_to(tmp_path)
    ours = Front.load(run / "front.json")
    assert ours.training_id == Run.open(copy).training_id == Run.open(run).load_agent().training_id
    with pytest.warns(UserWarning, match="the same training: .*copy and .*s1"):
        study = load_study(tmp_path / "elsewhere")
    assert [e.front.training_seed for e in study.entries] == [1, 2]
    # A front that says neither its training nor its arguments, as those of old, in the folder of its run.
    replace(ours, training_id=None, env_kwargs=None).save(copy / "old.json")
    with pytest.warns(UserWarning, match="the same training"):
        assert len(load_study([run, copy / "front.json", copy / "old.json", runs / "s2"]).entries) == 2
    # Another evaluation of a training is no second seed.
    longer = replace(ours, episode_returns=ours.episode_returns + 1, episode_returns_undiscounted=None)
    longer.save(run / "front-2.json")
    groups = load_study([f"mine={run}", f"mine={run / 'front-2.json'}", f"mine={runs / 's2'}"]).groups
    assert groups == ("mine", "mine (front-2)")


def test_other_problems_of_an_environment_stand_apart(tmp_path: Path) -> None:
    for name, changes in {
        "plain": {},
        "explicit": {"env_kwargs": {}},
        "short": {"env_kwargs": {"max_episode_steps": 3}},
        "halved": {"wrappers": ["Halved()"]},
    }.items():
        front(**changes).save(tmp_path / f"{name}.json")
    found = morl.compare(tmp_path)
    sections = {name: list(each.fronts) for name, each in found.environments.items()}
    assert sections == {
        DST: ["explicit", "plain"],
        f"{DST} + Halved()": ["halved"],
        f"{DST} (max_episode_steps=3)": ["short"],
    }
    assert [each.known is not None for each in found.environments.values()] == [True, False, False]


@pytest.mark.parametrize("header", ["objective_1,objective_2", "objective_0,objective_1"])
def test_numbered_columns_take_the_names_of_the_other_fronts(header: str, tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text(f"{header}\n1,2\n")
    for names in (["comfort", "energy"], ["objective_1", "objective_2"]):
        front(env_id="my:House", objectives=names).save(tmp_path / "mine.json")
        study = load_study(tmp_path, env="my:House", gamma=0.99, objectives=header.split(","))
        assert {entry.front.objectives for entry in study.entries} == {tuple(names)}


def test_fronts_of_old_counted_objectives_from_zero(tmp_path: Path) -> None:
    path = front(objectives=["objective_1", "objective_2"]).save(tmp_path / "a.json")
    document = json.loads(path.read_text()) | {
        "schema_version": 1,
        "objectives": ["objective_0", "objective_1"],
    }
    later = (
        "env_kwargs",
        "wrappers",
        "units",
        "costs",
        "known_points",
        "known_label",
        "training_id",
        "sha256",
    )
    for added in later:
        del document[added]
    path.write_text(json.dumps(document))
    assert Front.load(path).objectives == ("objective_1", "objective_2")


def test_one_thing_twice_is_refused(folder: Path) -> None:
    run = folder / DST / "random" / "0"
    for again in (run, folder, run.parent / ".." / "random" / "0"):
        with pytest.raises(MorlError, match="got one twice"):
            load_study([run, again])


def test_discounts_stand_apart(tmp_path: Path) -> None:
    paths = [front(gamma=g).save(tmp_path / f"{name}.json") for name, g in (("a", 0.99), ("b", 1.0))]
    with pytest.raises(
        MorlError, match=r"same discount in deep-sea-treasure-v0: a has 0.99, b has 1.0; .*--sp"
    ):
        load_study(paths)
    sections = load_study(paths, split_discounts=True).environments
    assert {key: [e.label for e in entries] for key, entries in sections.items()} == {
        f"{DST}, discount 0.99": ["a"],
        f"{DST}, discount 1.0": ["b"],
    }


def test_objectives_in_another_order(tmp_path: Path) -> None:
    one = front([[5, -3], [1, -1]], weights=[[0.9, 0.1], [0.2, 0.8]], reference_point=[0, -50])
    other = front(
        one.returns[:, ::-1],
        objectives=["time", "treasure"],
        weights=[[0.1, 0.9], [0.8, 0.2]],
        reference_point=[-50, 0],
    )
    paths = [other.save(tmp_path / "b.json"), one.save(tmp_path / "a.json")]
    with pytest.raises(MorlError, match=r"b has time, treasure, a has treasure, time; put them .* --reorder"):
        load_study(paths)
    for result in load_study(paths, reorder=True).entries:  # the card's order
        assert result.front == one
    different = front(objectives=["treasure", "fuel"]).save(tmp_path / "c.json")
    with pytest.raises(MorlError, match=r"same objectives .* compare them in separate calls"):
        load_study([*paths, different], reorder=True)


def test_histories_are_reordered_too(folder: Path) -> None:
    run = folder / DST / "random" / "0"
    before = load_study(run).entries[0]
    replace(before.front, objectives=("time", "treasure")).save(run / "front.json")
    after = load_study(run, reorder=True).entries[0]
    assert after.front.objectives == ("treasure", "time")
    np.testing.assert_array_equal(after.front.returns, before.front.returns[:, ::-1])
    np.testing.assert_array_equal(after.history[0].returns, before.history[0].returns[:, ::-1])
    assert after.history[0].values == before.history[0].values


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(MorlError, match="at least one run or front to compare, got none"):
        load_study([])
    with pytest.raises(MorlError, match="found neither in"):
        load_study(tmp_path)
    with pytest.raises(CheckpointError, match=r"there is no .*missing"):
        load_study(tmp_path / "missing")


def test_damaged_files_are_named(folder: Path) -> None:
    run = folder / DST / "random" / "0"
    for name, message in (
        (FILE, "line 2 is damaged"),
        ("front.json", "cut off"),
        ("config.json", "not JSON"),
    ):
        text = (run / name).read_text()
        lines = text.splitlines(keepends=True)
        (run / name).write_text(lines[0] + lines[1][:-9] + "\n" + lines[2] if name == FILE else text[:-20])
        with pytest.raises(CheckpointError, match=message) as caught:
            load_study(run)
        assert name in str(caught.value) and str(run) in str(caught.value)
        (run / name).write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_study(run)


def test_studies_made_by_hand() -> None:
    look = Evaluation(steps=1, seconds=0.5, returns=np.eye(2))
    assert look.values == {} and Entry(label="a", group="g", front=front(), history=(look,)).env_kwargs == {}
    with pytest.raises(MorlError, match="different label for every entry, got one twice: a"):
        Study(entries=(entry("a"), entry("a")))
    with pytest.raises(MorlError, match="label to be a non-empty string"):
        entry("")
    with pytest.raises(MorlError, match="at least one"):
        Study(entries=())
    mixed = Study(entries=(entry("a"), entry("b", gamma=1.0), entry("c", env_id="toy")))
    assert list(mixed.environments) == [f"{DST}, discount 0.99", f"{DST}, discount 1.0", "toy"]
