"""The scores in the report: digits that tell values apart, what to beware of, and all environments together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Visit, entry

from morl.comparison import compare
from morl.report import write_report
from morl.report.payload import build_payload
from morl.study import Study


def two_environments() -> Study:
    """`good` beats `bad` in both, with three seeds each; `once` is in one environment only."""
    entries = [entry("runs/once", [[0.0, 0.0]], env_id="a-v0", group="once")]
    for env_id in ("a-v0", "b-v0"):
        for rank, group in enumerate(("good", "bad")):
            for seed in range(3):
                points = np.array([[1000.0, 0.0], [0.0, 1000.0]]) - rank - 0.01 * seed
                label = f"runs/{env_id}/{group}/{seed}"
                entries.append(entry(label, points, group=group, env_id=env_id, seed=seed))
    return Study(entries=tuple(entries))


def test_scores_over_all_environments_are_those_of_the_comparison() -> None:
    study = two_environments()
    found = compare(study)
    overall = build_payload(study).study["overall"]
    first = found.overall[0]
    shown = overall["indicators"][0]
    assert shown["name"] == first.indicator and shown["environments"] == 2
    names = [study.groups[group["place"]] for group in shown["groups"]]
    assert names == list(first.iqm) == ["good", "bad"]
    assert [group["score"][0] for group in shown["groups"]] == pytest.approx(
        list(first.iqm.values()), rel=1e-6
    )
    assert shown["improvement"][0][0][0] == first.improvement["good", "bad"][0] == 1
    assert any("left out" in note and "once" in note for note in overall["notes"])


def test_one_environment_has_nothing_over_all() -> None:
    study = Study(entries=(entry("a", [[1.0, 0.0]]), entry("b", [[0.0, 1.0]])))
    assert build_payload(study).study["overall"] == {"indicators": [], "notes": []}


def test_the_page_shows_who_is_likely_to_be_better(chromium: Any, tmp_path: Path) -> None:
    visit = Visit(chromium, write_report(two_environments(), tmp_path / "two.html"))
    page = visit.page
    page.click("#tab-scores")
    visit.settle()
    assert page.is_visible("#overall-card")
    assert page.locator("#overall tbody th").all_text_contents() == ["good", "bad"]
    rows = [row.locator("td").all_text_contents() for row in page.locator("#improvement tbody tr").all()]
    assert rows[0][0] == rows[1][1] == "\u2013"
    assert rows[0][1].startswith("100 %") and rows[1][0].startswith("0 %")
    assert (
        "Left out, since not in every environment: once."
        in page.locator("#overall-notes li").all_text_contents()
    )
    assert any("reference point" in note for note in page.locator("#scores-notes li").all_text_contents())
    visit.close()
    assert visit.errors == []


def test_values_that_differ_look_different(chromium: Any, tmp_path: Path) -> None:
    study = Study(entries=tuple(entry(f"runs/{i}", [[5000.0 + 0.01 * i, 0.0]]) for i in range(3)))
    visit = Visit(chromium, write_report(study, tmp_path / "close.html"))
    visit.page.click("#tab-scores")
    visit.settle()
    heads = visit.page.locator("#scores thead th").all_text_contents()
    column = next(i for i, head in enumerate(heads) if head.startswith("expected utility"))
    rows = [row.locator("th, td").all_text_contents() for row in visit.page.locator("#scores tbody tr").all()]
    assert len({row[column] for row in rows}) == 3
    # A run is called what tells it from the others; the whole path is its title.
    assert [row[0].strip() for row in rows] == ["runs/0", "runs/1", "runs/2"]
    visit.page.click("#tab-sources")
    visit.settle()
    assert visit.page.locator("#sources summary strong").all_text_contents() == ["0", "1", "2"]
    visit.close()
    assert visit.errors == []
