"""Processes with a block of environments each, and what is known when one of them dies, hangs or fails."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.reduction import ForkingPickler
from multiprocessing.util import Finalize
from typing import Any

import numpy as np
from gymnasium.vector.utils import CloudpickleWrapper, clear_mpi_env_vars
from numpy.typing import NDArray

from morl import errors
from morl.envs.block import EnvBlock, EnvFactory
from morl.envs.faults import described
from morl.envs.worker import (
    ALIVE,
    BEAT,
    CLOSE,
    FAULT,
    HEADER,
    KNOWN_FRONT,
    RESET,
    ROWS,
    STEP,
    packed,
    rows_in,
    rows_of,
    work,
)
from morl.errors import EnvError, MorlError
from morl.problem import Identity
from morl.signals import held_back

START = 60.0
"""Seconds that a new process may take, beyond that, to import what it needs."""

GRACE = 5.0
"""Seconds that environments have to close after an error, before their process is killed."""


class Workers:
    """Processes that step blocks of environments.

    Any failure ends all processes and is an `EnvError` that names the environment, the worker and the step.

    Args:
        env_fns: one factory per environment.
        env_id: names them in messages; None for the id they were registered under.
        identity: which problem they are; None to look into the first.
        blocks: how many environments each process gets, together as many as there are factories.
        limit: seconds that one call of an environment may take; None for no limit.

    Raises:
        EnvError: an environment could not be made, or the copies differ in their spaces.
    """

    def __init__(
        self,
        env_fns: Sequence[EnvFactory],
        env_id: str | None,
        identity: Identity | None,
        *,
        blocks: Sequence[int],
        limit: float | None,
    ) -> None:
        self._name = env_id or "the environment"
        self._members: list[_Member] = []
        self._steps = 0
        # Called at the latest when the program ends, where multiprocessing would wait for the processes.
        self._end = Finalize(self, _end, args=(self._members,), exitpriority=10)
        with self._failing("__init__()"):
            for number, n in enumerate(blocks):
                first = sum(blocks[:number])
                rows = slice(first, first + n)
                make_block = partial(EnvBlock, env_fns[rows], env_id, identity, first=first)
                with held_back(), clear_mpi_env_vars():
                    self._members.append(_Member(make_block, number, rows, limit))
            shown = [self._answer(member) for member in self._members]
            self.shown: dict[str, Any] = shown[0]
            """What `Adapter` wants to know of each environment."""
            self._name = self.shown["env_id"]
            for member, its in zip(self._members, shown, strict=True):
                self._check(its, member)
                member.prepare(its)

    def __len__(self) -> int:
        return len(self._members)

    def reset(self, seeds: Sequence[int | None], options: dict[str, Any] | None) -> NDArray[Any]:
        """Start all episodes; returns observations (N, ...)."""
        with self._failing("reset()"):
            for member in self._members:
                member.send(packed(RESET, (seeds[member.rows], options)))
            self._steps = 0
            return np.concatenate([self._answer(member) for member in self._members])

    def step(self, actions: NDArray[Any], active: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
        """Step the active environments; returns what `EnvBlock.step` does, for all of them."""
        self._steps += 1
        with self._failing("step()"):
            for member in self._members:
                member.tell(actions[member.rows], active[member.rows])
            answers = [self._answer(member) for member in self._members]
            return tuple(np.concatenate(parts) for parts in zip(*answers, strict=True))

    def known_front(self, gamma: float) -> Any:
        """What the first environment says of its front under a discount; None where it says nothing."""
        with self._failing("known_front()"):
            self._members[0].send(packed(KNOWN_FRONT, gamma))
            return self._answer(self._members[0])

    def close(self) -> None:
        """Close the environments and end the processes; what fails now is a warning, since all is done."""
        if not self._end.still_active():
            return
        try:
            with self._failing("close()"):
                for member in self._members:
                    member.send(packed(CLOSE))
                messages = [message for member in self._members for message in member.answer()]
        except MorlError as error:
            messages = [str(error)]
        self._end()
        for message in messages:
            warnings.warn(message, stacklevel=3)

    @contextmanager
    def _failing(self, doing: str) -> Iterator[None]:
        """End all processes when one fails, or when a signal interrupts: an answer would then come too late."""
        if not self._end.still_active():
            raise EnvError(
                f"expected {self._name} to run, its processes were ended; make the environment anew"
            )
        try:
            yield
        except _Silence as silence:
            when = f" at step {self._steps} since reset()" if doing == "step()" else ""
            self._end()
            raise EnvError(
                f"expected {doing} of {self._name} to return{silence.within}, got no answer: "
                f"{silence.what}{when}; {silence.remedy}"
            ) from None
        except BaseException:
            self._end()
            raise

    def _answer(self, member: _Member) -> Any:
        return member.answer(self._members)

    def _check(self, shown: dict[str, Any], member: _Member) -> None:
        """Raise where a block's environments have other spaces than the first block's."""
        found, wanted = (
            [its[f"{kind}_space"] for kind in ("observation", "action")] for its in (shown, self.shown)
        )
        if found != wanted:
            raise EnvError(
                f"expected all copies of {self._name} to have the spaces of the first, got "
                f"{found[0]} and {found[1]} in copy {member.rows.start}"
            )


class _Silence(Exception):
    """A worker does not answer."""

    def __init__(self, what: str, *, within: str = "", remedy: str) -> None:
        super().__init__(what)
        self.what, self.within, self.remedy = what, within, remedy


class _Member:
    """One process and the stream to it."""

    def __init__(
        self, make_block: Callable[..., EnvBlock], number: int, rows: slice, limit: float | None
    ) -> None:
        self.rows = rows
        self._limit = limit
        self._beat = BEAT if limit is None else min(BEAT, limit / 4)
        self._beats, self._started = 0, False
        self._stream, theirs = socket.socketpair()
        self._stream.settimeout(self._beat)
        in_main = threading.current_thread() is threading.main_thread()
        self._process = multiprocessing.get_context().Process(
            target=work,
            args=(theirs, CloudpickleWrapper(make_block), self._beat, in_main),
            daemon=True,
        )
        try:
            self._process.start()
        except BaseException as error:
            self._stream.close()
            if isinstance(error, OSError) or not isinstance(error, Exception):
                raise
            raise EnvError(
                f"expected factories that can be sent to a process (pickled), got {described(error)}; "
                "make the environment in a function of a module, or use backend='sync'"
            ) from error
        finally:
            theirs.close()
        last = rows.stop - 1
        copies = f"s {rows.start} to {last}" if rows.start < last else f" {last}"
        self._who = f"worker {number} (process {self._process.pid}, sub-environment{copies})"

    def prepare(self, shown: dict[str, Any]) -> None:
        """Agree on how rows are laid out."""
        told, self._seen = rows_of(shown, self.rows.stop - self.rows.start)
        self._message = bytearray(HEADER.size + told.itemsize)
        HEADER.pack_into(self._message, 0, STEP, told.itemsize)
        self._told = rows_in(self._message, told)

    def tell(self, actions: NDArray[Any], active: NDArray[np.bool_]) -> None:
        """Ask for a step."""
        self._told["action"], self._told["active"] = actions, active
        self.send(self._message)

    def send(self, data: bytes | bytearray) -> None:
        """Send a message."""
        view, self._beats = memoryview(data), 0
        while len(view):
            try:
                view = view[self._stream.send(view) :]
            except TimeoutError:
                self._wait(())
            except ConnectionError:
                raise self._gone() from None

    def answer(self, members: Sequence[_Member] = ()) -> Any:
        """What the worker returns, as soon as it does; raises as soon as one of the `members` is gone."""
        kind = ALIVE
        while kind == ALIVE:
            self._beats = 0
            kind, size = HEADER.unpack(self._read(HEADER.size, members))
            self._started = True
        body = self._read(size, members)
        if kind == ROWS:
            rows = np.frombuffer(body, self._seen, count=1)[0]
            obs = rows["obs"]
            last = np.frombuffer(body, obs.dtype, offset=self._seen.itemsize).reshape(-1, *obs.shape[1:])
            return *(rows[name] for name in self._seen.names or ()), last
        value = ForkingPickler.loads(body)
        if kind == FAULT:
            name, text, trace = value
            error = getattr(errors, name, EnvError)(f"{text}; it came from {self._who}")
            error.add_note(trace)
            raise error
        return value

    def hang_up(self) -> None:
        """Ask the worker to close its environments and to end, whatever it is doing."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)  # `close` alone leaves it to processes that inherited it
        self._stream.close()

    def end(self, seconds: float) -> None:
        """Wait for the end of the process, and kill it when the time is over, with all that it started."""
        try:
            self._process.join(seconds)
        finally:
            if self._process.exitcode != 0:
                if hasattr(os, "killpg") and self._process.pid is not None:
                    with suppress(OSError):
                        os.killpg(self._process.pid, signal.SIGKILL)
                self._process.kill()
                self._process.join(GRACE)
            with suppress(ValueError):  # not even a killed process ends while a device makes it wait
                self._process.close()

    def _read(self, size: int, members: Sequence[_Member]) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        while len(view):
            try:
                count = self._stream.recv_into(view)
            except TimeoutError:
                self._wait(members)
                continue
            except ConnectionError:
                count = 0
            if not count:
                raise self._gone()
            view = view[count:]
        return data

    def _wait(self, members: Sequence[_Member]) -> None:
        """A beat passed in which nothing came. Beats are counted, as this process may have been stopped meanwhile."""
        for member in members:
            if not member._process.is_alive():
                member.answer()  # its last words, if there are any
                raise member._gone()
        self._beats += 1
        allowed = (self._limit or 0.0) + self._beat + (0.0 if self._started else START)
        if self._limit is not None and self._beats * self._beat > allowed:
            self._process.kill()
            raise _Silence(
                f"{self._who} is stuck",
                within=f" within {self._limit:g} s",
                remedy="see what it waits for, or allow more (--step-timeout SECONDS, step_timeout=; 0 for no limit)",
            )

    def _gone(self) -> _Silence:
        """How the process ended."""
        self._process.join(GRACE)
        code = self._process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
            remedy = "where nobody sent it, memory ran out: use fewer environments"
            crashed = "mend the environment, or the library in which it crashed"
            return _Silence(
                f"{self._who} was killed by signal {-code} ({name})",
                remedy=remedy if -code == getattr(signal, "SIGKILL", 9) else crashed,
            )
        ended = "closed its stream" if code is None else f"ended with exit status {code}"
        return _Silence(f"{self._who} {ended}", remedy="mend the environment, which must not end its process")


def _end(members: list[_Member]) -> None:
    """Let all workers close their environments and end, and kill those that do not."""
    for member in members:
        member.hang_up()
    deadline = time.monotonic() + GRACE
    while members:
        member = members.pop()
        member.end(max(0.0, deadline - time.monotonic()))
