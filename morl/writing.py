"""Files that are written whole or not at all, and what a killed writer leaves behind."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.(?:(?P<process>\d+)-)?[0-9a-f]{32}\.tmp")
"""Names under which files are written before they take their own."""

FORGOTTEN = 3600.0
"""Seconds after which nobody writes a temporary file any more, where processes cannot be asked for."""


def atomic_write(path: str | Path, data: str | bytes) -> Path:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part of it.

    The content goes to a temporary name in the same folder, reaches the disk, and takes the name in one step.
    Missing parent folders are created.
    """
    path = Path(path)
    with temporary(path) as part:
        _write(part, data)
        os.replace(part, path)
        _sync_folder(path.parent)
    return path


def create(path: str | Path, data: str | bytes, *, mode: int = 0o666) -> Path:
    """Write a file that is not there yet, whole at once; of several writers of one name, one succeeds.

    Raises:
        FileExistsError: the name is taken.
    """
    path = Path(path)
    with temporary(path) as part:
        _write(part, data, mode)
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links: take the name first
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, mode))
            os.replace(part, path)
        _sync_folder(path.parent)
    return path


def free_name(path: Path, *, start: int = 1) -> Path:
    """The first name from number `start` on that is free: `front.json`, the number 1, `front-2.json` and so on."""
    for number in count(start):
        name = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        if not name.exists():
            return name
    raise AssertionError("there are always more numbers")


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """A hidden name beside `path` that nobody else uses, gone afterwards; errors of the disk name `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex}.tmp")
    try:
        yield part
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # it has been renamed, or the disk is gone
            part.unlink(missing_ok=True)


def rename(part: Path, path: Path) -> None:
    """Give a complete file its name, once its content is on the disk."""
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    _sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writers that are no more."""
    for file in folder.glob(".*.tmp"):
        match = TEMPORARY.fullmatch(file.name)
        with suppress(OSError):
            if match is not None and not _is_written(file, match["process"]):
                file.unlink()


def is_leftover(name: str) -> bool:
    """Whether a file is called as those that a killed writer leaves."""
    return TEMPORARY.fullmatch(name) is not None


def _is_written(file: Path, process: str | None) -> bool:
    """Whether the process that began a temporary file may still write it."""
    if process is None or os.name != "posix":
        return time.time() - file.stat().st_mtime < FORGOTTEN
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def _write(path: Path, data: str | bytes, mode: int = 0o666) -> None:
    """Make a file whose content is on the disk."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk, without which a file there may be lost."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
