"""Damaged, forged and swapped files are refused in a line, before anything else in the run changes."""

from __future__ import annotations

import random
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mutants import mutate_bytes, mutate_document, mutate_tensors
from strangers import contents
from tiny import SMALL
from toy_runs import config, train

from morl.errors import MorlError
from morl.runs import Run
from morl.study import load_study

posix = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs alarms")
pytestmark = posix

JSON = ["config.json", "front.json", "agent/state.json", "checkpoint/state.json"]
LOGS = ["metrics.csv", "evaluations.jsonl"]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Nothing may hang."""

    def late(*_: Any) -> None:
        raise AssertionError(f"took more than {seconds} s")

    previous = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def resume(path: Path) -> None:
    run = Run.open(path)
    longer = config(**{**vars(run.config), "total_steps": run.config.total_steps + 8 * run.config.num_envs})
    run.adopt(longer)
    train(run)


READERS: list[Callable[[Path], Any]] = [
    lambda path: Run.open(path).front(),
    lambda path: Run.open(path).load_agent(),
    lambda path: load_study([path]),
    resume,
]


def attack(path: Path, note: str) -> int:
    """Let everybody read a run; says how many refused. Whoever refuses leaves everything as it was."""
    refused = 0
    for reader in READERS:
        before = contents(path)
        try:
            with warnings.catch_warnings(), at_most(60):
                warnings.simplefilter("ignore")
                reader(path)
        except MorlError as error:
            refused += 1
            assert str(error), note
            changed = {name for name, data in contents(path).items() if before.get(name) != data}
            assert not changed and before.keys() == contents(path).keys(), (note, changed)
        except Exception as error:
            raise AssertionError(f"{note}: {type(error).__name__}: {error}") from error
    return refused


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished run of an agent that trains in no time, with a second evaluation; never written to."""
    run = Run.create(tmp_path_factory.mktemp("walked") / "run", config())
    train(run)
    return run.path


def mutants(original: Path, folder: Path, seed: int, count: int) -> None:
    """Attack `count` mutants of a run."""
    dice = random.Random(seed)
    refused = 0
    for number in range(count):
        path = Path(shutil.copytree(original, folder / f"m{number}"))
        name = dice.choice([*JSON, *JSON, *LOGS, "tensors", "tensors"])
        if name == "tensors":
            mutate_tensors(path / dice.choice(["checkpoint", "agent"]), dice)
        elif name in LOGS or dice.random() < 0.3:
            (path / name).write_bytes(mutate_bytes((path / name).read_bytes(), dice))
        else:
            mutate_document(path / name, dice)
        refused += attack(path, f"seed {seed}, mutant {number} of {name}")
        shutil.rmtree(path)
    assert refused


def test_some_mutants(walked: Path, tmp_path: Path) -> None:
    mutants(walked, tmp_path, seed=0, count=12)


@pytest.fixture(scope="session")
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a registered agent."""
    name = request.param
    settings = SMALL[name] | (
        {"learner_settings": SMALL["envelope-dqn"]} if name == "single-objective" else {}
    )
    run = Run.create(
        tmp_path_factory.mktemp(name) / "run", config(agent=name, settings=settings, total_steps=480)
    )
    train(run)
    return run.path


@pytest.mark.slow
@pytest.mark.parametrize("trained", sorted(SMALL), indirect=True)
def test_many_mutants(trained: Path, tmp_path: Path) -> None:
    mutants(trained, tmp_path, seed=1, count=340)
