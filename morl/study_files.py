"""Read what a study is made of: runs, fronts, and tables of points that other programs wrote."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from morl import registry
from morl.errors import CheckpointError, MorlError
from morl.files import decode
from morl.front import Front
from morl.front_file import FORMAT as FRONT_FORMAT
from morl.front_file import from_json
from morl.history import read_history
from morl.plain_text import plain
from morl.point_parts import ARRAYS, TEXT
from morl.point_tables import PointTable, front_of, read_file, tables_in
from morl.runs import Run, is_run
from morl.study import Entry, Evaluation, Study
from morl.study_checks import (
    check_discounts,
    in_one_order,
    in_their_problem,
    name_numbered,
    once_each,
    tell_variants_apart,
    warn_of_repeated_seeds,
)
from morl.study_search import LOGGED, search


class Found(NamedTuple):
    """Something to read, and the group it was asked into, if any."""

    path: Path
    group: str | None
    content: Front | PointTable | None = None
    """What a file holds, or one of the fronts in it; None for the directory of a run."""


@dataclass(frozen=True, kw_only=True)
class Unsaid:
    """What files lack that know nothing but points."""

    env: str | None
    gamma: float | None
    objectives: Sequence[str] | None
    minimise: Sequence[str]


def read_study(
    paths: str | Path | Iterable[str | Path],
    *,
    env: str | None,
    gamma: float | None,
    objectives: Sequence[str] | None,
    minimise: Sequence[str],
    reorder: bool,
    split_discounts: bool,
) -> Study:
    """What `morl.study.load_study` documents."""
    unsaid = Unsaid(
        env=env,
        gamma=gamma,
        objectives=tuple(objectives) if objectives else None,
        minimise=tuple(minimise),
    )
    found: list[Found] = []
    for path in [paths] if isinstance(paths, (str, Path)) else paths:
        found += _find(path, unsaid)
    places = [os.path.realpath(item.path) for item in found]
    for item, place in zip(found, places, strict=True):
        if places.count(place) > 1:
            raise MorlError(f"expected different runs or fronts to compare, got one twice: {item.path}")
    found = [part for item in found for part in _contents(item, unsaid.objectives)]
    if minimise and not any(isinstance(part.content, PointTable) for part in found):
        raise MorlError(
            "expected tables of points with --minimise: what runs and fronts hold is maximised, always"
        )
    labels = distinct_labels(found)
    entries = [_read(item, label, unsaid) for item, label in zip(found, labels, strict=True)]
    named = {entry.label for entry, item in zip(entries, found, strict=True) if item.group is not None}
    entries = tell_variants_apart(once_each(in_their_problem(entries)), fixed=named)
    entries = name_numbered(entries)
    if reorder:
        entries = in_one_order(entries)
    study = Study(entries=tuple(entries))
    check_discounts(study, split=split_discounts)
    warn_of_repeated_seeds(study)
    return study


def _find(path: str | Path, unsaid: Unsaid) -> list[Found]:
    """What a path, or NAME=PATH, stands for."""
    text, group = str(path), None
    if not Path(path).exists() and "=" in text:
        group, _, text = text.partition("=")
        if not group or not text:
            raise MorlError(f"expected NAME=PATH, got {str(path)!r}; for example gpi-ls=exports/gpi-ls")
    place = Path(text)
    if not place.is_dir() or is_run(place):
        return [Found(place, group)]  # what is missing or damaged is said when it is read
    found = [Found(item, group) for item in search(place, unsaid.objectives)]
    if not found:
        raise MorlError(
            f"expected a run directory or a folder with runs or fronts, found neither in {place}; name a table "
            "of points by its file"
        )
    return found


def _contents(found: Found, columns: Sequence[str] | None) -> list[Found]:
    """The same with what it holds; a file of several fronts or seeds is as many things."""
    path = found.path
    if path.is_dir():
        return [found]
    data = read_file(path)
    if FRONT_FORMAT.encode() in data[:200]:
        try:
            return [found._replace(content=from_json(decode(data)))]
        except MorlError as error:
            raise CheckpointError(f"{path}: {error}") from error
    return [found._replace(content=table) for table in tables_in(path, data, columns)]


def read_front(path: str | Path, *, env: str, gamma: float) -> Front:
    """The one front in a run or in a file of any kind, of this environment and discount where it does not say.

    Raises:
        MorlError: there are several in it.
        CheckpointError: there is none.
    """
    unsaid = Unsaid(env=env, gamma=gamma, objectives=None, minimise=())
    found = [part for item in _find(path, unsaid) for part in _contents(item, None)]
    if len(found) != 1:
        raise MorlError(f"expected one front in {path}, got {len(found)}; name one of them by its file")
    return _read(found[0], "front", unsaid).front


def distinct_labels(found: Sequence[Found]) -> list[str]:
    """A label for each: NAME of a NAME=PATH that is one thing, else what it is called.

    Where that does not tell all apart, the path below the folder that all share.
    """
    groups = [item.group for item in found]
    own = [item.group if item.group and groups.count(item.group) == 1 else None for item in found]
    parts = Counter(item.path for item in found)
    places = [_place(item, several=parts[item.path] > 1) for item in found]
    labels = [name or place.name for name, place in zip(own, places, strict=True)]
    if len(set(labels)) < len(labels):
        shared = Path(os.path.commonpath([place.parent for place in places]))
        labels = [
            name or place.relative_to(shared).as_posix() for name, place in zip(own, places, strict=True)
        ]
    return [plain(label) for label in labels]


def _place(found: Found, *, several: bool) -> Path:
    """The absolute path without the endings of files; of a front that W&B logged, that of its run.

    Of one of several things in a file, a path below that of the file.
    """
    path = found.path.absolute()
    if LOGGED.fullmatch(path.name) and path.parent.as_posix().endswith("/files/media/table/eval"):
        return path.parents[4]
    name = path.name
    for ending in () if path.is_dir() else (".json", *TEXT, *ARRAYS, ".table"):
        name = name.removesuffix(ending)
    place = path.with_name(name or path.name)
    if not several or not isinstance(found.content, PointTable):
        return place
    if found.content.front is not None:
        place /= found.content.front.replace("/", "_")
    return place.with_name(place.name + _seed(found.content))


def _seed(table: PointTable) -> str:
    """How the labels of seeds end."""
    return "" if table.seed is None else f" seed {table.seed}"


def _read(found: Found, label: str, unsaid: Unsaid) -> Entry:
    """One run or front."""
    path, content = found.path, found.content
    history: tuple[Evaluation, ...] = ()
    more: dict[str, Any] = {}
    if content is None:
        run = Run.open(path)
        front = run.front()
        history = read_history(path, front.num_objectives)
        more = _of_run(run)
        group = front.agent or label
    elif isinstance(content, Front):
        front, group = content, content.agent or label
        if front.env_kwargs is None and is_run(path.parent):
            more = _of_old_front(front, path.parent)
    else:
        front = front_of(content, path, env=unsaid.env, gamma=unsaid.gamma, minimise=unsaid.minimise)
        group = label.removesuffix(_seed(content))
        more = {"minimised": list(unsaid.minimise)} if unsaid.minimise else {}
    return Entry(
        label=label,
        group=plain(found.group or group),
        front=front,
        history=history,
        source=path,
        provenance={"file": str(path), **provenance(front), **more},
    )


def _of_run(run: Run) -> dict[str, Any]:
    """What a run says of its training."""
    return {
        "config": asdict(run.recorded),
        "created": creation_time(run.created),
        "training_id": run.training_id,
    }


def _of_old_front(front: Front, folder: Path) -> dict[str, Any]:
    """What the run in whose folder a front lies says of it: fronts of old did not say themselves which it was."""
    try:
        run = Run.open(folder)
    except MorlError:
        return {}
    its = (registry.canonical_id(run.recorded.env), run.recorded.seed)
    return _of_run(run) if its == (front.env_id, front.training_seed) else {}


def provenance(front: Front) -> dict[str, Any]:
    """What a front says of where it comes from, as JSON values; what it does not say is left out."""
    known = {
        "environment": front.env_id,
        "gamma": front.gamma,
        "agent": front.agent,
        "seed": front.training_seed,
        "steps": front.training_steps,
        "seconds": front.training_seconds,
        "role": front.role,
        "training_id": front.training_id,
        "backend": front.backend,
        "episodes": front.episodes if front.episode_lengths is not None else None,
        "evaluation_seed": front.evaluation_seed,
        "versions": dict(front.versions) or None,
    }
    return {name: value for name, value in known.items() if value is not None}


def creation_time(seconds: float) -> str:
    """Seconds since the epoch as a date and time, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
