"""Pictures of fronts: what is drawn where, and what the labels say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import figures, legend, offsets, overlapping
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from morl import pictures, weights
from morl.errors import MorlError
from morl.front import Front
from morl.pictures import plot_fronts, style

__all__ = ["figures"]  # a fixture

NAMES = {2: ["treasure", "time"], 3: ["ore 1", "ore 2", "fuel"]}


def front(points, env_id: str = "deep-sea-treasure-v0") -> Front:
    m = np.shape(points)[1]
    objectives = NAMES.get(m, [f"o{i}" for i in range(m)])
    return Front.from_points(points, env_id=env_id, gamma=1.0, objectives=objectives, role="report")


def sampled(returns) -> Front:
    """A front of episodes (k, episodes, m)."""
    return Front(
        episode_returns=np.array(returns, dtype=float),
        env_id="deep-sea-treasure-v0",
        gamma=1.0,
        objectives=tuple(NAMES[2]),
        role="report",
    )


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_two_objectives(tmp_path: Path, figures: list[Figure], suffix: str) -> None:
    fronts = {"a": front([[1, -1], [2, -3], [1, -2]]), "b": front([[1.5, -2]])}
    path = plot_fronts(fronts, tmp_path / f"x{suffix}", exact=[[3, -4], [1, -1]], reference_point=[0, -5])
    assert path.stat().st_size > 5000
    (axes,) = figures[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("treasure [value]", "time [steps]")
    assert legend(figures[0]) == ["a", "b", "exact front", "reference point"]
    assert offsets(axes, "a") == [[1, -1], [2, -3]]  # what is dominated is drawn apart, faint
    (exact,) = [line for line in axes.lines if line.get_label() == "exact front"]
    assert exact.get_xdata().tolist() == [1, 3] and exact.get_markerfacecolor() == "none"
    colours = {to_hex(artist.get_facecolor()[0]) for artist in axes.collections if len(artist.get_offsets())}
    assert colours == {colour.lower() for colour in pictures.COLOURS[:2]}
    before = path.read_bytes()
    assert plot_fronts(fronts, path, exact=[[3, -4], [1, -1]], reference_point=[0, -5]).read_bytes() == before


def test_standard_errors_are_drawn_where_there_are_episodes(tmp_path: Path, figures: list[Figure]) -> None:
    # Means (1, -2) and (3, -5), standard errors (1, .5) and (0, 1); the second is not dominated either.
    several = sampled([[[0, -2.5], [2, -1.5]], [[3, -6], [3, -4]]])
    plot_fronts({"a": several, "b": sampled([[[1, -1]]])}, tmp_path / "x.png")
    bars = [bar for bar in figures[0].axes[0].collections if isinstance(bar, LineCollection)]
    segments = [np.array(bar.get_segments()) for bar in bars]
    assert len(segments) == 2, "none for a single episode"
    np.testing.assert_allclose(segments[0], [[[0, -2], [2, -2]], [[3, -5], [3, -5]]])
    np.testing.assert_allclose(segments[1], [[[1, -2.5], [1, -1.5]], [[3, -6], [3, -4]]])


def test_groups_look_alike_and_are_named_once(tmp_path: Path, figures: list[Figure]) -> None:
    fronts = {name: front([[1 + i, -1 - i]]) for i, name in enumerate(["a 0", "a 1", "b 0"])}
    groups = {"a 0": "a", "a 1": "a", "b 0": "b"}
    plot_fronts(fronts, tmp_path / "x.png", groups=groups)
    assert legend(figures[0]) == ["a", "b"]
    points = [
        p for p in figures[0].axes[0].collections if isinstance(p, PathCollection) and len(p.get_offsets())
    ]
    colours = [to_hex(artist.get_facecolor()[0]) for artist in points]
    assert colours == [pictures.COLOURS[place].lower() for place in (0, 0, 1)]
    with pytest.raises(MorlError, match="a group for every front, got none for b 0"):
        plot_fronts(fronts, tmp_path / "x.png", groups={"a 0": "a", "a 1": "a"})


def test_styles_differ_beyond_the_colours() -> None:
    looks = [style.style_of(place) for place in range(28)]
    assert len({(look.colour, look.line) for look in looks}) == 28
    assert len({(look.colour, look.marker) for look in looks}) == 28


def test_a_far_reference_point_is_left_out(tmp_path: Path, figures: list[Figure]) -> None:
    fronts = {"a": front([[1, -1], [2, -3]])}
    plot_fronts(fronts, tmp_path / "x.png", reference_point=[0, -50])
    assert legend(figures[0]) == ["a"]


def test_three_objectives_are_three_projections_and_a_view(tmp_path: Path, figures: list[Figure]) -> None:
    points = np.array([[1.0, 0.0, -1.0], [0.0, 1.0, -2.0], [0.0, 0.0, -3.0]])
    plot_fronts(
        {"a": front(points, "minecart-v0")}, tmp_path / "x.png", exact=points[:2], exact_label="best known"
    )
    assert legend(figures[0]) == ["a", "best known"]
    *flat, depth = sorted(figures[0].axes, key=lambda axes: axes.name == "3d")
    pairs = [(axes.get_xlabel(), axes.get_ylabel()) for axes in flat]
    assert pairs == [
        (f"{a} [amount]", f"{b} [amount]")
        for a, b in [("ore 1", "ore 2"), ("ore 1", "fuel"), ("ore 2", "fuel")]
    ]
    for axes, pair in zip(flat, ([0, 1], [0, 2], [1, 2]), strict=True):
        assert offsets(axes, "a") == points[:2, pair].tolist()
    assert [getattr(depth, f"get_{axis}label")() for axis in "xyz"] == [f"{n} [amount]" for n in NAMES[3]]
    best = depth.collections[0]._offsets3d
    np.testing.assert_allclose(np.transpose(best), points[:2])


@pytest.mark.parametrize("m", [4, 6, 9])
def test_more_objectives_are_parallel_axes(tmp_path: Path, figures: list[Figure], m: int) -> None:
    points = weights.lattice(m, partitions=2) * 10
    plot_fronts(
        {"a": front(points, "toy"), "b": front(points[:1] + 1, "toy")}, tmp_path / "x.png", exact=points
    )
    (axes,) = figures[0].axes
    assert legend(figures[0]) == ["a", "b", "exact front"]
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels == [f"0\no{i}" for i in range(m)], "the worst value, and the name"
    assert [text.get_text() for text in axes.texts] == ["10"] * (m - 1) + ["11"], "the best"
    assert all(0 <= value <= 1 for line in axes.lines for value in np.ravel(line.get_ydata()))
    assert overlapping(figures[0]) == []


def test_groups_of_many_lines_have_panels_of_their_own(tmp_path: Path, figures: list[Figure]) -> None:
    lattice = weights.lattice(4, partitions=5)  # 56 points
    fronts = {"a 0": front(10 * lattice, "toy"), "a 1": front(9 * lattice, "toy"), "b": front(lattice, "toy")}
    groups = {"a 0": "a", "a 1": "a", "b": "b"}
    plot_fronts(fronts, tmp_path / "x.png", groups=groups, exact=11 * lattice, note="a note")
    above, below = figures[0].axes
    assert [axes.get_title(loc="left") for axes in (above, below)] == ["a", "b"]
    assert [len([line for line in axes.lines if len(line.get_xdata()) == 4]) for axes in (above, below)] == [
        3 * 56,
        2 * 56,
    ], "the exact front is in both"
    assert legend(figures[0]) == ["exact front"]
    assert figures[0].legends[0].get_title().get_text() == "a note"
    assert above.get_ylim() == below.get_ylim()
    tops = [
        max(
            np.max(line.get_ydata())
            for line in axes.lines
            if line.get_color() != style.KNOWN and len(line.get_xdata()) == 4
        )
        for axes in (above, below)
    ]
    np.testing.assert_allclose(tops, [10 / 11, 1 / 11], atol=1e-9)  # on the same axes
    assert overlapping(figures[0]) == []


def test_what_is_faint_is_explained(tmp_path: Path, figures: list[Figure]) -> None:
    plot_fronts({"a": front([[1, -1], [0, -2]])}, tmp_path / "x.png")
    plot_fronts({"a": front([[1, -1], [2, -2]])}, tmp_path / "y.png")
    notes = [figure.legends[0].get_title().get_text() for figure in figures]
    assert "faint: dominated" in notes[0] and notes[1] == ""


def test_many_fronts_and_constant_objectives(tmp_path: Path, figures: list[Figure]) -> None:
    fronts = {f"runs/deep-sea-treasure/seed-{i}": front([[1, -1]]) for i in range(30)}
    assert plot_fronts(fronts, tmp_path / "x.png").exists()
    assert len(legend(figures[0])) == 30 and overlapping(figures[0]) == []
    assert figures[0].axes[0].get_window_extent().height > 250, "the legend leaves room for the front"
    four = {"a": front(np.ones((2, 4)), "toy")}
    assert plot_fronts(four, tmp_path / "y.png").exists()


@pytest.mark.parametrize("m", [2, 3, 5])
def test_labels_are_clear_of_each_other(tmp_path: Path, figures: list[Figure], m: int) -> None:
    rng = np.random.default_rng(0)
    fronts = {name: front(1e4 * rng.normal(size=(20, m)), "toy") for name in ("envelope-dqn", "random", "x")}
    plot_fronts(fronts, tmp_path / "x.png", exact=1e4 * rng.normal(size=(20, m)), title="a title")
    assert overlapping(figures[0]) == []


def test_bad_input(tmp_path: Path) -> None:
    one = front([[1, -1]])
    with pytest.raises(MorlError, match="at least one front"):
        plot_fronts({}, tmp_path / "x.png")
    with pytest.raises(MorlError, match=r"ending in \.png"):
        plot_fronts({"a": one}, tmp_path / "x.html")
    with pytest.raises(MorlError, match="b has"):
        plot_fronts({"a": one, "b": front([[1, 2, 3]])}, tmp_path / "x.png")
    with pytest.raises(MorlError, match="at least two objectives"):
        plot_fronts({"a": front([[1]])}, tmp_path / "x.png")
    with pytest.raises(MorlError, match="reference_point"):
        plot_fronts({"a": one}, tmp_path / "x.png", reference_point=[1])
    assert not list(tmp_path.iterdir())
