"""The fronts on file: which there are, how each is found, and how to write and to check them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from morl.baselines.exact.minecart_loads import list_loads
from morl.baselines.exact.minecart_search import search
from morl.baselines.exact.planner import optimal_among
from morl.envs import four_room_front
from morl.envs.four_room import MAZE, read_maze
from morl.envs.hull_induction import convex_hull
from morl.envs.make import make_vec
from morl.envs.minecart import Minecart
from morl.envs.pareto_induction import pareto_front, pareto_plans
from morl.envs.planning import Array, enumerate_model
from morl.envs.stored_fronts import FOLDER, Kind, StoredFront, find_front, to_json
from morl.errors import MorlError
from morl.front_fields import installed_versions
from morl.registry import suggest
from morl.store import atomic_write

GUESSES = (0.1, 0.03)
"""Resolutions of the searches that come before the exact one: the better the plans known, the less is left."""

AGREEMENT = 1e-9
"""How far a number may be off when fronts are found again."""

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One front on file."""

    env_id: str
    gamma: float
    kind: Kind = "pareto"
    arguments: dict[str, Any] = field(default_factory=dict)
    with_plans: bool = False
    """Whether the actions behind each point are kept: where they decide all that can be decided."""
    quick: bool = True
    """Whether it takes seconds at most."""

    def find(self, report: Report) -> StoredFront:
        """Find the front anew."""
        begin = time.perf_counter()
        found = _FINDERS.get(self.env_id, _induction)(self, report)
        seconds = round(time.perf_counter() - begin, 2)
        known = {"gamma": self.gamma, "kind": self.kind, "arguments": self.arguments, "seconds": seconds}
        usual = {"optimal_among": optimal_among(self.env_id, self.kind), "exact": True}
        return StoredFront(**{**usual, **known, **found})

    def __str__(self) -> str:
        arguments = "".join(f" {name}={value}" for name, value in self.arguments.items())
        return f"{self.env_id}{arguments} gamma={self.gamma:g} {self.kind}"


def entries() -> list[Entry]:
    """All fronts on file."""
    listed = [
        Entry(env_id=f"deep-sea-treasure{name}-v0", gamma=gamma, with_plans=True)
        for name in ("", "-concave", "-mirrored")
        for gamma in (0.99, 1.0)
    ]
    depths: tuple[dict[str, Any], ...] = ({}, {"depth": 5}, {"depth": 7})
    listed += [
        Entry(env_id="fruit-tree-v0", gamma=gamma, arguments=arguments, with_plans=True)
        for arguments in depths
        for gamma in (0.99, 1.0)
    ]
    listed += [
        Entry(env_id="resource-gathering-v0", gamma=gamma, with_plans=True)
        for gamma in (0.9, 0.95, 0.99, 1.0)
    ]
    listed += [Entry(env_id="resource-gathering-v0", gamma=gamma, kind="hull") for gamma in (0.9, 0.95)]
    listed += [Entry(env_id="breakable-bottles-v0", gamma=gamma, kind="hull") for gamma in (0.99, 1.0)]
    listed += [Entry(env_id="four-room-v0", gamma=gamma) for gamma in (0.95, 0.99, 1.0)]
    listed += [
        Entry(env_id="fishwood-v0", gamma=0.99, kind="hull"),
        Entry(env_id="fishwood-v0", gamma=1.0),
    ]
    listed += [
        Entry(env_id=env_id, gamma=gamma, with_plans=True, quick=False)
        for env_id in ("minecart-deterministic-v0", "minecart-v0")
        for gamma in (0.98, 1.0)
    ]
    return listed


def chosen(env_ids: Sequence[str], *, quick: bool = False) -> list[Entry]:
    """The fronts on file of some environments, or of all; with `quick` only those that take seconds.

    Raises:
        MorlError: there is none of an environment.
    """
    listed = entries()
    known = sorted({entry.env_id for entry in listed})
    for env_id in env_ids:
        if env_id not in known:
            raise MorlError(
                f"expected environments with fronts on file, got {env_id!r}.{suggest(env_id, known)} "
                f"There are: {', '.join(known)}"
            )
    return [e for e in listed if (not env_ids or e.env_id in env_ids) and (e.quick or not quick)]


def write(
    env_ids: Sequence[str] = (), *, quick: bool = False, report: Report = print, folder: Path = FOLDER
) -> list[Path]:
    """Find all fronts of some environments anew, or of all, and write their files (see `chosen`)."""
    listed = chosen(env_ids, quick=quick)
    paths = []
    for env_id in dict.fromkeys(entry.env_id for entry in listed):
        found = tuple(entry.find(report) for entry in listed if entry.env_id == env_id)
        paths.append(atomic_write(folder / f"{env_id}.json", to_json(env_id, found, installed_versions())))
        report(f"wrote {paths[-1]}")
    return paths


def on_file(entry: Entry) -> StoredFront:
    """What was found last.

    Raises:
        MorlError: nothing was.
    """
    known = find_front(entry.env_id, entry.gamma, kind=entry.kind, **entry.arguments)
    if known is None:
        raise MorlError(f"{entry} is not on file; run python -m morl.baselines.exact --write {entry.env_id}")
    return known


def differences(listed: Iterable[Entry], *, report: Report = lambda line: None) -> list[str]:
    """Find fronts anew; a line for each that differs from the one on file, none where all is well."""
    wrong = []
    for entry in listed:
        known, found = on_file(entry), entry.find(report)
        if known.points.shape != found.points.shape:
            wrong.append(f"{entry} has {len(found.points)} points, {len(known.points)} on file")
        elif (off := float(np.abs(_sorted(known.points) - _sorted(found.points)).max())) > AGREEMENT:
            wrong.append(f"{entry} differs from the one on file by up to {off:.2g}")
    return wrong


def _sorted(points: Array) -> Array:
    return points[np.lexsort(points.round(8).T)]


def _induction(entry: Entry, report: Report) -> dict[str, Any]:
    """Backward induction on the enumerated environment."""
    env: Any = make_vec(entry.env_id, backend="batched", dtype=torch.float64, **entry.arguments)
    model = enumerate_model(env)
    plans = None
    if entry.kind == "hull":
        points = convex_hull(model, entry.gamma)
        method = "convex-hull value iteration (Barrett and Narayanan 2008)"
    else:
        method = "Pareto value iteration (White 1982)"
        if entry.with_plans:
            points, actions = pareto_plans(model, entry.gamma)
            plans = tuple("".join(map(str, plan)) for plan in actions)
        else:
            points = pareto_front(model, entry.gamma)
    return {"points": points, "plans": plans, "method": method, "states": len(model.states)}


def _orders_of_shapes(entry: Entry, report: Report) -> dict[str, Any]:
    """The four rooms, which have too many states for sets of returns."""
    points = four_room_front.plan(read_maze(MAZE), entry.gamma)
    return {"points": points, "method": "dynamic programming over orders of the 12 shapes"}


def _minecart(entry: Entry, report: Report) -> dict[str, Any]:
    """Branch and bound over action sequences; where ore is random, with expected loads."""
    motion = Minecart(1, config="mine_config_det.json", dtype=torch.float64)
    env: Any = make_vec(entry.env_id, backend="batched", dtype=torch.float64)
    loads = list_loads(env)
    plans: tuple[str, ...] = ()
    for resolution in (*GUESSES, None):
        report(f"{entry}: resolution {resolution or 'exact'}")
        found = search(motion, loads, entry.gamma, plans=plans, resolution=resolution, report=report)
        plans = found.plans
    method = "branch and bound over all action sequences"
    if env.stochastic:
        among = "open-loop plans, which do not look at what was dug (SER)"
        method += ", with expected loads from 131,072 samples"
    else:
        among = optimal_among(entry.env_id, entry.kind)
    return {
        "points": found.points,
        "plans": plans,
        "method": method,
        "exact": not env.stochastic,
        "optimal_among": among,
        "standard_error": float(loads.error.max()),
    }


_FINDERS: dict[str, Callable[[Entry, Report], dict[str, Any]]] = {
    "four-room-v0": _orders_of_shapes,
    "minecart-v0": _minecart,
    "minecart-deterministic-v0": _minecart,
}
"""How fronts are found, where it is not by backward induction."""
