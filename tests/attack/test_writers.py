"""Several writers and readers at once, disks that are full, and what the interface lets a program do to a run."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from children import in_a_child
from strangers import contents, rewrite
from toy_runs import CONFIG, config, train
from toys import Corridor, CorridorWalker

from morl import store
from morl.agent import Callback
from morl.cli import main
from morl.cli.evaluate import save_beside
from morl.errors import CheckpointError, MorlError, TrustError
from morl.runs import Run
from morl.study import load_study


def at_once(*jobs: Callable[[], Any]) -> None:
    """Run the jobs in threads that start together; the first error is raised."""
    errors: list[BaseException] = []
    ready = threading.Barrier(len(jobs))

    def work(job: Callable[[], Any]) -> None:
        ready.wait()
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def saves(folder: Path, pairs: int) -> None:
    def save(number: int) -> None:
        state = {"number": number, "x": torch.full((1000,), float(number))}
        store.save(folder, state, format="test", version=1)

    def read() -> None:
        for _ in range(10):
            state = store.load(folder, format="test", version=1)
            assert (state["x"] == state["number"]).all()

    save(0)
    for i in range(pairs):
        at_once(lambda i=i: save(i), lambda i=i: save(i + 1000), read)
        assert store.load(folder, format="test", version=1)["number"] % 1000 == i
    assert len(list(folder.iterdir())) == 2


def test_saves_into_one_folder(tmp_path: Path) -> None:
    saves(tmp_path, 8)


@pytest.mark.slow
def test_fifty_pairs_of_saves_by_processes(tmp_path: Path) -> None:
    for _ in range(50):
        children = [
            threading.Thread(target=in_a_child, args=(lambda: CorridorWalker(Corridor(4)).save(tmp_path),))
            for _ in range(2)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join()
        CorridorWalker.load(tmp_path)
    saves(tmp_path / "threads", 50)


def test_evaluations_at_once_all_stay(run_path: Path) -> None:
    before = contents(run_path)
    front = Run.open(run_path).front()
    at_once(*[lambda: save_beside(front, run_path)] * 8)
    now = contents(run_path)
    assert {name: now[name] for name in before} == before
    assert set(now) - set(before) == {f"front-{i}.json" for i in range(2, 10)}
    assert main(["evaluate", str(run_path), "--out", str(run_path / "front.json")]) == 2
    assert contents(run_path) == now


def test_an_evaluation_does_not_finish_a_run(run_path: Path) -> None:
    (run_path / "front.json").unlink()
    assert main(["evaluate", str(run_path), "--partitions", "1", "--episodes", "1"]) == 0
    assert (run_path / "front-2.json").exists()
    with pytest.raises(CheckpointError, match=r"no front\.json"):
        load_study([run_path])


@pytest.mark.parametrize(
    "gone", [["checkpoint"], ["checkpoint", "agent", "front.json"], ["checkpoint/state.json"]]
)
def test_resuming_without_the_checkpoint_is_refused(run_path: Path, gone: list[str]) -> None:
    for name in gone:
        shutil.rmtree(run_path / name) if (run_path / name).is_dir() else (run_path / name).unlink()
    before = contents(run_path)
    with pytest.raises(CheckpointError, match=r"checkpoint is missing.*morl train --like"):
        train(Run.open(run_path))
    assert contents(run_path) == before


@pytest.mark.parametrize("part", ["checkpoint", "agent", "front.json"])
def test_files_of_another_run_are_not_taken(run_path: Path, tmp_path: Path, part: str) -> None:
    recorded = Run.open(run_path).config
    other = Run.create(tmp_path / "other", config(**{**vars(recorded), "seed": 6}))
    train(other)
    shutil.rmtree(run_path / "checkpoint") if part == "checkpoint" else None
    if part == "front.json":
        shutil.copy(other.path / part, run_path / part)
    else:
        shutil.rmtree(run_path / part, ignore_errors=True)
        shutil.copytree(other.path / part, run_path / part)
    read = {
        "checkpoint": lambda run: train(run),
        "agent": lambda run: run.load_agent(),
        "front.json": lambda run: run.front(),
    }
    with pytest.raises(CheckpointError, match=r"seed"):
        read[part](Run.open(run_path))


@pytest.mark.parametrize("part", ["checkpoint", "agent"])
def test_what_was_forged_in_a_run_of_ones_own_is_refused(run_path: Path, part: str) -> None:
    rewrite(run_path / part / store.STATE_FILE)
    with pytest.raises(TrustError, match="--trust"):
        train(Run.open(run_path)) if part == "checkpoint" else Run.open(run_path).load_agent()
    run = Run.open(run_path, trust=True)
    train(run)
    assert Run.open(run_path).load_agent().own


def test_a_changed_setting_is_noticed_and_runs_without_checksum_load(run_path: Path) -> None:
    file = run_path / "config.json"
    text = file.read_text()
    file.write_text(text.replace('"seed": 5', '"seed": 6'))
    with pytest.raises(CheckpointError, match=r"changed by hand.*morl train --like"):
        Run.open(run_path)
    old = text[: text.index(',\n  "sha256"')] + "\n}\n"
    file.write_text(old)
    assert Run.open(run_path, trust=True).config.seed == 5
    file.write_text(old.replace('    "seed": 5,\n', ""))
    with pytest.raises(CheckpointError, match="seed"):
        Run.open(run_path)


@pytest.mark.parametrize("name", ["replace", "fsync", "open"])
def test_a_full_disk_leaves_the_last_checkpoint(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fill(Callback):
        def on_iteration(self, agent: Any, metrics: dict[str, Any]) -> None:
            if agent.steps == 20:

                def full(*_: Any, **__: Any) -> Any:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

                monkeypatch.setattr(os, name, full)

    run = Run.create(tmp_path / "run", CONFIG)
    try:
        with pytest.raises(MorlError, match=r"No space left.*the checkpoint is kept, go on with"):
            train(run, callbacks=[Fill()], checkpoint_seconds=0.0)
    finally:
        monkeypatch.undo()
    state = Run.open(run.path).read_checkpoint()
    assert state is not None and state["steps"] <= 24
    assert train(Run.open(run.path)).training_steps == 40


def test_two_programs_that_create_one_run(tmp_path: Path) -> None:
    first, second = (Run.create(tmp_path / "run", config(seed=seed)) for seed in (1, 2))
    with pytest.raises(CheckpointError, match="seed is 1, got 2"):
        train(first)
    assert train(second).training_seed == 2


def test_a_deleted_lock_admits_no_second_trainer(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    with run.lock():
        (run.path / ".lock").unlink()
        assert in_a_child(lambda: train(Run.open(run.path))) == 1
    assert not (run.path / "checkpoint").exists()


def test_a_run_killed_in_its_first_write_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    (path / ".lock").touch()
    (path / f".config.json.{2**22 + 1}-{'a' * 32}.tmp").write_text("{")
    words = ["train", "toys:PlainCorridor", "--agent", "toys:CorridorWalker", "--steps", "40", "--quiet"]
    assert main([*words, "--out", str(path), "--resume"]) == 0
    assert not list(path.glob(".*.tmp"))


def test_a_run_that_was_extended_says_that_its_front_is_old(run_path: Path) -> None:
    run = Run.open(run_path)
    run.adopt(config(**{**vars(run.config), "total_steps": 80}))

    class Crash(Callback):
        def on_iteration(self, agent: Any, metrics: dict[str, Any]) -> None:
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        train(run, callbacks=[Crash()])
    with pytest.warns(UserWarning, match="its front is that of 40; go on with --resume"):
        load_study([run_path])
    assert train(Run.open(run_path)).training_steps == 80


def test_a_refused_extension_changes_nothing(run_path: Path) -> None:
    before = contents(run_path)
    run = Run.open(run_path)
    run.adopt(config(**{**vars(run.config), "total_steps": 8}))
    with pytest.raises(MorlError, match="at least the 40 steps that are done, got 8"):
        train(run)
    assert contents(run_path) == before


def test_changed_logs_are_kept_aside(run_path: Path) -> None:
    log = run_path / "metrics.csv"
    found = log.read_bytes()
    log.write_bytes(found.replace(b"40,", b"4\xff,", 1))
    with pytest.warns(UserWarning, match=r"metrics.csv is damaged.*kept as metrics-damaged.csv"):
        train(Run.open(run_path))
    assert (run_path / "metrics-damaged.csv").read_bytes() == found.replace(b"40,", b"4\xff,", 1)
