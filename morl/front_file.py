"""The JSON file of a `Front`: one point per line, exact numbers, validated when read.

The file holds every field of the front, and `returns` (the means) for readers in other languages. Numbers
are written in the shortest form that reads back to the same float64, so a saved front loads bit for bit. `sha256` is
a checksum of all else, which files written by hand may leave out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from morl._arrays import to_float64
from morl.errors import CheckpointError, MorlError
from morl.files import decode, read_plain
from morl.front import Front
from morl.front_fields import SCHEMA_VERSION
from morl.problem import numbered_objectives
from morl.store import atomic_write, json_digest

FORMAT = "morl.front"
"""What the file says it is, in its first entry."""

RETURNS_TOLERANCE = 1e-9
"""How far `returns` in a file may be from the mean of its episodes, relative to the largest return."""


def write_front(front: Front, path: str | PathLike[str]) -> Path:
    """Write the front to `path` at once (temporary name, then renamed), and return the path; .csv has its points."""
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder: name a file in it, such as {path / 'front.json'}")
    if path.suffix.lower() == ".csv":
        from morl.point_export import points_of

        return atomic_write(path, points_of(front))
    return atomic_write(path, to_json(front))


def to_json(front: Front) -> str:
    """Return the text of the front's file: one field per line, arrays with one point per line."""
    entries: dict[str, Any] = {"format": FORMAT, "schema_version": front.schema_version}
    for field in fields(front):
        # The long arrays come last, after what a human looks for.
        if not _is_matrix(getattr(front, field.name)):
            entries.setdefault(field.name, getattr(front, field.name))
    entries["returns"] = front.returns
    for field in fields(front):
        entries.setdefault(field.name, getattr(front, field.name))
    entries["sha256"] = json_digest({name: _plain(value) for name, value in entries.items()})
    lines = (f"  {json.dumps(name)}: {_format(value)}" for name, value in entries.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_front(path: str | PathLike[str]) -> Front:
    """Read and validate a front; `CheckpointError` says what is wrong with the file, and where."""
    path = Path(path)
    try:
        text = decode(read_plain(path))
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no front at {path}") from error
    except IsADirectoryError as error:
        raise CheckpointError(
            f"{path} is a folder: expected a file, such as {path / 'front.json'}"
        ) from error
    except (OSError, CheckpointError) as error:
        raise CheckpointError(f"cannot read the front at {path}: {error}") from error
    try:
        return from_json(text)
    except MorlError as error:
        raise CheckpointError(f"{path}: {error}") from error


def from_json(text: str) -> Front:
    """Return the front that the text of a file describes; `MorlError` says what is wrong with it."""
    try:
        entries = json.loads(text, parse_constant=_refuse_constant)
    except MorlError:
        raise
    except (ValueError, RecursionError) as error:
        raise MorlError(f"not JSON, or cut off: {error}") from error
    if not isinstance(entries, dict) or entries.get("format") != FORMAT:
        raise MorlError(f'not a front: expected a JSON object with "format": "{FORMAT}"')
    _check_version(entries.get("schema_version"))
    digest = entries.pop("sha256", None)
    known = {field.name: field for field in fields(Front)}
    required = {name for name, field in known.items() if field.default is field.default_factory is MISSING}
    missing = sorted((required | {"returns", "versions"}) - set(entries))
    if missing:
        raise MorlError(f"missing entries: {', '.join(missing)}")
    unknown = sorted(set(entries) - set(known) - {"format", "returns"})
    if unknown:
        raise MorlError(f"unknown entries: {', '.join(unknown)}")
    try:
        front = Front(**_migrated({name: value for name, value in entries.items() if name in known}))
        _check_returns(entries["returns"], front)
    except (TypeError, OverflowError) as error:  # a MorlError says more
        raise MorlError(f"not a front: {error}") from error
    _check_digest(digest, entries)  # last, since the others say what is wrong
    return front


def _migrated(entries: dict[str, Any]) -> dict[str, Any]:
    """The entries of an older version as those of this one: it counted objectives without names from 0."""
    if entries["schema_version"] == 1:
        names = entries["objectives"]
        if isinstance(names, list) and names == [f"objective_{i}" for i in range(len(names))]:
            return {**entries, "objectives": numbered_objectives(len(names))}
    return entries


def _check_digest(digest: Any, entries: dict[str, Any]) -> None:
    """Notice what was changed since the file was written; without a checksum it is by hand, or of an older morl."""
    if digest is None:
        return
    try:
        whole = json_digest(entries) == digest
    except ValueError:  # infinity
        whole = False
    if not whole:
        raise MorlError(
            "its checksum is of another content, so the file is damaged or was edited; restore it from a copy, or "
            "take the entry sha256 out of it if the change is meant"
        )


def _check_version(version: Any) -> None:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise MorlError(f"expected schema_version to be an integer of at least 1, got {version!r}")
    if version > SCHEMA_VERSION:
        raise MorlError(
            f"written by a newer morl: its schema_version is {version}, this one reads up to "
            f"{SCHEMA_VERSION}; upgrade morl to read it"
        )


def _check_returns(stored: Any, front: Front) -> None:
    """Compare the stored means with the episodes', so that an edited or mixed-up file is noticed."""
    returns = to_float64(stored, "returns")
    expected = front.returns
    if returns.shape != expected.shape:
        raise MorlError(f"expected returns of shape {expected.shape}, got shape {returns.shape}")
    # Not <=: the comparison with NaN must fail.
    wrong = ~(np.abs(returns - expected) <= RETURNS_TOLERANCE * max(1.0, float(np.abs(expected).max())))
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise MorlError(
            f"returns[{row}][{column}] is {returns[row, column]}, but its episodes have the mean "
            f"{expected[row, column]}"
        )


def _refuse_constant(name: str) -> float:
    raise MorlError(f"{name} among the numbers: expected finite numbers")


def _is_matrix(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim > 1


def _plain(value: Any) -> Any:
    """One field as JSON values."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return dict(value) if isinstance(value, Mapping) else value


def _format(value: Any) -> str:
    """One field as JSON: a matrix with a line per point, anything else on a single line."""
    if isinstance(value, np.ndarray):
        if value.ndim == 1:
            return json.dumps(value.tolist())
        return "[\n" + ",\n".join(f"    {json.dumps(row)}" for row in value.tolist()) + "\n  ]"
    return json.dumps(_plain(value), allow_nan=False)
