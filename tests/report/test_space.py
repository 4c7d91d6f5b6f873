"""Three objectives in space: a projection that the reader turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Visit, entry

from morl.report import write_report
from morl.study import Study

CORNERS = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 2.0) for z in (-3.0, 0.0)])
"""Of a box; the page stretches it to a cube."""


@pytest.fixture
def visit(chromium: Any, tmp_path: Path) -> Iterator[Visit]:
    study = Study(entries=(entry("box", CORNERS, env_id="box-v0"),))
    visit = Visit(chromium, write_report(study, tmp_path / "box.html"))
    yield visit
    visit.close()
    assert visit.errors == []


def places(visit: Visit) -> dict[int, tuple[float, float]]:
    """Place of a point in its front -> where its mark is in the picture."""
    found = visit.page.evaluate(
        "document.getElementById('fronts').data.filter(({ meta }) => !meta)"
        ".flatMap(({ x, y, customdata }) => customdata.map((key, i) => [key % 1e6, x[i], y[i]]))"
    )
    return {int(key): (x, y) for key, x, y in found}


def matrix(visit: Visit) -> np.ndarray:
    """(2, 3): where a step along each edge of the cube leads in the picture."""
    found = places(visit)
    origin = np.array(found[0])
    return np.stack([np.array(found[place]) - origin for place in (4, 2, 1)], axis=1)


def test_marks_are_projected_at_right_angles(visit: Visit) -> None:
    """Rows of an orthographic projection are orthogonal and of one length, and all corners agree with it."""
    projection = matrix(visit)
    gram = projection @ projection.T
    np.testing.assert_allclose(gram, gram[0, 0] * np.eye(2), atol=1e-9)
    found = places(visit)
    unit = (CORNERS - CORNERS.min(0)) / np.ptp(CORNERS, axis=0)
    np.testing.assert_allclose([found[i] for i in range(8)], unit @ projection.T + found[0], atol=1e-9)
    # Seen from where all are best: the best corner is nearest, and up is better in the third.
    depth = np.cross(projection[0], projection[1])
    assert (depth > 0).all() and projection[1, 2] > 0


def test_arrow_keys_and_the_mouse_turn_it(visit: Visit) -> None:
    before = matrix(visit)
    visit.page.focus("#fronts")
    visit.page.keyboard.press("ArrowRight")
    visit.settle()
    turned = matrix(visit)
    assert not np.allclose(turned, before)
    np.testing.assert_allclose(turned[1, 2], before[1, 2], atol=1e-12)  # as steep as before
    visit.page.keyboard.press("ArrowUp")
    visit.settle()
    assert matrix(visit)[1, 2] < turned[1, 2]
    box = visit.page.locator("#fronts").bounding_box()
    x, y = box["x"] + 150, box["y"] + 200
    visit.page.mouse.move(x, y)
    visit.page.mouse.down()
    visit.page.mouse.move(x + 60, y, steps=4)
    visit.page.mouse.up()
    visit.settle()
    dragged = matrix(visit)
    assert not np.allclose(dragged, turned)
    visit.page.mouse.move(x - 100, y)  # without a button, nothing turns
    visit.settle()
    np.testing.assert_array_equal(matrix(visit), dragged)


def test_marks_are_those_of_the_legend_and_name_themselves(visit: Visit) -> None:
    symbols = visit.page.evaluate(
        "[...new Set(document.getElementById('fronts').data.map(({ marker }) => [marker.symbol].flat()[0]))]"
    )
    assert symbols == [
        visit.page.evaluate("JSON.parse(document.getElementById('morl-study').textContent)")["groups"][0][
            "symbol"
        ]
    ]
    numbers = visit.page.evaluate(
        "document.getElementById('fronts').layout.annotations.map(({ text }) => text)"
    )
    assert {"first", "second", "third", "0", "\u22123"} <= set(numbers)
