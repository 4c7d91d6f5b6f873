"""Signals that ask to stop: an exception at once, except where work must not be torn apart; there it waits.

SIGINT (Ctrl-C), SIGTERM (`timeout`, schedulers) and SIGHUP (a terminal that closes) are one thing here. Signals
reach the main thread only: in others nothing here does anything.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

NUMBERS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

SAME = 1.0
"""Seconds in which a further signal is the first one again: `timeout` and terminals that close send it twice."""


class Interrupted(KeyboardInterrupt):
    """A signal asked to stop."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class _Catcher:
    """The handler of the signals while `catching` lasts."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.shields = 0
        self._time = 0.0
        self._previous: dict[int, Any] = {}

    def take_over(self) -> None:
        for number in NUMBERS:
            handler = signal.getsignal(number)
            # Under nohup a hang-up is ignored; a handler that is None was set by C code and cannot be put back.
            if handler is not None and (number in NUMBERS[:2] or handler is signal.SIG_DFL):
                self._previous[number] = signal.signal(number, self._receive)

    def give_back(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())

    def check(self) -> None:
        """Raise what was received."""
        if self.received is not None:
            raise Interrupted(f"stopped by {signal.Signals(self.received).name}", self.received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._time = number, time.monotonic()
            if not self.shields:
                self.check()
            # Not print: a signal may come in the middle of one.
            os.write(2, b"stopping when what is under way is complete; a second signal stops at once\n")
        elif time.monotonic() - self._time > SAME:
            self.give_back()
            signal.raise_signal(number)  # acts as it would have before


_active: _Catcher | None = None


@contextmanager
def catching() -> Iterator[None]:
    """Inside, a signal raises `Interrupted`, and a second one acts at once as it would have outside.

    At the end the handlers that were there before are back, whatever happened. One inside another adds nothing.
    """
    global _active
    if _active is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _active = catcher = _Catcher()
    try:
        catcher.take_over()
        yield
    finally:
        catcher.shields += 1  # nothing is to keep the handlers from being put back
        catcher.give_back()
        _active = None
    catcher.check()  # somebody's `except:` may have swallowed the exception, or it came just now


@contextmanager
def shielded() -> Iterator[None]:
    """Inside, a signal waits; at the end of the outermost such block it raises `Interrupted`.

    Where the block ends with an error, that is what counts.
    """
    catcher = _mine()
    if catcher is None:
        yield
        return
    catcher.shields += 1
    try:
        yield
    finally:
        catcher.shields -= 1
    if not catcher.shields:
        catcher.check()


@contextmanager
def exposed() -> Iterator[None]:
    """Inside, and within `shielded`, a signal raises `Interrupted` nevertheless, and again when the shield ends."""
    catcher = _mine()
    if catcher is None:
        yield
        return
    shields, catcher.shields = catcher.shields, 0
    try:
        catcher.check()
        yield
    finally:
        catcher.shields = shields


class OutOfTime(BaseException):
    """The time of `within` is over; no `Exception`, so that what is inside does not take it for its own."""


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Give up what is inside after so many seconds by raising `OutOfTime`; None for never.

    Only Python code in the main thread can be given up, and only where nobody else uses the system's alarm; elsewhere
    this does nothing.
    """
    free = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if seconds is None or not free or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _give_up(number: int, frame: FrameType | None) -> None:
    raise OutOfTime


@contextmanager
def held_back() -> Iterator[None]:
    """Inside, signals wait in the operating system: a process started there inherits that, see `leave_to_parent`."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_parent() -> None:
    """In a worker process: do nothing when a signal comes, which terminals and schedulers send to all processes.

    The parent decides. Handlers rather than SIG_IGN, which programs that are started here would inherit.
    """
    for number in NUMBERS:
        signal.signal(number, lambda number, frame: None)
    signal.set_wakeup_fd(-1)  # it is the parent's, whose event loop would take a signal of ours for its own
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)


def end_command_quietly() -> None:
    """Where Python is starting the command `morl`, let signals end it at once, without a traceback of imports.

    Nothing has begun by then. Later, this is what a second signal does.
    """
    command = Path(next(iter(sys.argv), "")).stem == "morl" or sys.orig_argv[1:3] == ["-m", "morl"]
    if not command or threading.current_thread() is not threading.main_thread():
        return
    for number in NUMBERS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end_quietly)


def _end_quietly(number: int, frame: FrameType | None) -> None:
    if os.isatty(2):
        os.write(2, b"\x1b[?25h")  # a progress bar may have hidden the cursor
    os._exit(128 + number)


def _mine() -> _Catcher | None:
    """What catches signals, if it does so in this thread."""
    return _active if threading.current_thread() is threading.main_thread() else None
