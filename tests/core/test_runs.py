from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import torch
from strangers import rewrite
from toy_runs import CONFIG, config, final_state, train
from toys import Corridor, CorridorWalker

from morl.agent import Callback
from morl.errors import CheckpointError, MorlError, NonFiniteError
from morl.front import Front
from morl.metrics import read_csv
from morl.runs import Run
from morl.training import warn_of_collapse


def test_a_run_leaves_everything(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run"
    front = train(Run.create(path, CONFIG))
    assert {file.name for file in path.iterdir()} == {
        ".lock", "config.json", "metrics.csv", "evaluations.jsonl", "tb", "checkpoint", "agent", "front.json"
    }  # fmt: skip
    assert Front.load(path / "front.json") == front
    assert (front.training_steps, front.training_seed, front.agent) == (40, 5, "corridor-walker")
    run = Run.open(path)
    assert run.config == CONFIG.complete() and run.front() == front
    assert isinstance(run.load_agent(), CorridorWalker)
    document = json.loads((path / "config.json").read_text())
    assert document["config"]["settings"]["layers"] == [3, 2]
    assert document["threads"] == 1 and "torch" in document["versions"]
    assert read_csv(path / "metrics.csv")[-1][0] == 40


def test_the_original_is_preferred(tmp_path: Path) -> None:
    assert train(Run.create(tmp_path / "a", config(env="toys:PlainCorridor"))).backend == "original"
    # What has only a batched form is evaluated in it, and nothing is wrong with that.
    assert Run.create(tmp_path / "b", CONFIG).train(progress=False).backend == "batched"


def test_a_front_of_a_single_point_is_said(recwarn: pytest.WarningsRecorder) -> None:
    points = {"env_id": "toys:Corridor", "gamma": 1.0, "objectives": ("gain", "time"), "agent": "walker"}
    for found in ([[1, -1], [0, 0]], [[3.0]]):
        warn_of_collapse(
            Front.from_points(found, **{**points, "objectives": points["objectives"][: len(found[0])]})
        )
    assert not recwarn.list
    with pytest.warns(UserWarning, match="walker on toys:Corridor is a single point.*morl check-env"):
        warn_of_collapse(Front.from_points([[1, -1], [1, -1], [0, -2]], **points))


class StopAt(Callback):
    """Ends training as a crash would, without a last checkpoint."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_iteration(self, agent, metrics):
        if agent.steps >= self.steps:
            raise RuntimeError("crash")


def test_a_crashed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    noisy = config(env_kwargs={"slip": 0.3})
    train(Run.create(tmp_path / "whole", noisy))
    for crash, checkpoint_seconds in ((12, 0.0), (20, 0.0), (28, 3600.0)):
        path = tmp_path / f"crashed-{crash}"
        with pytest.raises(RuntimeError, match="crash"):
            train(Run.create(path, noisy), callbacks=[StopAt(crash)], checkpoint_seconds=checkpoint_seconds)
        assert not (path / "front.json").exists()
        train(Run.open(path))
        assert final_state(path) == final_state(tmp_path / "whole")
        assert (
            Run.open(path).front().returns.tolist() == Run.open(tmp_path / "whole").front().returns.tolist()
        )


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    with pytest.raises(RuntimeError, match="crash"):
        train(run, callbacks=[StopAt(20)], checkpoint_seconds=3600.0)
    with open(run.path / "metrics.csv", "a") as file:
        file.write("16,0.5,loss,1.0\n20,0.6,lo")
    train(run)
    rows = read_csv(run.path / "metrics.csv")
    assert (16, 0.5, "loss", 1.0) not in rows
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_a_finished_run_can_be_extended(tmp_path: Path) -> None:
    path = tmp_path / "run"
    train(Run.create(path, CONFIG))
    run = Run.open(path)
    run.adopt(config(total_steps=80))
    assert train(run).training_steps == 80
    train(Run.create(tmp_path / "whole", config(total_steps=80)))
    assert final_state(path) == final_state(tmp_path / "whole")
    assert Run.open(path).config.total_steps == 80


def test_resuming_a_finished_run_only_evaluates(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", config(total_steps=42))
    first = train(run)
    assert first.training_steps == 40
    (run.path / "front.json").unlink()
    assert train(Run.open(run.path)).returns.tolist() == first.returns.tolist()


def test_settings_may_not_change(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    with pytest.raises(MorlError, match=r"seed is 5, got 6; settings.learning_rate is 0.1, got 0.5"):
        run.adopt(config(seed=6, settings={"learning_rate": 0.5}))
    run.adopt(config(total_steps=50))
    assert run.config.total_steps == 50


def test_directories_that_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such directory"):
        Run.open(tmp_path / "missing")
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        Run.open(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(MorlError, match="holds other files"):
        Run.create(tmp_path, CONFIG)
    with pytest.raises(MorlError, match="found the file"):
        Run.create(tmp_path / "notes.txt", CONFIG)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    for content, message in (
        ("{", "is damaged"),
        ("[]", "not from a run"),
        ('{"format": "other"}', "not from a run"),
        ('{"format": "morl-run", "version": 99}', "found 99"),
        ('{"format": "morl-run", "version": 1}', "is damaged"),
        ('{"format": "morl-run", "version": 1, "config": {"env": "a"}}', "is damaged"),
    ):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(CheckpointError, match=message):
            Run.open(tmp_path)


def test_an_existing_run_is_not_overwritten(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    with pytest.raises(CheckpointError, match=r"no front\.json"):
        run.front()
    with pytest.raises(CheckpointError, match="found none yet"):
        run.load_agent()
    with pytest.raises(RuntimeError, match="crash"):
        train(run, callbacks=[StopAt(4)])
    before = (run.path / "config.json").read_bytes()
    with pytest.raises(MorlError, match="already holds a run; resume it"):
        Run.create(run.path, config(seed=9))
    assert (run.path / "config.json").read_bytes() == before


def test_a_run_that_never_began_gives_way(tmp_path: Path) -> None:
    with pytest.raises(MorlError, match="Did you mean 'Corridor'"):
        Run.create(tmp_path / "run", config(env="toys:Coridor")).train()
    assert train(Run.create(tmp_path / "run", CONFIG)).training_steps == 40


@pytest.mark.parametrize("damage", ["truncate", "flip", "foreign", "missing"])
def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path: Path, damage: str) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    train(run)
    (tensors,) = (run.path / "checkpoint").glob("*.safetensors")
    content = tensors.read_bytes()
    if damage == "truncate":
        tensors.write_bytes(content[:-5])
    elif damage == "flip":
        tensors.write_bytes(content[:-5] + bytes([content[-5] ^ 4]) + content[-4:])
    elif damage == "foreign":
        (run.path / "checkpoint" / "state.json").write_text('{"hello": "world"}')
    else:
        tensors.unlink()
    before = {
        file: file.read_bytes() for file in run.path.rglob("*") if file.is_file() and file.name != ".lock"
    }
    with pytest.raises(CheckpointError, match="morl train --like"):
        train(Run.open(run.path))
    after = {
        file: file.read_bytes() for file in run.path.rglob("*") if file.is_file() and file.name != ".lock"
    }
    assert before == after


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_steps": 0}, r"the budget \(total_steps\) to be an integer of at least 1, got 0"),
        ({"total_steps": -5}, "at least 1, got -5"),
        ({"num_envs": 0}, "the number of environments"),
        ({"seed": -1}, "the seed"),
    ],
)
def test_bad_numbers(changes: dict, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        config(**changes)


def test_bad_names_leave_no_directory(tmp_path: Path) -> None:
    for changes in ({"agent": "envelope-dqm"}, {"settings": {"learning_rat": 1}}, {"agent": "toys:Missing"}):
        with pytest.raises(MorlError):
            Run.create(tmp_path / "run", config(**changes))
    assert not (tmp_path / "run").exists()


def test_a_budget_below_one_step_of_all_environments(tmp_path: Path) -> None:
    with pytest.raises(MorlError, match="expected a budget of at least 4 steps"):
        train(Run.create(tmp_path / "run", config(total_steps=3)))


def test_training_that_turns_nan_stops_and_keeps_a_good_checkpoint(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", config(settings={"nan_after": 20}))
    with pytest.raises(NonFiniteError, match="loss = nan after"):
        train(run, checkpoint_seconds=0.0)
    agent = CorridorWalker(Corridor(4), nan_after=20)
    assert run.restore(agent) and agent.steps <= 20 and agent.parameters.isfinite().all()
    assert not (run.path / "front.json").exists()


def test_runs_train_in_threads_too(tmp_path: Path) -> None:
    run, fronts = Run.create(tmp_path / "run", config(env="toys:PlainCorridor")), []
    thread = threading.Thread(target=lambda: fronts.append(train(run)))
    thread.start()
    thread.join()
    assert fronts and fronts[0].training_steps == 40


class NumberOfThreads(Callback):
    def on_start(self, agent, total_steps):
        self.found = torch.get_num_threads()


def test_the_number_of_threads_belongs_to_the_run(tmp_path: Path) -> None:
    before, seen, path = torch.get_num_threads(), NumberOfThreads(), tmp_path / "run"
    train(Run.create(path, CONFIG), threads=3, callbacks=[seen])
    assert seen.found == 3 and torch.get_num_threads() == before
    run = Run.open(path)
    run.adopt(config(total_steps=80))
    train(run, callbacks=[seen])  # warnings are errors
    assert seen.found == 3 == json.loads((path / "config.json").read_text())["threads"]
    with pytest.warns(UserWarning, match="threads 3 -> 2"):
        train(Run.open(path), threads=2)
    assert Run.open(path).threads == 2


def test_changed_circumstances_are_said(tmp_path: Path) -> None:
    train(Run.create(tmp_path / "run", CONFIG))
    rewrite(tmp_path / "run" / "config.json", lambda document: document["versions"].update(torch="0.1"))
    with pytest.warns(UserWarning, match=r"began under other circumstances .torch 0\.1"):
        Run.open(tmp_path / "run").warn_of_changes(1)
