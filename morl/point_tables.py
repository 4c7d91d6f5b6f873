"""Fronts that other programs wrote: tables of points, one row per point, one column per objective.

    CSV                       a header with the names of the objectives, then the points
    W&B table, as JSON        {"columns": ["objective_1", ...], "data": [[...], ...]}, what MORL-Baselines logs
                              as "eval/front" and W&B keeps as media/table/eval/front_STEP_HASH.table.json

Such a file knows neither its environment nor its discount; both are given when it is read.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

import numpy as np

from morl import registry
from morl._arrays import Array
from morl.errors import CheckpointError, MorlError
from morl.front import Front

NUMBERED = re.compile(r"objective_(\d+)")
"""How MORL-Baselines names columns: `objective_1`, `objective_2`, ..."""

EXAMPLE = "for example --env minecart-v0 --gamma 0.98"


class PointTable(NamedTuple):
    """What such a file holds."""

    columns: tuple[str, ...] | None
    """Names of the columns, if the file has them."""
    points: Array
    """(k, m)."""


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> PointTable:
    """Read a table of points: CSV where the name ends in .csv, else JSON.

    Args:
        path: the file.
        columns: which columns to read, in this order, where the file names its columns; else their names.

    Raises:
        CheckpointError: the file cannot be read, is cut off, or holds something else; the message names the
            file and the line.
    """
    path = Path(path)
    text = read_text(path)
    try:
        if path.suffix.lower() == ".csv":
            return _from_csv(text, columns)
        return table_of(parse_json(text), columns)
    except MorlError as error:
        raise CheckpointError(f"{path}: {error}") from None


def read_text(path: Path) -> str:
    """The text of a file; `CheckpointError` where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CheckpointError(f"expected a run directory or a front, there is no {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error


def parse_json(text: str) -> Any:
    """JSON values; NaN and infinity, which Python would read, are left to the checks of the numbers."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MorlError(
            f"not JSON, or cut off: {error}; expected a run directory, a front.json, a table of points as "
            'JSON ({"columns": [...], "data": [...]}) or a .csv file'
        ) from error


def is_table(document: Any) -> bool:
    """Whether JSON values look like a table: named columns and rows."""
    return isinstance(document, dict) and isinstance(document.get("columns"), list) and "data" in document


def table_of(document: Any, columns: Sequence[str] | None = None) -> PointTable:
    """The table in JSON values; `MorlError` where there is none."""
    if not is_table(document):
        raise MorlError(
            'not a front: expected "format": "morl.front", or a table of points with "columns" and "data"'
        )
    names, rows = [str(name) for name in document["columns"]], document["data"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise MorlError('expected "data" to be a list of rows, one list of numbers for each point')
    return _table(names, [(f"data[{i}]", row) for i, row in enumerate(rows)], columns)


def _from_csv(text: str, columns: Sequence[str] | None) -> PointTable:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[str, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((f"line {reader.line_num}", [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise MorlError(f"line {reader.line_num}: not CSV: {error}") from error
    if not rows:
        raise MorlError("the file is empty: expected a header with the objectives' names, and points")
    if not all(_is_number(cell) for cell in rows[0][1]):
        return _table(rows[0][1], rows[1:], columns)
    if columns is None:
        raise MorlError(
            f"{rows[0][0]}: expected a header with the objectives' names, got numbers; write one, "
            "or name the columns with --objectives"
        )
    return PointTable(None, _numbers(list(columns), rows))


def _table(
    names: list[str], rows: Sequence[tuple[str, Sequence[Any]]], columns: Sequence[str] | None
) -> PointTable:
    """The wanted columns of rows that are given with the place where each stands."""
    if len(names) > 1 and names[0] == "" and _counts_rows(rows, len(names)):
        names, rows = names[1:], [(where, cells[1:]) for where, cells in rows]
    if len(set(names)) < len(names) or "" in names or not names:
        raise MorlError(f"expected a different name for each column, got {', '.join(names) or 'none'}")
    numbered = all(NUMBERED.fullmatch(name) for name in names)
    if columns is None or (numbered and len(columns) == len(names) and not {*columns} & {*names}):
        # Numbers are no names, so the given ones take their place.
        return PointTable(tuple(columns or names), _numbers(names, rows))
    missing = [name for name in columns if name not in names]
    if missing:
        raise MorlError(f"expected the columns {', '.join(columns)}, found only {', '.join(names)}")
    points = _numbers(names, rows, only=set(columns))
    return PointTable(tuple(columns), points[:, [names.index(name) for name in columns]])


def _counts_rows(rows: Sequence[tuple[str, Sequence[Any]]], width: int) -> bool:
    """Whether the first column only numbers the rows, as pandas writes it unless told not to."""
    return all(len(cells) == width and str(cells[0]) == str(i) for i, (_, cells) in enumerate(rows))


def _numbers(
    names: list[str], rows: Sequence[tuple[str, Sequence[Any]]], only: set[str] | None = None
) -> Array:
    """The rows as an array (k, m); columns not in `only`, if it is given, may hold anything and become 0."""
    if not rows:
        raise MorlError("the front is empty: expected at least one point")
    points = np.zeros((len(rows), len(names)))
    for i, (where, cells) in enumerate(rows):
        if len(cells) != len(names):
            raise MorlError(
                f"{where}: expected {len(names)} numbers ({', '.join(names)}), got {len(cells)}; "
                "the file is cut off, or mixes numbers of objectives"
            )
        for j, (name, cell) in enumerate(zip(names, cells, strict=True)):
            if only is not None and name not in only:
                continue
            if not _is_number(cell) or not math.isfinite(float(cell)):
                raise MorlError(f"{where}: expected a finite number in column {name}, got {cell!r}")
            points[i, j] = float(cell)
    return points


def _is_number(cell: Any) -> bool:
    if isinstance(cell, bool) or not isinstance(cell, (int, float, str)):
        return False
    try:
        float(cell)
    except (ValueError, OverflowError):
        return False
    return True


def front_of(table: PointTable, path: Path, *, env: str | None, gamma: float | None) -> Front:
    """The front that a table holds: reported points without episodes, weights or versions.

    Columns that are only numbered (`objective_1`, ...) take the names that the environment's card has there.
    The reference point is that of the environment's default protocol.

    Raises:
        MorlError: the environment or the discount is not given, or the card has other objectives.
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
                f"; read these of its columns with --objectives {' '.join(map(quote, known))}"
                if {*known} <= {*(table.columns or ())}
                else ""
            )
        )
    numbered = tuple(f"objective_{i + 1}" for i in range(m))
    names = table.columns or numbered
    if known and set(names) == set(numbered):
        names = tuple(known[numbered.index(name)] for name in names)
    reference = None
    if card is not None and set(names) == set(known):
        standard = dict(zip(known, card.protocol().reference_point, strict=True))
        reference = np.array([standard[name] for name in names])
    return Front.from_points(
        table.points,
        env_id=env_id,
        gamma=gamma,
        objectives=names,
        role="report",
        reference_point=reference,
        versions={},
    )
