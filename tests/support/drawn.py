"""Look at pictures as figures: catch them as they are written, read their legends, find texts that collide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from morl.pictures import style


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is written."""
    drawn: list[Figure] = []
    original = style.write_figure

    def spy(figure: Figure, path: Path) -> Path:
        drawn.append(figure)
        return original(figure, path)

    monkeypatch.setattr(style, "write_figure", spy)
    return drawn


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def offsets(axes, label: str) -> list[list[float]]:
    (found,) = [artist for artist in axes.collections if artist.get_label() == label]
    return np.asarray(found.get_offsets()).tolist()


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Texts that cover one another, and texts beyond the edge of the picture."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    texts += [*figure.texts] + ([figure._suptitle] if figure._suptitle else [])
    for axes in figure.axes:
        if axes.name == "3d":
            continue  # its texts stand where the projection puts them, which they do not tell
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            ticks = zip(
                axis.get_ticklocs(), axis.get_ticklabels(), strict=False
            )  # shared axes have no labels
            texts += [text for place, text in ticks if min(limits) <= place <= max(limits)]
    boxes = {
        text: text.get_window_extent(renderer)
        for text in dict.fromkeys(texts)
        if text.get_text() and text.get_visible()
    }
    found = [
        (a.get_text(), b.get_text())
        for i, (a, x) in enumerate(boxes.items())
        for b, y in list(boxes.items())[i + 1 :]
        if x.padded(-1).overlaps(y.padded(-1))
    ]
    width, height = figure.canvas.get_width_height()
    found += [
        (text.get_text(), "edge")
        for text, box in boxes.items()
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    return found
