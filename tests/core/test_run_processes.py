"""Runs, several processes and signals."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_runs import CONFIG, config, final_state, train
from toys import Corridor, CorridorWalker

from morl.agent import Callback
from morl.errors import EnvError, MorlError
from morl.locking import lock_folder
from morl.runs import Run
from morl.training import RunInterrupted

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    with run.lock():
        with pytest.raises(MorlError, match="another process is writing it"):
            train(Run.open(run.path))
        code = "import sys, toys; from morl.runs import Run; Run.open(sys.argv[1]).train(progress=False)"
        other = subprocess.run([sys.executable, "-c", code, str(run.path)], capture_output=True, text=True)
        assert (
            f"another process is writing it; wait for its end, or stop it (process {os.getpid()})"
            in other.stderr
        )
    train(run)


@posix
def test_a_killed_process_holds_no_lock_and_its_children_none(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from morl.locking import lock_folder\n"
        "with lock_folder(sys.argv[1]):\n"
        "    if os.fork() == 0: time.sleep(60); os._exit(0)\n"
        "    print('ready', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"ready\n"
    with pytest.raises(MorlError), lock_folder(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with lock_folder(tmp_path):
        pass
    os.killpg(holder.pid, signal.SIGKILL)
    holder.stdout.close()


class Send(Callback):
    """Sends this process a signal at some step."""

    def __init__(self, number: int, steps: int = 20) -> None:
        self.number, self.steps = number, steps

    def on_iteration(self, agent, metrics):
        if agent.steps == self.steps:
            os.kill(os.getpid(), self.number)


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_with_a_checkpoint(tmp_path: Path, number: int) -> None:
    run, handler = Run.create(tmp_path / "run", CONFIG), signal.getsignal(number)
    with pytest.raises(RunInterrupted, match="go on with: morl train --resume --out") as stopped:
        train(run, callbacks=[Send(number)])
    assert stopped.value.signal_number == number and signal.getsignal(number) == handler
    train(Run.create(tmp_path / "whole", CONFIG))
    assert train(Run.open(run.path)).training_steps == 40
    assert final_state(run.path) == final_state(tmp_path / "whole")


@posix
def test_sigkill(tmp_path: Path) -> None:
    """A process killed again and again ends bit for bit where an uninterrupted one ends."""
    noisy = config(env_kwargs={"slip": 0.3}, total_steps=4 * 3000)
    train(Run.create(tmp_path / "whole", noisy), evaluation_seconds=3600.0)
    run = Run.create(tmp_path / "killed", noisy)
    code = (
        "import sys, warnings; warnings.simplefilter('ignore'); from morl.runs import Run\n"
        "Run.open(sys.argv[1]).train(progress=False, checkpoint_seconds=0.01)"
    )
    kills = 0
    for delay in (0.0, 0.11, 0.23):
        process = subprocess.Popen([sys.executable, "-c", code, str(run.path)])
        deadline = time.monotonic() + 60
        before = progress_of(run.path)
        while progress_of(run.path) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(delay)
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills
    train(Run.open(run.path), evaluation_seconds=3600.0)
    assert final_state(run.path) == final_state(tmp_path / "whole")


def progress_of(path: Path) -> str:
    """The checkpoint's tensor file, which is named after its content."""
    state = path / "checkpoint" / "state.json"
    return json.loads(state.read_text())["tensors"]["file"] if state.exists() else ""


class KillWorker(Callback):
    """Kills a process of the environment between two iterations."""

    def on_iteration(self, agent, metrics):
        if agent.steps == 20:
            os.kill(multiprocessing.active_children()[-1].pid or 0, signal.SIGKILL)


@posix
def test_a_dead_worker_ends_the_training_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", config(env="toys:PlainCorridor", backend="async"))
    with pytest.raises(EnvError, match=r"killed by signal 9 .*--resume --out"):
        train(run, callbacks=[KillWorker()], checkpoint_seconds=3600.0)
    assert multiprocessing.active_children() == []
    agent = CorridorWalker(Corridor(4))
    assert run.restore(agent) and agent.steps == 4  # the first iteration is saved at once
    assert train(Run.open(run.path)).training_steps == 40


class Break(Callback):
    """An environment's error that comes between two iterations, as in an evaluation."""

    def on_iteration(self, agent, metrics):
        if agent.steps == 20:
            raise EnvError("broken")


def test_an_error_between_iterations_loses_none(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    with pytest.raises(EnvError, match=r"broken; the checkpoint is kept"):
        train(run, callbacks=[Break()], checkpoint_seconds=3600.0)
    agent = CorridorWalker(Corridor(4))
    assert run.restore(agent) and agent.steps == 20


@posix
def test_a_signal_to_the_group_leaves_the_end_to_the_training(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", config(env="toys:PlainCorridor", backend="async", total_steps=10**6))
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setpgid(0, 0)
            train(run, evaluation_seconds=3600.0)
        except RunInterrupted as stopped:
            status = stopped.signal_number + 128
        finally:
            os._exit(status)
    deadline = time.monotonic() + 60
    while not progress_of(run.path) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(pid, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 143
    agent = CorridorWalker(Corridor(4))
    assert run.restore(agent) and agent.steps >= 4
