r"""Tables for LaTeX, one `table` for each table of a comparison; they need `\usepackage{booktabs}`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from morl.comparison_tables import tables_of
from morl.plain_text import plain
from morl.study_comparison import StudyComparison
from morl.table import Cell, Table

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: "\\" + character for character in "&%$#_{}"},
    **{
        character: f"{{{character}}}" for character in "[]*"
    },  # options of the command that ends the row before
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}

ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "": ""}

NUMBER = re.compile(r"-?[\d,]+(\.\d+)?(e[+-]?\d+)?")


def to_latex(found: StudyComparison, *, indicators: Sequence[str] | None, statistic: str, runs: bool) -> str:
    """All tables as LaTeX; options as for `StudyComparison.save`."""
    tables = tables_of(found, indicators=indicators, statistic=statistic, runs=runs)
    parts = ["% Needs \\usepackage{booktabs}.", *(latex_table(table) for table in tables)]
    return "\n\n".join(parts) + "\n"


def latex_table(table: Table) -> str:
    """One table: best values bold, intervals small, the known front above a rule, notes in the caption."""
    used = [i for i, column in enumerate(table.columns) if not column.spare]
    columns = [table.columns[i] for i in used]
    lines = [" & ".join(escape(column.name) + ARROWS[column.better] for column in columns), r"\midrule"]
    for row in table.rows:
        lines.append(" & ".join(_cell(row.cells[i]) for i in used))
        lines += [r"\midrule"] if row.known else []
    body = [line if line == r"\midrule" else line + r" \\" for line in lines]
    notes = (text[:1].upper() + text[1:] for text in table.notes)
    return "\n".join(
        (
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape('. '.join((table.title, *notes)))}.}}",
            rf"\begin{{tabular}}{{{''.join('l' if column.words else 'r' for column in columns)}}}",
            r"\toprule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        )
    )


def escape(text: str) -> str:
    """Text with the characters that LaTeX reads as commands made harmless."""
    return "".join(SPECIAL.get(character, character) for character in plain(text))


def _cell(cell: Cell) -> str:
    value = _math(cell.text, bold=cell.best) if NUMBER.fullmatch(cell.text) else escape(cell.text)
    if not cell.interval:
        return value
    if cell.interval.startswith("±"):
        return rf"{value} {{\scriptsize $\pm$ {_math(cell.interval.removeprefix('± '))}}}"
    low, high = cell.interval.strip("[]").split(", ")
    return rf"{value} {{\scriptsize [{_math(low)}, {_math(high)}]}}"


def _math(text: str, *, bold: bool = False) -> str:
    """A number in mathematics, so that it has a true minus sign and no space after a comma."""
    text = text.replace(",", "{,}")
    mantissa, e, exponent = text.partition("e")
    text = rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else text
    return rf"$\mathbf{{{text}}}$" if bold else f"${text}$"
