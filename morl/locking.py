"""A lock on a folder, so that two processes never write the same run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from morl.errors import MorlError

_held: set[Path] = set()
"""Folders that this process has locked: the operating system tells processes apart, not their parts."""


@contextmanager
def lock_folder(path: str | Path) -> Iterator[None]:
    """Hold the lock of the folder `path`, which must exist; the end of the process releases it in any case.

    Raises:
        MorlError: another process holds it, or another part of this one.
    """
    path = Path(path).resolve()
    refusal = f"expected {path} to be free, but another process is writing it; wait for its end, or stop it"
    if path in _held:
        raise MorlError(refusal)
    with open(path / ".lock", "a+") as file:
        try:
            _lock(file)
        except OSError:
            file.seek(0)
            owner = file.read().strip()
            raise MorlError(refusal + (f" (process {owner})" if owner else "")) from None
        _held.add(path)
        try:
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield
        finally:
            _held.discard(path)
            _unlock(file)


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

else:
    import fcntl

    # lockf, not flock: a flock passes to forked children, and environment workers that outlive a killed
    # training for a moment would keep its run locked.
    def _lock(file: IO[str]) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: IO[str]) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN)
