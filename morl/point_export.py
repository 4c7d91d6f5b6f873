"""Points as CSV, for other programs; `morl.point_tables` reads them back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from morl.csv_text import write_csv
from morl.errors import MorlError
from morl.front import Front
from morl.study import Study

SUFFIX = ".csv"


def points_of(front: Front) -> str:
    """The mean returns of a front: a header with the objectives' names, one row for each point, exact numbers."""
    return write_csv([front.objectives, *front.returns.tolist()])


def points_of_study(study: Study) -> str:
    """The points of all fronts of a study; where there are several, after columns with the front and the seed.

    Raises:
        MorlError: several environments or discounts, whose points must not stand in one table.
    """
    sections = study.environments
    if len(sections) > 1:
        raise MorlError(
            f"expected fronts of one environment and discount, got {', '.join(sections)}; export them one by one"
        )
    if len(study.entries) == 1:
        return points_of(study.entries[0].front)
    return write_csv(_rows(study))


def _rows(study: Study) -> Iterator[list[object]]:
    trainings = [(entry.group, entry.front.training_seed) for entry in study.entries]
    seeded = all(seed is not None for _, seed in trainings) and len(set(trainings)) == len(trainings)
    yield ["front", *(["seed"] if seeded else []), *study.entries[0].front.objectives]
    for entry, (group, seed) in zip(study.entries, trainings, strict=True):
        before = [group, seed] if seeded else [entry.label]
        yield from ([*before, *point] for point in entry.front.returns.tolist())


def check_suffix(path: Path) -> None:
    """Raise a `MorlError` for a file that is not called as CSV."""
    if path.suffix.lower() != SUFFIX:
        raise MorlError(f"expected a file ending in {SUFFIX} for points, got {path}")
