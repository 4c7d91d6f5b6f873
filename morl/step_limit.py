"""How long one call of an environment in a worker process may take, for all that a command or a run makes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from morl.errors import EnvError

DEFAULT = 60.0
"""Seconds; a process that takes longer is taken to be stuck."""

_limit: ContextVar[float | None] = ContextVar("limit", default=DEFAULT)


@contextmanager
def step_limit(seconds: float | None) -> Iterator[None]:
    """Inside, environments get this limit unless they are told another; 0 is none, None changes nothing."""
    token = _limit.set(checked(seconds))
    try:
        yield
    finally:
        _limit.reset(token)


def checked(seconds: float | None) -> float | None:
    """The limit that `seconds` stand for: None for no limit where they are 0, that around this where they are None.

    Raises:
        EnvError: they are no number of seconds.
    """
    if seconds is None:
        return _limit.get()
    if not isinstance(seconds, (int, float, np.number)) or not 0 <= seconds < math.inf:
        raise EnvError(f"expected a step timeout in seconds, or 0 for none, got {seconds!r}")
    return float(seconds) or None
