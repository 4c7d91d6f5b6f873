from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from morl import plotting, weights
from morl.errors import MorlError
from morl.front import Front
from morl.plotting import plot_fronts

NAMES = {2: ["treasure", "time"], 3: ["ore 1", "ore 2", "fuel"]}


def front(points, env_id: str = "deep-sea-treasure-v0") -> Front:
    m = np.shape(points)[1]
    objectives = NAMES.get(m, [f"o{i}" for i in range(m)])
    return Front.from_points(points, env_id=env_id, gamma=1.0, objectives=objectives, role="report")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is drawn."""
    drawn: list[Figure] = []
    original = plotting._figure

    def spy(*args) -> Figure:
        drawn.append(original(*args))
        return drawn[-1]

    monkeypatch.setattr(plotting, "_figure", spy)
    return drawn


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def offsets(axes, label: str) -> list[list[float]]:
    (found,) = [artist for artist in axes.collections if artist.get_label() == label]
    return np.asarray(found.get_offsets()).tolist()


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
    assert colours == {colour.lower() for colour in plotting.COLOURS[:2]}


def test_a_far_reference_point_is_left_out(tmp_path: Path, figures: list[Figure]) -> None:
    fronts = {"a": front([[1, -1], [2, -3]])}
    plot_fronts(fronts, tmp_path / "x.png", reference_point=[0, -50])
    assert legend(figures[0]) == ["a"]


def test_three_objectives_are_three_projections(tmp_path: Path, figures: list[Figure]) -> None:
    points = np.array([[1.0, 0.0, -1.0], [0.0, 1.0, -2.0]])
    plot_fronts(
        {"a": front(points, "minecart-v0")}, tmp_path / "x.png", exact=points, exact_label="best known"
    )
    assert legend(figures[0]) == ["a", "best known"]
    pairs = [(axes.get_xlabel(), axes.get_ylabel()) for axes in figures[0].axes]
    assert pairs == [
        (f"{a} [amount]", f"{b} [amount]")
        for a, b in [("ore 1", "ore 2"), ("ore 1", "fuel"), ("ore 2", "fuel")]
    ]
    for axes, pair in zip(figures[0].axes, ([0, 1], [0, 2], [1, 2]), strict=True):
        assert offsets(axes, "a") == points[:, pair].tolist()


@pytest.mark.parametrize("m", [4, 6, 9])
def test_more_objectives_are_parallel_axes(tmp_path: Path, figures: list[Figure], m: int) -> None:
    points = weights.lattice(m, partitions=2) * 10
    plot_fronts(
        {"a": front(points, "toy"), "b": front(points[:1] + 1, "toy")}, tmp_path / "x.png", exact=points
    )
    (axes,) = figures[0].axes
    assert legend(figures[0]) == ["exact front", "a", "b"]
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert len(labels) == m and labels[0].startswith("o0\n") and "to" in labels[0]
    assert all(0 <= value <= 1 for line in axes.lines for value in np.ravel(line.get_ydata()))


def test_many_fronts_and_constant_objectives(tmp_path: Path) -> None:
    fronts = {f"seed {i}": front([[1, -1]]) for i in range(12)}
    assert plot_fronts(fronts, tmp_path / "x.png").exists()
    four = {"a": front(np.ones((2, 4)), "toy")}
    assert plot_fronts(four, tmp_path / "y.png").exists()


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
