"""Pictures of several seeds: learning curves, attainment, profiles, intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import figures, legend, overlapping
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline

from morl import pictures, statistics
from morl.attainment import attainment
from morl.errors import MorlError, NonFiniteError
from morl.front import Front
from morl.pictures import (
    Curve,
    plot_attainment,
    plot_attainment_difference,
    plot_intervals,
    plot_learning_curves,
    plot_profiles,
)
from morl.pictures.curves import median_and_band

__all__ = ["figures"]  # a fixture

RNG = np.random.default_rng(0)
NAMES = {2: ("treasure", "time"), 3: ("ore 1", "ore 2", "fuel")}


def front(points, env_id: str = "deep-sea-treasure-v0") -> Front:
    m = np.shape(points)[1]
    names = NAMES.get(m, tuple(f"o{i}" for i in range(m)))
    return Front.from_points(points, env_id=env_id, gamma=1.0, objectives=names, role="report")


def curve(values, *, first: float = 0.0, every: float = 10.0, speed: float = 10.0, name: str = "hypervolume"):
    steps = first + every * np.arange(len(values))
    return Curve(steps, steps / speed, {name: np.array(values, dtype=float)})


def line(axes, label: str) -> np.ndarray:
    (found,) = [each for each in axes.lines if each.get_label() == label]
    return np.column_stack([np.asarray(x, dtype=float) for x in found.get_data()])


@given(st.integers(1, 6), st.integers(1, 10))
def test_a_curve_is_the_median_and_its_band_the_quartiles(seeds: int, length: int) -> None:
    values = np.random.default_rng(seeds).normal(size=(seeds, length))
    x = np.arange(length) * 100.0
    places, low, middle, high = median_and_band([(x, row) for row in values])
    at = np.searchsorted(places, x)
    np.testing.assert_allclose(places[at], x)
    np.testing.assert_allclose(middle[at], np.median(values, axis=0))
    np.testing.assert_allclose([low[at], high[at]], np.percentile(values, [25, 75], axis=0))


def test_curves_are_drawn_where_all_seeds_have_values() -> None:
    slow, fast = (np.array([0.0, 10, 20]), np.array([0.0, 1, 2])), (np.array([5.0, 10]), np.array([10.0, 20]))
    places, _, middle, _ = median_and_band([slow, fast])
    assert (places[0], places[-1]) == (5, 10)
    np.testing.assert_allclose(middle, places / 10 / 2 + places)  # halfway between x / 10 and 2 x
    assert median_and_band([(np.array([0.0, 1]), np.zeros(2)), (np.array([2.0]), np.zeros(1))]) is None


def test_learning_curves(tmp_path: Path, figures: list[Figure]) -> None:
    curves = {"a": [curve([0, 2, 4]), curve([2, 4, 6])], "b": [curve([1, 1], speed=0.01)]}
    path = plot_learning_curves(curves, tmp_path / "x.svg", levels={"hypervolume": 7.0}, title="toy")
    assert path.stat().st_size > 5000
    steps, time = figures[0].axes
    assert (steps.get_xlabel(), steps.get_ylabel()) == ("environment steps", "hypervolume")
    assert time.get_xlabel() == "wall-clock time [minutes]"
    assert legend(figures[0]) == ["a", "b", "exact front"]
    assert figures[0].legends[0].get_title().get_text().startswith("line: median over seeds")
    np.testing.assert_allclose(line(steps, "a")[[0, -1]], [[0, 1], [20, 5]])
    np.testing.assert_allclose(line(time, "b")[[0, -1]], [[0, 1], [1000 / 60, 1]])
    assert line(steps, "exact front")[:, 1].tolist() == [7, 7]
    assert len(steps.collections) == 1, "a band for a only: b has one seed"
    assert overlapping(figures[0]) == []


def test_indicators_are_rows_and_gaps_are_skipped(tmp_path: Path, figures: list[Figure]) -> None:
    both = Curve([0, 10, 20], [0, 1, 2], {"hypervolume": [1, np.nan, 3], "commanded_utility": [0, 0, np.nan]})
    plot_learning_curves({"a": [both]}, tmp_path / "x.png")
    assert [axes.get_ylabel() for axes in figures[0].axes[::2]] == ["hypervolume", "commanded utility"]
    assert line(figures[0].axes[0], "a")[:, 0].max() == 20 and line(figures[0].axes[2], "a")[:, 0].max() == 10
    assert figures[0].legends[0].get_title().get_text() == ""
    plot_learning_curves({"a": [both]}, tmp_path / "x.png", indicators=["commanded_utility"])
    assert len(figures[1].axes) == 2
    apart = {"a": [curve([1, 2]), curve([3, 4], first=100)]}
    plot_learning_curves(apart, tmp_path / "x.png")
    assert [each.get_xdata().tolist() for each in figures[2].axes[0].lines] == [[0, 10], [100, 110]]


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "at least one evaluation"),
        ({"a": []}, "at least one evaluation"),
        ({"a": [Curve([0, 1], [0], {"x": [1, 2]})]}, r"one shape \(t,\) in a, got \(2,\), \(1,\) and \(2,\)"),
        ({"a": [Curve([1, 0], [0, 1], {"x": [1, 2]})]}, "steps of a in increasing order"),
    ],
)
def test_bad_curves(tmp_path: Path, curves: dict, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        plot_learning_curves(curves, tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_unknown_indicators_and_infinite_steps(tmp_path: Path) -> None:
    with pytest.raises(MorlError, match="among hypervolume, got x"):
        plot_learning_curves({"a": [curve([1])]}, tmp_path / "x.png", indicators=["x"])
    with pytest.raises(NonFiniteError, match="steps"):
        plot_learning_curves({"a": [Curve([np.inf], [0], {"x": [1]})]}, tmp_path / "x.png")


def noisy(m: int, seeds: int, shift: float = 0.0) -> list[Front]:
    env_id = {2: "deep-sea-treasure-v0", 3: "minecart-v0"}[m]
    return [front(RNG.normal(size=(12, m)) + shift, env_id) for _ in range(seeds)]


@pytest.mark.parametrize("m", [2, 3])
def test_attainment_bands(tmp_path: Path, figures: list[Figure], m: int) -> None:
    groups = {"a": noisy(m, 8, 0.5), "b": noisy(m, 1)}
    plot_attainment(groups, tmp_path / "x.png", exact=np.full((1, m), 4.0), exact_label="best known front")
    assert legend(figures[0]) == ["a", "b", "best known front"]
    panels = figures[0].axes
    assert len(panels) == m * (m - 1) // 2
    returns = [each.returns[:, :2] for each in groups["a"]]
    axes = panels[0]
    (band,) = axes.patches  # of a; b has one seed
    low, high = np.transpose([axes.get_xlim(), axes.get_ylim()])
    points = RNG.uniform(low, high, size=(500, 2))
    fractions = attainment(returns, points)
    inside = Outline(band.get_xy()).contains_points(points)
    # Attained by a quarter, not by three quarters.
    np.testing.assert_array_equal(inside, (fractions >= 0.25) & (fractions < 0.75))
    median = line(axes, "a")
    under = Outline([low, *median, (median[-1][0], low[1]), low]).contains_points(points)
    np.testing.assert_array_equal(under, fractions >= 0.5)
    assert line(axes, "best known front")[1].tolist() == [4, 4]
    assert overlapping(figures[0]) == []


def test_attainment_differences(tmp_path: Path, figures: list[Figure]) -> None:
    a, b = [front([[2, 2]]), front([[1, 3]])], [front([[1, 1]])]
    plot_attainment_difference({"a": a, "b": b}, tmp_path / "x.png")
    ahead, behind = figures[0].axes
    assert (ahead.get_title(), behind.get_title()) == (
        "attained by more seeds of a",
        "attained by more seeds of b",
    )
    found = {}
    for box in ahead.collections:
        vertices = box.get_paths()[0].vertices
        found[tuple(vertices.max(axis=0).tolist())] = box.get_alpha()
    assert found[(2, 2)] == 0.5 and found[(1, 3)] == 0.5 and found[(1, 2)] == 1
    assert not behind.collections
    best, worst = line(ahead, "some seed attains"), line(ahead, "every seed attains")
    assert [2, 2] in best.tolist() and [1, 3] in best.tolist() and [1, 1] in worst.tolist()
    assert overlapping(figures[0]) == []


def test_bad_fronts_for_attainment(tmp_path: Path) -> None:
    two = {"a": noisy(2, 2), "b": noisy(2, 2)}
    with pytest.raises(MorlError, match="at least one front to draw, got none"):
        plot_attainment({}, tmp_path / "x.png")
    with pytest.raises(MorlError, match="every group, b has none"):
        plot_attainment({**two, "b": []}, tmp_path / "x.png")
    with pytest.raises(MorlError, match="two or three objectives for attainment surfaces, got 4"):
        plot_attainment({"a": [front(np.ones((2, 4)), "toy")]}, tmp_path / "x.png")
    with pytest.raises(MorlError, match="two groups to draw the difference of, got 1"):
        plot_attainment_difference({"a": two["a"]}, tmp_path / "x.png")
    with pytest.raises(MorlError, match="two objectives, got 3"):
        plot_attainment_difference({"a": noisy(3, 1), "b": noisy(3, 1)}, tmp_path / "x.png")
    with pytest.raises(MorlError, match=r"ending in \.png"):
        plot_attainment(two, tmp_path / "x.gif")
    assert not list(tmp_path.iterdir())


def test_profiles(tmp_path: Path, figures: list[Figure]) -> None:
    scores = {"a": RNG.random((8, 3)), "b": [RNG.random(3), RNG.random(5), RNG.random(1)], "c": [0.5]}
    levels = np.linspace(0, 1, 11)
    plot_profiles(scores, tmp_path / "x.pdf", thresholds=levels, xlabel="normalised hypervolume")
    (axes,) = figures[0].axes
    assert axes.get_xlabel().startswith("normalised hypervolume")
    assert legend(figures[0]) == ["a", "b", "c"]
    assert "95 %" in figures[0].legends[0].get_title().get_text()
    for group, values in scores.items():
        profile = statistics.performance_profile(values, levels)
        np.testing.assert_allclose(line(axes, group), np.column_stack([levels, profile.fractions]))
    assert len(axes.collections) == 2, "no band for a single seed"
    assert overlapping(figures[0]) == []
    plot_profiles({"c": [0.5]}, tmp_path / "y.png")
    found = line(figures[1].axes[0], "c")
    assert found[0, 1] == 1 and found[-1, 1] == 0 and figures[1].legends[0].get_title().get_text() == ""


def test_intervals(tmp_path: Path, figures: list[Figure]) -> None:
    panels = {f"indicator {i}": {"a": (2.0 * i, (1.0 * i, 4.0 * i)), "b": (3.0, None)} for i in range(1, 6)}
    panels["indicator 5"].pop("a")
    plot_intervals(panels, tmp_path / "x.png", title="toy")
    axes = figures[0].axes
    assert [each.get_title() for each in axes] == list(panels)
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["a", "b"]
    (bar,) = axes[1].patches
    assert (bar.get_x(), bar.get_x() + bar.get_width()) == (2, 8)
    assert [each.get_xdata()[0] for each in axes[1].lines] == [4, 3]
    assert not axes[4].patches and overlapping(figures[0]) == []
    assert "95 %" in figures[0]._supxlabel.get_text()
    plot_intervals({"x": {"a": (1.0, None)}}, tmp_path / "y.png")
    assert figures[1]._supxlabel is None, "nothing to explain"


def test_bad_scores(tmp_path: Path) -> None:
    with pytest.raises(MorlError, match="scores of at least one group"):
        plot_profiles({}, tmp_path / "x.png")
    with pytest.raises(MorlError, match="scores"):
        plot_profiles({"a": []}, tmp_path / "x.png")
    for nothing in ({}, {"x": {}}):
        with pytest.raises(MorlError, match="estimates of at least one group"):
            plot_intervals(nothing, tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_the_package_says_what_it_has() -> None:
    assert all(callable(getattr(pictures, name)) for name in pictures.__all__ if name.startswith("plot_"))
    assert len(set(pictures.COLOURS)) == len(pictures.COLOURS) == len(pictures.MARKERS)
