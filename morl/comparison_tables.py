"""The tables of a comparison, apart from how they are printed: on a terminal, in LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

from morl import registry
from morl.comparison import Comparison
from morl.comparison_text import minimised, notes, number, title, without_shared_folders
from morl.errors import MorlError
from morl.front import Front
from morl.indicators import Indicator
from morl.scores import FEW
from morl.study import by_group
from morl.table import Cell, Column, Row, Table

if TYPE_CHECKING:
    from morl.scores import Overall
    from morl.statistics import Interval
    from morl.study_comparison import Estimate, StudyComparison

STATISTICS = {"iqm": "interquartile mean", "median": "median"}
"""What may stand for the seeds of a group, and its name."""


def tables_of(
    found: StudyComparison,
    *,
    indicators: Sequence[str] | None = None,
    statistic: str = "iqm",
    runs: bool = False,
) -> list[Table]:
    """All tables of a study: for each environment its groups, or its runs where each group has one; over all.

    Args:
        found: the study compared.
        indicators: which to show; by default those that say so (`Indicator.default`); "all" for all.
        statistic: "iqm" or "median", of a group's seeds.
        runs: show the runs of every environment beside its groups.

    Raises:
        MorlError: an indicator or a statistic that is not known.
    """
    if statistic not in STATISTICS:
        raise MorlError(f"expected one of {', '.join(STATISTICS)} as the statistic, got {statistic!r}")
    tables = []
    for section, comparison in found.environments.items():
        entries = found.study.environments[section]
        several = any(len(group) > 1 for group in by_group(entries).values())
        own = []
        if several:
            own.append(group_table(found, section, indicators=indicators, statistic=statistic))
        if runs or not several:
            own.append(run_table(comparison, section=section, indicators=indicators))
        tables += [replace(table, notes=(*table.notes, *minimised(entries))) for table in own]
    if found.overall:
        first = found.overall[0]
        tables += [overall_table(found), *([improvement_table(first)] if len(first.iqm) > 1 else [])]
    return tables


def shown(comparison: Comparison, names: Sequence[str] | None) -> list[Indicator]:
    """The indicators to show, in the order asked for; `MorlError` for a name that is not known."""
    known = {indicator.name: indicator for indicator in comparison.indicators}
    if names is None or not names:
        return [indicator for indicator in known.values() if indicator.default]
    if list(names) == ["all"]:
        return list(known.values())
    for name in names:
        if name not in known:
            raise MorlError(
                f"expected indicators, got {name!r}.{registry.suggest(name, known)} Known: {', '.join(known)}"
            )
    return [known[name] for name in names]


def run_table(
    comparison: Comparison, *, section: str | None = None, indicators: Sequence[str] | None = None
) -> Table:
    """One row per front, the known front first."""
    chosen = shown(comparison, indicators)
    columns = (
        Column("front", words=True),
        Column("agent", words=True, spare=True),
        Column("seed"),
        Column("points"),
        *(_indicator_column(indicator) for indicator in chosen),
        Column("steps", spare=True),
        Column("time", spare=True),
    )
    cells = [
        _cells(
            indicator,
            {
                _row_name(comparison, label): (
                    values[indicator.name],
                    comparison.standard_errors[label].get(indicator.name),
                )
                for label, values in comparison.values.items()
            },
        )
        for indicator in chosen
    ]
    names = without_shared_folders(list(comparison.fronts))
    rows = []
    for label in comparison.values:
        row = _row_name(comparison, label)
        front = None if row is None else comparison.fronts[label]
        agent, seed, steps, seconds = _training(front)
        before = (names.get(label, label), agent, seed, str(comparison.points[label]))
        numbers = [column[row] for column in cells]
        rows.append(Row((*map(Cell, before), *numbers, Cell(steps), Cell(seconds)), known=row is None))
    return Table(title(comparison, section), columns, tuple(rows), tuple(notes(comparison)))


def group_table(
    found: StudyComparison, section: str, *, indicators: Sequence[str] | None, statistic: str
) -> Table:
    """One row per group, the known front first; each number with its interval over seeds."""
    comparison, estimates = found.environments[section], found.estimates[section]
    chosen = shown(comparison, indicators)
    groups = by_group(found.study.environments[section])
    columns = (
        Column("agent", words=True),
        Column("seeds"),
        Column("points"),
        *(_indicator_column(indicator) for indicator in chosen),
        Column("steps", spare=True),
        Column("time", spare=True),
    )
    cells = []
    for indicator in chosen:
        entries: dict[str | None, tuple[float | None, Interval | float | None]] = {}
        if comparison.known is not None:
            entries[None] = comparison.values[comparison.known_label][indicator.name], None
        for group in groups:
            entries[group] = _estimated(estimates[group].get(indicator.name), statistic)
        cells.append(_cells(indicator, entries))
    rows = []
    if comparison.known is not None:
        label = comparison.known_label
        before = (label, "", str(comparison.points[label]))
        rows.append(
            Row((*map(Cell, before), *(column[None] for column in cells), Cell(), Cell()), known=True)
        )
    for group, runs in groups.items():
        points = median(comparison.points[run.label] for run in runs)
        steps, seconds = _typical_training([run.front for run in runs])
        before = (group, str(len(runs)), f"{points:g}")
        numbers = [column[group] for column in cells]
        rows.append(Row((*map(Cell, before), *numbers, Cell(steps), Cell(seconds))))
    explained = [
        f"{STATISTICS[statistic]} over seeds with 95 % bootstrap interval; points, steps, time: median"
    ]
    if any(len(runs) < FEW for runs in groups.values()):
        explained.append(f"intervals of fewer than {FEW} seeds are too short, of fewer than 3 there are none")
    said = notes(comparison, {run.label: group for group, runs in groups.items() for run in runs})
    return Table(title(comparison, section), columns, tuple(rows), (*explained, *said))


def overall_table(found: StudyComparison) -> Table:
    """One row per group, one column per indicator that was normalised in every environment."""
    best = {overall.indicator: max(overall.iqm.values()) for overall in found.overall}
    groups = list(dict.fromkeys(group for overall in found.overall for group in overall.iqm))
    rows = []
    for group in groups:
        cells = [
            Cell(
                number(overall.iqm[group]),
                _spread(overall.intervals[group]),
                best=len(groups) > 1 and overall.iqm[group] == best[overall.indicator],
            )
            if group in overall.iqm
            else Cell("-")
            for overall in found.overall
        ]
        rows.append(Row((Cell(group), *cells)))
    columns = (
        Column("agent", words=True),
        *(Column(overall.indicator.replace("-", " ")) for overall in found.overall),
    )
    heading = "all environments: interquartile mean of normalised scores, with its 95 % bootstrap interval"
    return Table(heading, columns, tuple(rows), found.overall_notes)


def improvement_table(overall: Overall) -> Table:
    """The probability that the group of a row beats that of a column."""
    groups = list(overall.iqm)
    rows = []
    for a in groups:
        cells = [Cell("") if a == b else _chance(*overall.improvement[a, b]) for b in groups]
        rows.append(Row((Cell(a), *cells)))
    columns = (Column("better", words=True), *(Column(f"than {group}") for group in groups))
    name = overall.indicator.replace("-", " ")
    heading = f"probability of improvement in {name}: a random seed of the row against one of the column"
    return Table(heading, columns, tuple(rows))


def _chance(probability: float, interval: Interval | None) -> Cell:
    return Cell(f"{probability:.2f}", "" if interval is None else f"[{interval[0]:.2f}, {interval[1]:.2f}]")


def _indicator_column(indicator: Indicator) -> Column:
    return Column(indicator.name.replace("-", " "), better=indicator.better)


def _training(front: Front | None) -> tuple[str, str, str, str]:
    """Agent, seed, steps and time of the training; empty where unknown."""
    if front is None:
        return "", "", "", ""
    seed = "" if front.training_seed is None else str(front.training_seed)
    return front.agent or "", seed, *_typical_training([front])


def _typical_training(fronts: Sequence[Front]) -> tuple[str, str]:
    """Median steps and time of trainings; empty where none says any."""
    steps = [front.training_steps for front in fronts if front.training_steps is not None]
    seconds = [front.training_seconds for front in fronts if front.training_seconds is not None]
    return (
        f"{round(median(steps)):,}" if steps else "",
        str(timedelta(seconds=round(median(seconds)))) if seconds else "",
    )


def _row_name(comparison: Comparison, label: str) -> str | None:
    """The label of a front; None for the known one, which may be called as it likes."""
    return label if label in comparison.fronts else None


def _cells(
    indicator: Indicator, entries: Mapping[str | None, tuple[float | None, Interval | float | None]]
) -> dict[str | None, Cell]:
    """The column of an indicator by row: all with the same decimals, the best of several rows marked.

    Row None is the known front, which does not compete.
    """
    sign = 1 if indicator.better == "higher" else -1
    rivals: dict[str | None, float] = {
        row: sign * value for row, (value, _) in entries.items() if row is not None and value is not None
    }
    several = len([row for row in entries if row is not None]) > 1
    best = max(rivals.values()) if rivals and several else None
    column = [value for value, _ in entries.values()]
    return {
        row: Cell(
            number(value, column),
            _spread(spread, column),
            best=best is not None and rivals.get(row) == best,
        )
        for row, (value, spread) in entries.items()
    }


def _estimated(estimate: Estimate | None, statistic: str) -> tuple[float | None, Interval | None]:
    if estimate is None:
        return None, None
    if statistic == "iqm":
        return estimate.iqm, estimate.iqm_interval
    return estimate.median, estimate.median_interval


def _spread(spread: Interval | float | None, column: Sequence[float | None] = ()) -> str:
    """What stands beside a number: an interval, or a standard error."""
    if spread is None:
        return ""
    if isinstance(spread, float):
        return f"± {number(spread, column)}"
    low, high = (number(value, column) for value in spread)
    return f"[{low}, {high}]"
