"""Numbers as the page reads them: JSON has no NaN, and nobody reads seventeen digits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from morl._arrays import Array
from morl.plain_text import plain

DIGITS = 7
"""Significant digits of returns: more than the page shows, so that what is shown is rounded right."""


def rounded(values: Array, *, digits: int = DIGITS) -> list[float]:
    """All values of an array in one list, row by row, to so many significant digits.

    >>> import numpy as np
    >>> rounded(np.array([[1.0, -2.5], [1 / 3, 1e9 / 3]]), digits=4)
    [1.0, -2.5, 0.3333, 333300000.0]
    """
    return [float(f"{value:.{digits}g}") for value in values.ravel().tolist()]


def number(value: float | None) -> float | None:
    """The value to `DIGITS` significant digits; None where there is none or it is not finite.

    >>> number(2 / 3), number(float("nan"))
    (0.6666667, None)
    """
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def finite(value: Any) -> Any:
    """JSON values, plain text, without the numbers that JSON lacks: NaN and infinities become their names.

    >>> finite({"clip": float("inf"), "layers": (64, 64)})
    {'clip': 'inf', 'layers': [64, 64]}
    """
    if isinstance(value, Mapping):
        return {plain(str(name)): finite(item) for name, item in value.items()}
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
