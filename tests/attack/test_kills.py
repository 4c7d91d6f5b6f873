"""A training that dies at any write goes on to the same end, and what it leaves disturbs nobody."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import in_a_child
from strangers import contents
from tiny import SMALL
from toy_runs import config, train

from morl import store
from morl.runs import Run, RunConfig
from morl.study import load_study

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

CALLS = ("replace", "fsync", "link", "unlink", "open", "write", "mkdir")
"""What a training does to the disk, by the names that `os` gives it."""

DEAD = 9


def die_at(number: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Let this process die at a call of the disk, some of them half done; returns how many there were."""
    made = 0

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            if made == number:
                try:
                    if number % 4 < 2:
                        call(*args, **options)  # done, and nothing after it
                finally:
                    os._exit(DEAD)
            return call(*args, **options)

        return wrapped

    for name in CALLS:
        monkeypatch.setattr(os, name, counted(name, getattr(os, name)))
    appending = builtins.open

    def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        nonlocal made
        if "a" in mode and str(file).endswith(("csv", "jsonl")):
            made += 1
            if made == number:
                with appending(file, mode, *args, **options) as half:
                    half.write('4,0.1,"lo')
                os._exit(DEAD)
        return appending(file, mode, *args, **options)

    monkeypatch.setattr(builtins, "open", opened)
    return lambda: made


def whole(path: Path) -> Any:
    """What a training came to, without its times."""
    state = store.load(path / "checkpoint", format="morl-checkpoint", version=1)
    del state["seconds"], state["logs"], state["config"]
    front = Run.open(path).front()
    return plain(state), front.returns.tolist(), front.training_steps


def plain(value: Any) -> Any:
    """Nested values that compare by `==`."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def go_on(path: Path, wanted: RunConfig) -> None:
    """What a user does after a crash: the same command with --resume, to the end."""
    from morl.cli.train import open_run

    class Options:
        resume, trust = True, False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("morl.cli.train.config_of", lambda options: wanted)
        run = open_run(Options(), path)  # type: ignore[arg-type]
    train(run, checkpoint_seconds=0.0, evaluation_seconds=None)


def killed(folder: Path, wanted: RunConfig, number: int) -> bool:
    """Train in a process that dies at a call of the disk; False where it made fewer calls and ended well."""

    def work() -> None:
        with pytest.MonkeyPatch.context() as patch:
            die_at(number, patch)
            train(Run.create(folder, wanted), checkpoint_seconds=0.0, evaluation_seconds=None)

    status = in_a_child(work)
    assert status in (0, DEAD)
    return status == DEAD


def attack(folder: Path, wanted: RunConfig, numbers: range) -> None:
    """Kill a training at these calls of the disk, each in a folder of its own, and let it go on."""
    train(Run.create(folder / "whole", wanted), checkpoint_seconds=0.0, evaluation_seconds=None)
    expected = whole(folder / "whole")
    kills = 0
    for number in numbers:
        path = folder / f"killed-{number}"
        if not killed(path, wanted, number):
            break
        kills += 1
        go_on(path, wanted)
        assert whole(path) == expected, number
        assert not [name for name in contents(path) if name.endswith(".tmp")], number
        load_study([path])
    assert kills


def test_some_kills(tmp_path: Path) -> None:
    attack(tmp_path, config(total_steps=16), range(1, 10_000, 31))


@pytest.mark.slow
def test_every_kill(tmp_path: Path) -> None:
    attack(tmp_path, config(), range(1, 10_000))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SMALL))
def test_kills_of_every_agent(name: str, tmp_path: Path) -> None:
    settings = SMALL[name] | (
        {"learner_settings": SMALL["envelope-dqn"]} if name == "single-objective" else {}
    )
    attack(tmp_path, config(agent=name, settings=settings, total_steps=240), range(1, 10_000, 2))
