"""Fronts side by side: every indicator of every front, on the same terms, beside the known front."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from morl import pareto, registry
from morl._arrays import Array, as_vector
from morl.errors import MorlError
from morl.evaluation import default_weights
from morl.front import Front
from morl.indicators import Indicator, ReferencePointWarning, indicators

OWN_WEIGHTS = ("commanded-utility",)
"""Indicators that pair each point with the preference it was asked for; the others take common weights."""


SHARED = (("environment", "env_id"), ("discount", "gamma"), ("objectives", "objectives"))
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
    points: Mapping[str, int]
    """Label -> how many different points no other of the same front dominates."""
    outside: Mapping[str, int]
    """Label -> how many points do not exceed the reference point, and so add nothing to the hypervolume."""
    weights: Array
    """The common weights (n, m)."""
    reference_point: Array | None
    """(m,)."""
    known: Array | None
    """The exact or best known front (l, m)."""
    known_label: str
    """What the known front is: "exact front" or "best known front"."""
    own_weights: bool
    """Whether the fronts were commanded with different preferences."""


def compare(fronts: Mapping[str, Front], *, reference_point: Any = None) -> Comparison:
    """Compute every indicator of every front under the same weights and reference point.

    The common weights are the fronts' own where they agree, else `default_weights`. The reference point is
    the given one, else the first that a front has.

    Raises:
        MorlError: no fronts, or fronts of different environments, objectives or discounts, whose numbers
            must not stand side by side.
    """
    if not fronts:
        raise MorlError("expected at least one front to compare, got none")
    first = _check_alike(fronts)
    weights, own_weights = _common_weights(fronts)
    if reference_point is None:
        reference_point = next(
            (f.reference_point for f in fronts.values() if f.reference_point is not None), None
        )
    else:
        reference_point = as_vector(reference_point, name="the reference point", m=first.num_objectives)
    card = registry.get_card(first.env_id)
    known = None if card is None or card.front is None else card.front(first.gamma)
    label = "best known front" if card is not None and card.front_kind == "best known" else "exact front"
    shared = {"weights": weights, "reference_point": reference_point, "reference_front": known}
    used = tuple(indicator for indicator in indicators().values() if indicator.default)
    values, points, outside = {}, {}, {}
    if known is not None:
        values[label] = _values(used, known, shared, best_for(known, weights))
        points[label] = len(pareto.filter_nondominated(known))
    for name, front in fronts.items():
        values[name] = _values(used, front.returns, shared, (front.returns, front.weights))
        points[name] = len(pareto.filter_nondominated(front.returns))
        if reference_point is not None:
            outside[name] = int((front.returns <= reference_point).any(axis=1).sum())
    return Comparison(
        env_id=first.env_id,
        gamma=first.gamma,
        fronts=dict(fronts),
        indicators=used,
        values=values,
        points=points,
        outside=outside,
        weights=weights,
        reference_point=reference_point,
        known=known,
        known_label=label,
        own_weights=own_weights,
    )


def best_for(points: Array, weights: Array) -> tuple[Array, Array]:
    """The best point (n, m) for each weight vector (n, m), and the weights: what perfect obedience earns."""
    return points[np.argmax(weights @ points.T, axis=1)], weights


def _check_alike(fronts: Mapping[str, Front]) -> Front:
    """The first front, once all are known to be comparable with it."""
    (first_name, first), *others = fronts.items()
    for name, front in others:
        for what, attribute in (
            ("environment", "env_id"),
            ("discount", "gamma"),
            ("objectives", "objectives"),
        ):
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
    if rows and all(np.array_equal(rows[0], other) for other in rows):
        return rows[0], False
    return default_weights(next(iter(fronts.values())).num_objectives), bool(rows)


def _values(
    used: tuple[Indicator, ...],
    points: Array,
    shared: dict[str, Any],
    commanded: tuple[Array, Array | None],
) -> dict[str, float | None]:
    """Every indicator of one front; None where something it needs is missing."""
    values: dict[str, float | None] = {}
    for indicator in used:
        own = indicator.name in OWN_WEIGHTS
        subject = commanded[0] if own else points
        needs = {
            name: commanded[1] if own and name == "weights" else shared.get(name) for name in indicator.needs
        }
        missing = any(value is None for value in needs.values())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReferencePointWarning)  # `Comparison.outside` says it by front
            values[indicator.name] = None if missing else indicator.fn(subject, **needs)
    return values
