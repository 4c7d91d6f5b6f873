"""Attainment bands: what half of the seeds reach, and how far the seeds differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl._arrays import Array, as_points
from morl.attainment import attainment_difference, attainment_surface
from morl.errors import MorlError
from morl.front import Front
from morl.pictures import style
from morl.pictures.style import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = (25.0, 75.0)
"""Percentiles of the surfaces between which the band lies."""

HARDLY = 2e-3
"""Share of a panel below which its shade is easily overlooked."""


def plot_attainment(
    fronts: Mapping[str, Sequence[Front]],
    path: str | Path,
    *,
    exact: Front | Any = None,
    exact_label: str = "exact front",
    title: str | None = None,
) -> Path:
    """Draw the median attainment surface of each group in a band of its seeds and write the picture.

    The line is what half of a group's seeds attain; the band lies between what a quarter and three quarters attain.
    Three objectives are shown in their three projections: what is attained in two of them, whatever the third.
    That is the projection of the surface in three.

    Args:
        fronts: group -> the front of each seed, of the same 2 or 3 objectives.
        path: the file, `.png`, `.pdf` or `.svg`.
        exact: the exact or best known front, a `Front` or points (l, m), drawn as a line.
        exact_label: how the legend calls it.
        title: above the picture; by default the environment's id.

    Raises:
        MorlError: no fronts, fronts of different objectives or of more than three, or another kind of file.
    """
    path = style.check_path(path)
    first = _first(fronts)
    m = first.num_objectives
    labels = style.axis_labels(first)
    returns = {group: [front.returns for front in seeds] for group, seeds in fronts.items()}
    known = None
    if exact is not None:
        known = exact.returns if isinstance(exact, Front) else as_points(exact, m=m)
    pairs = list(combinations(range(m), 2))
    figure = style.new_figure(6.5 if m == 2 else 4.2 * len(pairs), 4.6)
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, pair in zip(panels, pairs, strict=True):
        chosen = list(pair)
        points = np.concatenate([front for seeds in returns.values() for front in seeds])[:, chosen]
        if known is not None:
            points = np.concatenate([points, known[:, chosen]])
        corner, top = _limits(points)
        for place, (group, seeds) in enumerate(returns.items()):
            _band(axes, [front[:, chosen] for front in seeds], corner, group, style.style_of(place))
        if known is not None:
            x, y = _stairs(attainment_surface([known[:, chosen]]), corner)
            axes.plot(
                x,
                y,
                color=style.KNOWN,
                linewidth=1,
                linestyle=(0, (4, 3)),
                label=style.drawn(exact_label),
                zorder=4,
            )
        axes.set_xlim(corner[0], top[0])
        axes.set_ylim(corner[1], top[1])
        axes.set_xlabel(labels[pair[0]])
        axes.set_ylabel(labels[pair[1]])
        style.quiet(axes)
    several = any(len(seeds) > 1 for seeds in returns.values())
    style.add_legend(
        figure,
        panels[0],
        note="line: attained by half of the seeds; band: by a quarter to three quarters" if several else None,
    )
    style.set_title(figure, first.env_id if title is None else title)
    return style.write_figure(figure, path)


def plot_attainment_difference(
    fronts: Mapping[str, Sequence[Front]],
    path: str | Path,
    *,
    title: str | None = None,
) -> Path:
    """Draw where two groups differ in what they attain, and write the picture: a panel for each that is ahead.

    The darker, the larger the difference of the fractions of their seeds that attain a point (López-Ibáñez,
    Paquete and Stützle 2010). The lines are what some seed and what every seed of both groups attains.

    Args:
        fronts: two groups -> the front of each seed, of the same two objectives.
        path: the file, `.png`, `.pdf` or `.svg`.
        title: above the picture; by default the environment's id.

    Raises:
        MorlError: other than two groups or two objectives, or another kind of file.
    """
    path = style.check_path(path)
    if len(fronts) != 2:
        raise MorlError(f"expected two groups to draw the difference of, got {len(fronts)}")
    first = _first(fronts)
    if first.num_objectives != 2:
        raise MorlError(
            f"expected two objectives, got {first.num_objectives}: differences have no picture there"
        )
    one, other = ([front.returns for front in seeds] for seeds in fronts.values())
    boxes = attainment_difference(one, other)
    corner, top = _limits(np.concatenate([*one, *other]))
    lower, upper = np.maximum(boxes.lower, corner), np.minimum(boxes.upper, top)
    labels = style.axis_labels(first)
    figure = style.new_figure(9.5, 4.6)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for place, (axes, group, ahead) in enumerate(zip(panels, fronts, (1, -1), strict=True)):
        look = style.style_of(place)
        for low, high, value in zip(lower, upper, ahead * boxes.values, strict=True):
            if value > 0:
                axes.fill_between(
                    [low[0], high[0]], low[1], high[1], color=look.colour, alpha=value, linewidth=0
                )
        for percentile, line, label in ((0, "-", "some seed attains"), (100, "--", "every seed attains")):
            x, y = _stairs(attainment_surface([*one, *other], percentile=percentile), corner)
            axes.plot(x, y, color=style.INK, linewidth=1, linestyle=line, label=label)
        area = np.prod(np.maximum(upper - lower, 0), axis=1)[ahead * boxes.values > 0].sum()
        if area < HARDLY * np.prod(top - corner):
            axes.text(0.5, 0.06, "hardly anywhere", transform=axes.transAxes, ha="center", color=style.QUIET)
        axes.set_title(style.drawn(f"attained by more seeds of {group}"), color=style.INK, fontsize=10.5)
        axes.set_xlabel(labels[0])
        style.quiet(axes)
    panels[0].set_ylabel(labels[1])
    panels[0].set_xlim(corner[0], top[0])
    panels[0].set_ylim(corner[1], top[1])
    style.add_legend(
        figure, panels[0], note="shade: difference of the fractions of seeds, up to full colour for all"
    )
    style.set_title(figure, first.env_id if title is None else title)
    return style.write_figure(figure, path)


def _first(fronts: Mapping[str, Sequence[Front]]) -> Front:
    """The first of all fronts, which must go together."""
    empty = [group for group, seeds in fronts.items() if not seeds]
    if empty:
        raise MorlError(f"expected at least one front in every group, {empty[0]} has none")
    first = style.check_alike([(group, front) for group, seeds in fronts.items() for front in seeds])
    if first.num_objectives > 3:
        raise MorlError(
            f"expected two or three objectives for attainment surfaces, got {first.num_objectives}; "
            "draw the fronts instead (plot_fronts)"
        )
    return first


def _limits(points: Array) -> tuple[Array, Array]:
    """Lower left and upper right corner of a panel that shows points (k, 2)."""
    low, high = points.min(0), points.max(0)
    edge = 0.06 * np.where(high > low, high - low, 1.0)
    return low - edge, high + edge


def _stairs(corners: Array, end: Array) -> tuple[Array, Array]:
    """The boundary of what corners (l, 2), sorted by x, attain: from `end` up and over, right and down to `end`."""
    x = np.concatenate([[end[0]], np.repeat(corners[:, 0], 2)])
    y = np.concatenate([np.repeat(corners[:, 1], 2), [end[1]]])
    return x, y


def _band(axes: Axes, fronts: list[Array], corner: Array, group: str, look: Style) -> None:
    """The median surface of some fronts (k_i, 2), and the band around it where there are several."""
    if len(fronts) > 1:
        inner, outer = (_stairs(attainment_surface(fronts, percentile=p), corner) for p in reversed(BAND))
        # One closed outline: out along the further surface, back along the nearer.
        axes.fill(
            np.concatenate([outer[0], inner[0][::-1]]),
            np.concatenate([outer[1], inner[1][::-1]]),
            color=look.colour,
            alpha=0.2,
            linewidth=0,
            zorder=2,
        )
    x, y = _stairs(attainment_surface(fronts), corner)
    axes.plot(x, y, color=look.colour, linestyle=look.line, linewidth=1.8, label=style.drawn(group), zorder=3)
