"""Which columns of a table hold objectives, and which say where a row belongs or only describe it."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from morl.csv_text import is_number, original_text
from morl.errors import MorlError
from morl.point_parts import Part, numbers_columns

NUMBERED = re.compile(r"objective_(\d+)")
"""How MORL-Baselines names columns: `objective_1`, `objective_2`, ..."""

SEED = "seed"
FRONTS = ("front", "agent", "algorithm", "algo", "method", "group")
"""Columns whose cells say which front a row belongs to."""

NAMELESS = re.compile(r"(Unnamed: \d+)?")
"""Columns without a name, and what pandas calls them when it reads them."""
INDEX = ("", "index")
"""Columns that may be there to number the rows."""

MISSING = ("na", "n/a", "nan", "nat", "null", "none")
"""What stands for a number that is missing; in small letters."""

Cells: TypeAlias = Sequence[tuple[str, Sequence[Any]]]
"""Rows: where each stands, and its cells."""


class Columns(NamedTuple):
    """What the columns of a table are for."""

    names: tuple[str, ...]
    """Of the objectives."""
    objectives: tuple[int, ...]
    """Their columns."""
    fronts: Sequence[str | None]
    """By row: which front it belongs to."""
    seeds: Sequence[int | None]
    """By row: of which training."""


def holds_numbered(header: Sequence[str]) -> bool:
    """Whether a header names objectives as MORL-Baselines does, beside columns that say where a row belongs."""
    names = [name for name in header if name.lower() not in (*INDEX, SEED, *FRONTS)]
    return bool(names) and all(map(NUMBERED.fullmatch, names))


def trimmed(part: Part) -> Part:
    """The table without the empty cells that separators at the ends of lines leave."""
    lines = [cells for _, cells in part.rows] + ([] if part.names is None else [part.names])
    width = max(map(_filled, lines), default=0)
    return part._replace(
        names=None if part.names is None else part.names[:width],
        rows=[(where, cells[:width]) for where, cells in part.rows],
    )


def _filled(cells: Sequence[Any]) -> int:
    """How many cells there are up to the last that is not empty."""
    count = len(cells)
    while count and cells[count - 1] == "":
        count -= 1
    return count


def check_width(names: Sequence[str], where: str, cells: Sequence[Any]) -> None:
    """Raise a `MorlError` for a row that has not as many cells as there are columns."""
    if len(cells) != len(names):
        raise MorlError(
            f"{where}: expected {len(names)} numbers ({', '.join(names)}), got {len(cells)}; "
            "the file is cut off, or mixes numbers of objectives"
        )


def columns_of(part: Part, wanted: Sequence[str] | None) -> Columns:
    """Find the columns of a table that has names for them.

    Args:
        part: the table.
        wanted: the objectives, where the user names them: columns to read, in this order; of columns that are
            only numbered, their names.

    Raises:
        MorlError: the names, or the cells of a column, leave open what is meant.
    """
    names = _cleaned(part)
    for where, cells in part.rows:
        check_width(names, where, cells)
    own = set(wanted or ())
    roles = {j: name.lower() for j, name in enumerate(names) if name not in own}
    seed = [j for j, name in roles.items() if name == SEED]
    front = [j for j, name in roles.items() if name in FRONTS]
    for found, what in ((seed, "a seed"), (front, "a front")):
        if len(found) > 1:
            given = ", ".join(names[j] for j in found)
            raise MorlError(f"expected one column that names {what} for each row, got {given}")
    if wanted is not None and own <= {*names}:
        chosen = [j for j, name in enumerate(names) if name in own]
    else:
        chosen = _that_hold_numbers(part, names, [j for j in range(len(names)) if j not in (*seed, *front)])
    found_names = [names[j] for j in chosen]
    if len({*found_names}) < len(chosen) or not chosen:
        raise MorlError(f"expected a different name for each column, got {', '.join(found_names) or 'none'}")
    if wanted is None:
        return _columns(part, found_names, chosen, front, seed)
    if own <= {*found_names}:
        return _columns(part, wanted, [names.index(name) for name in wanted], front, seed)
    if all(map(NUMBERED.fullmatch, found_names)) and len(wanted) == len(chosen) and not own & {*found_names}:
        return _columns(
            part, wanted, chosen, front, seed
        )  # numbers are no names, so the given ones take their place
    raise MorlError(f"expected the columns {', '.join(wanted)}, found only {', '.join(found_names)}")


def _columns(
    part: Part, names: Sequence[str], objectives: Sequence[int], front: Sequence[int], seed: Sequence[int]
) -> Columns:
    fronts: list[str | None] = [part.front] * len(part.rows)
    seeds: list[int | None] = [part.seed] * len(part.rows)
    for j in front:
        fronts = [_name(where, cells[j]) for where, cells in part.rows]
    for j in seed:
        seeds = [_seed(where, cells[j]) for where, cells in part.rows]
    return Columns(tuple(names), tuple(objectives), fronts, seeds)


def _cleaned(part: Part) -> list[str]:
    """The names as they were meant: none for columns without, `objective_1`, ... for columns with numbers."""
    given = [str(name) for name in part.names or ()]
    numbers = [name for name in given if is_number(name)]
    if numbers and not numbers_columns(numbers):
        raise MorlError(
            f"expected names of columns in the header, got the number {numbers[0]}; write a header"
        )
    names = []
    for name in given:
        if numbers and name in numbers:
            names.append(f"objective_{int(name) + 1}")
        else:
            names.append("" if NAMELESS.fullmatch(name) else original_text(name))
    if numbers and all(
        isinstance(cells[j], str) and cells[j].lstrip("+-").isdigit()
        for _, cells in part.rows
        for j, name in enumerate(given)
        if name in numbers and j < len(cells)
    ):
        warnings.warn(
            f"the first row ({', '.join(numbers)}) is taken for a header, as pandas writes it, not for a point; "
            "write a header with names to make it plain",
            stacklevel=2,
        )
    return names


def _that_hold_numbers(part: Part, names: Sequence[str], candidates: Sequence[int]) -> list[int]:
    """The columns without those that number or describe the rows; the latter are said."""
    kept, described = [], []
    for j in candidates:
        cells = [row[j] for _, row in part.rows]
        if names[j].lower() in INDEX and (_counts(cells) or all(cell == "" for cell in cells)):
            continue
        if _describes(cells):
            described += [names[j]] if names[j] else []
        elif names[j]:
            kept.append(j)
        else:
            raise MorlError(
                f"expected a different name for each column, got none for column {j + 1}; name it, or name "
                "the columns to read with --objectives"
            )
    if described:
        warnings.warn(f"columns of words are left out: {', '.join(described)}", stacklevel=2)
    return kept


def _counts(cells: Sequence[Any]) -> bool:
    """Whether the cells number the rows, from 0 or from 1."""
    return [str(cell) for cell in cells] in ([str(i + first) for i in range(len(cells))] for first in (0, 1))


def _describes(cells: Sequence[Any]) -> bool:
    """Whether the cells are words, or empty."""
    words = [cell for cell in cells if cell not in ("", None)]
    return bool(words) and all(
        isinstance(word, str) and not is_number(word) and word[0].isalpha() and word.lower() not in MISSING
        for word in words
    )


def _name(where: str, cell: Any) -> str:
    if cell in ("", None):
        raise MorlError(f"{where}: expected the name of a front, got none")
    return original_text(str(cell))


def _seed(where: str, cell: Any) -> int:
    number = float(cell) if is_number(cell) else math.nan
    if not number.is_integer() or number < 0:
        raise MorlError(f"{where}: expected a seed, a whole number of at least 0, got {cell!r}")
    return int(number)
