"""Fronts over one another: an overlay in two objectives, projections and depth in three, parallel axes beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from morl import pareto
from morl._arrays import Array, as_points, as_vector
from morl.errors import MorlError
from morl.front import Front
from morl.pictures import style
from morl.pictures.many import LINES, draw_depth, draw_parallel
from morl.pictures.sample import MOST_DRAWN, sample
from morl.pictures.style import INK, KNOWN, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CROWD = 120
"""So many points have room in a panel at full size."""

PANELS = 8
"""At most so many groups have panels of their own, one below the other."""


class Series(NamedTuple):
    """The points of one front and how they are drawn."""

    label: str | None
    """None where the legend has this group already."""
    points: Array
    """(k, m)."""
    errors: Array | None
    """Standard errors (k, m); None where there are none to show."""
    best: NDArray[np.bool_]
    """(k,): not dominated by the series' own points."""
    style: Style
    size: float
    """Area of a marker in square points: the first is the largest, so that later ones leave it in sight."""


class Known(NamedTuple):
    """The exact or best known front."""

    points: Array
    """(l, m), sorted by the first objective, so that a line through them is a curve."""
    label: str


def plot_fronts(
    fronts: Mapping[str, Front],
    path: str | Path,
    *,
    groups: Mapping[str, str] | None = None,
    exact: Front | Any = None,
    exact_label: str = "exact front",
    reference_point: Any = None,
    note: str | None = None,
    title: str | None = None,
) -> Path:
    """Draw fronts over one another and write the picture; every objective is better to the right and up.

    Points that the same front dominates are drawn faint. Of a large front a sample is drawn, which the note says
    (`morl.pictures.sample`). Bars show the standard errors of the mean returns, where several episodes were played.
    Three objectives are shown in their three projections and in depth. Four and more are parallel axes, a line for
    each point; groups of too many lines to tell apart have panels of their own.

    Args:
        fronts: label -> front, all with the same objectives.
        path: the file, `.png`, `.pdf` or `.svg`.
        groups: label -> group: fronts of one group, such as seeds of one agent, look alike and stand in the
            legend once; by default every front is its own group.
        exact: the exact or best known front, a `Front` or points (l, m), drawn hollow.
        exact_label: how the legend calls it.
        reference_point: (m,), marked in two and three objectives, unless it is so far away that the points
            would shrink to a corner.
        note: below the picture, what is shown.
        title: above the picture; by default the environment's id.

    Raises:
        MorlError: no front, fronts of different objectives, a front without a group, or another kind of file.
    """
    path = style.check_path(path)
    first = style.check_alike(list(fronts.items()))
    m = first.num_objectives
    names = {label: label for label in fronts} if groups is None else dict(groups)
    missing = [label for label in fronts if label not in names]
    if missing:
        raise MorlError(f"expected a group for every front, got none for {', '.join(missing)}")
    known = None
    if exact is not None:
        points = exact.returns if isinstance(exact, Front) else as_points(exact, m=m)
        points = points[pareto.spread_evenly(points, MOST_DRAWN)]
        known = Known(points[np.lexsort(points.T[::-1])], style.drawn(exact_label))
    reference = None if reference_point is None else as_vector(reference_point, name="reference_point", m=m)
    samples = {label: sample(front) for label, front in fronts.items()}
    said = [f"{label}: {how}" for label, (_, how) in samples.items() if how]
    note = "; ".join([*([] if note is None else [note]), *said]) or None
    series = _series({label: few for label, (few, _) in samples.items()}, names)
    labels = style.axis_labels(first)
    if m <= 3:
        if any(not entry.best.all() for entry in series):
            faint = "faint: dominated by points of the same front"
            note = faint if note is None else f"{note}; {faint}"
        figure = _panels(series, known, reference, labels, note)
    else:
        figure = _parallel(series, known, labels, note)
    style.set_title(figure, first.env_id if title is None else title)
    return style.write_figure(figure, path)


def _series(fronts: Mapping[str, Front], names: Mapping[str, str]) -> list[Series]:
    places: dict[str, int] = {}
    found = []
    # Where points are many, large markers would cover one another.
    crowd = max(1.0, sum(len(front) for front in fronts.values()) / CROWD)
    largest, smallest = max(36.0, 125.0 / crowd), 18.0
    for label, front in fronts.items():
        group = names[label]
        new = group not in places
        place = places.setdefault(group, len(places))
        shown = front.role != "exact" and front.episodes > 1
        found.append(
            Series(
                label=style.drawn(group) if new else None,
                points=front.returns,
                errors=front.standard_errors if shown else None,
                best=pareto.is_nondominated(front.returns, keep_duplicates=True),
                style=style.style_of(place),
                size=max(smallest, largest * 0.5**place),
            )
        )
    return found


def _parallel(series: list[Series], known: Known | None, labels: list[str], note: str | None) -> Figure:
    """Parallel axes: one panel for all, or where lines are too many to tell apart one for each group."""
    groups: dict[Style, list[Series]] = {}
    for entry in series:
        groups.setdefault(entry.style, []).append(entry)
    width = max(6.5, 1.6 * len(labels))
    apart = sum(int(entry.best.sum()) for entry in series) > LINES and 1 < len(groups) <= PANELS
    if not apart:
        figure = style.new_figure(width, 4.6)
        axes = figure.subplots()
        draw_parallel(axes, series, known, labels, ends=_ends(series, known))
        style.add_legend(figure, axes, note=note)
        return figure
    figure = style.new_figure(width, 1.2 + 1.9 * len(groups))
    panels = figure.subplots(len(groups), 1, sharex=True)
    for place, (axes, own) in enumerate(zip(panels, groups.values(), strict=True)):
        shown = (place == 0, place == len(groups) - 1)
        draw_parallel(axes, own, known, labels, ends=_ends(series, known), top=shown[0], bottom=shown[1])
        axes.set_title(
            own[0].label or "",
            loc="left",
            pad=20 if shown[0] else 6,  # above the best values
            color=own[0].style.colour,
            fontsize=11,
            fontweight="bold",
        )
        for line in axes.lines:
            if line.get_label() == own[0].label:
                line.set_label("_named above its panel")
    style.add_legend(figure, panels[0], note=note)
    return figure


def _ends(series: Sequence[Series], known: Known | None) -> tuple[Array, Array]:
    """The least and the greatest value (m,) of each objective that is drawn: the ends of its axis."""
    drawn = [entry.points[entry.best] for entry in series] + ([] if known is None else [known.points])
    everything = np.concatenate(drawn)
    return everything.min(0), everything.max(0)


def _panels(
    series: list[Series], known: Known | None, reference: Array | None, labels: list[str], note: str | None
) -> Figure:
    """A panel for each pair of objectives; of three objectives, one in depth as well."""
    m = len(labels)
    pairs = list(combinations(range(m), 2))
    if reference is not None and not _near(reference, series):
        reference = None
    if m == 2:
        figure = style.new_figure(6.5, 4.6)
        panels = [figure.subplots()]
    else:
        figure = style.new_figure(10.5, 8.6)
        panels = [figure.add_subplot(2, 2, place) for place in (1, 2, 3)]
        draw_depth(figure.add_subplot(2, 2, 4, projection="3d"), series, known, reference, labels)
    for axes, (x, y) in zip(panels, pairs, strict=True):
        for entry in series:
            _points(axes, entry, x, y)
        if known is not None:
            # Just around the largest markers, so that a point reached is seen inside.
            _known(axes, known, x, y, size=1.25 * max(entry.size for entry in series) ** 0.5)
        if reference is not None:
            axes.plot(
                reference[x],
                reference[y],
                linestyle="",
                marker="x",
                color=INK,
                markersize=7,
                label="reference point",
                zorder=4,
            )
        axes.set_xlabel(labels[x])
        axes.set_ylabel(labels[y])
        axes.margins(0.06)
        style.quiet(axes)
    style.add_legend(figure, panels[0], note=note)
    return figure


def _points(axes: Axes, entry: Series, x: int, y: int) -> None:
    """Two objectives of one front."""
    for mask, alpha in ((~entry.best, 0.25), (entry.best, 0.9)):
        # Drawn also where empty: the legend needs every label once.
        axes.scatter(
            entry.points[mask, x],
            entry.points[mask, y],
            s=entry.size if alpha > 0.5 else 0.4 * entry.size,
            marker=entry.style.marker,
            color=entry.style.colour,
            alpha=alpha,
            linewidths=0.6,
            edgecolors="white",
            label=entry.label if alpha > 0.5 else None,
            zorder=3,
        )
    if entry.errors is not None:
        points, errors = entry.points[entry.best], entry.errors[entry.best]
        axes.errorbar(
            points[:, x],
            points[:, y],
            xerr=errors[:, x],
            yerr=errors[:, y],
            fmt="none",
            ecolor=entry.style.colour,
            elinewidth=0.9,
            alpha=0.6,
            zorder=2.5,
        )


def _known(axes: Axes, known: Known, x: int, y: int, *, size: float) -> None:
    """Two objectives of the known front: rings `size` points wide, of two objectives on a line."""
    axes.plot(
        known.points[:, x],
        known.points[:, y],
        linestyle="-" if known.points.shape[1] == 2 else "",
        linewidth=0.8,
        marker="o",
        markersize=size,
        markerfacecolor="none",
        markeredgecolor=KNOWN,
        markeredgewidth=0.9 if size > 10 else 0.7,
        color="#999999",
        label=known.label,
        zorder=2,
    )


def _near(reference: Array, series: list[Series]) -> bool:
    """Whether showing the reference point would at most double the range of every objective."""
    points = np.concatenate([entry.points for entry in series])
    low, high = points.min(0), points.max(0)
    distance = np.maximum(low - reference, reference - high)
    return bool((distance <= high - low).all())
