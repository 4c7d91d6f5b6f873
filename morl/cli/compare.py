"""`morl compare`."""

from __future__ import annotations

from typing import Any

from morl.cli.notation import by_environment, reference_points
from morl.cli.options import Compare
from morl.cli.output import say
from morl.cli.tables import print_tables
from morl.comparison import compare
from morl.comparison_tables import tables_of
from morl.errors import MorlError
from morl.study import load_study
from morl.study_export import check_suffix


def run(options: Compare) -> None:
    """Print the tables; write what is asked for."""
    if not options.paths:
        raise MorlError("expected run directories or fronts to compare, got none")
    for path in options.out:
        check_suffix(path)  # before minutes of reading
    study = load_study(
        options.paths,
        env=options.env,
        gamma=options.gamma,
        objectives=options.objectives or None,
        minimise=options.minimise,
        reorder=options.reorder,
        split_discounts=options.split_discounts,
    )
    found = compare(
        study,
        reference_point=reference_points(options.reference_point),
        known_front=by_environment(options.known_front, "known front", "FILE"),
    )
    chosen: dict[str, Any] = {
        "indicators": options.indicators or None,
        "statistic": options.statistic,
        "runs": options.runs,
    }
    print_tables(tables_of(found, **chosen))
    for path in options.out:
        for file in found.save(path, picture=options.picture, **chosen):
            say(f"written: {file}")
