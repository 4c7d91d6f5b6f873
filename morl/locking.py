"""Locks on folders: one process trains a run at a time, and writers of one folder take turns."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from morl.errors import MorlError

PATIENCE = 60.0
"""Seconds that a writer waits for its turn."""

_held: set[Path] = set()
"""Folders that this process has locked: the operating system tells processes apart, not their parts."""


@contextmanager
def lock_folder(path: str | Path) -> Iterator[None]:
    """Hold the lock of the folder `path`, which must exist; the end of the process releases it in any case.

    Its file `.lock` says who holds it. The folder itself is locked too, where the system can: files get deleted.

    Raises:
        MorlError: another process holds it, or another part of this one.
    """
    path = Path(path).resolve()
    refusal = f"expected {path} to be free, but another process is writing it; wait for its end, or stop it"
    if path in _held:
        raise MorlError(refusal)
    with ExitStack() as held:
        file = held.enter_context(open(path / ".lock", "a+"))
        try:
            held.enter_context(_locked(path))
            _lock(file)
            held.callback(_unlock, file)
        except OSError:
            file.seek(0)
            owner = file.read().strip()
            raise MorlError(refusal + (f" (process {owner})" if owner else "")) from None
        _held.add(path)
        held.callback(_held.discard, path)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@contextmanager
def turn_to_write(path: Path) -> Iterator[None]:
    """Wait until nobody else writes the files of the folder `path`, which must exist, and keep others waiting.

    Raises:
        MorlError: somebody else has been writing for a minute.
    """
    deadline = time.monotonic() + PATIENCE
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(_locked(path))
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise MorlError(
                        f"expected {path} to be free within {PATIENCE:.0f} s, but another process is writing it; "
                        "stop it, or choose another folder"
                    ) from None
                time.sleep(0.01)
        yield


if sys.platform == "win32":
    import msvcrt

    # A byte far behind the content, since a locked byte cannot be read by others.
    _BYTE = 1 << 30

    def _lock(file: IO[str]) -> None:
        file.seek(_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock(file: IO[str]) -> None:
        file.seek(_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

    @contextmanager
    def _locked(path: Path) -> Iterator[None]:
        # Folders cannot be locked here, but neither can a file be deleted that is open.
        with open(path / ".writing", "a+") as file:
            try:
                _lock(file)
            except OSError:
                raise BlockingIOError(f"{path} is being written") from None
            try:
                yield
            finally:
                _unlock(file)

else:
    import fcntl

    # lockf, not flock: it is the process's own, and works on network drives.
    def _lock(file: IO[str]) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: IO[str]) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN)

    _folders: set[int] = set()
    """Descriptors of locked folders."""

    def _forget() -> None:
        for descriptor in _folders:
            os.close(descriptor)
        _folders.clear()

    # A forked child has the lock too. Environment workers that outlive a killed training must not keep it.
    os.register_at_fork(after_in_child=_forget)

    @contextmanager
    def _locked(path: Path) -> Iterator[None]:
        """Lock the folder itself, or raise `BlockingIOError`; some network drives cannot, which changes nothing."""
        descriptor = os.open(path, os.O_RDONLY)
        _folders.add(descriptor)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise
            except OSError:
                pass
            yield
        finally:
            if descriptor in _folders:  # not in a forked child
                _folders.discard(descriptor)
                os.close(descriptor)
