"""A compared study as a file: CSV, JSON, LaTeX, pictures, and the HTML report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from morl.comparison import Comparison
from morl.comparison_text import notes
from morl.csv_text import write_csv
from morl.errors import MorlError
from morl.scores import Overall
from morl.store import atomic_write
from morl.study import by_group
from morl.study_comparison import Estimate, StudyComparison

FORMAT, SCHEMA_VERSION = "morl.comparison", 1

PICTURES = (".png", ".svg", ".pdf")
SUFFIXES = (".csv", ".json", ".tex", *PICTURES, ".html")

COLUMNS = (
    "environment",
    "discount",
    "level",
    "group",
    "run",
    "seed",
    "points",
    "indicator",
    "better",
    "value",
    "standard_error",
    "low",
    "high",
    "median",
    "seeds",
)


def save(
    found: StudyComparison,
    path: str | Path,
    *,
    picture: str,
    indicators: Sequence[str] | None,
    statistic: str,
    runs: bool,
) -> list[Path]:
    """What `StudyComparison.save` documents."""
    path = Path(path)
    suffix = check_suffix(path)
    if suffix in PICTURES:
        from morl.study_pictures import save_picture  # late: needs matplotlib

        return save_picture(found, path, picture=picture, runs=runs)
    if suffix == ".html":
        from morl.report import write_report

        file = write_report(
            found.study,
            path,
            comparisons=found.environments,
            estimates=found.estimates,
            overall=(found.overall, found.overall_notes),
        )
        return [file]
    if suffix == ".tex":
        from morl.study_latex import to_latex

        text = to_latex(found, indicators=indicators, statistic=statistic, runs=runs)
    else:
        text = to_csv(found) if suffix == ".csv" else to_json(found)
    return [atomic_write(path, text)]


def check_suffix(path: str | Path) -> str:
    """The ending of a file that can be written, in small letters; `MorlError` for any other."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise MorlError(f"expected a file ending in {', '.join(SUFFIXES)}, got {path}")
    return suffix


def to_csv(found: StudyComparison) -> str:
    """Every number as a row of one long table, for pandas, R or a spreadsheet.

    `level` tells the rows apart: "run" (the value of one seed), "group" (`value` is the interquartile mean
    over `seeds` seeds, `low` and `high` its 95 % interval), "known" (the exact or best known front) and
    "overall" (as "group", of scores normalised in every environment). `standard_error` is that of a value which
    depends on chance: over episodes, and of sampling.
    """
    return write_csv([COLUMNS, *([row.get(column, "") for column in COLUMNS] for row in _rows(found))])


def _rows(found: StudyComparison) -> Iterator[dict[str, Any]]:
    for section, comparison in found.environments.items():
        better = {indicator.name: indicator.better for indicator in comparison.indicators}
        place = {"environment": section, "discount": comparison.gamma}
        entries = {entry.label: entry for entry in found.study.environments[section]}
        for label, values in comparison.values.items():
            entry = entries.get(label)
            seed = None if entry is None else entry.front.training_seed
            row = {
                **place,
                "level": "known" if entry is None else "run",
                "group": label if entry is None else entry.group,
                "run": "" if entry is None else label,
                "seed": "" if seed is None else seed,
                "points": comparison.points[label],
            }
            for name, value in values.items():
                if value is not None:
                    error = comparison.standard_errors[label].get(name, "")
                    cells = {"indicator": name, "better": better[name], "value": value}
                    yield {**row, **cells, "standard_error": error}
        for group, estimates in found.estimates[section].items():
            for name, estimate in estimates.items():
                row = {**place, "level": "group", "group": group, "indicator": name, "better": better[name]}
                yield {**row, **_estimate_cells(estimate)}
    for overall in found.overall:
        for group, value in overall.iqm.items():
            low, high = overall.intervals[group] or ("", "")
            row = {"environment": "all", "level": "overall", "group": group, "indicator": overall.indicator}
            yield {**row, "better": "higher", "value": value, "low": low, "high": high}


def _estimate_cells(estimate: Estimate) -> dict[str, Any]:
    low, high = estimate.iqm_interval or ("", "")
    return {
        "value": estimate.iqm,
        "low": low,
        "high": high,
        "median": estimate.median,
        "seeds": len(estimate.values),
    }


def to_json(found: StudyComparison) -> str:
    """Everything that was computed, with the provenance of every run; numbers that do not exist are null."""
    document = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "environments": {
            section: _environment(found, section, comparison)
            for section, comparison in found.environments.items()
        },
        "overall": [_overall(overall) for overall in found.overall],
        "overall_notes": list(found.overall_notes),
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _environment(found: StudyComparison, section: str, comparison: Comparison) -> dict[str, Any]:
    entries = found.study.environments[section]
    first = entries[0].front
    known = comparison.values.get(comparison.known_label) if comparison.known is not None else None
    return {
        "env_id": comparison.env_id,
        "discount": comparison.gamma,
        "objectives": list(first.objectives),
        "reference_point": None
        if comparison.reference_point is None
        else comparison.reference_point.tolist(),
        "reference_point_derived": comparison.derived,
        "indicators": [
            {"name": indicator.name, "better": indicator.better, "description": indicator.description}
            for indicator in comparison.indicators
        ],
        "preferences": len(comparison.weights),
        "known_front": None if known is None else {"kind": comparison.known_label, "values": dict(known)},
        "groups": {
            group: {
                "runs": [entry.label for entry in runs],
                "estimates": {
                    name: {
                        "iqm": estimate.iqm,
                        "iqm_interval": estimate.iqm_interval,
                        "median": estimate.median,
                        "median_interval": estimate.median_interval,
                    }
                    for name, estimate in found.estimates[section][group].items()
                },
            }
            for group, runs in by_group(entries).items()
        },
        "runs": {
            entry.label: {
                "group": entry.group,
                "points": comparison.points[entry.label],
                "values": dict(comparison.values[entry.label]),
                "standard_errors": dict(comparison.standard_errors[entry.label]),
                "provenance": dict(entry.provenance),
            }
            for entry in entries
        },
        "notes": notes(comparison),
    }


def _overall(overall: Overall) -> dict[str, Any]:
    return {
        "indicator": overall.indicator,
        "environments": list(overall.environments),
        "groups": {
            group: {
                "iqm": overall.iqm[group],
                "iqm_interval": overall.intervals[group],
                "scores": [scores.tolist() for scores in overall.scores[group]],
            }
            for group in overall.scores
        },
        "probability_of_improvement": [
            {"better": a, "than": b, "probability": probability, "interval": interval}
            for (a, b), (probability, interval) in overall.improvement.items()
        ],
    }


def file_part(text: str) -> str:
    """A section's name as part of a file's name: letters, digits, dots, and single dashes and underscores."""
    return re.sub(r"[^\w.=-]+", "_", text).strip("_")
