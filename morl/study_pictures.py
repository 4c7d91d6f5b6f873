"""Pictures of a compared study: one file for each environment, or one over all of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from morl import pictures
from morl._arrays import Array
from morl.comparison import Comparison
from morl.comparison_text import of_looks
from morl.errors import MorlError
from morl.front import Front
from morl.scores import NORMALISED, scale
from morl.study import Entry, by_group
from morl.study_export import file_part

if TYPE_CHECKING:
    from morl.study_comparison import StudyComparison


def save_picture(found: StudyComparison, path: Path, *, picture: str, runs: bool) -> list[Path]:
    """Draw one kind of picture (a name in `PICTURES`, or "profiles") and return the files written.

    Over several environments each has a file of its own, `NAME-ENVIRONMENT.png`; profiles are one picture. Those of
    which there is no such picture are left out with a warning; `MorlError` if that is all of them.
    """
    if picture == "profiles":
        return [_profiles(found, path)]
    if picture not in PICTURES:
        raise MorlError(
            f"expected one of {', '.join((*PICTURES, 'profiles'))} as the picture, got {picture!r}"
        )
    if len(found.environments) == 1:
        (section,) = found.environments
        return [PICTURES[picture](found, section, path, runs)]
    files: list[Path] = []
    refusals: dict[str, MorlError] = {}
    for section in found.environments:
        file = path.with_stem(f"{path.stem}-{file_part(section)}")
        try:
            files.append(PICTURES[picture](found, section, file, runs))
        except MorlError as error:
            refusals[section] = error
    if not files:
        raise next(iter(refusals.values()))
    for section, refusal in refusals.items():
        warnings.warn(f"no {picture} of {section}: {refusal}", stacklevel=2)
    return files


def _fronts(found: StudyComparison, section: str, path: Path, runs: bool) -> Path:
    """All fronts over one another, or of each group the one of its median seed."""
    comparison = found.environments[section]
    groups = _in_order(found, section)
    fronts: dict[str, Front] = {}
    names: dict[str, str] = {}
    for group, entries in groups.items():
        chosen = entries if runs else [_median_run(entries, comparison)]
        for entry in chosen:
            fronts[entry.label] = entry.front
            names[entry.label] = group
    counts = {len(entries) for entries in groups.values()}
    seeds = f"{'up to ' if len(counts) > 1 else ''}{max(counts)} seeds"
    return pictures.plot_fronts(
        fronts,
        path,
        groups=names,
        exact=comparison.known,
        exact_label=comparison.known_label,
        reference_point=comparison.reference_point,
        note=f"of {seeds} the run with the median hypervolume" if max(counts) > 1 and not runs else None,
        title=section,
    )


def _attainment(found: StudyComparison, section: str, path: Path, runs: bool) -> Path:
    comparison = found.environments[section]
    return pictures.plot_attainment(
        _fronts_by_group(found, section),
        path,
        exact=comparison.known,
        exact_label=comparison.known_label,
        title=section,
    )


def _difference(found: StudyComparison, section: str, path: Path, runs: bool) -> Path:
    return pictures.plot_attainment_difference(_fronts_by_group(found, section), path, title=section)


def _curves(found: StudyComparison, section: str, path: Path, runs: bool) -> Path:
    """Learning curves from the histories; runs without one are left out."""
    comparison = found.environments[section]
    curves = {
        group: [_curve(entry) for entry in entries if entry.history]
        for group, entries in _in_order(found, section).items()
    }
    curves = {group: seeds for group, seeds in curves.items() if seeds}
    if not curves:
        raise MorlError(
            f"expected evaluations during training to draw learning curves, no run of {section} has any: "
            "train with a smaller --evaluate-every, or leave the picture out"
        )
    names = {name for seeds in curves.values() for curve in seeds for name in curve.values}
    levels = {}
    for name in NORMALISED if comparison.known is not None else ():
        value = comparison.values[comparison.known_label][name]
        # Curves hold what was logged, under the environment's own reference point.
        same = name != "hypervolume" or _own_reference(found.study.environments[section], comparison)
        if value is not None and same:
            levels[name.replace("-", "_")] = value
    return pictures.plot_learning_curves(
        curves,
        path,
        indicators=[name for name in (each.replace("-", "_") for each in NORMALISED) if name in names]
        or None,
        levels=levels,
        level_label=comparison.known_label,
        note=of_looks(found.study.environments[section], comparison),
        title=section,
    )


def _intervals(found: StudyComparison, section: str, path: Path, runs: bool) -> Path:
    """Estimates of the usual indicators with their intervals."""
    shown = [indicator for indicator in found.environments[section].indicators if indicator.default]
    arrows = {"higher": "↑", "lower": "↓"}
    estimates = found.estimates[section]
    panels = {
        f"{indicator.name.replace('-', ' ')} {arrows[indicator.better]}": {
            group: (estimates[group][indicator.name].iqm, estimates[group][indicator.name].iqm_interval)
            for group in _in_order(found, section)
            if indicator.name in estimates[group]
        }
        for indicator in shown
    }
    return pictures.plot_intervals(
        {name: groups for name, groups in panels.items() if groups},
        path,
        note="lines: interquartile means over seeds; bars: 95 % bootstrap intervals; ↑ more is better, ↓ less",
        title=section,
    )


PICTURES: Mapping[str, Callable[[StudyComparison, str, Path, bool], Path]] = {
    "fronts": _fronts,
    "attainment": _attainment,
    "difference": _difference,
    "curves": _curves,
    "intervals": _intervals,
}
"""Pictures of one environment: `(study compared, section, file, show every run) -> file`."""


def _profiles(found: StudyComparison, path: Path) -> Path:
    """Performance profiles of the first indicator that has scores: over all environments, or of the only one."""
    if found.overall:
        overall = found.overall[0]
        return _plot_profiles(
            overall.indicator, overall.scores, path, f"{len(overall.environments)} environments"
        )
    if len(found.environments) > 1:
        raise MorlError("expected groups with runs in every environment to draw profiles of, got none")
    ((section, comparison),) = found.environments.items()
    for indicator in NORMALISED:
        ends = scale(comparison, indicator)
        if ends is not None:
            scores = {
                group: (ends(np.array(found.estimates[section][group][indicator].values)),)
                for group in _in_order(found, section)
            }
            return _plot_profiles(indicator, scores, path, section)
    raise MorlError(f"expected scores to draw profiles of, no indicator of {section} tells its runs apart")


def _plot_profiles(indicator: str, scores: Mapping[str, Sequence[Array]], path: Path, title: str) -> Path:
    return pictures.plot_profiles(
        scores, path, xlabel=f"normalised {indicator.replace('-', ' ')}", title=title
    )


def _in_order(found: StudyComparison, section: str) -> dict[str, list[Entry]]:
    """The groups of an environment in the order of the study, so that colours agree as far as they can."""
    groups = by_group(found.study.environments[section])
    return {group: groups[group] for group in found.study.groups if group in groups}


def _fronts_by_group(found: StudyComparison, section: str) -> dict[str, list[Front]]:
    return {group: [entry.front for entry in entries] for group, entries in _in_order(found, section).items()}


def _median_run(entries: Sequence[Entry], comparison: Comparison) -> Entry:
    """The run whose hypervolume, or else expected utility, is the median one (of an even number, the lower)."""
    for indicator in NORMALISED:
        values = {entry.label: comparison.values[entry.label][indicator] for entry in entries}
        known = [(value, entry) for entry in entries if (value := values[entry.label]) is not None]
        if len(known) == len(entries):
            return sorted(known, key=lambda pair: pair[0])[(len(known) - 1) // 2][1]
    return entries[0]


def _own_reference(entries: Sequence[Entry], comparison: Comparison) -> bool:
    """Whether every run has the reference point of the comparison."""
    common = comparison.reference_point
    own = [entry.front.reference_point for entry in entries]
    return common is not None and all(point is not None and np.array_equal(point, common) for point in own)


def _curve(entry: Entry) -> pictures.Curve:
    names = dict.fromkeys(name for look in entry.history for name in look.values)
    return pictures.Curve(
        steps=np.array([look.steps for look in entry.history]),
        seconds=np.array([look.seconds for look in entry.history]),
        values={name: np.array([look.values.get(name, np.nan) for look in entry.history]) for name in names},
    )
