"""The front explorer: a study as one HTML file that anyone can open, offline, and find their policy in.

    from morl.report import write_report
    from morl.study import load_study

    write_report(load_study(["runs/"]), "report.html")

The page shows the fronts of all agents beside the exact one. Its reader says what matters by weights and
limits, and sees which policy each agent would give, how the fronts grew in training, and where all comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from morl.comparison import Comparison
from morl.errors import MorlError
from morl.store import atomic_write
from morl.study import Study

if TYPE_CHECKING:
    from morl.report.payload import Estimates
    from morl.scores import Overall

__all__ = ["write_report"]

FORMATS = (".html", ".htm")


def write_report(
    study: Study,
    path: str | Path,
    *,
    comparisons: Mapping[str, Comparison] | None = None,
    estimates: Estimates | None = None,
    overall: tuple[Sequence[Overall], Sequence[str]] | None = None,
) -> Path:
    """Write the explorer of a study as one self-contained HTML file, and return its path.

    The same study gives the same file, byte for byte. The file holds plotly.js (some 4.8 MB) and the data, loads
    nothing from anywhere, and its content security policy forbids it to.

    Args:
        study: the entries to show; each environment of `study.environments` gets a page of its own.
        path: the file, `.html`; replaced at once if it exists.
        comparisons: what `morl.comparison.compare` found, by environment as in `study.environments`; it gives
            the known front, the reference point and the scores. Computed where left out.
        estimates: over the seeds of every group, as in `StudyComparison.estimates`; computed together with the
            comparisons, not shown where only those are given.
        overall: scores over all environments and the notes on them, as `morl.scores.over_all` returns them; computed
            where left out.

    Raises:
        MorlError: another kind of file, or fronts of a single objective, among which there is nothing to choose.
    """
    from morl.report.page import render
    from morl.report.payload import build_payload

    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise MorlError(f"expected a file ending in {' or '.join(FORMATS)} for the report, got {path}")
    payload = build_payload(study, comparisons=comparisons, estimates=estimates, overall=overall)
    return atomic_write(path, render(payload))
