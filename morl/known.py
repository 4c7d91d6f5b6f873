"""What is known of a problem besides its rewards: names and units of objectives, a reference point, a front.

A card says it of the problem that its id stands for; an environment may say it of itself, by attributes:

    objectives        names, or `morl.registry.Objective`s
    reference_point   (m,), of the hypervolume
    known_front       the exact or best known points (l, m), or a method from the discount to them

A front takes along what only its environment, or a card that a module of its own registers, could tell: it is then
compared without either.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from morl import registry
from morl._arrays import Array, as_points
from morl.errors import MorlError
from morl.front import Front
from morl.problem import ORDINARY, numbered_objectives
from morl.registry import Objective

EXACT, BEST_KNOWN, HULL, KNOWN = "exact front", "best known front", "exact convex hull", "known front"
"""What the known front of an environment is called; the last where only the environment itself brings it."""
FRONT_NAMES = {"best known": BEST_KNOWN, "planned hull": HULL}

MOST_CARRIED = 10_000
"""Numbers of a known front that a front takes along; of a larger one it takes none."""


def facts_of(env: Any, m: int, gamma: float, *, known: bool = True) -> dict[str, Any]:
    """The fields of a `Front` that say which problem it is of, and what only the environment knows of that.

    Args:
        env: a tensor environment, or the `EnvSpec` of one.
        m: the number of objectives.
        gamma: the discount of the returns.
        known: whether the known front is taken along.
    """
    from morl.spec import objectives_of  # late: needs torch

    env_id = registry.canonical_id(getattr(env, "problem_id", env.env_id))
    identity = getattr(env, "identity", None)
    card = registry.get_card(env_id)
    card = card if card is not None and card.num_objectives == m else None
    ordinary = identity in (None, ORDINARY)
    objectives = objectives_of(env)
    facts: dict[str, Any] = {
        "env_id": env_id,
        "objectives": numbered_objectives(m) if objectives is None else tuple(o.name for o in objectives),
        "reference_point": _read(_said(env, "reference_point", ordinary), "reference_point", env_id, m),
    }
    if identity is not None:
        facts |= {"env_kwargs": identity.env_kwargs, "wrappers": identity.wrappers}
    if card is not None and ordinary:
        facts["reference_point"] = np.array(card.protocol().reference_point)
    if registry.is_installed(env_id):
        return facts
    if objectives is not None and any(o.unit or o.cost for o in objectives):
        facts |= {"units": tuple(o.unit for o in objectives), "costs": tuple(o.cost for o in objectives)}
    points, label = None, KNOWN
    if not known:
        return facts
    if card is not None and card.front is not None and ordinary:
        points, label = card.front(gamma), FRONT_NAMES.get(card.front_kind_at(gamma), EXACT)
    else:
        points = _own_front(_said(env, "known_front", ordinary), env_id, m, gamma)
    if points is not None and 0 < points.size <= MOST_CARRIED:
        facts |= {"known_points": points, "known_label": label}
    return facts


def known_front_of(front: Front) -> tuple[Array | None, str]:
    """The exact or best known points (l, m) for a front's problem and discount, and what they are.

    In the order of the front's objectives; None where neither a card knows any nor the front brings them.
    """
    card = registry.get_card(front.env_id) if front.ordinary else None
    names = [] if card is None else [objective.name for objective in card.objectives]
    if card is not None and card.front is not None and sorted(names) == sorted(front.objectives):
        points = card.front(front.gamma)[:, [names.index(name) for name in front.objectives]]
        return points, FRONT_NAMES.get(card.front_kind_at(front.gamma), EXACT)
    if front.known_points is not None:
        return front.known_points, front.known_label or KNOWN
    return None, EXACT


def objectives_known(front: Front) -> tuple[Objective, ...]:
    """The front's objectives with unit, direction and meaning, as far as its card or the front itself tells."""
    card = registry.get_card(front.env_id)
    known = {} if card is None else {objective.name: objective for objective in card.objectives}
    m = front.num_objectives
    own = zip(front.objectives, front.units or ("",) * m, front.costs or (False,) * m, strict=True)
    return tuple(known.get(name, Objective(name, unit, "", cost=cost)) for name, unit, cost in own)


def _said(env: Any, name: str, ordinary: bool) -> Any:
    """An environment's attribute; of what its class says of the default arguments, nothing for others."""
    said = getattr(env, name, None)
    fixed = name not in vars(env) and not isinstance(getattr(type(env), name, None), property)
    return None if fixed and not callable(said) and not ordinary else said


def _own_front(told: Any, env_id: str, m: int, gamma: float) -> Array | None:
    """What an environment's attribute `known_front` says."""
    if not callable(told):
        return _read(told, "known_front", env_id, m)
    try:
        return _read(told(gamma), "known_front", env_id, m)
    except Exception as error:  # of the environment's author: a training's result must not be lost by it
        warnings.warn(f"known_front({gamma:g}) of {env_id} failed, so none is shown: {error!r}", stacklevel=2)
        return None


def _read(value: Any, name: str, env_id: str, m: int) -> Array | None:
    """A vector (m,) as a reference point, points (l, m) as a front; None, with a warning, for anything else."""
    if value is None:
        return None
    try:
        points = as_points([value] if name == "reference_point" else value, name=name, m=m)
    except MorlError as error:
        warnings.warn(f"{name} of {env_id} is left out: {error}", stacklevel=3)
        return None
    return points[0] if name == "reference_point" else points
