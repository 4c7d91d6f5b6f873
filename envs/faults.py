"""What went wrong in somebody's environment, as one line that names the place in their code."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import morl
from morl.plain_text import one_line

LONGEST = 300
"""Characters of a message that are shown: some errors print whole arrays."""

LIBRARIES = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *morl.__path__,
    str(Path(__file__).parent),
)
"""Folders whose code is not the user's."""


def described(error: BaseException) -> str:
    """`ValueError: boom (my_envs.py, line 12)`."""
    try:
        text = str(error)
    except Exception as unprintable:
        text = f"a message that cannot be printed ({type(unprintable).__name__})"
    text = one_line(text[: 2 * LONGEST])
    text = text if len(text) <= LONGEST else text[:LONGEST] + " ..."
    return f"{type(error).__name__}{': ' if text else ''}{text}{_place(error)}"


def trace(error: BaseException) -> str:
    """The traceback, as Python shows it."""
    return "".join(traceback.format_exception(error))[: 50 * LONGEST]


def _place(error: BaseException) -> str:
    """The innermost line of the user's code, or of any where there is none."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    users = [place for place in places if not place[0].startswith(LIBRARIES)]
    if not places:
        return ""
    file, line = (users or places)[-1]
    return f" ({Path(file).name}, line {line})"
