"""Scores that can be averaged over environments: indicators normalised by what is known of each environment.

An indicator's score is 0 at the reference point and 1 at the exact or best known front:

    score = (value - value of the reference point alone) / (value of the known front - the same)

Of the hypervolume that is the part of the known front's that is covered. Both ends belong to the environment,
not to the study, so adding an agent changes nobody's score. Where no front is known, the union front of the
study stands for it (the best run, where a run is alone), and where there is no reference point, one that is derived
from the study, or the worst run; `Scale` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from morl import statistics
from morl._arrays import Array
from morl.comparison import Comparison
from morl.comparison_terms import UNION
from morl.statistics import Interval
from morl.study import Entry, by_group

SEED = 0
"""Of all resampling, so that the same study gives the same intervals."""

NORMALISED = ("hypervolume", "expected-utility", "commanded-utility")
"""Indicators that are summed up over environments."""

FEW = 5
"""Seeds below which bootstrap intervals are much too short (`morl.statistics`)."""

UNION_FRONT, DERIVED_POINT = f"the {UNION}", "one derived from the fronts"
BEST_RUN, WORST_RUN = "the best run", "the worst run"
"""What scores 1 and 0 where neither a front nor a reference point is known."""


@dataclass(frozen=True, kw_only=True)
class Overall:
    """One indicator over several environments, normalised in each."""

    indicator: str
    """Its name."""
    environments: tuple[str, ...]
    """Sections of the study that have such scores."""
    scores: Mapping[str, tuple[Array, ...]]
    """Group -> in each environment the scores of its seeds."""
    iqm: Mapping[str, float]
    """Group -> interquartile mean of all its scores."""
    intervals: Mapping[str, Interval | None]
    """Group -> 95 % interval of `iqm`; None where seeds are too few."""
    improvement: Mapping[tuple[str, str], tuple[float, Interval | None]]
    """(a, b) -> probability that a seed of a scores above one of b, averaged over environments; its interval."""


@dataclass(frozen=True)
class Scale:
    """Which values of an indicator score 0 and 1 in one environment, and what they are."""

    zero: float
    one: float
    zero_is: str
    """"the reference point", `DERIVED_POINT` or "the worst run"."""
    one_is: str
    """The known front, or "the best run"."""

    def __call__(self, values: Array) -> Array:
        """Scores of values, any shape."""
        scores: Array = (values - self.zero) / (self.one - self.zero)
        return scores


def scale(comparison: Comparison, indicator: str) -> Scale | None:
    """The scale of an indicator in one environment; None where a run has no value, or all are the same."""
    runs = [comparison.values[label][indicator] for label in comparison.fronts]
    values = np.array([np.nan if value is None else value for value in runs])
    if np.isnan(values).any():
        return None
    zero, zero_is = float(values.min()), WORST_RUN
    if comparison.reference_point is not None:
        # A front of the reference point alone covers nothing and is everyone's choice.
        utility = float((comparison.weights @ comparison.reference_point).mean())
        zero, zero_is = (0.0 if indicator == "hypervolume" else utility), "the reference point"
        zero_is = DERIVED_POINT if comparison.derived else zero_is
    one, one_is = float(values.max()), BEST_RUN
    if comparison.known is not None:
        known = comparison.values[comparison.known_label][indicator]
        if known is not None:
            one, one_is = known, f"the {comparison.known_label}"  # `UNION_FRONT` among them
    return Scale(zero, one, zero_is, one_is) if one > zero else None


def over_all(
    sections: Mapping[str, Sequence[Entry]], comparisons: Mapping[str, Comparison]
) -> tuple[tuple[Overall, ...], tuple[str, ...]]:
    """Sum up `NORMALISED` over environments, for the groups that have runs in all of them.

    Returns:
        An `Overall` for each indicator that has scores in two environments or more, and notes on how they were
        normalised and what was left out. Nothing for a single environment.
    """
    if len(sections) < 2:
        return (), ()
    members = {section: by_group(entries) for section, entries in sections.items()}
    everyone = list(dict.fromkeys(group for groups in members.values() for group in groups))
    groups = [group for group in everyone if all(group in found for found in members.values())]
    results: list[Overall] = []
    scaled: dict[str, dict[str, Scale]] = {}
    for indicator in NORMALISED if groups else ():
        found = {section: scale(comparison, indicator) for section, comparison in comparisons.items()}
        scales = {section: ends for section, ends in found.items() if ends is not None}
        if len(scales) < 2:
            continue
        scaled[indicator] = scales
        scores = {
            group: tuple(
                ends(_values(comparisons[section], members[section][group], indicator))
                for section, ends in scales.items()
            )
            for group in groups
        }
        results.append(_overall(indicator, tuple(scales), scores))
    left_out = [group for group in everyone if group not in groups]
    if not results:
        return (), ()
    counts = {group: {len(members[section][group]) for section in sections} for group in groups}
    notes = _notes(
        list(sections),
        scaled,
        left_out,
        uneven=any(len(seeds) > 1 for seeds in counts.values()),
        few=any(min(seeds) < FEW for seeds in counts.values()),
    )
    return tuple(results), tuple(notes)


def _values(comparison: Comparison, entries: Sequence[Entry], indicator: str) -> Array:
    """One value per entry, shape (n,); `scale` has seen that all have one."""
    return np.array([comparison.values[entry.label][indicator] for entry in entries], dtype=np.float64)


def _overall(
    indicator: str, environments: tuple[str, ...], scores: Mapping[str, tuple[Array, ...]]
) -> Overall:
    return Overall(
        indicator=indicator,
        environments=environments,
        scores=scores,
        iqm={group: statistics.interquartile_mean(found) for group, found in scores.items()},
        intervals={group: statistics.bootstrap_interval(found, seed=SEED) for group, found in scores.items()},
        improvement={
            (a, b): (
                statistics.probability_of_improvement(scores[a], scores[b]),
                statistics.improvement_interval(scores[a], scores[b], seed=SEED),
            )
            for a, b in permutations(scores, 2)
        },
    )


def _notes(
    sections: Sequence[str],
    scaled: Mapping[str, Mapping[str, Scale]],
    left_out: Sequence[str],
    *,
    uneven: bool,
    few: bool,
) -> list[str]:
    """How scores were normalised and what has none, a sentence each."""
    notes = ["a score is 0 at the reference point and 1 at the exact or best known front"]
    for lack, stand_in, score in (
        ("no front is known", UNION_FRONT, 1),
        ("no front is known", BEST_RUN, 1),
        ("there is no reference point", DERIVED_POINT, 0),
        ("there is no reference point", WORST_RUN, 0),
    ):
        where = [
            section
            for section in sections
            if any(
                stand_in in (scales[section].zero_is, scales[section].one_is)
                for scales in scaled.values()
                if section in scales
            )
        ]
        if where:
            notes.append(f"where {lack}, {stand_in} scores {score}: {', '.join(where)}")
    for indicator, scales in scaled.items():
        missing = [section for section in sections if section not in scales]
        if missing:
            notes.append(
                f"{indicator.replace('-', ' ')} without {', '.join(missing)}, where it has no values"
            )
    if uneven:
        notes.append("environments with more seeds weigh more")
    if few:
        notes.append(
            f"intervals over fewer than {FEW} seeds in an environment are too short; over one in each there are none"
        )
    if left_out:
        notes.append(f"left out, since not in every environment: {', '.join(left_out)}")
    return notes
