"""What the page is told: a study as JSON values, rounded and thinned out so that a browser stays quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from morl import __version__, pareto, registry
from morl._arrays import Array
from morl.comparison import Comparison, compare
from morl.comparison_terms import UNION
from morl.comparison_text import notes, of_looks, without_shared_folders
from morl.errors import MorlError
from morl.front import Front
from morl.known import objectives_known
from morl.pictures.sample import MOST_DRAWN, sample
from morl.pictures.style import style_of
from morl.plain_text import path_word, plain
from morl.report.history import training_of
from morl.report.numbers import finite, number, rounded
from morl.report.overall import overall_of
from morl.scores import Overall, over_all
from morl.study import Entry, Study

if TYPE_CHECKING:
    from morl.study_comparison import Estimate

SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
}
"""What plotly calls matplotlib's markers."""

Estimates = Mapping[str, Mapping[str, Mapping[str, "Estimate"]]]
"""Environment -> group -> indicator -> over its seeds."""


@dataclass(frozen=True)
class EnvironmentData:
    """One environment, in the two parts that the page reads when it needs them."""

    fronts: dict[str, Any]
    """Objectives, known front, the points of every run with their provenance, and the scores."""
    training: list[dict[str, Any] | None]
    """By run: the values over training, and the fronts on the way; None where there is nothing."""


@dataclass(frozen=True)
class Payload:
    """All data of a page, as JSON values."""

    study: dict[str, Any]
    """What the page begins with: groups, environments, and what holds over all of these."""
    environments: tuple[EnvironmentData, ...]


def build_payload(
    study: Study,
    *,
    comparisons: Mapping[str, Comparison] | None = None,
    estimates: Estimates | None = None,
    overall: tuple[Sequence[Overall], Sequence[str]] | None = None,
) -> Payload:
    """What a page shows of a study; for the arguments see `morl.report.write_report`.

    Raises:
        MorlError: fronts of one objective, or comparisons that miss an environment.
    """
    sections = study.environments
    if comparisons is None:
        found = compare(study)
        comparisons, estimates = found.environments, found.estimates
        overall = found.overall, found.overall_notes
    missing = [section for section in sections if section not in comparisons]
    if missing:
        raise MorlError(
            f"expected a comparison for every environment of the study, got none for {missing[0]}"
        )
    for section, entries in sections.items():
        if entries[0].front.num_objectives < 2:
            raise MorlError(
                f"expected at least two objectives, {section} has one: there is no trade-off to explore"
            )
    groups = {name: place for place, name in enumerate(study.groups)}
    if overall is None:
        overall = over_all(sections, comparisons)
    return Payload(
        study={
            "version": __version__,
            "groups": [_style(name, place) for name, place in groups.items()],
            "environments": [
                {"name": plain(section), "runs": len(entries)} for section, entries in sections.items()
            ],
            "overall": overall_of(*overall, groups),
        },
        environments=tuple(
            _environment(entries, groups, comparisons[section], (estimates or {}).get(section, {}))
            for section, entries in sections.items()
        ),
    )


def _style(name: str, place: int) -> dict[str, str]:
    """Name, colour and marker of the group at a place: those that it has in the pictures."""
    style = style_of(place)
    return {"name": plain(name), "colour": style.colour, "symbol": SYMBOLS[style.marker]}


def _environment(
    entries: Sequence[Entry],
    groups: Mapping[str, int],
    comparison: Comparison,
    estimates: Mapping[str, Mapping[str, Estimate]],
) -> EnvironmentData:
    front = entries[0].front
    card = registry.get_card(front.env_id)
    known, points = None, known_apart(comparison)
    if points is not None:
        drawn = points[pareto.spread_evenly(points, MOST_DRAWN)]
        known = {"label": comparison.known_label, "points": rounded(drawn)}
    texts = without_shared_folders([entry.label for entry in entries])
    fronts = {
        "id": front.env_id,
        "description": "" if card is None else card.description,
        "gamma": front.gamma,
        "objectives": _objectives(front),
        "known": known,
        "runs": [_run(entry, text=plain(texts[entry.label]), group=groups[entry.group]) for entry in entries],
        "scores": _scores(entries, comparison, estimates),
    }
    return EnvironmentData({**fronts, "looks": of_looks(entries, comparison)}, training_of(entries))


def known_apart(comparison: Comparison) -> Array | None:
    """The known front (l, m) to show beside the others; not a union front, all of whose points are theirs."""
    return None if comparison.known_label == UNION else comparison.known


def _objectives(front: Front) -> list[dict[str, str]]:
    """Name, unit and meaning of each objective, as far as the environment's card tells."""
    return [
        {"name": plain(objective.name), "unit": plain(objective.unit), "description": objective.description}
        for objective in objectives_known(front)
    ]


def _run(entry: Entry, *, text: str, group: int) -> dict[str, Any]:
    """The points of one entry, row by row in one list, and where they come from; of a large front a sample."""
    front, sampled = sample(entry.front)
    best = pareto.is_nondominated(front.returns, keep_duplicates=True)
    undiscounted = front.episode_returns_undiscounted
    return {
        "label": plain(entry.label),
        "text": f"{text} ({sampled})" if sampled else text,
        "group": group,
        "points": rounded(front.returns),
        "errors": _errors(front),
        "undiscounted": None
        if undiscounted is None or front.gamma == 1
        else rounded(undiscounted.mean(axis=1)),
        "weights": None if front.weights is None else rounded(front.weights, digits=4),
        "answers": None if front.answers is None else front.answers.tolist(),
        "members": None if front.members is None else front.members.tolist(),
        "best": np.flatnonzero(best).tolist(),
        "agent": None if front.agent is None else plain(front.agent),
        "seed": front.training_seed,
        "steps": front.training_steps,
        "seconds": number(front.training_seconds),
        "role": front.role,
        "backend": front.backend,
        "episodes": front.episodes,
        "evaluation_seed": front.evaluation_seed,
        "reference_point": None if front.reference_point is None else rounded(front.reference_point),
        "versions": finite(dict(front.versions)),
        "source": None if entry.source is None else path_word(entry.source),
        "provenance": finite(dict(entry.provenance)),
    }


def _errors(front: Front) -> list[float] | None:
    """Standard errors in the order of the points; None where they are unknown (one episode) or no question."""
    errors = front.standard_errors
    if front.role == "exact" or not np.isfinite(errors).all():
        return None
    return rounded(errors, digits=3)


def _scores(
    entries: Sequence[Entry], comparison: Comparison, estimates: Mapping[str, Mapping[str, Estimate]]
) -> dict[str, Any]:
    """Indicators by run and, where several seeds were estimated over, by group."""
    used = [
        indicator
        for indicator in comparison.indicators
        if any(values[indicator.name] is not None for values in comparison.values.values())
    ]
    names = [indicator.name for indicator in used]

    def row(values: Mapping[str, float | None]) -> list[float | None]:
        return [number(values[name]) for name in names]

    return {
        "indicators": [
            {
                "name": indicator.name,
                "better": indicator.better,
                "description": indicator.description,
                "usual": indicator.default,
            }
            for indicator in used
        ],
        "runs": [row(comparison.values[entry.label]) for entry in entries],
        "errors": [
            [number(comparison.standard_errors[entry.label].get(name)) for name in names] for entry in entries
        ],
        "known": None if known_apart(comparison) is None else row(comparison.values[comparison.known_label]),
        "groups": {
            group: [_estimate(values[name]) if name in values else None for name in names]
            for group, values in estimates.items()
        },
        "points": [comparison.points[entry.label] for entry in entries],
        "weights": len(comparison.weights),
        "notes": notes(comparison, {entry.label: entry.group for entry in entries}),
    }


def _estimate(estimate: Estimate) -> list[float | None]:
    """Interquartile mean, and the ends of its interval if there is one."""
    low, high = estimate.iqm_interval or (None, None)
    return [number(estimate.iqm), number(low), number(high)]
