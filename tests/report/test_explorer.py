"""The front explorer in a browser: what its reader moves, and what answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import HOLLOW, NASTY, Visit, small_study

from morl.report import write_report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(small_study(), tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def shared(chromium: Any, report: Path) -> Iterator[Visit]:
    visit = Visit(chromium, report)
    yield visit
    visit.close()


@pytest.fixture
def visit(shared: Visit) -> Iterator[Visit]:
    """The page as it opens; nothing that a test does may be an error, or ask for anything from anywhere."""
    page = shared.page
    page.evaluate(
        "document.getElementById('tab-choose').click();"
        "for (const id of ['group-known', ...[0, 1, 2, 3].map((i) => `group-${i}`)]) {"
        "  const box = document.getElementById(id); if (box && !box.checked) box.click(); }"
        "for (const value of ['linear', 'false', 'best']) document.querySelector(`#rules [value=${value}]`)?.click();"
        "document.getElementById('no-limits').click(); document.getElementById('equal').click();"
    )
    select(shared, 0)
    yield shared
    assert shared.errors == []
    assert [url for url in shared.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def select(visit: Visit, place: int) -> None:
    """Go to an environment."""
    visit.page.select_option("#environment", str(place))
    visit.settle()


def outcome(visit: Visit) -> list[list[str]]:
    """The table of what each agent gives, row by row."""
    return [
        row.locator("th, td").all_text_contents() for row in visit.page.locator("#outcome tbody tr").all()
    ]


def test_sliders_choose_the_policy_and_the_table_follows(visit: Visit) -> None:
    assert visit.weights() == [50, 50]
    visit.slide("#weight-0", 90)
    assert visit.weights() == [90, 10]
    assert visit.chosen() == [(10, 0), (9, -1), (8, -1)]
    assert "10.00" in outcome(visit)[0][1] or "9.5" in outcome(visit)[0][1]  # the median of two seeds
    visit.slide("#weight-0", 10)
    assert visit.chosen() == [(0, 10), (-1, 9), (2, 2)]
    assert "hollow/0, with first 0.00, second 10.00" in visit.page.text_content("#outcome-summary")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_weights_stay_on_the_simplex(visit: Visit, place: int) -> None:
    select(visit, place)
    rng = np.random.default_rng(place)
    m = len(visit.weights())
    for value in [0, 100, 37, 1, *rng.integers(0, 101, size=6).tolist()]:
        slider = int(rng.integers(m))
        visit.slide(f"#weight-{slider}", value)
        weights = visit.weights()
        assert sum(weights) == pytest.approx(100, abs=1e-9)
        assert min(weights) >= 0
        assert weights[slider] == value


def test_a_weight_that_was_pushed_to_zero_comes_back_with_the_same_drag(visit: Visit) -> None:
    select(visit, 1)
    visit.slide("#weight-0", 20)
    visit.slide("#weight-1", 60)
    before = visit.weights()
    visit.slide("#weight-2", 100)
    assert visit.weights() == [0, 0, 100]
    visit.slide("#weight-2", before[2])
    assert visit.weights() == pytest.approx(before, abs=0.5)  # sliders move in whole percents


def test_chebyshev_finds_the_hollow_of_a_front(visit: Visit) -> None:
    assert (4, 4) not in visit.chosen()
    visit.pick("Chebyshev")
    assert visit.chosen()[0] == (4, 4)
    visit.pick("Linear")
    assert (4, 4) not in visit.chosen()


def test_what_an_agent_does_when_asked_may_not_be_its_best(visit: Visit) -> None:
    visit.pick("what I ask for")
    assert visit.chosen()[0] == (4, 4)  # it was asked for equal weights; any end is worth more


def test_a_set_of_policies_answers_by_the_number_of_a_policy(visit: Visit) -> None:
    """Its two points answer three preferences."""
    visit.pick("what I ask for")
    for weight, point, number in ((90, (8.0, -1.0), 8), (60, (2.0, 2.0), 3), (10, (2.0, 2.0), 3)):
        visit.slide("#weight-0", weight)
        assert visit.chosen()[-1] == point
        assert f"policy {number}" in outcome(visit)[-1][0]


def test_limits_grey_points_and_choose_among_the_rest(visit: Visit) -> None:
    colours = (
        "document.getElementById('fronts').data.filter(({ meta }) => !meta)"
        ".map(({ marker, x }) => [marker?.color, x.length])"
    )
    visit.slide("#weight-0", 90)
    before = visit.page.evaluate(colours)
    visit.page.fill("#limit-value-1", "3")
    visit.page.press("#limit-value-1", "Enter")
    visit.settle()
    after = visit.page.evaluate(colours)
    grey = visit.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--grey').trim()")
    assert grey not in [colour for colour, _ in before]
    # of 3 + 3 + 2 points, (10, 0), (9, -1), (2, 2) and (8, -1) are below
    assert [points for colour, points in after if colour == grey] == [4]
    assert visit.chosen() == [(4, 4), (3, 3)]
    assert "no policy meets your limits" in outcome(visit)[1][1]
    assert "1 limit" in visit.page.text_content("#limits-count")
    visit.page.click("#no-limits")
    visit.settle()
    assert visit.page.evaluate(colours) == before


def test_seeds_and_groups_can_be_hidden(visit: Visit) -> None:
    assert len(visit.chosen()) == 3
    visit.page.click("#seeds-0")
    visit.settle()
    visit.page.click("#seed-1")
    visit.settle()
    assert len(visit.chosen()) == 2
    assert visit.page.evaluate("document.getElementById('group-0').indeterminate")
    visit.page.click("#group-1")
    visit.settle()
    assert len(visit.chosen()) == 1


def test_labels_are_text(visit: Visit) -> None:
    assert visit.page.title().startswith("hollow-v0")
    visit.page.click("#tab-sources")
    visit.settle()
    labels = visit.page.locator("#sources summary strong").all_text_contents()
    assert labels == ["hollow/0", "hollow/1", NASTY]
    visit.page.locator("#sources summary").nth(2).click()
    facts = visit.page.locator("#sources details").nth(2).inner_text()
    assert "runs/" in facts and "fresh episodes" in facts and "2 episodes each" in facts


def test_training_shows_curves_and_the_fronts_of_a_moment(visit: Visit) -> None:
    page = visit.page
    page.click("#tab-training")
    visit.until("document.getElementById('film').data !== undefined")
    assert page.locator("#indicator option").all_text_contents() == ["expected utility", "hypervolume"]
    curves = (
        "document.getElementById('curves').data.filter(({ name }) => name).map(({ x }) => x[x.length - 1])"
    )
    assert set(page.evaluate(curves)) == {500}  # steps
    visit.pick("Wall-clock time")
    assert set(page.evaluate(curves)) == {10}  # seconds
    film = "document.getElementById('film').data.flatMap(({ x, y }) => x.map((value, i) => [value, y[i]])).sort()"
    assert [10, 0] in page.evaluate(film)
    visit.slide("#time", 80)  # of 200: the second of five looks
    assert page.text_content("#time-value") == "4 s"
    assert [7, -3] in page.evaluate(film) and [10, 0] not in page.evaluate(film)
    visit.slide("#time", 0)
    assert "No front was recorded" in page.text_content("#film-help")
    visit.slide("#time", 200)
    select(visit, 1)
    assert page.is_visible("#no-training") and page.is_hidden("#training-body")


def test_scores_stand_with_their_intervals_and_meaning(visit: Visit) -> None:
    visit.page.click("#tab-scores")
    visit.settle()
    rows = visit.page.locator("#scores tbody tr").all_text_contents()
    assert len(rows) == 2 and rows[0].startswith("hollow")
    visit.page.check("#all-runs")
    assert visit.page.locator("#scores tbody tr").count() == 4
    visit.page.uncheck("#all-runs")
    assert visit.page.locator("#scores-meaning dt").count() >= 2


def test_views_fit_the_number_of_objectives(visit: Visit) -> None:
    titles = "(document.getElementById('fronts').layout.annotations ?? []).map(({ text }) => text)"
    assert visit.page.locator("#view input").count() == 0
    select(visit, 1)
    assert {"first", "second", "third"} <= set(visit.page.evaluate(titles))  # the edges of a cube
    visit.pick("Two objectives")
    assert visit.page.evaluate(titles) == []
    visit.page.select_option("select[aria-label='Up: objective']", "2")
    visit.settle()
    title = "document.getElementById('fronts').layout.yaxis.title.text"
    assert visit.page.evaluate(title) == "third"
    select(visit, 2)
    lines = "document.getElementById('fronts').data.filter(({ meta }) => meta === 'chosen').map(({ x }) => x.length)"
    assert visit.page.evaluate(lines) == [5]


def test_all_can_be_done_by_keyboard(visit: Visit) -> None:
    page = visit.page
    page.focus("#weight-0")
    page.keyboard.press("ArrowRight")
    visit.settle()
    assert visit.weights() == [51, 49]
    page.keyboard.press("End")
    visit.settle()
    assert visit.weights() == [100, 0]
    assert page.get_attribute("#weight-0", "aria-valuetext") == "100 %"
    page.focus("#rules input[value=linear]")
    page.keyboard.press("ArrowRight")
    assert page.is_checked("#rules input[value=chebyshev]")
    page.focus("#tab-choose")
    for tab in ("training", "scores", "sources", "choose"):
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == f"tab-{tab}"
        assert page.is_visible(f"#panel-{tab}")


def test_every_stop_of_the_tab_key_shows_its_focus_and_has_a_name(visit: Visit) -> None:
    page = visit.page
    page.focus(".skip")
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            "(() => { const node = document.activeElement; if (node === document.body) return null;"
            " const ring = getComputedStyle(node.matches('.switch input') ? node.nextElementSibling : node);"
            " const labels = [...(node.labels ?? [])].map((label) => label.textContent).join();"
            " const words = node.ariaLabel || node.textContent || labels;"
            " const by = node.getAttribute('aria-labelledby');"
            " return { id: node.id || node.outerHTML.slice(0, 80), ring: ring.outlineStyle,"
            "   name: (by ? document.getElementById(by).textContent : words).trim() }; })()"
        )
        if stop is None:
            break
        assert stop["ring"] != "none", stop
        assert stop["name"], stop
        seen.append(stop["id"])
    assert {"tab-choose", "environment", "group-0", "fronts", "weight-0", "weight-1", "limit-1"} <= set(seen)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_sideways(chromium: Any, report: Path, width: int) -> None:
    visit = Visit(chromium, report, width=width)
    for place in range(3):
        select(visit, place)
        for tab in ("choose", "training", "scores", "sources"):
            visit.page.click(f"#tab-{tab}")
            visit.settle()
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        visit.page.click("#tab-choose")
    visit.close()
    assert visit.errors == []


def test_hollow_is_hollow() -> None:
    """The middle point is undominated, and below the line between the others."""
    middle = np.asarray(HOLLOW[1])
    for weight in np.linspace(0, 1, 101):
        weights = np.array([weight, 1 - weight])
        assert (np.asarray(HOLLOW) @ weights).max() > middle @ weights


def test_the_film_has_room_for_how_it_began(visit: Visit) -> None:
    """Both looks lie below all final fronts; the frame stands still and holds them."""
    page = visit.page
    page.click("#tab-training")
    visit.until("document.getElementById('film').data !== undefined")
    range_ = "document.getElementById('film')._fullLayout.yaxis.range"
    visit.slide("#time", 40)  # the first of five looks: everything is four less
    begun = page.evaluate(range_)
    lowest = page.evaluate(
        "Math.min(...document.getElementById('film').data.flatMap(({ y }) => Array.from(y)))"
    )
    assert lowest == -5 and begun[0] < lowest
    visit.slide("#time", 200)
    assert page.evaluate(range_) == begun
