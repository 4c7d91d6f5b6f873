from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import SMALL, small_agent
from toys import Corridor, CorridorWalker

import morl
from morl import threads
from morl.agents import dqn, ppo
from morl.errors import MorlError

BUDGET = 256


@pytest.fixture(autouse=True)
def _an_idle_machine_of_eight_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr(threads, "cores", lambda: 8)
    yield
    torch.set_num_threads(before)


class Clock:
    """A clock, and a workload that takes `seconds[threads]` of it; no time passes otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> None:
        self.now, self.seconds, self.calls = 0.0, seconds, 0
        monkeypatch.setattr(threads.time, "perf_counter", lambda: self.now)

    def __call__(self) -> None:
        self.now += self.seconds[torch.get_num_threads()]
        self.calls += 1


def halving(limit: int) -> dict[int, float]:
    """Time by number of threads, of which so many share the work."""
    return {count: 0.008 / min(count, limit) for count in (1, 2, 3, 4, 6, 8)}


@pytest.mark.parametrize("pays", [1, 2, 4, 8])
def test_as_many_threads_as_pay(monkeypatch: pytest.MonkeyPatch, pays: int) -> None:
    clock = Clock(monkeypatch, halving(pays))
    assert threads.choose("auto", lambda: clock) == pays
    assert clock.now < 1 and torch.get_num_threads() == 8


def test_a_small_gain_is_no_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads.choose("auto", lambda: Clock(monkeypatch, {1: 0.011, 2: 0.010})) == 1


def test_every_round_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(2)
    clock = Clock(monkeypatch, halving(2))

    def disturbed() -> None:
        clock()
        if clock.now > 0.4 and torch.get_num_threads() == 2:
            clock.now += 0.1

    assert threads.choose("auto", lambda: disturbed) == 1


def test_load_and_torch_are_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, halving(8))
    monkeypatch.setattr(os, "getloadavg", lambda: (5.2, 0.0, 0.0))
    assert threads.choose("auto", lambda: clock) == 3
    torch.set_num_threads(2)
    assert threads.choose("auto", lambda: clock) == 2
    clock.calls = 0
    monkeypatch.setattr(os, "getloadavg", lambda: (70.0, 0.0, 0.0))
    assert threads.choose("auto", lambda: clock) == 1 and clock.calls == 0


def test_what_is_said_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, halving(8))
    assert threads.choose("auto") == 1  # nothing to measure
    assert threads.choose(5, lambda: clock) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert threads.choose("auto", lambda: clock) == 3 and threads.choose(2, lambda: clock) == 2
    with threads.using(6):
        assert threads.choose("auto", lambda: clock) == 6
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert threads.choose("auto") == 1 and clock.calls == 0


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2", "all", None])
def test_what_is_no_number_of_threads(number: object) -> None:
    with pytest.raises(MorlError, match=f"expected threads to be .*got {number!r}"):
        CorridorWalker(Corridor(4)).learn(8, progress=False, threads=number)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "350000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
          "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 2),
        ({"proc/self/cgroup": "9:memory:/\n4:cpu,cpuacct:/docker/x\n",
          "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
          "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 4),
        ({"proc/self/cgroup": "4:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
          "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"proc/self/cgroup": "nonsense\n0::/\n", "sys/fs/cgroup/cpu.max": "\n"}, 8),
    ],
    ids=["no groups", "version 2", "less than one", "of a parent", "version 1", "no limit", "damaged"],
)  # fmt: skip
def test_cores_within_control_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads.cores(tmp_path) == expected


def test_the_process_gets_its_number_back() -> None:
    with pytest.raises(RuntimeError), threads.using(2), threads.using(3):
        assert torch.get_num_threads() == 3
        raise RuntimeError
    assert torch.get_num_threads() == 8
    # Two Python threads, of which the first to begin is the first to end.
    begun, ended = threading.Event(), threading.Event()

    def other() -> None:
        with threads.using(1):
            begun.set()
            ended.wait(10)

    with threads.using(1):
        thread = threading.Thread(target=other)
        thread.start()
        assert begun.wait(10)
    ended.set()
    thread.join()
    assert torch.get_num_threads() == 8
    afresh = []
    thread = threading.Thread(target=lambda: afresh.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert afresh == [8]


FOLLOWING = {"rollout_length": 0, "minibatch": 0}
"""Settings that are derived from the budget."""


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("conditioned-ppo", {}),
        ("conditioned-ppo", FOLLOWING),
        ("envelope-dqn", {}),
        ("morld", {}),
        ("morld", {"ppo": {**SMALL["morld"]["ppo"], **FOLLOWING}}),
        ("morld", {"learner": "dqn"}),
        ("single-objective", {}),
    ],
    ids=str,
)
def test_a_workload_is_an_update_that_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, settings: dict[str, Any]
) -> None:
    sizes: list[torch.Size] = []
    for module in (ppo, dqn):

        def listening(*words: Any, loss: Callable[..., Any] = module.loss) -> Any:
            sizes.extend(word.mask.shape for word in words if hasattr(word, "mask"))
            return loss(*words)

        monkeypatch.setattr(module, "loss", listening)
    torch.set_num_threads(1)

    def learned(measured: bool) -> list[float]:
        monkeypatch.setitem(SMALL, name, {**SMALL[name], **settings})
        agent = small_agent(name, Corridor(4), seed=3)
        agent.total_steps = BUDGET
        workload = agent.workload() if measured else None
        sizes.clear()
        if workload is not None:
            workload()
            workload()
            assert len(sizes) == 2
        mine = set(sizes)
        agent.learn(BUDGET, progress=False, threads=1)
        assert mine <= set(sizes[2 * measured :])
        act = agent.act(torch.zeros(5, 1), torch.full((5, 2), 0.5))
        return [*act.tolist(), *torch.rand(3, generator=agent.generator).tolist()]

    assert learned(True) == learned(False)


def test_learning_measures_once_and_evaluating_too(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []

    def fastest(workload: Callable[[], Any], most: int) -> int:
        results.append(workload())
        return most // 2

    monkeypatch.setattr(threads, "_fastest", fastest)
    agent = small_agent("conditioned-ppo", Corridor(4))
    agent.learn(32, progress=False).learn(64, progress=False)
    assert len(results) == 1 and agent.threads == 4
    morl.evaluate(agent, Corridor(4), episodes=1)
    assert len(results) == 2 and len(results[1]) == 4 and torch.get_num_threads() == 8
    morl.evaluate(small_agent("random", Corridor(4)), Corridor(4), episodes=1)
    assert len(results) == 2
