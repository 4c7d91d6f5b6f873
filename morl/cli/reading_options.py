"""The options of the commands that read fronts from files: `compare` shares them with `export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from tyro.conf import Positional, arg


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Which fronts to read, and what their files do not say."""

    paths: Annotated[Positional[tuple[str, ...]], arg(metavar="[NAME=]PATH", help_behavior_hint="(required)")]
    """Run directories, front files, tables of points, and folders to search; NAME= makes one group of all that lies
    there."""
    env: Annotated[str | None, arg(metavar="ENV", help_behavior_hint="")] = None
    """The environment of tables that do not say it, such as CSV."""
    gamma: Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="")] = None
    """The discount of the returns in such tables."""
    objectives: Annotated[tuple[str, ...], arg(metavar="NAME ...", help_behavior_hint="")] = ()
    """The columns of such tables, by name."""
    minimise: Annotated[tuple[str, ...], arg(metavar="NAME ...", help_behavior_hint="")] = ()
    """Objectives that such tables hold as something to minimise; their signs are changed when they are read."""


@dataclass(frozen=True, kw_only=True)
class Export(Reading):
    """Write the points of runs and fronts as CSV, for other programs: a column per objective, a row per point.

    Several fronts of one environment are told apart by the columns front and seed. `morl compare` reads the file.
    """

    module: ClassVar[str] = "morl.cli.export"

    out: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Where to write, such as points.csv; by default the output."""
