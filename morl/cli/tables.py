"""Tables on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from morl.comparison import Comparison
from morl.comparison_tables import run_table
from morl.plain_text import plain
from morl.table import Cell
from morl.table import Table as Content

WIDTH = 160
"""Columns where the output is not a terminal, which would tell its own width."""


NAME, GAP = 8, 2
"""Columns that names keep where there is little room, and those between two columns of a table."""


class Screen(Console):
    """A console on which no text steers the terminal, whether it is printed or stands in a table."""

    def render_str(self, text: str, **options: Any) -> Any:
        """Text to be shown, before rich looks for its own markup."""
        return super().render_str(plain(text, keep="\n"), **options)


def console() -> Console:
    """The standard output; wide enough for a table where it is a file."""
    screen = Screen(file=sys.stdout, highlight=False, emoji=False)
    return (
        screen if screen.is_terminal else Screen(file=sys.stdout, highlight=False, emoji=False, width=WIDTH)
    )


def literal(text: str) -> str:
    """Text for a cell or a line, on which rich finds no markup and in which nothing begins a new line."""
    return escape(plain(text))


def make_table(*columns: str) -> Table:
    """An empty table in the house style."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def show(title: str, table: Table, notes: str = "") -> None:
    """Print a table with a title above it and notes below."""
    screen = console()
    screen.print(plain(title), style="bold", markup=False)
    screen.print(table)
    if notes:
        screen.print(notes, style="dim", markup=False)


def print_comparison(comparison: Comparison) -> None:
    """One row per front, the known front first, the best value of each column bold."""
    print_tables([run_table(comparison)])


def print_tables(tables: Iterable[Content]) -> None:
    """Print tables of a comparison one below the other, as wide as the console allows.

    Intervals stand beside their numbers where all columns then fit, else below them; where room is still
    short, the columns that can be spared are left out, and names are broken.
    """
    screen = console()
    for number, content in enumerate(tables):
        if number:
            screen.print()
        table = _lay_out(content, spare=True, beside=True)
        for spare, beside in ((True, False), (False, True)):
            if _width(table) > screen.width:
                table = _lay_out(content, spare=spare, beside=beside)
        if _width(table) > screen.width:
            table = _lay_out(content, spare=False, beside=False, room=screen.width)
        show(content.title, table, "\n".join(map(plain, content.notes)))


def _width(table: Table) -> int:
    """The columns that a table takes if nothing in it is broken."""
    endless = Screen(width=10_000, emoji=False)
    return Measurement.get(endless, endless.options, table).maximum


def _lay_out(content: Content, *, spare: bool, beside: bool, room: int | None = None) -> Table:
    """The table with its spare columns or without, intervals beside the numbers or below.

    With `room`, columns of numbers are as narrow as their longest word, and the first column, of names, takes
    what is left.
    """
    table = make_table()
    used = [i for i, column in enumerate(content.columns) if spare or not column.spare]
    widths: dict[int, int | None] = dict.fromkeys(used)
    if room is not None:
        for i in used[1:]:
            texts = [content.columns[i].name]
            texts += [f"{row.cells[i].text} {row.cells[i].interval}" for row in content.rows]
            widths[i] = max(len(word) for text in texts for word in [*text.split(), ""])
        taken = sum(width + GAP for width in widths.values() if width is not None)
        widths[0] = max(NAME, min(max(len(row.cells[0].text) for row in content.rows), room - taken - GAP))
    for i in used:
        column = content.columns[i]
        justify: Literal["left", "right"] = "left" if column.words else "right"
        table.add_column(literal(column.name), justify=justify, width=widths[i], overflow="fold")
    for row in content.rows:
        cells = (_markup(row.cells[i], " " if beside else "\n") for i in used)
        table.add_row(*cells, style="dim" if row.known else None)
    return table


def _markup(cell: Cell, between: str) -> str:
    text = f"[bold green]{literal(cell.text)}[/]" if cell.best else literal(cell.text)
    return f"{text}{between}[dim]{literal(cell.interval)}[/]" if cell.interval else text
