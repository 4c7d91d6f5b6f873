"""What all pictures share: colours, quiet axes, the legend, and how a picture becomes a file."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from morl.errors import MorlError
from morl.front import Front
from morl.known import objectives_known
from morl.plain_text import plain
from morl.store import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart with every kind of colour vision. Black is kept for the known front.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
INK, QUIET, SPINE, GRID, KNOWN = "#333333", "#666666", "#BBBBBB", "#E6E6E6", "#111111"
LONGEST = 100
"""Letters of a name that are drawn."""
FORMATS = (".png", ".pdf", ".svg")


class Style(NamedTuple):
    """How one group is drawn, in every picture."""

    colour: str
    marker: str
    line: str


def style_of(place: int) -> Style:
    """The style of the group at a place, from 0: when the colours are used up, markers and lines move on."""
    turn = place // len(COLOURS)
    return Style(
        COLOURS[place % len(COLOURS)],
        MARKERS[(place + turn) % len(MARKERS)],
        LINES[turn % len(LINES)],
    )


def check_path(path: str | Path) -> Path:
    """The path of a picture; `MorlError` for an ending that is none."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise MorlError(f"expected a picture file ending in {', '.join(FORMATS)}, got {path}")
    return path


def check_alike(fronts: Sequence[tuple[str, Front]]) -> Front:
    """The first of some labelled fronts, all of the same two or more objectives."""
    if not fronts:
        raise MorlError("expected at least one front to draw, got none")
    first = fronts[0][1]
    for label, front in fronts:
        if front.objectives != first.objectives:
            raise MorlError(
                f"expected the objectives {first.objectives} in every front, {label} has {front.objectives}"
            )
    if first.num_objectives < 2:
        raise MorlError("expected at least two objectives, got one: there is no trade-off to draw")
    return first


def drawn(text: str) -> str:
    """A name as it is drawn: plain, not endless, and in the legend even where it begins with an underscore."""
    name = plain(text)
    name = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
    return f" {name}" if name.startswith("_") else name


def axis_labels(front: Front) -> list[str]:
    """`time [steps]`, with the units of the environment's card."""
    named = (f"{o.name} [{o.unit}]" if o.unit else o.name for o in objectives_known(front))
    return [drawn(name).lstrip() for name in named]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, independent of pyplot and of any display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def quiet(axes: Axes) -> None:
    """A light grid behind the data, no box around it."""
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(SPINE)


def add_legend(figure: Figure, axes: Axes, *, note: str | None = None) -> None:
    """One legend below all panels, of what `axes` shows, and a note under it.

    Labels stand in as many columns as fit the figure's width; the figure grows by the rows beyond the second, so
    that the panels stay as large as they are.
    """
    from matplotlib.collections import PathCollection

    handles, labels = axes.get_legend_handles_labels()
    widest = max((len(label) for label in labels), default=1)
    inches = 0.55 + 0.075 * widest  # of one entry: handle and letters of 9 points
    most = max(1, int(0.95 * figure.get_figwidth() / inches))
    rows = max(1, math.ceil(len(labels) / most))
    figure.set_figheight(figure.get_figheight() + 0.19 * max(0, rows - 2))
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=max(1, math.ceil(len(labels) / rows)),  # rows of about the same length
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        title=note,
        title_fontproperties={"size": 8.5},
    )
    legend.get_title().set_color(QUIET)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
        if isinstance(handle, PathCollection):
            handle.set_sizes([max(32.0, float(handle.get_sizes()[0]))])


def set_title(figure: Figure, title: str | None) -> None:
    """A heading over all panels, if there is one to give."""
    if title:
        figure.suptitle(drawn(title).lstrip(), color=INK, fontsize=13, fontweight="bold")


def write_figure(figure: Figure, path: Path) -> Path:
    """Write the picture: the same bytes for the same figure, and letters as letters in a PDF.

    No text in it is taken for mathematics, whatever dollars and backslashes the names of objectives hold.
    """
    from matplotlib import rc_context
    from matplotlib.text import Text

    kind = path.suffix[1:].lower()
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    image = io.BytesIO()
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_usetex(False)
    # Labels at ticks are made anew when the picture is drawn.
    with rc_context(
        {"svg.hashsalt": "morl", "pdf.fonttype": 42, "text.parse_math": False, "text.usetex": False}
    ):
        figure.savefig(
            image,
            format=kind,
            dpi=160,
            bbox_inches="tight",
            facecolor="white",
            metadata=undated.get(kind),
        )
    return atomic_write(path, image.getvalue())
