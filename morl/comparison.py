"""Fronts side by side: every indicator of every front, on the same terms, beside the known front."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from morl import pareto
from morl._arrays import Array, as_vector
from morl.comparison_terms import (
    MOST_PAIRS,
    UNION,
    derived_reference_point,
    for_sections,
    points_of,
    thinned,
    union_front,
)
from morl.cross_fitting import SingleEpisodeWarning
from morl.errors import MorlError
from morl.front import Front
from morl.indicators import (
    ApproximationWarning,
    Indicator,
    ReferencePointWarning,
    UndefinedIndicatorError,
    indicators,
)
from morl.indicators.utilities import BLOCK
from morl.known import EXACT, KNOWN, known_front_of
from morl.weights import default_weights

if TYPE_CHECKING:
    from morl.study import Study
    from morl.study_comparison import StudyComparison

OWN_WEIGHTS = ("commanded-utility",)
"""Indicators that pair each preference with the point that answers it; the others take common weights."""


SAID_BELOW = (ReferencePointWarning, SingleEpisodeWarning)
"""Warnings that the notes of a table say by front."""

SHARED = (("environment", "problem"), ("discount", "gamma"), ("objectives", "objectives"))
"""What fronts must have in common, and the field that holds it."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What `compare` found."""

    env_id: str
    gamma: float
    """The discount of all fronts."""
    fronts: Mapping[str, Front]
    """By label."""
    indicators: tuple[Indicator, ...]
    """Those computed, in the order of `values`."""
    values: Mapping[str, Mapping[str, float | None]]
    """Label -> indicator name -> value; None where it cannot be computed. Includes the known front."""
    standard_errors: Mapping[str, Mapping[str, float]]
    """Label -> indicator name -> standard error, of those values that depend on chance: on the episodes where these
    are random, on sampling where the exact value takes long."""
    sampling_errors: Mapping[str, Mapping[str, float]]
    """The part of it that is due to sampling."""
    points: Mapping[str, int]
    """Label -> how many different points no other of the same front dominates."""
    outside: Mapping[str, int]
    """Label -> how many points do not exceed the reference point, and so add nothing to the hypervolume."""
    weights: Array
    """The common weights (n, m)."""
    reference_point: Array | None
    """(m,), of the hypervolume."""
    known: Array | None
    """The exact or best known front (l, m), else the union front of several."""
    known_label: str
    """What the known front is, as `morl.known` calls it; `UNION` where all fronts together stand for it."""
    own_weights: bool
    """Whether the fronts were commanded with different preferences."""
    derived: bool = False
    """Whether the reference point was derived from the fronts (`morl.comparison_terms`)."""


@overload
def compare(
    fronts: Mapping[str, Front],
    *,
    reference_point: Any = None,
    known: bool = True,
    known_front: Any = None,
) -> Comparison: ...


@overload
def compare(
    fronts: Mapping[str, Any],
    *,
    reference_point: Any = None,
    known: bool = True,
    known_front: Any = None,
    **reading: Any,
) -> Comparison | StudyComparison: ...


@overload
def compare(
    fronts: Study | str | Path | Sequence[str | Path],
    *,
    reference_point: Any = None,
    known_front: Any = None,
    **reading: Any,
) -> StudyComparison: ...


def compare(
    fronts: Mapping[str, Any] | Study | str | Path | Sequence[str | Path],
    *,
    reference_point: Any = None,
    known: bool = True,
    known_front: Any = None,
    **reading: Any,
) -> Comparison | StudyComparison:
    """Compute every indicator of every front under the same weights and reference point.

    The common weights are the fronts' own where they agree, else `default_weights`. The reference point is
    the given one, else the first that a front has, else one derived from the fronts. Where no front is known, the
    union front of several serves (`morl.comparison_terms`).

    Args:
        fronts: label -> front, or points (k, m), all of one environment, or several seeds of these, as
            `morl.study_arrays` lists them; or a study, or what `load_study` reads one from: run directories, files
            and folders, of one or several environments.
        reference_point: (m,), of the hypervolume; for several environments environment -> (m,).
        known: whether a known front, or the union front in its place, stands beside the others.
        known_front: points (l, m), a `Front`, or a file that is read as fronts are, in the place of the front that
            the environment or its card knows; for several environments environment -> one of these.
        reading: options of `load_study`; of points in memory `env`, `gamma`, `objectives` and `minimise`.

    Returns:
        A `Comparison` of fronts by label; of a study, or of seeds, a `StudyComparison` with statistics over seeds.

    Raises:
        MorlError: no fronts, or fronts of different environments, objectives or discounts, whose numbers
            must not stand side by side.
    """
    if isinstance(fronts, Mapping):
        from morl.study_arrays import from_arrays

        found = from_arrays(fronts, **reading)
        if isinstance(found, dict):
            return _compare_fronts(found, reference_point=reference_point, known=known, given=known_front)
        fronts = found
    from morl.study import Study, load_study
    from morl.study_comparison import compare_study  # late: it is made of the comparisons here

    study = fronts if isinstance(fronts, Study) else load_study(fronts, **reading)
    return compare_study(study, reference_point=reference_point, known_front=known_front)


def _compare_fronts(
    fronts: Mapping[str, Front], *, reference_point: Any, known: bool, given: Any
) -> Comparison:
    if not fronts:
        raise MorlError("expected at least one front to compare, got none")
    first = _check_alike(fronts)
    weights, own_weights = _common_weights(fronts)
    returns = {name: front.returns for name, front in fronts.items()}
    reference_point, derived = _reference_point(fronts, returns, reference_point)
    points, label = _known(first, returns, given) if known else (None, EXACT)
    # Means over some of random episodes may be better than any over all.
    best = [f.episode_returns.max(axis=1) if f.random else returns[name] for name, f in fronts.items()]
    everything = best + ([] if points is None else [points])
    shared = {
        "weights": weights,
        "reference_point": reference_point,
        "reference_front": None if points is None else thinned(points),
        "ideal_point": np.max([each.max(axis=0) for each in everything], axis=0),
    }
    used = tuple(indicators().values())
    found, counts, outside = {}, {}, {}
    if points is not None:
        if label in fronts:
            raise MorlError(f"expected no front called {label!r}, which is the environment's own; rename it")
        found[label] = _values(used, _obeyed(points, weights, first), shared)
        counts[label] = len(pareto.filter_nondominated(points))
    for name, front in fronts.items():
        found[name] = _values(used, front, shared)
        counts[name] = len(pareto.filter_nondominated(returns[name]))
        outside[name] = int((returns[name] <= reference_point).any(axis=1).sum())
    return Comparison(
        env_id=first.env_id,
        gamma=first.gamma,
        fronts=dict(fronts),
        indicators=used,
        values={name: values for name, (values, _, _) in found.items()},
        standard_errors={name: errors for name, (_, errors, _) in found.items()},
        sampling_errors={name: sampling for name, (_, _, sampling) in found.items()},
        points=counts,
        outside=outside,
        weights=weights,
        reference_point=reference_point,
        known=points,
        known_label=label,
        own_weights=own_weights,
        derived=derived,
    )


def _reference_point(
    fronts: Mapping[str, Front], returns: Mapping[str, Array], given: Any
) -> tuple[Array, bool]:
    """The reference point (m,), and whether it was derived: the given one, else the first that a front has."""
    first = next(iter(fronts.values()))
    given = for_sections(given, {first.problem: first}, "reference point").get(first.problem)
    if given is not None:
        return as_vector(given, name="the reference point", m=first.num_objectives), False
    known = next(
        (front.reference_point for front in fronts.values() if front.reference_point is not None), None
    )
    return (derived_reference_point(list(returns.values())), True) if known is None else (known, False)


def _known(first: Front, returns: Mapping[str, Array], given: Any) -> tuple[Array | None, str]:
    """The known front (l, m) and what it is: the given one, else that of the problem, else the union of several."""
    given = for_sections(given, {first.problem: first}, "known front").get(first.problem)
    if given is not None:
        return points_of(given, first), KNOWN
    points, label = known_front_of(first)
    if points is None and len(returns) > 1:
        return union_front(list(returns.values())), UNION
    return points, label


def best_for(points: Array, weights: Array) -> NDArray[np.intp]:
    """The row of the best point (k, m) for each weight vector (n, m): whom perfect obedience follows."""
    size = max(1, BLOCK // len(points))
    blocks = (weights[start : start + size] for start in range(0, len(weights), size))
    return np.concatenate([np.argmax(block @ points.T, axis=1) for block in blocks])


def _obeyed(points: Array, weights: Array, like: Front) -> Front:
    """The front of known points (k, m) where every weight vector (n, m) is answered by the best of them."""
    return Front.from_points(
        points,
        env_id=like.env_id,
        gamma=like.gamma,
        objectives=like.objectives,
        weights=weights,
        answers=best_for(points, weights),
    )


def _check_alike(fronts: Mapping[str, Front]) -> Front:
    """The first front, once all are known to be comparable with it."""
    (first_name, first), *others = fronts.items()
    for name, front in others:
        for what, attribute in SHARED:
            mine, theirs = getattr(first, attribute), getattr(front, attribute)
            if mine != theirs:
                raise MorlError(
                    f"expected fronts of the same {what}: {first_name} has {mine}, {name} has {theirs}; "
                    "compare them in separate calls"
                    + (", or evaluate again with --gamma" if what == "discount" else "")
                )
    return first


def _common_weights(fronts: Mapping[str, Front]) -> tuple[Array, bool]:
    """Weights (n, m) for all fronts, and whether they were commanded with others."""
    rows = [front.weights for front in fronts.values() if front.weights is not None]
    few = default_weights(next(iter(fronts.values())).num_objectives)
    if not rows or any(not np.array_equal(rows[0], other) for other in rows):
        return few, bool(rows)
    pairs = len(rows[0]) * max(len(front) for front in fronts.values())
    return (few if pairs > MOST_PAIRS else rows[0]), False


def _values(
    used: tuple[Indicator, ...], front: Front, shared: dict[str, Any]
) -> tuple[dict[str, float | None], dict[str, float], dict[str, float]]:
    """Every indicator of one front, None where it has no value; standard errors of those that depend on chance, and
    the part of them that is due to sampling.
    """
    values: dict[str, float | None] = {}
    errors: dict[str, float] = {}
    sampling: dict[str, float] = {}
    for indicator in used:
        own = indicator.name in OWN_WEIGHTS
        rows = front.answering if own else None
        needs = {
            name: front.weights if own and name == "weights" else shared.get(name) for name in indicator.needs
        }
        values[indicator.name] = None
        if any(value is None for value in needs.values()):
            continue
        error = 0.0
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # What has no value, such as the distance of a ratio from zero, is shown as none.
            with suppress(UndefinedIndicatorError):
                values[indicator.name], error = front.estimate(indicator, rows=rows, **needs)
        for warning in caught:
            if isinstance(warning.message, ApproximationWarning):
                sampling[indicator.name] = warning.message.standard_error
            elif not issubclass(warning.category, SAID_BELOW):
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        error = float(np.hypot(0.0 if np.isnan(error) else error, sampling.get(indicator.name, 0.0)))
        if error > 0:
            errors[indicator.name] = error
    return values, errors, sampling
