"""Environments in processes that die, hang, stop or fail: one line each, at once, and nothing is left behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import FailingCorridor, PlainCorridor

from morl.envs import workers
from morl.envs.adapters import AsyncAdapter, SyncAdapter
from morl.errors import EnvError
from morl.step_limit import checked, step_limit

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at Linux's processes")
WALK = torch.ones(2, dtype=torch.int64)
NAME = "toys:FailingCorridor"


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process, no descriptor, no shared memory."""
    monkeypatch.setattr(workers, "GRACE", 0.3)
    descriptors, *before = open_things()
    yield
    left, *after = open_things()
    assert left <= descriptors and after == before


def open_things() -> tuple[int, list[str], list[Any]]:
    gc.collect()  # what other tests left to be collected
    return len(os.listdir("/proc/self/fd")), sorted(os.listdir("/dev/shm")), multiprocessing.active_children()


def failing(where: str, how: str, place: int = 1, limit: float | None = 0.3) -> AsyncAdapter:
    """Two environments in two processes; that at `place` fails."""
    factories: list[Any] = [PlainCorridor, PlainCorridor]
    factories[place] = partial(FailingCorridor, where, how)
    return AsyncAdapter(factories, env_id=NAME, processes=2, step_timeout=limit)


def use(env: Any) -> None:
    env.reset(seed=0)
    env.step(WALK)
    env.step(WALK)


@pytest.mark.parametrize(
    ("where", "how", "message", "place"),
    [
        ("__init__", "SIGKILL", r"killed by signal 9 \(SIGKILL\)", 0),
        ("__init__", "hang", r"within 0\.3 s", 1),
        ("__init__", "raise", "two lines", 0),
        ("reset", "SIGKILL", r"killed by signal 9 \(SIGKILL\)", 1),
        ("reset", "hang", r"within 0\.3 s", 0),
        ("reset", "raise", "two lines", 1),
        ("step", "SIGKILL", r"killed by signal 9 \(SIGKILL\)", 0),
        ("step", "SIGUSR1", r"killed by signal \d+ \(SIGUSR1\)", 1),
        ("step", "exit", "exit status 3", 1),
        ("step", "sys.exit", "SystemExit: 0", 0),
        ("step", "hang", r"within 0\.3 s", 0),
        ("step", "SIGSTOP", r"within 0\.3 s", 1),
        ("step", "raise", r"ZeroDivisionError: two lines \(toys.py, line \d+\)", 1),
        ("step", "unprintable", "Unprintable", 1),
        ("step", "huge", "ValueError: x{300} ", 0),
    ],
)
def test_every_failure_is_one_line(where: str, how: str, message: str, place: int) -> None:
    start = time.monotonic()
    with pytest.raises(EnvError, match=message) as failed:
        use(failing(where, how, place))
    text = str(failed.value)
    assert "\n" not in text and len(text) < 700 and NAME in text and f"worker {place} " in text
    assert ("at step 1" in text) == (where == "step")
    assert time.monotonic() - start < 20


def test_the_last_words_of_one_worker_end_the_wait_for_another() -> None:
    env = AsyncAdapter(
        [partial(FailingCorridor, "step", "hang"), partial(FailingCorridor, "step", "raise")],
        processes=2,
        step_timeout=30,
    )
    with pytest.raises(EnvError, match="ZeroDivisionError") as failed:
        use(env)
    assert "in fail\n" in failed.value.__notes__[0]  # the traceback, for the author
    with pytest.raises(EnvError, match="were ended"):
        env.step(WALK)
    env.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("place", [0, 1])
def test_a_worker_killed_or_stopped_from_outside(number: int, place: int) -> None:
    env = failing("nowhere", "", limit=0.3)
    env.reset(seed=0)
    env.step(WALK)
    os.kill(multiprocessing.active_children()[place].pid or 0, number)
    with pytest.raises(EnvError, match=r"worker \d \(process \d+, sub-env.* at step 2"):
        env.step(WALK)


@pytest.mark.parametrize("how", ["SIGKILL", "hang", "raise", "thread", "sys.exit"])
def test_closing_never_fails(how: str) -> None:
    env = failing("close", how)
    use(env)
    if how == "thread":
        env.close()
    else:
        with pytest.warns(UserWarning, match=rf"close\(\) of {NAME}.*(worker|sub-environment) 1"):
            env.close()


def test_a_loop_closes_all_and_warns() -> None:
    env = SyncAdapter([partial(FailingCorridor, "close", "raise"), PlainCorridor], env_id=NAME)
    with pytest.warns(UserWarning, match="ZeroDivisionError: two lines .* in sub-environment 0"):
        env.close()
    env = SyncAdapter([PlainCorridor, partial(FailingCorridor, "close", "hang")], env_id=NAME)
    with step_limit(0.1), pytest.warns(UserWarning, match=r"more than 0\.1 s in sub-environment 1"):
        env.close()


@pytest.mark.parametrize(("where", "when"), [("__init__", ""), ("reset", ""), ("step", " at step 1")])
def test_in_a_loop_the_error_has_its_cause(where: str, when: str) -> None:
    with pytest.raises(EnvError, match=rf"{NAME}.* in sub-environment 1{when};") as failed:
        use(SyncAdapter([PlainCorridor, partial(FailingCorridor, where, "raise")], env_id=NAME))
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    with pytest.raises(EnvError, match="SystemExit"):
        use(SyncAdapter([PlainCorridor, partial(FailingCorridor, where, "sys.exit")], env_id=NAME))


class SlowCorridor(PlainCorridor):
    """Each step takes a while."""

    def step(self, action: int) -> Any:
        time.sleep(0.15)
        return super().step(action)


def test_the_limit_is_for_one_environment() -> None:
    env = AsyncAdapter([SlowCorridor] * 4, processes=1, step_timeout=0.3)
    env.reset(seed=0)
    env.step(torch.ones(4, dtype=torch.int64))
    env.close()
    with step_limit(2):
        assert checked(None) == 2 and checked(0) is None
        with step_limit(0):
            assert checked(None) is None
    assert checked(None) == 60
    for wrong in (-1.0, float("nan"), float("inf"), "60"):
        with pytest.raises(EnvError, match="step timeout"):
            AsyncAdapter([PlainCorridor], step_timeout=wrong)  # type: ignore[arg-type]


class AloneCorridor(PlainCorridor):
    """Observes how many threads there are, and whether it is its own group."""

    def _obs(self) -> Any:
        alone = (
            torch.get_num_threads() == 1 == int(os.environ["OMP_NUM_THREADS"]) and os.getpgrp() == os.getpid()
        )
        return super()._obs() + 8.0 * alone


def test_a_worker_has_one_thread_and_hears_no_signal_of_the_group() -> None:
    env = AsyncAdapter([AloneCorridor])
    assert env.reset(seed=0)[0].tolist() == [[8.0]]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(multiprocessing.active_children()[0].pid or 0, number)
    assert env.step(WALK[:1])[2].tolist() == [False]
    env.close()


def test_what_nobody_closes_ends_with_its_owner() -> None:
    env = failing("nowhere", "")
    del env


def in_a_process(work: Callable[[], Any]) -> tuple[int, int]:
    """Run `work` in a fork; its pid, and a descriptor that tells what it prints."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(writes, 1)
            os.setpgid(0, 0)
            work()
        finally:
            os._exit(1)
    os.close(writes)
    return pid, reads


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_killed_parent_leaves_no_worker(in_thread: bool) -> None:
    def make() -> None:
        env = failing("step", "hang", limit=None)
        env.reset(seed=0)
        pids = [str(child.pid) for child in multiprocessing.active_children()]
        os.write(1, " ".join(pids).encode())
        env.step(WALK)

    def work() -> None:
        if not in_thread:
            make()
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()

    pid, reads = in_a_process(work)
    pids = os.read(reads, 100).decode().split()
    assert len(pids) == 2
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.close(reads)
