"""CSV as people have it: any separator, decimal commas, comment lines; and as it is written here.

What could mean two things is refused, with the line: 1,234 may be a little more than one, or a thousand.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from morl.errors import MorlError
from morl.plain_text import plain

SEPARATORS = (",", ";", "\t", "|", " ")
"""Candidates; a space stands for any number of spaces and tabs."""

LOOKED_AT = 50
"""Rows by which the separator is found."""

NO_TEXT = tuple("=+-@#\uff1d\uff0b\uff0d\uff20")
"""Spreadsheets run a text that begins so as a formula, wide letters too; `#` begins a comment."""

WITH_COMMA = re.compile(r"[+-]?(\d+(,\d*)+|,\d+)([eE][+-]?\d+)?")
WITH_POINT = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
LARGE = re.compile(r"[+-]?[1-9]\d{3,}")


class Row(NamedTuple):
    """The cells of one line, and where it stands."""

    where: str
    cells: list[str]


class Sheet(NamedTuple):
    """A CSV file."""

    rows: list[Row]
    """Without empty lines and comments; numbers have decimal points."""
    comment: list[str]
    """The cells of the last comment line above the rows, where NumPy writes names; empty without one."""


def read_sheet(text: str) -> Sheet:
    """The rows of a CSV file; `MorlError` where it is none, or could be read in two ways."""
    lines, separator, comment = _lines(text)
    return Sheet(_decimal_points(list(_rows(lines, separator))), comment)


def header_of(text: str) -> list[str]:
    """The cells of the first row of a CSV file, whatever follows; empty where there is none."""
    lines, separator, comment = _lines(text)
    try:
        first = next(_rows(lines, separator, strict=False), Row("", [])).cells
    except MorlError:
        return []
    return comment if any(map(is_number, first)) and comment else first


def _lines(text: str) -> tuple[list[str], str, list[str]]:
    """The lines, empty where they are comments; what separates their cells; and the cells of the comment on top."""
    lines = re.split(r"\r\n|\r|\n", text.rstrip("\r\n"))
    separator = None
    comment = ""
    for i, line in enumerate(lines):
        content = line.strip()
        if content.startswith("#"):
            comment, lines[i] = content.lstrip("#").strip(" "), ""
        elif i == 0 and re.fullmatch("sep=.", line, re.IGNORECASE):  # Excel's
            separator, lines[i] = line[-1], ""
        elif content:
            break
    lines = ["" if line.lstrip().startswith("#") else line for line in lines]
    separator = separator or _separator(lines)
    names = [row.cells for row in _rows([comment], separator, strict=False)]
    return lines, separator, names[0] if names else []


def _rows(lines: Sequence[str], separator: str, *, strict: bool = True) -> Iterator[Row]:
    if separator == " ":
        lines = [" ".join(line.split()) for line in lines]
    reader = csv.reader(
        (line + "\n" for line in lines), delimiter=separator, strict=strict, skipinitialspace=True
    )
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                yield Row(f"line {reader.line_num}", cells)
    except csv.Error as error:
        raise MorlError(f"line {reader.line_num}: not CSV: {error}") from error


def _separator(lines: Sequence[str]) -> str:
    """What the first rows agree on: it divides the first one, most others equally, and most into numbers."""
    sample = [line for line in lines if line.strip()][:LOOKED_AT]
    best, most = ",", (0, 0)
    for separator in SEPARATORS:
        rows = [row.cells for row in _rows(sample, separator, strict=False)]
        width = len(rows[0]) if rows else 0
        if width > 1:
            alike = sum(len(cells) == width for cells in rows)
            numbers = sum(_like_a_number(cell) for cells in rows for cell in cells)
            if (alike, numbers) > most:
                best, most = separator, (alike, numbers)
    return best


def _like_a_number(cell: str) -> bool:
    return bool(WITH_COMMA.fullmatch(cell)) or is_number(cell)


def is_number(cell: object) -> bool:
    """Whether a cell holds a number, NaN and infinity included; booleans are none."""
    if isinstance(cell, bool) or not isinstance(cell, (int, float, str)):
        return False
    try:
        float(cell)
    except (ValueError, OverflowError):
        return False
    return True


def _decimal_points(rows: list[Row]) -> list[Row]:
    """The rows with decimal points for decimal commas, where there are such without doubt."""
    if not any("," in cell or "\u2212" in cell for _, cells in rows for cell in cells):
        return rows
    rows = [Row(where, [cell.replace("\u2212", "-") for cell in cells]) for where, cells in rows]
    cells = [(row.where, cell) for row in rows for cell in row.cells]
    commas = [(where, cell) for where, cell in cells if "," in cell and WITH_COMMA.fullmatch(cell)]
    if not commas:
        return rows
    where, cell = next((found for found in commas if found[1].count(",") > 1), commas[0])
    remedy = "write numbers with a decimal point and without separators of thousands"
    if cell.count(",") > 1:
        raise MorlError(f"{where}: expected a number, got {cell!r}; {remedy}")
    point = next(((line, other) for line, other in cells if WITH_POINT.fullmatch(other)), None)
    if point is not None:
        raise MorlError(
            f"{where}: expected one way to write numbers, got {cell} with a comma and, in {point[0]}, "
            f"{point[1]} with a point; {remedy}"
        )
    if all(THOUSANDS.fullmatch(other) for _, other in commas) and not any(
        LARGE.fullmatch(c) for _, c in cells
    ):
        raise MorlError(
            f"{where}: {cell} could be {cell.replace(',', '.')} or {cell.replace(',', '')}; {remedy}"
        )
    return [
        Row(line, [c.replace(",", ".") if "," in c and WITH_COMMA.fullmatch(c) else c for c in texts])
        for line, texts in rows
    ]


def write_csv(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV; text in them is plain, and no spreadsheet takes it for a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.lstrip("'").startswith(NO_TEXT) else text


def original_text(cell: str) -> str:
    """The text of a cell that `write_csv` wrote."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(NO_TEXT) else cell
