"""Processes forked from a test: quick to start, and they can die."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any


def in_a_child(work: Callable[[], Any]) -> int:
    """The exit status of a process that does the work: 0 at its end, 1 after an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork, which later Pythons warn of
        child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
