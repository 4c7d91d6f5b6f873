"""Find and read what a study is made of: runs, fronts, and tables of points that other programs wrote.

A directory that is no run is searched, with all folders in it, for

    runs                           finished ones; others are named in a warning
    fronts                         JSON files that `Front.save` wrote
    tables of MORL-Baselines       front_STEP_HASH.table.json as W&B keeps them (the latest of a folder), and
                                   CSV files whose columns are called objective_1, objective_2, ...

Folders of runs are not searched further: a run's front is its `front.json`.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from morl.comparison_text import listed
from morl.errors import CheckpointError, MorlError
from morl.front import Front
from morl.front_file import FORMAT as FRONT_FORMAT
from morl.front_file import from_json
from morl.history import read_history
from morl.point_tables import NUMBERED, front_of, is_table, parse_json, read_table, read_text
from morl.runs import FORMAT as RUN_FORMAT
from morl.runs import Run, is_run
from morl.study import Entry, Study
from morl.study_checks import check_discounts, in_one_order, tell_variants_apart, warn_of_repeated_seeds

LOGGED = re.compile(r"front_(\d+)_\w+\.table\.json")
"""A front as W&B names its file: the step of its log, and a hash."""


class Found(NamedTuple):
    """Something to read, and the group it was asked into, if any."""

    path: Path
    group: str | None


@dataclass(frozen=True, kw_only=True)
class Unsaid:
    """What files lack that know nothing but points."""

    env: str | None
    gamma: float | None
    objectives: Sequence[str] | None


def read_study(
    paths: str | Path | Iterable[str | Path],
    *,
    env: str | None,
    gamma: float | None,
    objectives: Sequence[str] | None,
    reorder: bool,
    split_discounts: bool,
) -> Study:
    """What `morl.study.load_study` documents."""
    unsaid = Unsaid(env=env, gamma=gamma, objectives=tuple(objectives) if objectives else None)
    found: list[Found] = []
    for path in [paths] if isinstance(paths, (str, Path)) else paths:
        found += _find(path, unsaid)
    places = [item.path.resolve() for item in found]
    for item, place in zip(found, places, strict=True):
        if places.count(place) > 1:
            raise MorlError(f"expected different runs or fronts to compare, got one twice: {item.path}")
    labels = distinct_labels(found)
    entries = [_read(item, label, unsaid) for item, label in zip(found, labels, strict=True)]
    named = {entry.label for entry, item in zip(entries, found, strict=True) if item.group is not None}
    entries = tell_variants_apart(entries, fixed=named)
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


def search(folder: Path, columns: Sequence[str] | None = None) -> list[Path]:
    """The finished runs, fronts and tables under a folder, in the order of their paths.

    Args:
        folder: where to look.
        columns: names of objectives: CSV files that have all of these columns count as tables, too.
    """
    found: list[Path] = []
    unfinished: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        here = Path(parent)
        for name in list(folders):
            if name.startswith("."):
                folders.remove(name)
            elif _looks_like_a_run(here / name):
                folders.remove(name)
                (found if (here / name / "front.json").exists() else unfinished).append(here / name)
        found += _fronts_among(here, sorted(files), columns)
    if unfinished:
        warnings.warn(
            f"left out, since unfinished: {listed(list(map(str, unfinished)))}; go on with morl train --resume",
            stacklevel=2,
        )
    return sorted(found)


def _looks_like_a_run(folder: Path) -> bool:
    """Whether a folder is a run, perhaps a damaged one; other programs write a config.json too."""
    if not is_run(folder):
        return False
    try:
        document = json.loads((folder / "config.json").read_bytes())
    except ValueError:
        return (folder / "metrics.csv").exists()
    return isinstance(document, dict) and document.get("format") == RUN_FORMAT


def _fronts_among(folder: Path, names: list[str], columns: Sequence[str] | None) -> Iterator[Path]:
    """The files of a folder that hold fronts."""
    logged = {name: int(match[1]) for name in names if (match := LOGGED.fullmatch(name))}
    latest = max(logged, key=lambda name: logged[name], default=None)
    for name in names:
        path = folder / name
        if name in logged:
            if name == latest:
                yield path
        elif path.suffix == ".json":
            with open(path, "rb") as file:  # the format is the first entry of the file
                if FRONT_FORMAT.encode() in file.read(200):
                    yield path
        elif path.suffix.lower() == ".csv":
            with open(path, encoding="utf-8-sig", errors="replace") as text:
                header = [cell.strip().strip('"') for cell in text.readline().split(",")]
            if len(header) > 1 and not header[0]:
                header = header[1:]  # of a column that numbers the rows
            if all(NUMBERED.fullmatch(cell) for cell in header) or (columns and {*columns} <= {*header}):
                yield path


def distinct_labels(found: Sequence[Found]) -> list[str]:
    """A label for each: NAME of a NAME=PATH that is one thing, else what it is called.

    Where that does not tell all apart, the path below the folder that all share.
    """
    groups = [item.group for item in found]
    own = [item.group if item.group and groups.count(item.group) == 1 else None for item in found]
    places = [_place(item.path) for item in found]
    labels = [name or place.name for name, place in zip(own, places, strict=True)]
    if len(set(labels)) == len(labels):
        return labels
    shared = Path(os.path.commonpath([place.parent for place in places]))
    return [name or place.relative_to(shared).as_posix() for name, place in zip(own, places, strict=True)]


def _place(path: Path) -> Path:
    """The absolute path without the endings of files; of a front that W&B logged, that of its run."""
    path = path.absolute()
    if LOGGED.fullmatch(path.name) and path.parent.as_posix().endswith("/files/media/table/eval"):
        return path.parents[4]
    name = path.name
    for ending in () if path.is_dir() else (".json", ".csv", ".table"):
        name = name.removesuffix(ending)
    return path.with_name(name or path.name)


def _read(found: Found, label: str, unsaid: Unsaid) -> Entry:
    """One run or front."""
    path = found.path
    if path.is_dir():
        run = Run.open(path)
        front = run.front()
        history = read_history(path, front.num_objectives)
        config = {"config": asdict(run.config), "created": creation_time(run.created)}
    else:
        front, history, config = _read_file(path, unsaid), (), {}
    group = found.group or front.agent or label
    return Entry(
        label=label,
        group=group,
        front=front,
        history=history,
        source=path,
        provenance={"file": str(path), **provenance(front), **config},
    )


def _read_file(path: Path, unsaid: Unsaid) -> Front:
    if path.suffix.lower() == ".csv":
        return front_of(read_table(path, unsaid.objectives), path, env=unsaid.env, gamma=unsaid.gamma)
    text = read_text(path)
    try:
        table = is_table(parse_json(text))
        front = None if table else from_json(text)
    except MorlError as error:
        raise CheckpointError(f"{path}: {error}") from error
    if front is not None:
        return front
    return front_of(read_table(path, unsaid.objectives), path, env=unsaid.env, gamma=unsaid.gamma)


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
        "backend": front.backend,
        "episodes": front.episodes if front.episode_lengths is not None else None,
        "evaluation_seed": front.evaluation_seed,
        "versions": dict(front.versions) or None,
    }
    return {name: value for name, value in known.items() if value is not None}


def creation_time(seconds: float) -> str:
    """Seconds since the epoch as a date and time, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
