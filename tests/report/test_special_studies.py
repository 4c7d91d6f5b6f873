"""Studies that are unlike others: one point, a flat objective, many seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from browsing import Visit, entry

from morl.report import write_report
from morl.study import Study


def test_a_single_point_and_a_flat_objective_are_drawn(chromium: Any, tmp_path: Path) -> None:
    study = Study(entries=(entry("one", [[1.0, 5.0]]), entry("two", [[2.0, 5.0], [2.0, 5.0]])))
    visit = Visit(chromium, write_report(study, tmp_path / "flat.html"))
    assert visit.chosen() == [(1, 5), (2, 5)]
    visit.close()
    assert visit.errors == []


def test_of_several_seeds_the_median_one_stands_out(chromium: Any, tmp_path: Path) -> None:
    seeds = tuple(entry(f"a/{i}", [[float(i), 0.0]], group="a", seed=i) for i in range(5))
    visit = Visit(chromium, write_report(Study(entries=seeds), tmp_path / "seeds.html"))
    sizes = (
        "document.getElementById('fronts').data.filter(({ meta }) => meta === 'chosen')"
        ".flatMap(({ x, marker }) => Array.from(x).map((value, i) => [value, marker.size[i]]))"
    )
    by_place = dict(visit.page.evaluate(sizes))
    assert [place for place, size in by_place.items() if size == max(by_place.values())] == [2]
    assert "the median one is large" in visit.page.text_content("#fronts-help")
    visit.close()
    assert visit.errors == []
