"""What runs in each process of `AsyncAdapter`: a block of environments, told what to do over a stream of messages."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import socket
import struct
import sys
import threading
import time
import warnings
from contextlib import suppress
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector.utils import CloudpickleWrapper

from morl import errors
from morl.envs.block import EnvBlock
from morl.envs.faults import described, trace
from morl.signals import leave_to_parent

HEADER = struct.Struct("<c7xQ")
"""Every message begins with its kind and the number of bytes that follow: an object, or the rows of a step."""
ALIVE, VALUE, ROWS, FAULT, RESET, STEP, KNOWN_FRONT, CLOSE = b".", b"v", b"o", b"f", b"r", b"s", b"k", b"c"

BEAT = 1.0
"""Seconds, at most, after which a worker that is busy says that it lives, between two calls of environments."""

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

SET_BLAS_THREADS = [
    f"{prefix}openblas_set_num_threads{suffix}" for prefix in ("", "scipy_") for suffix in ("", "64_")
]

KILLED_WITH_PARENT = 1
"""`PR_SET_PDEATHSIG` of Linux's prctl."""


def packed(kind: bytes, value: Any = None) -> bytes:
    """A message with an object: between processes of one program, as `multiprocessing` sends it."""
    body = bytes(ForkingPickler.dumps(value))
    return HEADER.pack(kind, len(body)) + body


def rows_of(shown: dict[str, Any], n: int) -> tuple[np.dtype, np.dtype]:
    """What a step of n environments is told, and what it returns, but for the last observations of episodes."""
    obs, action = shown["observation_space"], shown["action_space"]
    flag = (np.bool_, (n,))
    told = [("action", action.dtype, (n, *action.shape)), ("active", *flag)]
    seen = [
        ("obs", obs.dtype, (n, *obs.shape)),
        ("reward", np.float32, (n, *shown["reward_space"].shape)),
        ("terminated", *flag),
        ("truncated", *flag),
    ]
    return np.dtype(told, align=True), np.dtype(seen, align=True)


def rows_in(message: bytearray, kind: np.dtype) -> Any:
    """The rows that follow the header of a message, as a view by name."""
    return np.frombuffer(message, kind, count=1, offset=HEADER.size)[0]


def work(
    stream: socket.socket,
    make_block: CloudpickleWrapper,
    beat: float,
    in_main_thread: bool,
) -> None:
    """Make the environments, then do what is asked for until told to close, or nobody is there to tell."""
    _prepare(in_main_thread)
    worker = _Worker(stream, beat)
    make: Any = make_block.fn
    try:
        worker.send(HEADER.pack(ALIVE, 0))
        worker.serve(make(alive=worker.alive))
    except BaseException as error:  # of the environments, or the parent is gone and nobody hears of it
        worker.report(error)
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(0)  # whatever threads the environments have left behind


class _Worker:
    """One end of the stream."""

    def __init__(self, stream: socket.socket, beat: float) -> None:
        self._stream, self._beat = stream, beat
        self._said = time.monotonic()

    def serve(self, block: EnvBlock) -> None:
        n = len(block.envs)
        told, seen = rows_of(block.shown, n)
        told_bytes, seen_bytes = (bytearray(HEADER.size + kind.itemsize) for kind in (told, seen))
        asked, answer = rows_in(told_bytes, told), rows_in(seen_bytes, seen)
        self.send(packed(VALUE, block.shown))
        try:
            while (asked_for := self._next())[0] != CLOSE:
                kind, size = asked_for
                if kind == KNOWN_FRONT:
                    self.send(packed(VALUE, block.known_front(ForkingPickler.loads(self._read(size)))))
                    continue
                if kind == RESET:
                    self.send(packed(VALUE, block.reset(*ForkingPickler.loads(self._read(size)))))
                    continue
                self._fill(memoryview(told_bytes)[HEADER.size :])
                *rows, last = block.step(asked["action"], asked["active"])
                for name, values in zip(seen.names or (), rows, strict=True):
                    answer[name] = values
                HEADER.pack_into(seen_bytes, 0, ROWS, seen.itemsize + last.nbytes)
                self.send(seen_bytes)
                if len(last):
                    self.send(last.tobytes())
        except BaseException as error:
            self.report(error)  # first, as closing may hang
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            block.close()
        self.send(packed(VALUE, [str(warning.message) for warning in caught]))

    def alive(self) -> None:
        """Say that a call of an environment has returned, if nothing was said for a while."""
        if time.monotonic() - self._said > self._beat:
            with suppress(OSError):  # environments are closed also when nobody listens any more
                self.send(HEADER.pack(ALIVE, 0))

    def report(self, error: BaseException) -> None:
        """Send an error, in words: the object itself may not go through."""
        ours = isinstance(error, errors.MorlError)
        text = str(error) if ours else f"expected a worker to go on, got {described(error)}"
        message = (type(error).__name__, text, trace(error.__cause__ or error))
        with suppress(OSError):
            self.send(packed(FAULT, message))

    def send(self, data: bytes | bytearray) -> None:
        """Send a message."""
        self._stream.sendall(data)
        self._said = time.monotonic()

    def _next(self) -> tuple[bytes, int]:
        kind, size = HEADER.unpack(self._read(HEADER.size))
        return kind, size

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        self._fill(memoryview(data))
        return data

    def _fill(self, view: memoryview) -> None:
        while len(view):
            count = self._stream.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]


def _prepare(in_main_thread: bool) -> None:
    """Belong to the parent: end with it, leave signals to it, and take no more than one core."""
    leave_to_parent()
    if hasattr(os, "setpgid"):
        os.setpgid(
            0, 0
        )  # what the environments start ends with this process, and no terminal's signal comes here
    if sys.platform == "linux" and in_main_thread:  # else it would come when that thread ends
        ctypes.CDLL(None).prctl(KILLED_WITH_PARENT, signal.SIGKILL)
    else:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)
    _take_one_thread()


def _take_one_thread() -> None:
    """Of torch, of what is loaded later, and of the OpenBLAS that NumPy has loaded: each core has a worker."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    torch.set_num_threads(1)
    maps = Path("/proc/self/maps")
    loaded = maps.read_text().splitlines() if maps.exists() else []
    for file in {line.split()[-1] for line in loaded if "openblas" in line}:
        for name in SET_BLAS_THREADS:
            with suppress(OSError, AttributeError):  # a file that is no library, a library with other names
                getattr(ctypes.CDLL(file), name)(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
