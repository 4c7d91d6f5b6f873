"""The end of a process that somebody's threads would keep alive."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time

from morl.cli.output import complain

PATIENCE = 5.0
"""Seconds that threads have to end when all else is done."""


def end_soon(status: int) -> None:
    """Let the process end with this status within seconds, though threads that Python waits for may go on.

    An environment that starts threads and does not stop them in `close()` would keep it for ever. Threads that end
    by themselves, as those of pools do, are waited for as ever.
    """
    if _left():
        threading.Thread(target=_end, args=(status,), daemon=True).start()


def _end(status: int) -> None:
    time.sleep(PATIENCE)
    left = _left()
    if not left:
        return
    complain(
        "warning",
        f"threads left are given up, {len(left)} in all, such as {left[0].name}; the environment's close() should "
        "end those that it started",
    )
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status)


def _left() -> list[threading.Thread]:
    """The threads that Python waits for before a process ends."""
    return [t for t in threading.enumerate() if not t.daemon and t is not threading.main_thread()]
