"""Fronts that other programs wrote: tables of points, one row per point, one column per objective.

`morl.point_parts` says in which forms. A column `seed` tells the rows of several trainings apart, one called `front`,
`agent` or the like those of several agents; columns that only number or describe the rows are left out. Such a file
knows neither its environment nor its discount; both are given when it is read. What cannot be meant (rows of
different lengths, words among numbers, NaN) is refused with the place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from morl import registry
from morl._arrays import Array
from morl.csv_text import is_number
from morl.errors import CheckpointError, MorlError
from morl.files import read_plain
from morl.front import Front
from morl.plain_text import shell_command
from morl.point_columns import Cells, check_width, columns_of, trimmed
from morl.point_parts import Part, parts_of, read_parts
from morl.problem import numbered_objectives, numbered_places

EXAMPLE = "for example --env minecart-v0 --gamma 0.98"


class PointTable(NamedTuple):
    """The points of one front."""

    columns: tuple[str, ...] | None
    """Names of the columns, if the file has them."""
    points: Array
    """(k, m)."""
    front: str | None = None
    """What the file calls this front, if it does."""
    seed: int | None = None
    """Of the training, if the file says it."""


def read_tables(path: str | Path, columns: Sequence[str] | None = None) -> list[PointTable]:
    """Read the tables of points in a file: one for each front, or seed, that it tells apart.

    Args:
        path: the file; the ending of its name says what it is, see `morl.point_parts`.
        columns: which columns to read, in this order, where the file names its columns; else their names.

    Raises:
        CheckpointError: the file cannot be read, is cut off, or holds something else; the message names the
            file and the line.
    """
    return tables_in(Path(path), read_file(Path(path)), columns)


def tables_in(path: Path, data: bytes, columns: Sequence[str] | None = None) -> list[PointTable]:
    """The tables in the bytes of a file that was read; as `read_tables`."""
    try:
        return [table for part in read_parts(path, data) for table in tables_of(part, columns)]
    except MorlError as error:
        raise CheckpointError(f"{path}: {error}") from None


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> PointTable:
    """Read a file that holds one front; arguments and errors as for `read_tables`."""
    tables = read_tables(path, columns)
    if len(tables) > 1:
        raise CheckpointError(f"{path}: expected the points of one front, got those of {len(tables)}")
    return tables[0]


def read_file(path: Path) -> bytes:
    """The bytes of a file; `CheckpointError` where there is none."""
    try:
        return read_plain(path)
    except FileNotFoundError:
        raise CheckpointError(f"expected a run directory or a front, there is no {path}") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error


def table_of(document: Any, columns: Sequence[str] | None = None) -> PointTable:
    """The one table in JSON values; `MorlError` where there is none."""
    tables = [table for part in parts_of(document) for table in tables_of(part, columns)]
    if len(tables) > 1:
        raise MorlError(f"expected the points of one front, got those of {len(tables)}")
    return tables[0]


def tables_of(part: Part, columns: Sequence[str] | None = None) -> list[PointTable]:
    """The fronts in rows of cells, one for each front and seed that the rows name.

    Raises:
        MorlError: rows that do not fit their columns, or cells that are no finite numbers; the message says where.
    """
    part = trimmed(part)
    if not part.rows:
        raise MorlError("the front is empty: expected at least one point")
    if part.names is None:
        return [_nameless(part, columns)]
    found = columns_of(part, columns)
    points = _numbers(
        found.names, [(where, [cells[j] for j in found.objectives]) for where, cells in part.rows]
    )
    groups: dict[tuple[str | None, int | None], list[int]] = {}
    for i, key in enumerate(zip(found.fronts, found.seeds, strict=True)):
        groups.setdefault(key, []).append(i)
    return [PointTable(found.names, points[rows], *key) for key, rows in groups.items()]


def _nameless(part: Part, columns: Sequence[str] | None) -> PointTable:
    """Rows without names, which `columns` gives; those of a CSV file need some, since a header may be missing."""
    place = part.rows[0][0]
    if columns is None and place.startswith("line"):
        raise MorlError(
            f"{place}: expected a header with the objectives' names, got numbers; write one, "
            "or name the columns with --objectives"
        )
    width = len(part.rows[0][1])
    if not width:
        raise MorlError(f"{place}: expected a number for each objective, got none")
    names = tuple(columns or (f"objective_{i + 1}" for i in range(width)))
    return PointTable(None if columns is None else names, _numbers(names, part.rows), part.front, part.seed)


def _numbers(names: Sequence[str], rows: Cells) -> Array:
    """The rows as an array (k, m)."""
    with suppress(
        TypeError, ValueError, OverflowError
    ):  # where it cannot be done at once, the cell is looked for
        points = np.array([cells for _, cells in rows], dtype=np.float64)
        flags = any(isinstance(cell, bool) for _, cells in rows for cell in cells)
        if points.shape == (len(rows), len(names)) and np.isfinite(points).all() and not flags:
            return points
    points = np.empty((len(rows), len(names)))
    for i, (where, cells) in enumerate(rows):
        check_width(names, where, cells)
        for j, (name, cell) in enumerate(zip(names, cells, strict=True)):
            if not is_number(cell) or not math.isfinite(float(cell)):
                raise MorlError(f"{where}: expected a finite number in column {name}, got {cell!r}")
            points[i, j] = float(cell)
    return points


def front_of(
    table: PointTable,
    path: Path | str,
    *,
    env: str | None,
    gamma: float | None,
    minimise: Sequence[str] = (),
) -> Front:
    """The front that a table holds: reported points without episodes, weights or versions.

    Columns that are only numbered (`objective_1`, ...) take the names that the environment's card has there.
    The reference point is that of the environment's default protocol. Objectives that the file has as something to
    `minimise` change their sign here, and only here.

    Raises:
        MorlError: the environment or the discount is not given, the card has other objectives, or none of them is
            called as `minimise` says.
    """
    lacking = [flag for flag, value in (("--env", env), ("--gamma", gamma)) if value is None]
    if env is None or gamma is None:
        raise MorlError(
            f"{path} does not say its environment and the discount of its returns: give {' and '.join(lacking)}, "
            f"{EXAMPLE} (MORL-Baselines exports discounted returns, under the agent's gamma)"
        )
    env_id = registry.canonical_id(env)
    card, m = registry.get_card(env_id), table.points.shape[1]
    known = () if card is None else tuple(objective.name for objective in card.objectives)
    if card is not None and card.num_objectives != m:
        raise MorlError(
            f"expected {card.num_objectives} objectives for {env_id} ({', '.join(known)}), {path} has {m}"
            + ("" if table.columns is None else f" ({', '.join(table.columns)})")
            + (
                f"; read these of its columns with --objectives {shell_command(*known)}"
                if {*known} <= {*(table.columns or ())}
                else ""
            )
        )
    names = table.columns or numbered_objectives(m)
    places = numbered_places(names)
    if places is not None:
        names = tuple((known or numbered_objectives(m))[place] for place in places)
    strange = [name for name in minimise if name not in names]
    if strange:
        raise MorlError(
            f"expected --minimise with objectives of {path} ({', '.join(names)}), got {', '.join(strange)}"
        )
    points = table.points.copy()
    turned = [names.index(name) for name in minimise]
    points[:, turned] = 0.0 - points[:, turned]  # no -0.0
    reference = None
    if card is not None and set(names) == set(known):
        standard = dict(zip(known, card.protocol().reference_point, strict=True))
        reference = np.array([standard[name] for name in names])
    return Front.from_points(
        points,
        env_id=env_id,
        gamma=gamma,
        objectives=names,
        role="report",
        reference_point=reference,
        training_seed=table.seed,
        versions={},
    )
