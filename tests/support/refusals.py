"""What a refused command looks like."""

from __future__ import annotations

import re


def assert_error(result: tuple[int, str, str], *expected: str) -> None:
    """One line that starts with `error:`, says what is expected, and no traceback."""
    status, _, err = result
    assert status == 2
    (line,) = [line for line in err.splitlines() if not line.startswith("warning:")]
    assert line.startswith("error: ")
    for pattern in expected:
        assert re.search(pattern, line), line
