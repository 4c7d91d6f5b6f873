"""Fronts in memory: what a dictionary of arrays stands for.

    {"a": points, "b": front}              one front each: arrays (k, m), lists, tensors, data frames, or `Front`s
    {"a": [points, points], "b": {...}}    several seeds each: a list, an array (seeds, k, m), or {seed: points}

Arrays know neither environment nor discount nor names. What is not given is that of the fronts beside them; where
there are none, they are points without an environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from morl._arrays import as_count, as_points
from morl.errors import MorlError
from morl.front import Front
from morl.plain_text import plain
from morl.point_parts import Part
from morl.point_tables import PointTable, front_of, tables_of
from morl.study import Entry, Study
from morl.study_checks import warn_of_repeated_seeds

NO_ENVIRONMENT = "points"
"""The environment of points of which nobody says any."""


def from_arrays(
    given: Mapping[str, Any],
    *,
    env: str | None = None,
    gamma: float | None = None,
    objectives: Sequence[str] | None = None,
    minimise: Sequence[str] = (),
) -> dict[str, Front] | Study:
    """The fronts by label; a study, whose groups are the labels, where some label has several seeds.

    Args:
        given: label -> points, or several seeds of them, as above.
        env: the environment's id, of arrays.
        gamma: the discount of their returns.
        objectives: names of their columns; of a data frame, the columns to read.
        minimise: objectives whose signs are changed; see `morl.study.load_study`.

    Raises:
        MorlError: values that are no points, or terms that are not those of the fronts beside them.
    """
    found = {label: _fronts_in(label, value, objectives) for label, value in given.items()}
    known = next((item for items in found.values() for item in items if isinstance(item, Front)), None)
    if known is not None:
        env, gamma = env or known.env_id, known.gamma if gamma is None else gamma
    elif env is None:
        env, gamma = NO_ENVIRONMENT, 1.0 if gamma is None else gamma

    def front(label: str, item: Front | PointTable) -> Front:
        if isinstance(item, Front):
            return item
        if item.columns is None and known is not None and known.num_objectives == item.points.shape[1]:
            item = item._replace(columns=known.objectives)
        made = front_of(item, label, env=env, gamma=gamma, minimise=minimise)
        if known is None or known.ordinary or env != known.env_id:
            return made
        return replace(made, env_kwargs=known.env_kwargs, wrappers=known.wrappers, reference_point=None)

    if not any(_is_seeds(value) for value in given.values()) and all(
        len(items) == 1 for items in found.values()
    ):
        return {label: front(label, item) for label, (item,) in found.items()}
    entries = []
    for label, items in found.items():
        for number, item in enumerate(items):
            seed = item.training_seed if isinstance(item, Front) else item.seed
            turned = {"minimised": list(minimise)} if minimise and isinstance(item, PointTable) else {}
            entries.append(
                Entry(
                    label=plain(
                        f"{label} seed {number if seed is None else seed}" if len(items) > 1 else label
                    ),
                    group=plain(label),
                    front=front(label, item),
                    provenance=turned,
                )
            )
    study = Study(entries=tuple(entries))
    warn_of_repeated_seeds(study)
    return study


def _fronts_in(label: str, value: Any, objectives: Sequence[str] | None) -> list[Front | PointTable]:
    """The front that a value is, or those of its seeds."""
    if isinstance(value, Front):
        return [value]
    if _is_seeds(value):
        seeds = value.items() if isinstance(value, Mapping) else enumerate(value)
        return [_of_seed(label, seed, item, objectives) for seed, item in seeds]
    if _is_frame(value):
        rows = [(f"{label}, row {i}", row) for i, row in enumerate(value.to_numpy().tolist())]
        return list(tables_of(Part([str(name) for name in value.columns], rows), objectives))
    points = as_points(value, name=label, m=len(objectives) if objectives else None)
    if not len(points):
        raise MorlError(f"{label}: the front is empty: expected at least one point")
    return [PointTable(tuple(objectives) if objectives else None, points)]


def _of_seed(label: str, seed: Any, item: Any, objectives: Sequence[str] | None) -> Front | PointTable:
    number = as_count(seed, name=f"the seed of {label}", minimum=0)
    found = _fronts_in(label, item, objectives)
    if len(found) > 1:
        raise MorlError(f"expected the points of one training for seed {number} of {label}, got {len(found)}")
    (front,) = found
    return front if isinstance(front, Front) else front._replace(seed=number)


def _is_seeds(value: Any) -> bool:
    """Whether these are the points of several trainings, not of one."""
    return isinstance(value, Mapping) or _depth(value) > 2


def _depth(value: Any) -> int:
    """How many times one can take the first of it, before a number comes."""
    if isinstance(value, Front) or _is_frame(value):
        return 2
    if isinstance(value, (list, tuple)):
        return 1 + (_depth(value[0]) if value else 0)
    return int(getattr(value, "ndim", 0))


def _is_frame(value: Any) -> bool:
    """Whether a value is a data frame, of whatever library."""
    return hasattr(value, "columns") and hasattr(value, "to_numpy")
