"""Files of a run that grow line by line: appended to, checked line by line, cut back where a run resumes."""

from __future__ import annotations

import csv
import hashlib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from morl.errors import CheckpointError
from morl.files import read_plain
from morl.writing import atomic_write, free_name

T = TypeVar("T")

DAMAGE = (ValueError, RecursionError, OverflowError, TypeError, csv.Error)
"""What reading a damaged line raises; a MorlError is a ValueError."""


def append(path: Path, text: str) -> None:
    """Add whole lines to the file, in one write; makes the file where there is none.

    Raises:
        OSError: nothing, or not all, could be written; the message names the file.
    """
    try:
        with open(path, "a", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_lines(path: str | Path, parse: Callable[[str], T]) -> list[tuple[str, T]]:
    """Every line, and what `parse` makes of it; without a last line that a crash cut off.

    Raises:
        CheckpointError: a line is damaged; the message names file and line.
    """
    read = []
    for number, line in enumerate(_lines(read_plain(path)), 1):
        try:
            read.append((line.decode(), parse(line.decode())))
        except DAMAGE as error:
            raise CheckpointError(
                f"{path}, line {number} is damaged: {error}; restore the file, or remove the line"
            ) from error
    return read


def fingerprint(path: Path) -> list[Any]:
    """The length of a file in bytes and its checksum, by which `cut_lines` knows it again."""
    data = read_plain(path) if path.exists() else b""
    return [len(data), hashlib.sha256(data).hexdigest()]


def cut_lines(path: str | Path, keep: Callable[[str], bool], known: Sequence[Any] | None = None) -> None:
    """Cut the file back to what it was at its fingerprint `known`; without one, to the lines that `keep` wants.

    Where it has changed since, what `keep` wants stays, less the damaged lines. A warning says so, and the file as it
    was then stays beside it, under another name.
    """
    path = Path(path)
    found = read_plain(path) if path.exists() else b""
    if known is not None and hashlib.sha256(found[: known[0]]).hexdigest() == known[1]:
        whole, changed = found[: known[0]], ""
    else:
        whole, changed = _wanted(found, keep)
        changed = changed or ("what stood there has changed" if known is not None else "")
    if changed:
        kept = "nothing is left of it"
        if found:
            copy = free_name(path.with_name(f"{path.stem}-damaged{path.suffix}"))
            kept = f"the file as it was is kept as {atomic_write(copy, found).name}"
        warnings.warn(f"{path} is damaged: {changed}; {kept}, and the run goes on without", stacklevel=2)
    if whole != found:
        atomic_write(path, whole)


def _wanted(data: bytes, keep: Callable[[str], bool]) -> tuple[bytes, str]:
    """The whole lines that `keep` wants, and what is to be said of the damaged ones."""
    kept, damaged = [], []
    for number, line in enumerate(_lines(data), 1):
        try:
            if keep(line.decode()):
                kept.append(line + b"\n")
        except DAMAGE:
            damaged.append(number)
    told = f"{len(damaged)} lines cannot be read, the first is line {damaged[0]}" if damaged else ""
    return b"".join(kept), told


def _lines(data: bytes) -> list[bytes]:
    """The whole lines of a file, without their ends: what follows the last end is empty, or was cut off."""
    return data.split(b"\n")[:-1]
