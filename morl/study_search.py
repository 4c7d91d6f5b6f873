"""Search folders for what a study is made of.

    runs                           finished ones; others are named in a warning
    fronts                         JSON files that `Front.save` wrote
    tables of MORL-Baselines       front_STEP_HASH.table.json as W&B keeps them (the latest of a folder), and
                                   CSV files whose columns are called objective_1, objective_2, ...

Folders of runs are not searched further: a run's front is its `front.json`. Links to folders are followed, into each
folder once, so that none leads in a circle.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from morl.comparison_text import listed
from morl.csv_text import header_of
from morl.errors import MorlError
from morl.files import decode, read_beginning, read_plain
from morl.front_file import FORMAT as FRONT_FORMAT
from morl.point_columns import holds_numbered
from morl.runs import FORMAT as RUN_FORMAT
from morl.runs import is_run

LOGGED = re.compile(r"front_(\d+)_\w+\.table\.json")
"""A front as W&B names its file: the step of its log, and a hash."""


def search(folder: Path, columns: Sequence[str] | None = None) -> list[Path]:
    """The finished runs, fronts and tables under a folder, in the order of their paths.

    Args:
        folder: where to look.
        columns: names of objectives: CSV files that have all of these columns count as tables, too.
    """
    found: dict[str, Path] = {}
    unfinished: list[str] = []
    unreadable: list[str] = []
    for here, folders, files in _walk(folder, unreadable):
        # A run by its own name before links to it.
        for path in sorted((here / name for name in folders), key=lambda path: (path.is_symlink(), path)):
            name = path.name
            try:
                run = not name.startswith(".") and _looks_like_a_run(path)
            except OSError as error:
                unreadable.append(f"{path} ({error.strerror})")
                run = False
            if run:
                if (path / "front.json").exists():
                    found.setdefault(os.path.realpath(path), path)
                else:
                    unfinished.append(str(path))
            if run or name.startswith("."):
                folders.remove(name)
        for path in _candidates(here, sorted(files)):
            try:
                if _holds_front(path, columns):
                    found.setdefault(os.path.realpath(path), path)
            except (OSError, MorlError) as error:
                unreadable.append(f"{path} ({error.strerror if isinstance(error, OSError) else error})")
    for paths, why in ((unfinished, "unfinished"), (unreadable, "unreadable")):
        if paths:
            remedy = "; go on with morl train --resume" if paths is unfinished else ""
            warnings.warn(f"left out, since {why}: {listed(paths)}{remedy}", stacklevel=2)
    return sorted(found.values())


def _walk(root: Path, unreadable: list[str]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Like `os.walk`, into linked folders too, but into none twice, nor into those that hold `root`."""

    def note(error: OSError) -> None:
        unreadable.append(f"{error.filename} ({error.strerror})")

    top = os.path.realpath(root)
    seen: set[str] = set()
    for parent, folders, files in os.walk(root, onerror=note, followlinks=True):
        place = os.path.realpath(parent)
        if place in seen or (place != top and os.path.commonpath([place, top]) == place):
            folders.clear()
            continue
        seen.add(place)
        yield Path(parent), folders, files


def _looks_like_a_run(folder: Path) -> bool:
    """Whether a folder is a run, perhaps a damaged one; other programs write a config.json too."""
    if not is_run(folder):
        return False
    try:
        document = json.loads(read_plain(folder / "config.json"))
    except (ValueError, RecursionError):
        return (folder / "metrics.csv").exists()
    return isinstance(document, dict) and document.get("format") == RUN_FORMAT


def _candidates(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """The files of a folder that may hold fronts; of those that W&B logged, the latest."""
    logged = {name: int(match[1]) for name in names if (match := LOGGED.fullmatch(name))}
    latest = max(logged, key=lambda name: logged[name], default=None)
    for name in names:
        path = folder / name
        if name == latest or (name not in logged and path.suffix.lower() in (".json", ".csv", ".tsv")):
            yield path


def _holds_front(path: Path, columns: Sequence[str] | None) -> bool:
    beginning = read_beginning(path)
    if LOGGED.fullmatch(path.name):
        return True
    if path.suffix.lower() == ".json":
        return FRONT_FORMAT.encode() in beginning[:200]  # the format is the first entry of the file
    header = header_of(decode(beginning, errors="replace"))
    return holds_numbered(header) or bool(columns and {*columns} <= {*header})
