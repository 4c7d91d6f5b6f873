"""Exact fronts of small environments, as `Front`s that say what they are optimal among."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
import torch

from morl import registry
from morl.envs.base import BatchedEnv
from morl.envs.hull_induction import convex_hull
from morl.envs.make import make_vec
from morl.envs.pareto_induction import pareto_front
from morl.envs.planning import MOST_STATES, Array, enumerate_model
from morl.envs.stored_fronts import Kind, find_front, read_fronts
from morl.errors import MorlError
from morl.front import Front
from morl.known import facts_of

AMONG: dict[Kind, str] = {
    "pareto": "deterministic, history-independent policies (SER)",
    "hull": "all policies, by weighted sums (SER)",
}
"""What planned fronts are optimal among. Policies see the state and the time."""

ESR = "; made for the expected utility of returns (ESR), which is not planned"


def plan(
    env: Any,
    *,
    gamma: float | None = None,
    kind: Kind | None = None,
    most_states: int = MOST_STATES,
    **arguments: Any,
) -> Front:
    """The exact front of an environment with few states: enumerated from its own transition, then planned.

    Args:
        env: the id of a batched environment, a class, or an instance; not too many states.
        gamma: discount; by default that of the environment's default protocol.
        kind: "pareto" for the full Pareto front over deterministic policies, which needs dynamics in which chance
            decides no more than what is paid and whether an episode ends; "hull" for the corners of its convex
            hull, which serve all weights, whatever the dynamics. By default the full front where it can be had.
        most_states: give up beyond.
        arguments: of the environment.

    Returns:
        A front with role "exact"; `optimal_among` says among which policies, and by which criterion.

    Raises:
        EnvError: the environment is unknown, not batched, or cannot be enumerated.
        MorlError: an unknown kind, or a full front where chance decides, or with too many points.
    """
    if kind not in (None, *AMONG):
        raise MorlError(
            f"expected kind 'pareto' or 'hull', or None for what the dynamics allow, got {kind!r}"
        )
    if isinstance(env, BatchedEnv):
        if arguments:
            raise MorlError(f"expected no arguments beside an instance, got {', '.join(arguments)}")
        vec = env
    else:
        vec = make_vec(env, backend="batched", dtype=torch.float64, **arguments)  # type: ignore[assignment]
    gamma = registry.discount(vec.env_id, gamma)
    model = enumerate_model(vec, most_states=most_states)
    chosen: Kind = kind or ("pareto" if model.has_one_way else "hull")
    points = (pareto_front if chosen == "pareto" else convex_hull)(model, gamma)
    return _front(vec, points, gamma, optimal_among(vec.env_id, chosen))


def load(env_id: str, *, gamma: float | None = None, kind: Kind | None = None, **arguments: Any) -> Front:
    """A front on file (see `morl.envs.stored_fronts`), at once; by default for the default protocol's discount.

    Returns:
        A front with role "exact"; `optimal_among` says among which policies, by which criterion, and where it is only
        the best known.

    Raises:
        MorlError: there is none; the message says what there is.
    """
    env_id = registry.canonical_id(env_id)
    wanted = registry.discount(env_id, gamma)
    known = find_front(env_id, wanted, kind=kind, **arguments)
    if known is None and arguments:
        # Perhaps they are those that the environment takes anyway.
        taken = signature(type(make_vec(env_id, backend="batched", **arguments))).parameters
        unusual = {
            name: value
            for name, value in arguments.items()
            if name not in taken or taken[name].default != value
        }
        known = find_front(env_id, wanted, kind=kind, **unusual)
    if known is None:
        there = [
            f"gamma={front.gamma:g} ({', '.join((front.kind, *(f'{k}={v}' for k, v in front.arguments.items())))})"
            for front in read_fronts(env_id)
        ]
        raise MorlError(
            f"expected a front of {env_id} on file for gamma={wanted:g}, found "
            f"{', '.join(there) if there else 'none at all'}; plan(...) may make it"
        )
    vec = make_vec(env_id, backend="batched", **arguments)
    return _front(vec, np.array(known.points), wanted, known.claim)


def optimal_among(env_id: str, kind: Kind) -> str:
    """What a planned front of an environment is optimal among."""
    card = registry.get_card(env_id)
    return AMONG[kind] + (ESR if card is not None and card.criterion == "ESR" else "")


def _front(vec: Any, points: Array, gamma: float, among: str) -> Front:
    """Points (k, m) as a front, with what the environment's card says about it."""
    return Front.from_points(
        points,
        gamma=gamma,
        **facts_of(vec, points.shape[1], gamma, known=False),
        backend="batched",
        optimal_among=among,
    )
