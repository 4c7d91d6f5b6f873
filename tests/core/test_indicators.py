"""What holds for all quality indicators: their registry, their signature, and what they make of bad input."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from morl import indicators as ind
from morl.callbacks import indicators_of
from morl.cli import tables
from morl.comparison import compare
from morl.comparison_text import notes
from morl.errors import MorlError, NonFiniteError
from morl.front import Front
from morl.indicators import registry

NEEDS = {
    "reference_point": np.zeros(3),
    "weights": np.eye(3),
    "reference_front": np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [2.0, 2.0, 2.0]]),
    "ideal_point": np.full(3, 4.0),
}
POINTS = np.array([[1.0, 3.0, 2.0], [3.0, 1.0, 1.0], [2.0, 2.0, 3.0]])

OF_ONE_SET = {
    **{name: (indicator.fn, indicator.needs) for name, indicator in ind.INDICATORS.items()},
    "hypervolume-estimate": (ind.hypervolume_estimate, ("reference_point",)),
    "hypervolume-contributions": (ind.hypervolume_contributions, ("reference_point",)),
    "r2-exact": (
        lambda points, *, ideal_point: ind.r2_exact(points, ideal_point=ideal_point),
        ("ideal_point",),
    ),
}
"""Everything that takes one set of points."""

WITHOUT_POINTS = {"hypervolume": 0.0, "cardinality": 0.0, "coverage": 0.0, "crf1": 0.0}
"""What no points are worth; elsewhere they are refused."""

OWN_WORTH = {"commanded-utility", "spacing", "sparsity", "cardinality"}
"""Indicators that a shift of all points does not improve, or that take one row per weight."""


def call(name: str, points: Any, **changes: Any) -> Any:
    function, needs = OF_ONE_SET[name]
    return function(points, **{need: changes.get(need, NEEDS[need]) for need in needs})


def test_the_registry_describes_the_functions() -> None:
    for name, indicator in ind.INDICATORS.items():
        assert name == indicator.name
        parameters = inspect.signature(indicator.fn).parameters.values()
        required = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
        assert sorted(indicator.needs) == sorted(required)
        assert [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY] == [
            "returns" if name == "commanded-utility" else "points"
        ]
    assert [name for name, i in ind.INDICATORS.items() if i.default] == [
        "hypervolume",
        "expected-utility",
        "commanded-utility",
        "maximum-utility-loss",
    ]


@pytest.mark.parametrize("name", sorted(set(ind.INDICATORS) - OWN_WORTH))
def test_better_is_the_direction_in_which_a_dominating_set_moves(name: str) -> None:
    better = NEEDS["reference_front"]
    points = better - 0.5
    gain = call(name, better) - call(name, points)
    assert gain > 0 if ind.INDICATORS[name].better == "higher" else gain < 0


@pytest.mark.parametrize("name", sorted(set(ind.INDICATORS) - {"commanded-utility"}))
def test_order_and_copies_change_nothing(name: str) -> None:
    again = np.vstack([POINTS[::-1], POINTS[1:]])
    assert call(name, again) == pytest.approx(call(name, POINTS), rel=1e-12)


@pytest.mark.parametrize("name", sorted(OF_ONE_SET))
def test_inputs_are_never_changed(name: str) -> None:
    m = 2 if name == "r2-exact" else 3
    inputs = [POINTS[:, :m].copy(), *(NEEDS[need][..., :m].copy() for need in OF_ONE_SET[name][1])]
    before = [values.copy() for values in inputs]
    for values in inputs:
        values.flags.writeable = False
    if m == 3:
        OF_ONE_SET[name][0](inputs[0], **dict(zip(OF_ONE_SET[name][1], inputs[1:], strict=True)))
    else:
        ind.r2_exact(inputs[0], ideal_point=inputs[1])
    assert all((values == old).all() for values, old in zip(inputs, before, strict=True))


@pytest.mark.parametrize("name", sorted(OF_ONE_SET))
def test_points_that_are_none_are_refused(name: str) -> None:
    for points, message in (
        ([[1.0, 2.0, np.nan]], r"nan at \w+\[0, 2\]"),
        ([[1.0, 2.0, 3.0], [np.inf, 2.0, 3.0]], r"inf at \w+\[1, 0\]"),
        ([1.0, 2.0, 3.0], "for a single point pass"),
        ([[1.0, 2.0, 3.0], [1.0, 2.0]], "rectangular array"),
        ([["a", "b", "c"]], "real numbers"),
    ):
        with pytest.raises(MorlError, match=message) as caught:
            call(name, points)
        assert isinstance(caught.value, NonFiniteError) == ("at" in message and "array" not in message)


@pytest.mark.parametrize("name", sorted(OF_ONE_SET))
def test_what_an_indicator_needs_must_fit_the_points(name: str) -> None:
    for need in OF_ONE_SET[name][1]:
        right = np.array(NEEDS[need])
        spoilt = right.copy()
        spoilt.flat[0] = np.nan
        for wrong in (right[..., :2], spoilt, right[None] if right.ndim == 2 else right[:, None]):
            with pytest.raises(MorlError, match="weights|scales" if need == "weights" else need):
                call(name, POINTS, **{need: wrong})
        if need == "reference_front":
            with pytest.raises(ind.UndefinedIndicatorError, match="at least one row in reference_front"):
                call(name, POINTS, reference_front=np.empty((0, 3)))


@pytest.mark.parametrize("name", sorted(ind.INDICATORS))
def test_no_points(name: str) -> None:
    nothing = np.empty((0, 3))
    if name in WITHOUT_POINTS:
        assert call(name, nothing) == WITHOUT_POINTS[name]
    else:
        with pytest.raises(ind.UndefinedIndicatorError, match="at least"):
            call(name, nothing)


@pytest.mark.parametrize("name", sorted(set(ind.INDICATORS) - {"spacing", "sparsity", "commanded-utility"}))
def test_one_point(name: str) -> None:
    single, twice = call(name, POINTS[:1]), call(name, POINTS[[0, 0]])
    assert np.isfinite(single) and single == twice


@pytest.mark.filterwarnings("ignore::morl.indicators.ReferencePointWarning")
@pytest.mark.parametrize("size", [1e155, 1e308])
@pytest.mark.parametrize("name", sorted(OF_ONE_SET))
def test_what_overflows_is_a_number_or_refused(name: str, size: float) -> None:
    signs = np.array([[1.0, -1.0, 0.5], [-1.0, 1.0, 0.5], [0.5, 0.75, -1.0]])
    m = 2 if name == "r2-exact" else 3
    needs = {
        "reference_point": np.full(m, -size),
        "reference_front": -size * signs,
        "ideal_point": np.full(m, size),
        "weights": np.eye(m),
    }
    try:
        value = call(name, size * signs[:, :m], **needs)
    except MorlError as error:
        assert isinstance(error, ind.UndefinedIndicatorError)
        assert any(said in str(error) for said in ("float64", "positive numbers", "the utility is"))
    else:
        assert np.isfinite(value.value if name == "hypervolume-estimate" else value).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("igd", "IGD"), ("igd-plus", "IGD+"), ("epsilon-additive", "additive epsilon"), ("crf1", "L1 norm")],
)
def test_distances_that_overflow_are_refused(name: str, value: str) -> None:
    far = np.array([[1e308, 1e308, 0.0]])
    with pytest.raises(ind.UndefinedIndicatorError, match=re.escape(value)):
        call(name, -far, reference_front=far)


def test_an_indicator_of_many_fronts() -> None:
    fronts = [POINTS, POINTS + 1]
    expected = [ind.igd_plus(front, reference_front=NEEDS["reference_front"]) for front in fronts]
    for indicator in (ind.igd_plus, ind.INDICATORS["igd-plus"]):
        found = ind.for_each(indicator, np.stack(fronts), reference_front=NEEDS["reference_front"])
        assert found.tolist() == expected


def front(points: Any, **changes: Any) -> Front:
    names = [f"o{i}" for i in range(np.shape(points)[1])]
    return Front.from_points(points, **{"env_id": "toy", "gamma": 1.0, "objectives": names} | changes)


def many_objectives(k: int, seed: int) -> np.ndarray:
    points = np.abs(np.random.default_rng(seed).normal(size=(k, 9)))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_a_comparison_has_all_that_is_defined() -> None:
    found = compare(
        {"one": front([[1, -1]]), "two": front([[0, 3], [4, -2], [2, 2]])}, reference_point=[-1, -3]
    )
    assert set(found.values["one"]) == set(ind.indicators())
    assert found.values["one"]["sparsity"] is None and found.values["two"]["sparsity"] == 12.5
    assert found.values["two"]["epsilon-multiplicative"] is None  # no reference front, nor positive returns
    ideal, weights = [4, 3], found.weights
    expected = ind.r2([[1, -1]], ideal_point=ideal, weights=weights)
    assert found.values["one"]["r2"] == pytest.approx(expected)
    assert not any(found.standard_errors.values())


def test_a_comparison_says_what_it_estimates() -> None:
    many = {"a": front(many_objectives(60, 0)), "b": front(many_objectives(90, 1))}
    found = compare(many, reference_point=np.zeros(9))
    expected = ind.hypervolume_estimate(many["b"].returns, reference_point=np.zeros(9))
    assert not expected.exact
    assert found.values["b"]["hypervolume"] == expected.value
    assert found.standard_errors["a"] == {}
    assert found.standard_errors["b"] == {"hypervolume": expected.standard_error}
    share = expected.standard_error / expected.value
    assert (
        f"hypervolumes are estimated where the exact one takes long, with standard errors up to {share:.1%}"
        in (notes(found))
    )


def test_tables_show_few_indicators_unasked(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [FakeEntry("spread", SPREAD)])
    comparison = compare({"a": front([[1, 2], [2, 1]])}, reference_point=[0, 0])
    monkeypatch.setattr(tables, "console", lambda: Console(width=200))
    tables.print_comparison(comparison)
    shown = capsys.readouterr().out
    assert "hypervolume" in shown and "maximum utility loss" in shown and "spread" in shown
    assert "sparsity" not in shown and "crf1" not in shown


def test_a_look_at_many_objectives_estimates_the_hypervolume() -> None:
    points = many_objectives(165, 0)
    found = indicators_of(front(points, reference_point=np.zeros(9), weights=np.full((165, 9), 1 / 9)))
    finer = ind.hypervolume_estimate(points, reference_point=np.zeros(9), samples=2**15)
    assert found["hypervolume"] == pytest.approx(finer.value, rel=0.02)
    wide = front(np.ones((1, 32)), reference_point=np.zeros(32), weights=np.full((1, 32), 1 / 32))
    assert sorted(indicators_of(wide)) == ["commanded_utility", "expected_utility"]


def spread(points: Any) -> float:
    return float(np.ptp(points))


SPREAD = ind.Indicator(name="spread", fn=spread, better="higher", needs=(), description="the widest gap")
CLASH = ind.Indicator(name="hypervolume", fn=spread, better="higher", needs=(), description="a name in use")


class FakeEntry:
    def __init__(self, name: str, loaded: Any) -> None:
        self.name, self.value, self.loaded = name, f"elsewhere:{name}", loaded

    def load(self) -> Any:
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


def test_other_packages_add_indicators(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(ind.indicators()) >= set(ind.INDICATORS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [FakeEntry("spread", SPREAD)])
    found = ind.indicators()
    assert found == {**ind.INDICATORS, "spread": SPREAD}
    assert "spread" not in ind.INDICATORS


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (ImportError("no such module"), "'odd' is left out: no such module"),
        (spread, "'odd' is left out: expected a morl.indicators.Indicator at elsewhere:odd"),
        (CLASH, "'odd' is left out: the name 'hypervolume' is already in use"),
    ],
)
def test_a_broken_entry_point_is_left_out_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, loaded: Any, message: str
) -> None:
    entries = [FakeEntry("odd", loaded), FakeEntry("spread", SPREAD)]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    with pytest.warns(UserWarning, match=message):
        assert ind.indicators() == {**ind.INDICATORS, "spread": SPREAD}
