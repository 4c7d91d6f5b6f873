"""Panels for fronts of more than two objectives: a view in depth of three, parallel coordinates for any number."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from morl._arrays import Array
from morl.pictures.style import GRID, INK, KNOWN, SPINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from morl.pictures.fronts import Known, Series

LINES = 60
"""So many lines of parallel coordinates can be told apart; more are drawn fainter."""


def draw_depth(
    axes: Any, series: Sequence[Series], known: Known | None, reference: Array | None, labels: Sequence[str]
) -> None:
    """Three objectives at once: the points that no other of their front dominates.

    Seen from where all objectives are best, as one looks at a hill that the fronts cover.

    Args:
        axes: of matplotlib's projection "3d".
        series: the fronts.
        known: the exact or best known front.
        reference: (3,), the reference point.
        labels: of the three axes.
    """
    from matplotlib.ticker import MaxNLocator

    for entry in series:
        axes.scatter(
            *entry.points[entry.best].T,
            s=0.6 * entry.size,
            marker=entry.style.marker,
            color=entry.style.colour,
            edgecolors="white",
            linewidths=0.4,
        )
    if known is not None:
        axes.scatter(*known.points.T, s=30, facecolors="none", edgecolors=KNOWN, linewidths=0.5)
    if reference is not None:
        axes.scatter(*reference[:, None], marker="x", color=INK)
    for axis, label in zip((axes.xaxis, axes.yaxis, axes.zaxis), labels, strict=True):
        axis.set_label_text(label, color=INK)
        axis.pane.set_facecolor("white")
        axis.pane.set_edgecolor(SPINE)
        axis.line.set_color(SPINE)
        axis._axinfo["grid"].update(color=GRID, linewidth=0.8)
        axis.set_tick_params(labelsize=8, colors=INK)
        axis.set_major_locator(MaxNLocator(4))
    axes.view_init(elev=25, azim=40)


def draw_parallel(
    axes: Axes,
    series: Sequence[Series],
    known: Known | None,
    labels: Sequence[str],
    *,
    ends: tuple[Array, Array],
    top: bool = True,
    bottom: bool = True,
) -> None:
    """One vertical axis per objective, each from its worst to its best value; one line per point.

    Only points that no other of their front dominates; fainter where they are many.

    Args:
        axes: where to draw.
        series: the fronts.
        known: the exact or best known front.
        labels: of the objectives.
        ends: the worst and the best value of each objective, each (m,).
        top: whether the best values stand above.
        bottom: whether the worst values and the objectives' names stand below.
    """
    low, high = ends
    span = np.where(high > low, high - low, 1.0)
    positions = np.arange(len(labels))
    alpha = min(0.9, max(0.2, LINES / sum(int(entry.best.sum()) for entry in series)))
    for entry in series:
        lines = axes.plot(
            positions,
            ((entry.points[entry.best] - low) / span).T,
            color=entry.style.colour,
            alpha=alpha,
            linewidth=1.2,
            marker=entry.style.marker,
            markersize=4,
            zorder=3,
        )
        if entry.label is not None:
            lines[0].set_label(entry.label)
    if known is not None:
        lines = axes.plot(
            positions, ((known.points - low) / span).T, color=KNOWN, linewidth=0.8, linestyle=":", zorder=2
        )
        lines[0].set_label(known.label)
    # The name of an objective stands below its axis, its worst and its best value at the two ends.
    axes.set_xticks(
        positions,
        [f"{worst:.4g}\n{textwrap.fill(label, 16)}" for label, worst in zip(labels, low, strict=True)],
    )
    axes.tick_params(labelbottom=bottom)
    for position, best in zip(positions, high, strict=True) if top else ():
        axes.annotate(
            f"{best:.4g}",
            (position, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=INK,
        )
    axes.set_yticks([0, 1], ["worst", "best"])
    axes.set_ylim(-0.05, 1.05)
    axes.set_xlim(-0.15, len(labels) - 0.85)
    axes.tick_params(labelsize=9, length=0, colors=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for place in range(len(labels)):
        axes.axvline(place, color=SPINE, linewidth=0.8, zorder=1)
