"""Read files that anybody may have put there: only plain ones, never without end.

A pipe with the name of a table would be waited for, a device read for ever, a file of terabytes until the memory
is full.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from morl.errors import CheckpointError

MOST_BYTES = 2**29
"""Of a file that is read at once: some nine million points of three objectives."""

BEGINNING = 2**16
"""Bytes of a file in which its first lines are looked for."""

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}
"""Byte order marks, the longer ones first, and the encodings that they announce."""


def open_plain(path: str | Path) -> BinaryIO:
    """Open a file to read its bytes, if it is a plain one.

    Raises:
        CheckpointError: a pipe, a socket or a device.
        OSError: as `open` raises it: no such file, a folder, no right to read.
    """
    kind = KINDS.get(stat.S_IFMT(os.stat(path).st_mode))
    if kind is not None:
        raise CheckpointError(f"expected a file, {path} is {kind}; copy what it gives into a file")
    return open(path, "rb", opener=_without_waiting)


def read_plain(path: str | Path) -> bytes:
    """All bytes of a plain file; errors as for `open_plain`, and a `CheckpointError` for more than `MOST_BYTES`."""
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise CheckpointError(
                f"expected a file of at most {MOST_BYTES / 2**30:g} GiB, {path} has {size / 2**30:,.1f}; split it"
            )
        return file.read(MOST_BYTES)


def read_beginning(path: str | Path) -> bytes:
    """The first bytes of a plain file, enough for a header; errors as for `open_plain`."""
    with open_plain(path) as file:
        return file.read(BEGINNING)


def decode(data: bytes, errors: str = "strict") -> str:
    """Text as programs write it: UTF-8, or UTF-16 and UTF-32 with a byte order mark, or UTF-16 of Latin letters.

    What is no such text is handled as `errors` says, as by `bytes.decode`.

    Raises:
        CheckpointError: another encoding, or damaged; the message names the line.
    """
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), None)
    if encoding is None:
        zeros = "".join("0" if byte == 0 else "x" for byte in data[:4])
        encoding = {"x0x0": "utf-16-le", "0x0x": "utf-16-be"}.get(zeros, "utf-8")
    try:
        return data.decode(encoding, errors)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CheckpointError(
            f"line {line}: not text in {encoding.upper()} ({error.reason}); save it as UTF-8"
        ) from None


def _without_waiting(path: str, flags: int) -> int:
    """What became a pipe since it was looked at gives nothing, instead of being waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
