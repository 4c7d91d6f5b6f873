"""Pictures of fronts: an overlay in two objectives, pairwise projections in three, parallel axes beyond."""

from __future__ import annotations

import io
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from morl import pareto, registry
from morl._arrays import Array, as_points, as_vector
from morl.errors import MorlError
from morl.front import Front
from morl.store import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart with every kind of colour vision. Black is kept for the known front.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, GRID, KNOWN = "#333333", "#E6E6E6", "#111111"
FORMATS = (".png", ".pdf", ".svg")


class _Series(NamedTuple):
    label: str
    points: Array
    """(k, m)."""
    best: NDArray[np.bool_]
    """(k,) bool: not dominated by the series' own points."""
    colour: str
    marker: str
    size: float
    """Area of a marker in square points: the first is the largest, so that later ones leave it in sight."""


def plot_fronts(
    fronts: Mapping[str, Front],
    path: str | Path,
    *,
    exact: Front | Any = None,
    exact_label: str = "exact front",
    reference_point: Any = None,
    title: str | None = None,
) -> Path:
    """Draw fronts over one another and write the picture; every objective is better to the right and up.

    Points that the same front dominates are drawn faint.

    Args:
        fronts: label -> front, all with the same objectives.
        path: the file, `.png`, `.pdf` or `.svg`.
        exact: the exact or best known front, a `Front` or points (l, m), drawn hollow.
        exact_label: how the legend calls it.
        reference_point: (m,), marked in two and three objectives, unless it is so far away that the points
            would shrink to a corner.
        title: above the picture; by default the environment's id.

    Raises:
        MorlError: no front, fronts of different objectives, or another kind of file.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise MorlError(f"expected a picture file ending in {', '.join(FORMATS)}, got {path}")
    if not fronts:
        raise MorlError("expected at least one front to draw, got none")
    first = next(iter(fronts.values()))
    names, m = first.objectives, first.num_objectives
    for label, front in fronts.items():
        if front.objectives != names:
            raise MorlError(f"expected the objectives {names} in every front, {label} has {front.objectives}")
    if m < 2:
        raise MorlError("expected at least two objectives, got one: there is no trade-off to draw")
    known = (
        None
        if exact is None
        else _sorted(exact.returns if isinstance(exact, Front) else as_points(exact, m=m))
    )
    reference = None if reference_point is None else as_vector(reference_point, name="reference_point", m=m)
    series = [_series(i, label, front) for i, (label, front) in enumerate(fronts.items())]
    figure = _figure(series, known, exact_label, reference, _axis_labels(first))
    figure.suptitle(first.env_id if title is None else title, color=INK, fontsize=13, fontweight="bold")
    image = io.BytesIO()
    figure.savefig(image, format=path.suffix[1:].lower(), dpi=160, bbox_inches="tight", facecolor="white")
    return atomic_write(path, image.getvalue())


def _series(index: int, label: str, front: Front) -> _Series:
    return _Series(
        label=label,
        points=front.returns,
        best=pareto.is_nondominated(front.returns, keep_duplicates=True),
        colour=COLOURS[index % len(COLOURS)],
        marker=MARKERS[index % len(MARKERS)],
        size=max(18.0, 125.0 * 0.42**index),
    )


def _axis_labels(front: Front) -> list[str]:
    """`time [steps]`, with the units of the environment's card."""
    card = registry.get_card(front.env_id)
    units = {} if card is None else {objective.name: objective.unit for objective in card.objectives}
    return [f"{name} [{units[name]}]" if units.get(name) else name for name in front.objectives]


def _sorted(points: Array) -> Array:
    """Points in the order of their first objective, so that a line through them is a curve."""
    return points[np.lexsort(points.T[::-1])]


def _figure(
    series: list[_Series], known: Array | None, known_label: str, reference: Array | None, names: list[str]
) -> Figure:
    """All panels and the legend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    m = len(names)
    pairs = list(combinations(range(m), 2)) if m <= 3 else []
    width = 5.0 * len(pairs) + 1.5 if pairs else max(6.5, 1.6 * m)
    figure = Figure(figsize=(width, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    if pairs:
        panels = list(np.atleast_1d(figure.subplots(1, len(pairs))))
        for axes, (x, y) in zip(panels, pairs, strict=True):
            _projection(axes, series, (known, known_label), reference, (x, y))
            axes.set_xlabel(names[x], color=INK)
            axes.set_ylabel(names[y], color=INK)
    else:
        panels = [figure.subplots()]
        _parallel(panels[0], series, (known, known_label), names)
    for axes in panels:
        _style(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    columns = min(len(labels), 3 if len(pairs) == 1 else 6)
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    return figure


def _projection(
    axes: Axes,
    series: list[_Series],
    known: tuple[Array | None, str],
    reference: Array | None,
    pair: tuple[int, int],
) -> None:
    """Two objectives of all points."""
    x, y = pair
    for entry in series:
        for mask, alpha in ((~entry.best, 0.25), (entry.best, 0.9)):
            # Drawn also where empty: the legend needs every label once.
            axes.scatter(
                entry.points[mask, x],
                entry.points[mask, y],
                s=entry.size if alpha > 0.5 else 0.4 * entry.size,
                marker=entry.marker,
                color=entry.colour,
                alpha=alpha,
                linewidths=0.6,
                edgecolors="white",
                label=entry.label if alpha > 0.5 else None,
                zorder=3,
            )
    points, label = known
    if points is not None:
        line = "-" if points.shape[1] == 2 else ""
        axes.plot(
            points[:, x],
            points[:, y],
            linestyle=line,
            linewidth=0.8,
            marker="o",
            markersize=14,
            markerfacecolor="none",
            markeredgecolor=KNOWN,
            markeredgewidth=0.9,
            color="#999999",
            label=label,
            zorder=2,
        )
    if reference is not None and _near(reference, series):
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


def _near(reference: Array, series: list[_Series]) -> bool:
    """Whether showing the reference point would at most double the range of every objective."""
    points = np.concatenate([entry.points for entry in series])
    low, high = points.min(0), points.max(0)
    distance = np.maximum(low - reference, reference - high)
    return bool((distance <= high - low).all())


def _parallel(axes: Axes, series: list[_Series], known: tuple[Array | None, str], names: list[str]) -> None:
    """One vertical axis per objective, each from its worst to its best value; one line per point."""
    points, label = known
    everything = np.concatenate([entry.points for entry in series] + ([] if points is None else [points]))
    low, high = everything.min(0), everything.max(0)
    span = np.where(high > low, high - low, 1.0)
    positions = np.arange(len(names))
    if points is not None:
        lines = axes.plot(
            positions, ((points - low) / span).T, color=KNOWN, linewidth=0.8, linestyle=":", zorder=2
        )
        lines[0].set_label(label)
    for entry in series:
        scaled = ((entry.points[entry.best] - low) / span).T
        alpha = min(0.9, max(0.25, 12 / max(1, scaled.shape[1])))
        lines = axes.plot(
            positions,
            scaled,
            color=entry.colour,
            alpha=alpha,
            linewidth=1.2,
            marker=entry.marker,
            markersize=4,
            zorder=3,
        )
        lines[0].set_label(entry.label)
    axes.set_xticks(
        positions,
        [f"{name}\n{worst:.4g} to {best:.4g}" for name, worst, best in zip(names, low, high, strict=True)],
    )
    axes.set_yticks([0, 1], ["worst", "best"])
    axes.set_xlim(-0.15, len(names) - 0.85)
    for position in range(len(names)):
        axes.axvline(position, color="#BBBBBB", linewidth=0.8, zorder=1)


def _style(axes: Axes) -> None:
    """Quiet axes: a light grid behind the points, no box around them."""
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(0.06)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#BBBBBB")
