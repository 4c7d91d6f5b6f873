"""How values are written on the command line."""

from __future__ import annotations

import pytest

from morl.cli.notation import pace
from morl.errors import MorlError


@pytest.mark.parametrize(
    ("text", "seconds", "steps"),
    [
        ("30s", 30.0, None),
        ("30.0", 30.0, None),
        ("1e6", 1e6, None),
        ("0", 0.0, None),
        ("2 min", 120.0, None),
        ("0.5h", 1800.0, None),
        ("50000steps", None, 50_000),
        ("5e4 steps", None, 50_000),
        ("1 step", None, 1),
    ],
)
def test_how_often(text: str, seconds: float | None, steps: int | None) -> None:
    assert pace(text) == (seconds, steps)


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "nan", "30 days", "0steps", "1.5steps", "1_steps_", "1e400steps"]
)
def test_what_is_no_pace(text: str) -> None:
    with pytest.raises(MorlError, match="30s"):
        pace(text)
