"""Signals at every stage of a command or a run: the exit status, what is kept, and whose handlers are there after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from toy_runs import CONFIG, config, train
from toys import Corridor, CorridorWalker

from morl import signals
from morl.agent import Callback
from morl.cli import listing, main
from morl.runs import Run
from morl.signals import Interrupted, catching, exposed, shielded
from morl.training import RunInterrupted

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers are those from before, whatever happened."""
    before = [signal.getsignal(number) for number in signals.NUMBERS]
    yield
    assert [signal.getsignal(number) for number in signals.NUMBERS] == before


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_a_signal_is_an_exception_that_knows_its_number(number: int) -> None:
    with pytest.raises(Interrupted, match=signal.Signals(number).name) as stopped, catching(), catching():
        send(number)
    assert stopped.value.signal_number == number


def test_inside_a_shield_it_waits_for_the_end() -> None:
    done = []
    with pytest.raises(Interrupted), catching(), shielded():
        with shielded():
            send()
            done.append("inner")
        done.append("outer")
        with pytest.raises(Interrupted), exposed():
            done.append("nothing")
    assert done == ["inner", "outer"]
    with pytest.raises(ZeroDivisionError), catching(), shielded():  # an error may not be hidden
        send()
        raise ZeroDivisionError


def test_what_swallows_the_exception_does_not_swallow_the_signal() -> None:
    with pytest.raises(Interrupted), catching():
        try:  # noqa: SIM105
            send()
        except:  # noqa: E722 - as environments have it
            pass


def test_a_second_signal_acts_at_once_but_an_echo_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with pytest.raises(Interrupted), catching(), shielded():
            send()
            send()
            assert seen == []
            monkeypatch.setattr(signals, "SAME", -1.0)
            send()
            assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_hang_ups_that_are_ignored_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catching():
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_are_left_alone() -> None:
    def work() -> None:
        with catching(), shielded(), exposed():
            seen.append(signal.getsignal(signal.SIGTERM))

    seen: list[Any] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.parametrize(
    ("doing", "at", "where"),
    [
        ("morl.callbacks.evaluate", 0, "after 0 steps"),
        ("morl.callbacks.evaluate", 40, "after 40 steps"),
        ("morl.training.final_front", 40, "after 40 steps"),
    ],
)
def test_in_evaluations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doing: str, at: int, where: str
) -> None:
    """Looks before the training and at its end, and the final evaluation."""
    real = resolve_name(doing)

    def interrupted(agent: Any, *words: Any, **options: Any) -> Any:
        if agent.steps == at:
            send()
        return real(agent, *words, **options)

    monkeypatch.setattr(doing, interrupted)
    run = Run.create(tmp_path / "a run", CONFIG)
    with pytest.raises(RunInterrupted, match=f"{where}.* --resume --out '.*/a run'$") as stopped:
        train(run)
    assert stopped.value.signal_number == signal.SIGTERM
    agent = CorridorWalker(Corridor(4))
    assert run.restore(agent) == (at > 0) and agent.steps == at
    monkeypatch.undo()
    assert train(Run.open(run.path)).training_steps == 40


def test_while_environments_are_made(tmp_path: Path) -> None:
    broken = {"where": "__init__", "how": "SIGTERM"}
    run = Run.create(tmp_path / "run", config(env="toys:FailingCorridor", env_kwargs=broken))
    with pytest.raises(RunInterrupted, match="before training"):
        train(run)


def test_while_the_command_is_imported() -> None:
    code = (
        "import os, sys; sys.argv[0] = '/usr/bin/morl'; import morl; os.kill(os.getpid(), int(sys.argv[1]))"
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        done = subprocess.run([sys.executable, "-c", code, str(int(number))], capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (128 + number, b"", b"")


class SendAndFail(Callback):
    """Sends a signal after an iteration, and fails at the end."""

    def on_iteration(self, agent: Any, metrics: Any) -> None:
        if agent.steps == 20:
            send()

    def on_end(self, agent: Any) -> None:
        raise ZeroDivisionError


def test_an_error_at_the_end_keeps_no_handlers_and_no_other_end(tmp_path: Path) -> None:
    ended = []

    class Ends(Callback):
        def on_end(self, agent: Any) -> None:
            ended.append(agent.steps)

    with pytest.raises(ZeroDivisionError):
        train(Run.create(tmp_path / "run", CONFIG), callbacks=[Ends(), SendAndFail()])
    assert ended == [20]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_commands_end_with_the_signals_status(
    number: int, status: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "run", lambda options: send(number))
    assert main(["list", "envs"]) == status
    assert capfd.readouterr().err.count("\n") == 1
