from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morl
from morl import indicators as ind
from morl import registry
from morl.comparison import OWN_WEIGHTS, Comparison, best_for, compare
from morl.comparison_tables import run_table
from morl.comparison_text import listed, notes, title
from morl.errors import MorlError
from morl.front import Front
from morl.pictures.sample import sample
from morl.study_comparison import StudyComparison
from morl.weights import lattice

DST = "deep-sea-treasure-v0"
WEIGHTS = lattice(2, partitions=4)


def front(points, **changes) -> Front:
    values = {"env_id": DST, "gamma": 0.99, "objectives": ["treasure", "time"], "role": "report"} | changes
    return Front.from_points(points, **values)


@pytest.fixture
def exact() -> np.ndarray:
    card = registry.get_card(DST)
    assert card is not None and card.front is not None
    return card.front(0.99)


def test_a_perfect_agent_equals_the_exact_front(exact: np.ndarray) -> None:
    points = exact[best_for(exact, WEIGHTS)]
    found = compare({"perfect": front(points, weights=WEIGHTS)}, reference_point=[0, -50])
    perfect, known = found.values["perfect"], found.values["exact front"]
    assert perfect["commanded-utility"] == pytest.approx(known["commanded-utility"])
    assert perfect["maximum-utility-loss"] == pytest.approx(0.0) == known["maximum-utility-loss"]
    assert known["hypervolume"] == pytest.approx(854.85, abs=0.01)
    assert (found.points["exact front"], found.known_label, found.own_weights) == (10, "exact front", False)


def test_an_agent_that_ignores_its_preference_is_seen(exact: np.ndarray) -> None:
    points = exact[best_for(exact, WEIGHTS)]
    values = compare({"disobedient": front(points[::-1], weights=WEIGHTS)}).values
    assert values["disobedient"]["expected-utility"] == pytest.approx(
        values["exact front"]["expected-utility"]
    )
    assert values["disobedient"]["commanded-utility"] < values["exact front"]["commanded-utility"] - 1


def test_different_preferences_are_said_and_common_ones_used() -> None:
    points = np.array([[1.0, -1.0], [2.0, -3.0]])
    one = front(points, weights=[[0.5, 0.5], [1, 0]])
    other = front(points, weights=[[0.4, 0.6], [0, 1]])
    found = compare({"a": one, "b": other})
    assert found.own_weights and len(found.weights) == 101
    assert found.values["a"]["expected-utility"] == found.values["b"]["expected-utility"]
    assert found.values["a"]["commanded-utility"] == one.commanded_utility()
    assert compare({"a": one, "c": one}).weights.tolist() == [[0.5, 0.5], [1, 0]]


def test_what_cannot_be_computed_is_none() -> None:
    found = compare({"a": front([[1, -1]], env_id="toy")})
    assert found.known is None and list(found.values) == ["a"]
    assert found.values["a"]["maximum-utility-loss"] is None
    assert found.values["a"]["commanded-utility"] is None
    assert found.values["a"]["expected-utility"] == pytest.approx(0.0)
    found = compare({"a": front([[1, -1], [0, 0]], env_id="toy")}, reference_point=[0, -3])
    assert found.values["a"]["hypervolume"] == 2.0 and found.outside == {"a": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env_id": "deep-sea-treasure-concave-v0"}, "same environment: a has deep-sea-treasure-v0, b has"),
        ({"gamma": 1.0}, "same discount: a has 0.99, b has 1.0; .* evaluate again with --gamma"),
        ({"objectives": ["time", "treasure"]}, "same objectives"),
    ],
)
def test_fronts_that_must_not_stand_side_by_side(changes: dict, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        compare({"a": front([[1, -1]]), "b": front([[1, -1]], **changes)})


def test_bad_input() -> None:
    with pytest.raises(MorlError, match="at least one front"):
        compare({})
    with pytest.raises(MorlError, match="the reference point"):
        compare({"a": front([[1, -1]])}, reference_point=[1, 2, 3])


def test_more_than_the_exact_front_is_doubted(exact: np.ndarray) -> None:
    """Returns without a discount, say, beside the exact front under one."""
    noted = "above the exact front for some preferences"
    good = front(exact * (1 + 1e-7), weights=None)  # as float32 rewards may add up
    assert not any(noted in note for note in notes(compare({"good": good})))
    too_good = front(np.vstack((exact, [[23.7, -19]])))
    (note,) = [note for note in notes(compare({"good": good, "too good": too_good})) if noted in note]
    assert note.endswith("under another discount: too good")


def test_the_title_says_what_is_known() -> None:
    points = front([[1, -1]], env_id="toy")
    assert title(compare({"a": points})) == "toy: discount 0.99, 101 preferences"
    run = front([[1, -1]], env_id="toy", backend="original")
    assert "original and unknown environment, 1 episode per point" in title(compare({"a": points, "b": run}))


def test_equals_are_both_the_best() -> None:
    found = compare({name: front([[x, -1]], env_id="toy") for name, x in (("a", 2), ("b", 2), ("c", 1))})
    _, *rows = run_table(found, indicators=["expected-utility"]).rows
    assert [row.cells[4].best for row in rows] == [True, True, False]


def test_long_lists_are_cut() -> None:
    assert listed(["a"]) == "a" and listed(list("abcdef")) == "a, b, c, d and 2 more"


def test_arrays_in_memory() -> None:
    points = np.array([[1.0, -1.0], [2.0, -3.0]])
    found = compare({"a": points, "b": [[5, -5]]}, reference_point=[0, -10])
    assert isinstance(found, Comparison) and found.values["a"]["hypervolume"] == 9 + 7
    assert (found.env_id, found.gamma, found.fronts["b"].objectives) == (
        "points",
        1.0,
        ("objective_1", "objective_2"),
    )
    seeds = compare(
        {"a": [points, points[:1]], "b": {7: points}, "c": np.stack([points] * 3)}, reference_point=[0, -10]
    )
    assert isinstance(seeds, StudyComparison)
    values = {
        group: estimates["hypervolume"].values for group, estimates in seeds.estimates["points"].items()
    }
    assert values == {"a": (16, 9), "b": (16,), "c": (16, 16, 16)}
    assert [entry.front.training_seed for entry in seeds.study.entries] == [0, 1, 7, 0, 1, 2]
    turned = compare({"a": abs(points)}, objectives=["gain", "cost"], minimise=["cost"])
    assert turned.fronts["a"].returns.tolist() == points.tolist()
    known = Front.from_points(
        points,
        env_id=DST,
        gamma=0.99,
        objectives=["treasure", "time"],
        role="report",
        reference_point=[0, -50],
    )
    mixed = compare({"a": points, "known": known})
    assert mixed.values["a"] == {**mixed.values["known"]} and mixed.fronts["a"].env_id == DST


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": [1, 2]}, r"shape \(k, m\)"),
        ({"a": [[1, 2], [3]]}, "rectangular"),
        ({"a": [[1, np.nan]]}, "finite numbers in a"),
        ({"a": np.empty((0, 2))}, "a: the front is empty"),
        ({"a": [[1, 2]], "b": [[1, 2, 3]]}, "the same objectives"),
        ({"a": {"x": [[1, 2]]}}, "the seed of a"),
        ({"a": "front.csv"}, "array of real numbers"),
    ],
)
def test_arrays_that_are_no_fronts(given: dict, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        compare(given)


def house(points, **changes) -> Front:
    values = {"env_id": "my:House", "gamma": 1.0, "objectives": ["comfort", "energy"], "role": "report"}
    return Front.from_points(points, **(values | changes))


def test_where_nothing_is_known_the_fronts_stand_in() -> None:
    found = morl.compare({"a": house([[0, 4], [2, 2]]), "b": house([[4, 1], [1, 1]])})
    assert found.derived and found.reference_point == pytest.approx([-0.4, 0.7])
    assert (found.known_label, found.points["union front"]) == ("union front", 3)
    assert found.values["a"]["igd-plus"] == pytest.approx(2 / 3) and found.outside == {"a": 0, "b": 0}
    said = "\n".join(notes(found))
    assert "(-0.4, 0.7), derived from these fronts" in said and "union front of all that are compared" in said
    alone = morl.compare({"a": house([[1, 2]])})
    assert alone.known is None and alone.reference_point == pytest.approx([0, 1]), "no range: one below"
    named = morl.compare({"a": house([[1, 2]], reference_point=[-5, -5]), "b": house([[2, 1]])})
    assert not named.derived and named.reference_point == pytest.approx([-5, -5])
    huge = morl.compare({"a": house([[-1e308, 1e308], [1e308, -1e308]])})
    assert np.isfinite(huge.reference_point).all()


def test_a_known_front_can_be_given(tmp_path: Path) -> None:
    fronts = {"a": house([[0, 4]]), "b": house([[4, 1]])}
    turned = house([[1, 5]], objectives=["energy", "comfort"])
    (tmp_path / "best.csv").write_text("energy,comfort\n1,5\n")
    for given in ([[5, 1]], turned, tmp_path / "best.csv", {"my:House": [[5, 1]]}):
        found = morl.compare(fronts, known_front=given)
        assert found.known_label == "known front" and found.known.tolist() == [[5, 1]]
    with pytest.raises(MorlError, match=r"known front under the discount 1, got one under 0\.5"):
        morl.compare(fronts, known_front=house([[5, 1]], gamma=0.5))
    with pytest.raises(MorlError, match="known front of comfort, energy, got one of comfort, cost"):
        morl.compare(fronts, known_front=house([[5, 1]], objectives=["comfort", "cost"]))


def test_terms_by_environment(tmp_path: Path) -> None:
    for name, changes in {
        "a": {},
        "b": {"env_kwargs": {"size": 2}},
        "c": {"env_id": "other:Env", "gamma": 0.9},
    }.items():
        house([[1, 2]], **changes).save(tmp_path / f"{name}.json")
    points = {"my:House": [-1, -1], "my:House (size=2)": [-2, -2], "other:Env": [-3, -3]}
    found = morl.compare(tmp_path, reference_point=points).environments
    assert {section: each.reference_point.tolist() for section, each in found.items()} == points
    with pytest.raises(MorlError, match=r"expected a reference point for one of .* got one for 'my:Huose'"):
        morl.compare(tmp_path, reference_point={"my:Huose": [0, 0]})
    with pytest.raises(MorlError, match="one environment with a known front of one's own, got my:House, "):
        morl.compare(tmp_path, known_front=[[1, 2]])


def on_a_sphere(k: int, m: int) -> np.ndarray:
    points = np.abs(np.random.default_rng(0).normal(size=(k, m)))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize("m", [2, 3])
def test_the_work_grows_no_faster_than_the_front(m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in pairs of points, or of a point and a weight, that utilities and distances are computed of."""
    pairs: dict[str, int] = {}

    def counted(indicator: ind.Indicator) -> ind.Indicator:
        def fn(points: Any, **needs: Any) -> float:
            sizes = [len(value) for name, value in needs.items() if np.ndim(value) > 1]
            pairs[indicator.name] = len(points) * max(sizes, default=1)
            return 0.0

        return dataclasses.replace(indicator, fn=fn)

    monkeypatch.setattr(
        "morl.comparison.indicators",
        lambda: {name: counted(each) for name, each in ind.INDICATORS.items() if name not in OWN_WEIGHTS},
    )
    found = []
    for k in (6_000, 24_000):
        points, weights = on_a_sphere(k, m), np.full((k, m), 1 / m)
        names = [f"o{i}" for i in range(m)]
        fronts = {
            name: front(points * factor, env_id="toy", objectives=names, weights=weights)
            for name, factor in (("a", 1.0), ("b", 0.9))
        }
        comparison = compare(fronts)
        found.append(dict(pairs))
    assert all(found[1][name] <= 4.1 * found[0][name] for name in found[0])
    said = "\n".join(notes(comparison))
    assert f"over {len(comparison.weights)} preferences, not the 24,000" in said
    assert "distances are to 2,000 of the 24,000 points of the union front" in said


def test_large_fronts_are_drawn_by_a_sample() -> None:
    points = np.vstack([on_a_sphere(6_000, 2), np.zeros((10, 2))])
    few, said = sample(front(points, weights=np.full((len(points), 2), 0.5)))
    assert said == f"{len(few):,} of 6,010 points" and 4_990 < len(few) == len(few.weights) <= 5_000
    assert (few.returns.max(axis=0) == points.max(axis=0)).all() and (few.returns > 0).any(axis=1).all()
    assert sample(few) == (few, "")
