"""What a report holds: the study's numbers, embedded so that no label can break out of the page."""

from __future__ import annotations

import doctest
import hashlib
import importlib
import json
import re
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browsing import HOLLOW, NASTY, entry, learning, small_study
from hypothesis import given
from hypothesis import strategies as st

import morl
from morl.comparison import compare
from morl.comparison_text import of_looks
from morl.errors import MorlError
from morl.pictures.style import style_of
from morl.report import write_report
from morl.report.history import FRAMES, LOOKS, spread
from morl.report.page import embed
from morl.report.payload import build_payload
from morl.study import Evaluation, Study


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert write_report(small_study(), path) == path
    return path.read_text(encoding="utf-8")


def block(html: str, name: str) -> object:
    found = re.search(f'<script type="application/json" id="{name}">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_points_errors_and_weights_are_those_of_the_fronts(html: str) -> None:
    fronts = block(html, "morl-fronts-0")
    first, second, nasty = fronts["runs"]
    np.testing.assert_allclose(np.reshape(first["points"], (3, 2)), HOLLOW, atol=1e-6)
    np.testing.assert_allclose(first["errors"], 0.1, rtol=1e-3)  # two episodes, 0.2 apart
    assert first["weights"] == [0, 1, 0.5, 0.5, 1, 0]
    assert first["answers"] is first["members"] is None
    assert (nasty["answers"], nasty["members"], len(nasty["weights"])) == ([0, 0, 1], [3, 8], 6)
    assert fronts["looks"] is None  # what was kept says nothing of preferences
    assert first["undiscounted"] is None  # nothing is discounted
    assert (first["best"], nasty["best"]) == ([0, 1, 2], [0, 1])
    assert first["group"] == second["group"] != nasty["group"]
    assert [objective["name"] for objective in fronts["objectives"]] == ["first", "second"]
    assert first["provenance"]["config"]["note"] == NASTY
    assert first["source"] == "runs/hollow/0"


def test_groups_look_as_in_the_pictures(html: str) -> None:
    study = block(html, "morl-study")
    assert [group["name"] for group in study["groups"]] == ["hollow", NASTY, "cube", "five"]
    assert [group["colour"] for group in study["groups"]] == [style_of(i).colour for i in range(4)]
    assert [environment["name"] for environment in study["environments"]] == [
        "hollow-v0",
        "cube-v0",
        "five-v0",
    ]


def test_scores_are_those_of_the_comparison() -> None:
    study = small_study()
    found = compare(study)
    scores = build_payload(study).environments[0].fronts["scores"]
    names = [indicator["name"] for indicator in scores["indicators"]]
    place = names.index("expected-utility")
    values = [
        found.environments["hollow-v0"].values[label]["expected-utility"]
        for label in ("hollow/0", "hollow/1")
    ]
    assert [row[place] for row in scores["runs"][:2]] == pytest.approx(values)
    assert scores["groups"]["hollow"][place][0] == pytest.approx(np.mean(values))
    given = build_payload(study, comparisons=found.environments, estimates=found.estimates)
    assert given == build_payload(study)


def test_curves_over_other_preferences_than_those_of_tables_say_so() -> None:
    fronts = compare({"a": entry("a", HOLLOW).front})
    common = len(fronts.weights)
    for count, said in ((11, True), (common, False), (None, False)):
        looks = [replace(look, preferences=count) for look in learning(HOLLOW)]
        text = of_looks([entry("a", HOLLOW, history=looks)], fronts)
        assert (text is not None and "over 11 preferences" in text and str(common) in text) == said


def test_an_exact_front_stands_beside_the_others() -> None:
    front = morl.front.Front(
        episode_returns=np.array([[[1.0, -1.0]]]),
        env_id="deep-sea-treasure-v0",
        gamma=0.99,
        objectives=("treasure", "time"),
        role="report",
    )
    study = Study(entries=(morl.study.Entry(label="a", group="a", front=front),))
    fronts = build_payload(study).environments[0].fronts
    known = np.reshape(fronts["known"]["points"], (-1, 2))
    assert "exact" in fronts["known"]["label"]
    np.testing.assert_allclose(known, compare(study).environments["deep-sea-treasure-v0"].known, rtol=1e-6)
    assert fronts["objectives"][0]["unit"] == "value"


def test_no_label_breaks_out_of_the_page(html: str) -> None:
    data = html[html.index('<script type="application/json"') : html.index("<script>(()")]
    assert NASTY not in html
    assert data.count("<script") == data.count("</script>") == 1 + 2 * 3  # the study, two per environment


@given(st.recursive(st.text() | st.floats(allow_nan=False, allow_infinity=False), st.lists))
def test_embedded_json_holds_no_markup_and_reads_back(value: object) -> None:
    text = embed(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_the_policy_allows_these_scripts_and_nothing_else(html: str) -> None:
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    assert found is not None
    rules = dict(rule.split(" ", 1) for rule in found[1].split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = {f"'sha256-{b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts}
    assert len(scripts) == 2 and set(rules["script-src"].split()) == hashes
    assert rules["default-src"] == "'none'"
    assert html.index(found[0]) < html.index("<script")
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", html[: html.index("<script>(()")])


def test_the_same_study_gives_the_same_bytes(html: str, tmp_path: Path) -> None:
    again = write_report(small_study(), tmp_path / "again.html")
    assert again.read_text(encoding="utf-8") == html


def test_numbers_that_json_lacks_become_null_or_their_name() -> None:
    look = Evaluation(steps=1, seconds=1.0, returns=np.ones((1, 2)), values={"hypervolume": float("nan")})
    study = Study(entries=(entry("a", HOLLOW, history=[look]),))
    assert build_payload(study).environments[0].training[0]["values"] == {"hypervolume": [None]}


def test_a_film_keeps_what_is_undominated_from_first_to_last() -> None:
    history = learning(HOLLOW, looks=1000)
    worse = [
        Evaluation(steps=e.steps, seconds=e.seconds, returns=np.vstack([e.returns, e.returns[:1] - 1]))
        for e in history
    ]
    training = build_payload(Study(entries=(entry("a", HOLLOW, history=worse),))).environments[0].training[0]
    assert len(training["steps"]) == LOOKS and training["steps"][-1] == 100_000
    assert len(training["frames"]) == FRAMES
    assert [training["frames"][i]["look"] for i in (0, -1)] == [0, LOOKS - 1]
    np.testing.assert_allclose(
        np.sort(training["frames"][-1]["points"]), np.sort(np.ravel(HOLLOW)), rtol=1e-4
    )


@given(st.integers(0, 500), st.integers(2, 60))
def test_spread_keeps_the_ends(count: int, most: int) -> None:
    places = spread(count, most).tolist()
    assert len(places) == min(count, most)
    assert places == sorted(set(places))
    assert not count or (places[0], places[-1]) == (0, count - 1)


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MorlError, match=r"ending in \.html or \.htm"):
        write_report(small_study(), tmp_path / "report.pdf")
    with pytest.raises(MorlError, match="at least two objectives, line-v0 has one"):
        write_report(Study(entries=(entry("a", [[1.0]], env_id="line-v0"),)), tmp_path / "a.html")
    with pytest.raises(MorlError, match="for every environment of the study, got none for hollow-v0"):
        write_report(small_study(), tmp_path / "a.html", comparisons={})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["history", "numbers", "page"])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"morl.report.{name}"))
    assert result.attempted and not result.failed
