"""`morl compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from morl.cli.options import Compare
from morl.cli.tables import print_comparison
from morl.comparison import compare
from morl.errors import MorlError
from morl.front import Front
from morl.plotting import plot_fronts
from morl.runs import Run, is_run


def run(options: Compare) -> None:
    """Print the table; draw the picture if one is asked for."""
    if not options.paths:
        raise MorlError("expected run directories or front files to compare, got none")
    fronts = load_fronts(options.paths)
    comparison = compare(fronts, reference_point=options.reference_point or None)
    print_comparison(comparison)
    if options.out is not None:
        plot_fronts(
            fronts,
            options.out,
            exact=comparison.known,
            exact_label=comparison.known_label,
            reference_point=comparison.reference_point,
        )
        print(f"picture: {options.out}")


def load_fronts(paths: Sequence[Path]) -> dict[str, Front]:
    """The fronts by label: the last part of the path where that tells them apart, else all of it."""
    short = [path.stem if path.suffix == ".json" else path.name for path in paths]
    labels = short if len(set(short)) == len(short) else [str(path) for path in paths]
    if len(set(labels)) < len(labels):
        raise MorlError(f"expected different runs or fronts to compare, got one twice: {', '.join(labels)}")
    return {label: _load(path) for label, path in zip(labels, paths, strict=True)}


def _load(path: Path) -> Front:
    if path.is_dir() or is_run(path):
        return Run.open(path).front()
    return Front.load(path)
