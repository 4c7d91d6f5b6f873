"""A table as data: what is said, apart from how it is printed on a terminal or in LaTeX."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One entry of a table."""

    text: str = ""
    interval: str = ""
    """`[850.12, 855.03]` or `± 1.32`, beside the text or below it."""
    best: bool = False
    """The best of its column."""


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    name: str
    words: bool = False
    """Holds words, not numbers."""
    spare: bool = False
    """May be left out where there is little room."""
    better: str = ""
    """Which direction is an improvement, "higher" or "lower", where one is."""


@dataclass(frozen=True)
class Row:
    """One row; one cell per column."""

    cells: tuple[Cell, ...]
    known: bool = False
    """The known front, which is no competitor."""


@dataclass(frozen=True)
class Table:
    """A table with what must be read beside it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
