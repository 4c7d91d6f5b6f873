"""What a file of points holds before anybody has looked at the names: one or several tables of rows.

CSV, text             one; its header names the columns (`morl.csv_text`)
.npy                  an array (k, m), or (seeds, k, m)
.npz                  arrays by name: several fronts, or several seeds
JSON                  [[1, -2], ...], [{"treasure": 1, "time": -2}, ...], {"treasure": [1, ...], "time": [...]},
{"columns": [...], "data": [...]}, and by name or as a list of seeds several of these
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from morl.csv_text import is_number, read_sheet
from morl.errors import MorlError
from morl.files import MOST_BYTES, decode

TEXT = (".csv", ".tsv", ".txt", ".dat")
"""Endings of files that are read as CSV."""
ARRAYS = (".npy", ".npz")

OF_SEEDS = re.compile(r"(?:seed|run|trial|arr)?[ _-]?(\d+)", re.IGNORECASE)
"""Names that only number what they name, such as `seed_3`, and `arr_0` of NumPy."""

EXAMPLES = '[[1, -2], [3, -4]], or {"columns": ["treasure", "time"], "data": [[1, -2], [3, -4]]}'


class Part(NamedTuple):
    """Rows of one front; or of several, which columns of theirs then tell apart."""

    names: Sequence[str] | None
    """Of the columns, as written; None where there are none."""
    rows: Sequence[tuple[str, Sequence[Any]]]
    """Where each row stands, and its cells."""
    front: str | None = None
    """What the file calls it."""
    seed: int | None = None


def read_parts(path: Path, data: bytes) -> list[Part]:
    """The tables in the bytes of a file, by the ending of its name; `MorlError` where there are none."""
    suffix = path.suffix.lower()
    if suffix in TEXT:
        return [_of_csv(decode(data))]
    if suffix in ARRAYS:
        return list(_of_arrays(data))
    document = parse_json(decode(data))
    try:
        return parts_of(document)
    except RecursionError:
        raise MorlError(f"not a front: nested too deeply; expected points such as {EXAMPLES}") from None


def parse_json(text: str) -> Any:
    """JSON values; NaN and infinity, which Python would read, are left to the checks of the numbers."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MorlError(
            f"not JSON, or cut off: {error}; expected a run directory, a front.json, a table of points as JSON, such "
            f"as {EXAMPLES}, or a file ending in {', '.join((*TEXT, *ARRAYS))}"
        ) from error


def _of_csv(text: str) -> Part:
    rows, comment = read_sheet(text)
    if not rows:
        raise MorlError("the file is empty: expected a header with the objectives' names, and points")
    first = rows[0].cells
    if not all(map(is_number, first)):
        return Part(first, rows[1:])
    if numbers_columns(first) and len(rows) > 1:
        return Part(first, rows[1:])
    named = len(comment) == len(first) and not any(map(is_number, comment))
    return Part(comment if named else None, rows)


def numbers_columns(names: Sequence[str]) -> bool:
    """Whether these are 0, 1, 2, ..., as pandas calls the columns of an array."""
    return list(names) == [str(i) for i in range(len(names))]


def _of_arrays(data: bytes) -> Iterator[Part]:
    """The arrays of a `.npy` or `.npz`; nothing in them is executed."""
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(item.file_size for item in archive.infolist()) > MOST_BYTES:
                    raise MorlError(
                        f"expected at most {MOST_BYTES / 2**30:g} GiB of arrays, found more; split them"
                    )
        found = np.load(io.BytesIO(data), allow_pickle=False)
        arrays = {None: found} if isinstance(found, np.ndarray) else dict(found)
    except MorlError:
        raise
    except Exception as error:  # numpy and zipfile have many ways to say that a file is damaged
        raise MorlError(f"no array of numbers, or damaged: {str(error) or type(error).__name__}") from None
    if not arrays:
        raise MorlError("the file is empty: expected at least one array of points (k, m)")
    for name, array in arrays.items():
        shape, kind = np.shape(array), np.asarray(array).dtype
        if kind.names is None and (kind.kind not in "iuf" or len(shape) not in (2, 3)):
            raise MorlError(
                f"{name or 'array'}: expected numbers of shape (k, m), one row for each point, or (seeds, k, m), got "
                f"shape {shape} of type {kind}"
            )
    yield from _named({name: _of_array(array) for name, array in arrays.items()})


def _of_array(array: np.ndarray[Any, Any]) -> list[Part]:
    if array.dtype.names is not None:
        return [
            Part(array.dtype.names, _numbered("row", [list(row) for row in np.atleast_1d(array).tolist()]))
        ]
    return parts_of(array.astype(np.float64).tolist())


def parts_of(document: Any) -> list[Part]:
    """The tables in JSON values; `MorlError` where there are none."""
    if is_table(document):
        names, rows = document["columns"], document["data"]
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise MorlError('expected "data" to be a list of rows, one list of numbers for each point')
        return [Part([str(name) for name in names], _numbered("data", rows))]
    if isinstance(document, list) and document:
        if all(isinstance(row, dict) for row in document) and not any(map(is_table, document)):
            return [_of_records(document)]
        if all(
            isinstance(row, list) and not any(isinstance(cell, (list, dict)) for cell in row)
            for row in document
        ):
            return [Part(None, _numbered("data", document))]
        if all(isinstance(item, (list, dict)) and item for item in document):
            return [part._replace(seed=seed) for seed, item in enumerate(document) for part in _single(item)]
    if isinstance(document, dict) and document:
        columns = [_column(values) for values in document.values()]
        if all(column is not None for column in columns):
            return [_of_columns(dict(zip(document, columns, strict=True)))]
        if (
            all(isinstance(value, (list, dict)) and value for value in document.values())
            and "format" not in document
        ):
            return list(_named({str(name): parts_of(value) for name, value in document.items()}))
    if document == []:
        raise MorlError("the front is empty: expected at least one point")
    raise MorlError(f'not a front: expected "format": "morl.front", or points such as {EXAMPLES}')


def is_table(document: Any) -> bool:
    """Whether JSON values look like a table: named columns and rows."""
    return isinstance(document, dict) and isinstance(document.get("columns"), list) and "data" in document


def _single(document: Any) -> list[Part]:
    """The one table of one seed."""
    parts = parts_of(document)
    if len(parts) > 1:
        raise MorlError(f"expected one table of points for each seed, got {len(parts)}")
    return parts


def _named(tables: Mapping[Any, list[Part]]) -> Iterator[Part]:
    """The tables with their names: as seeds, where the names are numbers and no table has seeds of its own."""
    numbers = [OF_SEEDS.fullmatch(str(name)) for name in tables]
    seeds = all(numbers) and all(len(parts) == 1 for parts in tables.values())
    for (name, parts), number in zip(tables.items(), numbers, strict=True):
        for part in parts:
            if seeds and number is not None and len(tables) > 1:
                yield part._replace(seed=int(number[1]))
            elif part.front is not None:
                raise MorlError(f"expected fronts by name, got names in the names, {part.front} in {name}")
            else:
                yield part._replace(front=name)


def _of_records(records: list[dict[str, Any]]) -> Part:
    names = list(records[0])
    for i, record in enumerate(records):
        if set(record) != set(names):
            raise MorlError(f"data[{i}]: expected {', '.join(names)}, got {', '.join(record) or 'nothing'}")
    return Part(names, _numbered("data", [[record[name] for name in names] for record in records]))


def _of_columns(columns: Mapping[str, Any]) -> Part:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise MorlError(
            "expected as many numbers for each objective, got "
            + ", ".join(f"{length} for {name}" for name, length in lengths.items())
        )
    return Part(list(columns), _numbered("data", [list(row) for row in zip(*columns.values(), strict=True)]))


def _column(values: Any) -> list[Any] | None:
    """The cells of a column: a list of single values, or what pandas writes, {"0": ..., "1": ...}."""
    if isinstance(values, dict) and numbers_columns(list(values)):
        values = list(values.values())
    if isinstance(values, list) and values and not any(isinstance(value, (list, dict)) for value in values):
        return values
    return None


def _numbered(what: str, rows: Sequence[Sequence[Any]]) -> list[tuple[str, Sequence[Any]]]:
    return [(f"{what}[{i}]", row) for i, row in enumerate(rows)]
