"""The two outputs of a command, for whatever reads them: a terminal of any encoding, a file, a pipe to `head`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO

from morl.plain_text import one_line, plain


class Output:
    """An output stream that takes every character, and whose reader may leave.

    What the encoding lacks is replaced. Once a reader (`head`, a pager) has gone, nothing more is written, and the
    command goes on to its end. Any other failure to write, such as a full disk, is raised once.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, as much of it as the encoding has."""
        encoding = self._stream.encoding or "utf-8"
        with self._readers_may_leave():
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Hand over what was written."""
        with self._readers_may_leave():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _readers_may_leave(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # What is still held back would fail again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if not isinstance(error, BrokenPipeError):
                raise


@contextmanager
def outputs() -> Iterator[None]:
    """Both outputs, wrapped for the time of a command; a process without them writes nowhere."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        out: Any = Output(sys.stdout or nowhere)
        err: Any = Output(sys.stderr or nowhere)
        with suppress(AttributeError, ValueError):  # pytest's input has no encoding to change
            sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
        with redirect_stdout(out), redirect_stderr(err):
            yield


def complain(kind: str, message: object) -> None:
    """Write a message as one line on the error output: `error: expected ...`."""
    print(f"{kind}: {one_line(message)}" if kind else one_line(message), file=sys.stderr)


def say(text: str) -> None:
    """Write one line on the output, whatever the names in it hold."""
    print(plain(text))
