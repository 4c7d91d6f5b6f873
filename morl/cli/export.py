"""`morl export`."""

from __future__ import annotations

import sys

from morl.cli.output import say
from morl.cli.reading_options import Export
from morl.errors import MorlError
from morl.point_export import check_suffix, points_of_study
from morl.store import atomic_write
from morl.study import load_study


def run(options: Export) -> None:
    """Read, write."""
    if not options.paths:
        raise MorlError("expected run directories or fronts to export, got none")
    if options.out is not None:
        check_suffix(options.out)
    study = load_study(
        options.paths,
        env=options.env,
        gamma=options.gamma,
        objectives=options.objectives or None,
        minimise=options.minimise,
    )
    text = points_of_study(study)
    if options.out is None:
        sys.stdout.write(text)
    else:
        say(f"written: {atomic_write(options.out, text)}")
