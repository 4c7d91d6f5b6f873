"""What statistics over seeds look like: performance profiles, and intervals as bars."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from morl._arrays import as_vector
from morl._bootstrap import samples_of
from morl.errors import MorlError
from morl.pictures import style
from morl.statistics import Interval, performance_profile

THRESHOLDS = 201
"""Where a profile is evaluated unless told otherwise."""

COLUMNS = 3
"""At most so many panels of intervals stand side by side."""

WRAPPED = 40
"""Letters of a group's name that stand in one line beside the bars."""


def plot_profiles(
    scores: Mapping[str, Any],
    path: str | Path,
    *,
    thresholds: Any = None,
    xlabel: str = "normalised score",
    title: str | None = None,
    seed: int = 0,
) -> Path:
    """Draw performance profiles and write the picture: which part of the runs exceeds each score.

    Bands are pointwise 95 % bootstrap intervals, stratified by environment (`morl.statistics`); a group with too few
    seeds for one has none.

    Args:
        scores: group -> scores, shape (seeds,), (seeds, environments), or a sequence of (seeds_i,).
        path: the file, `.png`, `.pdf` or `.svg`.
        thresholds: (t,), where to look; by default from the lowest score to the highest.
        xlabel: what the scores are.
        title: above the picture.
        seed: of the resampling.

    Raises:
        MorlError: no groups, scores that are none, or another kind of file.
    """
    path = style.check_path(path)
    if not scores:
        raise MorlError("expected scores of at least one group to draw, got none")
    if thresholds is None:
        every = np.concatenate([part for group in scores.values() for part in samples_of(group)])
        low, high = float(every.min()), float(every.max())
        edge = 0.03 * (high - low) or 0.5
        thresholds = np.linspace(low - edge, high + edge, THRESHOLDS)
    levels = as_vector(thresholds, name="thresholds")
    figure = style.new_figure(6.5, 4.6)
    axes = figure.subplots()
    banded = False
    for place, (group, values) in enumerate(scores.items()):
        profile = performance_profile(values, levels, seed=seed)
        look = style.style_of(place)
        if profile.low is not None and profile.high is not None:
            banded = True
            axes.fill_between(
                levels,
                profile.low,
                profile.high,
                step="mid",
                color=look.colour,
                alpha=0.18,
                linewidth=0,
                zorder=2,
            )
        axes.step(
            levels,
            profile.fractions,
            where="mid",
            color=look.colour,
            linestyle=look.line,
            linewidth=1.8,
            label=style.drawn(group),
            zorder=3,
        )
    axes.set_xlim(levels[0], levels[-1])
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(f"{xlabel} τ")
    axes.set_ylabel("runs with a score above τ")
    axes.yaxis.set_major_formatter("{x:.0%}")
    style.quiet(axes)
    style.add_legend(figure, axes, note="bands: pointwise 95 % bootstrap intervals" if banded else None)
    style.set_title(figure, title)
    return style.write_figure(figure, path)


def plot_intervals(
    estimates: Mapping[str, Mapping[str, tuple[float, Interval | None]]],
    path: str | Path,
    *,
    note: str | None = "lines: interquartile means over seeds; bars: 95 % bootstrap intervals",
    title: str | None = None,
) -> Path:
    """Draw estimates with their intervals and write the picture: a panel per indicator, a bar per group.

    Args:
        estimates: panel -> group -> value and interval, None where there is none.
        path: the file, `.png`, `.pdf` or `.svg`.
        note: below the panels, what is drawn; left out where no group has an interval.
        title: above the picture.

    Raises:
        MorlError: nothing to draw, or another kind of file.
    """
    path = style.check_path(path)
    groups = list(dict.fromkeys(group for panel in estimates.values() for group in panel))
    if not groups:
        raise MorlError("expected estimates of at least one group to draw, got none")
    rows = math.ceil(len(estimates) / COLUMNS)
    columns = math.ceil(len(estimates) / rows)  # rows of about the same length
    figure = style.new_figure(max(5.5, 1.2 + 3.1 * columns), 0.8 + rows * (0.7 + 0.36 * len(groups)))
    # Else the numbers of neighbouring axes touch.
    figure.set_layout_engine("constrained", wspace=0.08, hspace=0.06)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    panels = list(grid.flat)
    for axes in panels[len(estimates) :]:
        axes.remove()
    for axes, (name, values) in zip(panels, estimates.items(), strict=False):
        for place, group in enumerate(groups):
            if group not in values:
                continue
            value, interval = values[group]
            colour = style.style_of(place).colour
            if interval is not None:
                axes.barh(
                    place, interval[1] - interval[0], left=interval[0], height=0.55, color=colour, alpha=0.45
                )
            axes.plot([value, value], [place - 0.275, place + 0.275], color=style.INK, linewidth=1.8)
        axes.set_title(style.drawn(name), color=style.INK, fontsize=10.5)
        style.quiet(axes)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.use_sticky_edges = False  # bars would end the axis where they end
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=4)
    panels[0].set_yticks(range(len(groups)), [textwrap.fill(style.drawn(group), WRAPPED) for group in groups])
    panels[0].set_ylim(len(groups) - 0.5, -0.5)
    if note and any(interval is not None for values in estimates.values() for _, interval in values.values()):
        figure.supxlabel(note, color=style.QUIET, fontsize=8.5)
    style.set_title(figure, title)
    return style.write_figure(figure, path)
