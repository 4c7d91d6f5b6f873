"""Learning curves: an indicator over training, against steps and against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from morl._arrays import Array, check_finite, to_float64
from morl.errors import MorlError
from morl.pictures import style
from morl.pictures.style import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAMPLES = 200
"""At how many places a band is drawn at least."""


class Curve(NamedTuple):
    """The evaluations of one seed, in order."""

    steps: ArrayLike
    """Environment steps, shape (t,), increasing."""
    seconds: ArrayLike
    """Seconds trained, shape (t,), increasing."""
    values: Mapping[str, ArrayLike]
    """Indicator -> values, shape (t,); NaN where an evaluation has none."""


def plot_learning_curves(
    curves: Mapping[str, Sequence[Curve]],
    path: str | Path,
    *,
    indicators: Sequence[str] | None = None,
    levels: Mapping[str, float] | None = None,
    level_label: str = "exact front",
    note: str | None = None,
    title: str | None = None,
) -> Path:
    """Draw indicators over training and write the picture: a row per indicator, against steps and wall-clock time.

    A group's line is the median over its seeds, the band around it holds their middle half. Between evaluations,
    values are interpolated; where one seed has no values, not yet or no longer, the group has no line.

    Args:
        curves: group -> the curve of each seed.
        path: the file, `.png`, `.pdf` or `.svg`.
        indicators: which to draw, a row for each; by default all that occur.
        levels: indicator -> its value for the exact or best known front, drawn as a line.
        level_label: how the legend calls that.
        note: below the picture, a sentence.
        title: above the picture.

    Raises:
        MorlError: nothing to draw, an indicator that no seed has, shapes that differ, or another kind of file.
    """
    path = style.check_path(path)
    found = dict.fromkeys(name for seeds in curves.values() for curve in seeds for name in curve.values)
    rows = list(found if indicators is None else indicators)
    if not rows:
        raise MorlError("expected at least one evaluation during training to draw, got none")
    unknown = [name for name in rows if name not in found]
    if unknown:
        raise MorlError(f"expected indicators among {', '.join(found)}, got {unknown[0]}")
    checked = {
        name: {
            group: [_checked(curve, name, group) for curve in seeds if name in curve.values]
            for group, seeds in curves.items()
        }
        for name in rows
    }
    times = [seconds for groups in checked.values() for seeds in groups.values() for _, seconds, _ in seeds]
    unit, size = _unit(max((float(seconds[-1]) for seconds in times if len(seconds)), default=0.0))
    figure = style.new_figure(10.5, 0.9 + 3.2 * len(rows))
    panels = figure.subplots(len(rows), 2, squeeze=False, sharey="row", sharex="col")
    for name, (by_steps, by_time) in zip(rows, panels, strict=True):
        for place, (group, seeds) in enumerate(checked[name].items()):
            look = style.style_of(place)
            _draw(by_steps, [(steps, values) for steps, _, values in seeds], group, look)
            _draw(by_time, [(seconds / size, values) for _, seconds, values in seeds], group, look)
        for axes in (by_steps, by_time):
            if levels and name in levels:
                axes.axhline(
                    levels[name],
                    color=style.KNOWN,
                    linewidth=1,
                    linestyle=(0, (4, 3)),
                    label=style.drawn(level_label),
                    zorder=2,
                )
            style.quiet(axes)
        by_steps.set_ylabel(style.drawn(name.replace("_", " ").replace("-", " ")))
    panels[-1][0].set_xlabel("environment steps")
    panels[-1][1].set_xlabel(f"wall-clock time [{unit}]")
    panels[-1][0].xaxis.set_major_formatter(_steps_formatter())
    several = any(len(seeds) > 1 for seeds in curves.values())
    explained = "line: median over seeds; band: their middle half" if several else None
    style.add_legend(figure, panels[0][0], note="\n".join(filter(None, (explained, note))) or None)
    style.set_title(figure, title)
    return style.write_figure(figure, path)


def median_and_band(curves: Sequence[tuple[Array, Array]]) -> tuple[Array, Array, Array, Array] | None:
    """Median and quartiles of curves (x (t_i,), values (t_i,)) where all of them have values.

    Returns:
        x, lower quartile, median and upper quartile, each (n,); None where the curves share no x.
    """
    start = max(x[0] for x, _ in curves)
    end = min(x[-1] for x, _ in curves)
    if end < start:
        return None
    places = np.unique(np.concatenate([np.linspace(start, end, SAMPLES), *(x for x, _ in curves)]))
    places = places[(places >= start) & (places <= end)]
    values = np.array([np.interp(places, x, y) for x, y in curves])
    low, middle, high = np.percentile(values, [25, 50, 75], axis=0)
    return places, low, middle, high


def _draw(axes: Axes, curves: list[tuple[Array, Array]], group: str, look: Style) -> None:
    """One group; where its seeds share no range, each as a thin line."""
    curves = [curve for curve in curves if len(curve[0])]
    if not curves:
        return
    band = median_and_band(curves)
    if band is None:
        for i, (x, y) in enumerate(curves):
            label = None if i else style.drawn(group)
            axes.plot(x, y, color=look.colour, linestyle=look.line, linewidth=0.8, label=label)
        return
    places, low, middle, high = band
    if len(curves) > 1:
        axes.fill_between(places, low, high, color=look.colour, alpha=0.18, linewidth=0, zorder=2)
    axes.plot(
        places,
        middle,
        color=look.colour,
        linestyle=look.line,
        linewidth=1.8,
        # Told apart in print without colours, too; a single evaluation is a point.
        marker=look.marker,
        markevery=[len(places) - 1],
        markersize=5.5,
        label=style.drawn(group),
        zorder=3,
    )


def _checked(curve: Curve, name: str, group: str) -> tuple[Array, Array, Array]:
    """Steps, seconds and values (t,) of the evaluations that have a value."""
    values = to_float64(curve.values[name], f"values of {name}")
    steps, seconds = (to_float64(x, what) for x, what in ((curve.steps, "steps"), (curve.seconds, "seconds")))
    if not (steps.ndim == 1 and steps.shape == seconds.shape == values.shape):
        raise MorlError(
            f"expected steps, seconds and values of {name} of one shape (t,) in {group}, got {steps.shape}, "
            f"{seconds.shape} and {values.shape}"
        )
    for what, x in (("steps", steps), ("seconds", seconds)):
        check_finite(x, what)
        if (np.diff(x) < 0).any():
            raise MorlError(f"expected {what} of {group} in increasing order")
    kept = np.isfinite(values)
    return steps[kept], seconds[kept], values[kept]


def _unit(seconds: float) -> tuple[str, float]:
    """A unit in which so long a time is read easily, and its seconds."""
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return unit, size
    return "seconds", 1.0


def _steps_formatter() -> object:
    from matplotlib.ticker import EngFormatter

    return EngFormatter(sep="")
