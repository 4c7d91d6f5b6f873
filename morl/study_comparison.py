"""A study compared: every environment's fronts under the same terms, and statistics over seeds.

    found = morl.compare(["runs/", "gpi-ls=exports/gpi-ls/"], env="minecart-v0", gamma=0.98)
    found.estimates["minecart-v0"]["envelope-dqn"]["hypervolume"].iqm_interval
    found.save("table.tex")
    found.save("report.html")

What a seed contributes to an indicator is one number, estimated from its episodes. Intervals are over
seeds, by the percentile bootstrap; over several environments, seeds are drawn within each (stratified).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from morl import statistics
from morl._arrays import Array
from morl.comparison import Comparison, compare
from morl.comparison_terms import for_sections
from morl.scores import SEED, Overall, over_all
from morl.statistics import Interval
from morl.study import Entry, Study, by_group


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One indicator over the seeds of one group."""

    values: tuple[float, ...]
    """One per seed, in the order of the study."""
    iqm: float
    """Interquartile mean."""
    median: float
    iqm_interval: Interval | None
    """95 % bootstrap interval; None for fewer than three seeds, from which none can be estimated."""
    median_interval: Interval | None


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyComparison:
    """What `morl.compare` found in a study."""

    study: Study
    environments: Mapping[str, Comparison]
    """Section of the study (`Study.environments`) -> its entries compared, by label."""
    estimates: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    """Section -> group -> indicator -> over its seeds; without indicators that cannot be computed."""
    overall: tuple[Overall, ...]
    """Over all environments; empty where there is one, or no group is in all of them."""
    overall_notes: tuple[str, ...]
    """How the scores were normalised, and what was left out."""

    @property
    def seeds(self) -> bool:
        """Whether some group has several seeds in some environment, so that statistics say something."""
        return any(
            len(estimate.values) > 1
            for groups in self.estimates.values()
            for values in groups.values()
            for estimate in values.values()
        )

    def save(
        self,
        path: str | Path,
        *,
        picture: str = "fronts",
        indicators: Sequence[str] | None = None,
        statistic: str = "iqm",
        runs: bool = False,
    ) -> list[Path]:
        """Write the comparison in the format that the file's name ends in.

        Args:
            path: `.csv` or `.json` (all numbers), `.tex` (tables for LaTeX with booktabs), `.html` (the
                report to explore), or `.png`, `.svg`, `.pdf`: a picture, one for each environment.
            picture: of pictures, which: "fronts", "attainment", "difference" (of two groups), "curves",
                "intervals", or "profiles" (one for all environments).
            indicators: of `.tex`, the columns; by default the common ones.
            statistic: of `.tex`, "iqm" or "median".
            runs: show every run: in `.tex` beside its group, in a picture of fronts instead of the one with the
                median hypervolume.

        Returns:
            The files written.

        Raises:
            MorlError: another ending, or a picture that this study does not allow.
        """
        from morl.study_export import save  # late: it writes what is defined here

        return save(self, path, picture=picture, indicators=indicators, statistic=statistic, runs=runs)


def compare_study(study: Study, *, reference_point: Any = None, known_front: Any = None) -> StudyComparison:
    """Compare the fronts of every environment, and estimate over the seeds of every group.

    Args:
        study: what to compare.
        reference_point: (m,), of the hypervolume, if there is only one environment, else by environment; by
            default each environment's own.
        known_front: likewise, points (l, m), a `Front`, or a file.
    """
    sections = study.environments
    fronts = {section: entries[0].front for section, entries in sections.items()}
    references = for_sections(reference_point, fronts, "reference point")
    known = for_sections(known_front, fronts, "known front")
    environments = {
        section: compare(
            {entry.label: entry.front for entry in entries},
            reference_point=references.get(section),
            known_front=known.get(section),
        )
        for section, entries in sections.items()
    }
    estimates = {section: _estimates(entries, environments[section]) for section, entries in sections.items()}
    overall, notes = over_all(sections, environments)
    return StudyComparison(
        study=study,
        environments=environments,
        estimates=estimates,
        overall=overall,
        overall_notes=notes,
    )


def _estimates(entries: Sequence[Entry], comparison: Comparison) -> dict[str, dict[str, Estimate]]:
    found: dict[str, dict[str, Estimate]] = {}
    for group, runs in by_group(entries).items():
        found[group] = {}
        for indicator in comparison.indicators:
            values = _values(comparison, runs, indicator.name)
            if values is not None:
                found[group][indicator.name] = estimate(values)
    return found


def _values(comparison: Comparison, runs: Sequence[Entry], indicator: str) -> Array | None:
    """One value per run; None where one of them has none."""
    values = [comparison.values[run.label][indicator] for run in runs]
    return None if any(value is None for value in values) else np.array(values, dtype=np.float64)


def estimate(values: Array) -> Estimate:
    """Interquartile mean and median of values (n,), one per seed, with intervals where seeds are enough."""
    return Estimate(
        values=tuple(values.tolist()),
        iqm=statistics.interquartile_mean(values),
        median=statistics.median(values),
        iqm_interval=statistics.bootstrap_interval(values, statistic="iqm", seed=SEED),
        median_interval=statistics.bootstrap_interval(values, statistic="median", seed=SEED),
    )
