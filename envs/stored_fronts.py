"""Known fronts on file: what `python -m morl.baselines.exact --write` planned, with how it was found.

One JSON file for each environment, `data/fronts/<id>.json`, in the package. It holds what a front cannot be looked at
and known: which policies it is optimal among, how it was found, with which versions, and the plans behind its points
where there are any.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from morl.errors import CheckpointError

Array = NDArray[np.float64]
FrontFunction = Callable[[float], Array]

FOLDER = Path(__file__).parent / "data" / "fronts"
FORMAT, VERSION = "morl.known-fronts", 1

Kind = Literal["pareto", "hull"]


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredFront:
    """One front of an environment, and how it was found."""

    gamma: float
    """Discount."""
    kind: Kind
    """"pareto" for the full Pareto front, "hull" for the corners of its convex hull."""
    optimal_among: str
    """Which policies no other of which is better, and by which criterion."""
    method: str
    """How it was found."""
    exact: bool
    """Whether that proves it; otherwise it is the best known."""
    seconds: float
    """How long that took."""
    points: Array
    """(k, m) expected returns."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the environment, beside those of its id."""
    states: int | None = None
    """How many states the environment has, where they were enumerated."""
    standard_error: float = 0.0
    """The largest of any number in `points`, where expected returns were sampled."""
    plans: tuple[str, ...] | None = None
    """The actions that earn each point, a digit each; None where a policy is no sequence of actions."""

    def __post_init__(self) -> None:
        """Refuse what no front is, so that a damaged file gives no wrong numbers."""
        if self.points.ndim != 2 or not self.points.size or not np.isfinite(self.points).all():
            raise ValueError(f"expected finite points (k, m), got shape {self.points.shape}")
        if self.plans is not None and len(self.plans) != len(self.points):
            raise ValueError(f"expected a plan for each of {len(self.points)} points, got {len(self.plans)}")

    @property
    def claim(self) -> str:
        """What the front is optimal among, and whether that is proved."""
        return self.optimal_among if self.exact else f"best known: {self.optimal_among}"


def read_fronts(env_id: str) -> tuple[StoredFront, ...]:
    """The fronts on file of an environment; none where there is no file.

    Raises:
        CheckpointError: the file is damaged.
    """
    return _read(FOLDER / f"{env_id}.json")


@lru_cache(maxsize=64)
def _read(path: Path) -> tuple[StoredFront, ...]:
    if not path.is_file():
        return ()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError(f"it is a {document['format']} of version {document['version']}")
        return tuple(_front(entry) for entry in document["fronts"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error!r}); install morl again, or write it with "
            "python -m morl.baselines.exact --write"
        ) from error


def _front(entry: dict[str, Any]) -> StoredFront:
    points = np.array(entry["points"], dtype=np.float64)
    points.setflags(write=False)
    plans = None if entry["plans"] is None else tuple(entry["plans"])
    return StoredFront(**{**entry, "points": points, "plans": plans})


def to_json(env_id: str, fronts: tuple[StoredFront, ...], versions: Mapping[str, str]) -> str:
    """The text of an environment's file: a field per line, a point or plan per line."""
    entries = [",\n".join(_lines(front)) for front in fronts]
    head = {"format": FORMAT, "version": VERSION, "env_id": env_id, "versions": dict(versions)}
    head["written_by"] = f"python -m morl.baselines.exact --write {env_id}"
    top = "".join(f"  {json.dumps(name)}: {json.dumps(value)},\n" for name, value in head.items())
    return (
        "{\n"
        + top
        + '  "fronts": [\n'
        + ",\n".join("    {\n" + e + "\n    }" for e in entries)
        + "\n  ]\n}\n"
    )


def _lines(front: StoredFront) -> list[str]:
    entry = {f.name: getattr(front, f.name) for f in fields(front) if f.name not in ("points", "plans")}
    lines = [f"      {json.dumps(name)}: {json.dumps(value)}" for name, value in entry.items()]
    for name, rows in (("points", front.points.tolist()), ("plans", front.plans)):
        value = (
            "null"
            if rows is None
            else "[\n" + ",\n".join(f"        {json.dumps(r)}" for r in rows) + "\n      ]"
        )
        lines.append(f'      "{name}": {value}')
    return lines


def find_front(
    env_id: str, gamma: float, *, kind: Kind | None = None, **arguments: Any
) -> StoredFront | None:
    """The front on file for a discount and arguments of the environment; None where there is none."""
    for front in read_fronts(env_id):
        if front.gamma == gamma and front.arguments == arguments and kind in (None, front.kind):
            return front
    return None


def stored(env_id: str) -> Callable[[FrontFunction], FrontFunction]:
    """Decorate a function of the discount that plans a front: read it from the file where it is there.

    What must be planned is planned once for each discount. Every caller gets a copy.
    """

    def decorate(plan: FrontFunction) -> FrontFunction:
        once = lru_cache(maxsize=16)(plan)

        @wraps(plan)
        def recall(gamma: float) -> Array:
            known = find_front(env_id, gamma)
            return np.array(once(gamma) if known is None else known.points)

        return recall

    return decorate
