"""How many threads torch computes with: one, unless more are measured to pay.

The networks of this field are small. A second thread then brings little on an idle machine, and on a busy one the two
wait for each other: trainings were seen to take five to ten times as long. So a training or an evaluation that was
told no number (`threads=`, `--threads`, `OMP_NUM_THREADS`) takes one thread, or as many as make its own kernels
faster in a measurement of less than a second, at most as many as there are free cores. Afterwards the process has the
number that it had before.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import floor, inf
from pathlib import Path
from typing import Any, Literal, TypeAlias

from morl._arrays import as_count
from morl.errors import MorlError

Threads: TypeAlias = int | Literal["auto"]
Workload: TypeAlias = Callable[[], Any]
"""Does once what is done over and over, and changes nothing."""

SECONDS = 0.6
"""A measurement takes, at most."""

GAIN = 1.15
"""So many times faster must more threads be, or fewer are taken: they occupy cores that others may need."""

ROUNDS = 3
"""In each of which more threads must be faster."""

_chosen: ContextVar[bool] = ContextVar("chosen", default=False)
"""Whether a training or an evaluation around this one has chosen already."""

_lock = threading.Lock()
_before: list[int] = []
"""An entry for each training or evaluation in any Python thread; the first is the number before all of them."""


def cores(root: Path = Path("/")) -> int:
    """How many cores this process may keep busy: those it is bound to, or its control group's quota if less."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, floor(min(bound, _quota(root))))


def _quota(root: Path) -> float:
    """Cores that the control groups of this process may use, of version 1 or 2; infinite without a limit."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return inf  # no Linux
    quota = inf
    for _, controllers, path in (line.split(":", 2) for line in groups if line.count(":") >= 2):
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / controllers
        # In a container the path may be that of the host: what does not exist under the mount is passed over.
        inside = Path(path.lstrip("/"))
        for group in (inside, *inside.parents):
            quota = min(quota, _limit(mount / group))
    return quota


def _limit(group: Path) -> float:
    """Cores that one control group allows."""
    try:
        if (group / "cpu.max").exists():
            allowed, period = (group / "cpu.max").read_text().split()
        else:
            allowed, period = ((group / f"cpu.cfs_{part}_us").read_text() for part in ("quota", "period"))
        return int(allowed) / int(period) if int(allowed) > 0 else inf
    except (OSError, ValueError, ZeroDivisionError):
        return inf  # no such group, or "max"


def free_cores() -> int:
    """How many cores nobody else keeps busy, at least one."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(cores(), (os.cpu_count() or 1) - round(load)))


def checked(threads: Any) -> Threads:
    """`threads` itself if it is "auto" or a count.

    Raises:
        MorlError: it is neither.
    """
    if isinstance(threads, str):
        if threads == "auto":
            return "auto"
        raise MorlError(f'expected threads to be "auto" or an integer of at least 1, got {threads!r}')
    return as_count(threads, name="threads")


def choose(threads: Threads, prepare: Callable[[], Workload | None] | None = None) -> int:
    """The number of threads to compute with.

    Args:
        threads: the number itself; or "auto" for that of the training around, else `OMP_NUM_THREADS`, else one
            unless more make the workload faster.
        prepare: makes the workload that is measured, if it comes to that; without one "auto" is one thread.

    Raises:
        MorlError: `threads` is neither "auto" nor a count.
    """
    import torch

    threads = checked(threads)
    if threads != "auto":
        return threads
    if _chosen.get():
        return torch.get_num_threads()
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    most = min(free_cores(), torch.get_num_threads())
    workload = prepare() if prepare is not None and most > 1 else None
    return 1 if workload is None else _fastest(workload, most)


@contextmanager
def using(number: int) -> Iterator[None]:
    """Compute with so many threads, and afterwards with as many as before."""
    import torch

    inner = _chosen.get()
    with _lock:
        before = torch.get_num_threads()
        if not inner:
            _before.append(before)
        torch.set_num_threads(number)
    token = _chosen.set(True)
    try:
        yield
    finally:
        _chosen.reset(token)
        with _lock:
            first = _before[0]
            if not inner:
                _before.pop()
            # Every Python thread has its own number, which begins as the one that was set last: of several trainings
            # side by side, the last to end restores what there was before the first.
            torch.set_num_threads(before if _before else first)


def _fastest(workload: Workload, most: int) -> int:
    """The smallest number of threads, of 1, 2, 4, ... and `most`, that twice as many are not much faster than."""
    larger = [2**power for power in range(1, most.bit_length()) if 2**power < most] + [most]
    seconds = SECONDS / (2 * ROUNDS * len(larger))
    with using(1):
        workload()  # the first call also prepares
    best = 1
    for number in larger:
        if not all(_pays(workload, best, number, seconds) for _ in range(ROUNDS)):
            break
        best = number
    return best


def _pays(workload: Workload, fewer: int, more: int, seconds: float) -> bool:
    """Whether more threads are `GAIN` times as fast, in one round."""
    return _seconds_each(workload, fewer, seconds) > GAIN * _seconds_each(workload, more, seconds)


def _seconds_each(workload: Workload, number: int, seconds: float) -> float:
    """Mean time of a call, over calls that together take about so long."""
    with using(number):
        start, calls = time.perf_counter(), 0
        while (taken := time.perf_counter() - start) < seconds:
            workload()
            calls += 1
    return taken / calls
