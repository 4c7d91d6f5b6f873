"""Attainment surfaces and their differences against the definition, point by point."""

from __future__ import annotations

from itertools import product

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl import pareto
from morl.attainment import attainment, attainment_difference, attainment_surface
from morl.errors import MorlError, NonFiniteError

SIZE = 4


def seeds(m: int, most: int = 5):
    """Fronts of small integers, so that ties and duplicates are common."""
    point = st.tuples(*[st.integers(0, SIZE - 1)] * m)
    front = st.lists(point, min_size=1, max_size=5).map(lambda rows: np.array(rows, dtype=float))
    return st.lists(front, min_size=1, max_size=most)


def everywhere(m: int) -> np.ndarray:
    """Points between, on and beyond all coordinates that `seeds` draws."""
    return np.array(list(product(np.arange(-0.5, SIZE, 0.5), repeat=m)))


def counted(fronts: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    """How many fronts attain each point, by the definition."""
    return np.array(
        [sum(any(all(a >= b for a, b in zip(p, x, strict=True)) for p in f) for f in fronts) for x in points]
    )


@pytest.mark.parametrize("m", [2, 3])
def test_surfaces_bound_what_so_many_fronts_attain(m: int) -> None:
    points = everywhere(m)

    @settings(max_examples=25, deadline=None)
    @given(seeds(m), st.sampled_from([0, 20, 25, 50, 75, 100]))
    def check(fronts: list[np.ndarray], percentile: float) -> None:
        needed = max(1, int(np.ceil(percentile / 100 * len(fronts))))
        numbers = counted(fronts, points)
        surface = attainment_surface(fronts, percentile=percentile)
        np.testing.assert_array_equal(counted([surface], points) == 1, numbers >= needed)
        assert pareto.is_nondominated(surface).all()
        assert surface.tolist() == sorted(surface.tolist())
        np.testing.assert_allclose(attainment(fronts, points), numbers / len(fronts))

    check()


@pytest.mark.parametrize("m", [2, 3])
def test_differences_are_those_of_the_fractions(m: int) -> None:
    points = everywhere(m)

    @settings(max_examples=25, deadline=None)
    @given(seeds(m, 3), seeds(m, 3))
    def check(first: list[np.ndarray], second: list[np.ndarray]) -> None:
        boxes = attainment_difference(first, second)
        found = np.zeros(len(points))
        for low, high, value in zip(*boxes, strict=True):
            inside = ((points > low) & (points <= high)).all(axis=1)
            assert not found[inside].any(), "no two boxes overlap"
            found[inside] = value
        expected = counted(first, points) / len(first) - counted(second, points) / len(second)
        np.testing.assert_allclose(found, expected, atol=1e-12)
        back = attainment_difference(second, first)
        np.testing.assert_allclose(sorted(-back.values), sorted(boxes.values))
        assert (np.abs(boxes.values) > 1e-9).all()

    check()


def test_surfaces_are_moocores() -> None:
    data = moocore.get_dataset("input1.dat")  # minimised
    fronts = [-data[data[:, 2] == number, :2] for number in np.unique(data[:, 2])]
    for percentile in (0, 50, 100):
        theirs = moocore.eaf(data[:, :2], data[:, 2], percentiles=[percentile])[:, :2]
        ours = attainment_surface(fronts, percentile=percentile)
        np.testing.assert_allclose(np.sort(-ours, axis=0), np.sort(theirs, axis=0))


def test_three_objectives_are_exact_on_the_joint_grid() -> None:
    rng = np.random.default_rng(3)
    first, second = [rng.normal(size=(20, 3)) for _ in range(3)], [rng.normal(size=(20, 3)) for _ in range(2)]
    boxes = attainment_difference(first, second)
    everything = np.concatenate([*first, *second])
    lines = [np.unique(column) for column in everything.T]
    assert min(map(len, lines)) == 100
    # Anywhere: on the lines, where attainment changes, and between them.
    points = np.array([rng.permutation(column) for column in everything.T]).T
    points = np.concatenate([points, rng.normal(size=(200, 3))])
    found = np.zeros(len(points))
    for row, point in enumerate(points):
        inside = ((point > boxes.lower) & (point <= boxes.upper)).all(axis=1)
        assert inside.sum() <= 1
        found[row] = boxes.values[inside].sum()
    np.testing.assert_allclose(found, attainment(first, points) - attainment(second, points), atol=1e-12)
    assert len(np.unique(found)) > 5


def test_cells_of_equal_values_are_one_box() -> None:
    boxes = attainment_difference([[[1, 1, 4]]], [[[0, 0, 1]], [[0, 0, 2]], [[0, 0, 3]]])
    assert boxes.upper.tolist() == [[0, 0, 2], [0, 0, 3], [0, 0, 4], [0, 1, 4], [1, 0, 4], [1, 1, 4]]
    assert boxes.values.tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1])
    # Of the four cells above one another beyond the second side's fronts, one box.
    assert boxes.lower[3:, 2].tolist() == [-np.inf] * 3 and boxes.lower[:3, 2].tolist() == [1, 2, 3]


def test_a_joint_grid_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("morl.attainment.MOST_CELLS", 1000)
    rng = np.random.default_rng(0)
    first, second = [rng.normal(size=(6, 3))], [rng.normal(size=(6, 3))]
    with pytest.raises(MorlError, match=r"at most 1000 cells, got 12 x 12 x 12 .* pass resolution=9"):
        attainment_difference(first, second)
    assert len(attainment_difference(first, second, resolution=9).values)


def test_many_coordinates_are_thinned_to_the_resolution() -> None:
    rng = np.random.default_rng(0)
    first, second = ([rng.normal(size=(30, 3)) + shift for _ in range(4)] for shift in (0.3, 0.0))
    boxes = attainment_difference(first, second, resolution=12)
    assert 0 < len(boxes.values) <= 12**3
    exact = attainment(first, boxes.upper) - attainment(second, boxes.upper)
    np.testing.assert_allclose(boxes.values, exact, atol=1e-12)
    everything = np.concatenate([*first, *second])
    assert np.isin(boxes.upper[:, 0], everything[:, 0]).all() and (boxes.lower < boxes.upper).all()


def test_one_front_and_equal_fronts() -> None:
    front = [[1, 3], [2, 2], [2, 2], [0, 0]]
    for percentile in (0, 50, 100):
        assert attainment_surface([front], percentile=percentile).tolist() == [[1, 3], [2, 2]]
    assert len(attainment_difference([front], [front, front]).values) == 0


def test_inputs_are_never_changed() -> None:
    fronts = [np.array([[1.0, 2.0], [2.0, 1.0]])]
    fronts[0].setflags(write=False)
    attainment_surface(fronts)
    attainment_difference(fronts, fronts)
    assert fronts[0].tolist() == [[1, 2], [2, 1]]


def test_bad_input() -> None:
    two, four = [[1.0, 2.0]], [[1.0, 2.0, 3.0, 4.0]]
    with pytest.raises(MorlError, match="at least one front in fronts, got none"):
        attainment_surface([])
    with pytest.raises(MorlError, match=r"fronts\[1\] has none"):
        attainment_surface([two, np.empty((0, 2))])
    with pytest.raises(MorlError, match=r"pass \[fronts\]"):
        attainment_surface(np.ones((3, 2)))
    with pytest.raises(MorlError, match="2 to 3 objectives for attainment surfaces, got 4"):
        attainment_surface([four])
    assert attainment([four], four) == [1], "fractions exist for any number of objectives"
    with pytest.raises(MorlError, match="2 to 3 objectives for attainment surfaces, got 1"):
        attainment_difference([[[1.0]]], [[[1.0]]])
    with pytest.raises(MorlError, match=r"fronts\[1\] with 2 objectives"):
        attainment_surface([two, four])
    with pytest.raises(MorlError, match="same objectives, got 2 and 3"):
        attainment_difference([two], [[[1.0, 2.0, 3.0]]])
    with pytest.raises(MorlError, match="between 0 and 100, got 101"):
        attainment_surface([two], percentile=101)
    for percentile in (float("nan"), "50"):
        with pytest.raises(MorlError, match="between 0 and 100, got"):
            attainment_surface([two], percentile=percentile)
    with pytest.raises(MorlError, match="sequence of points"):
        attainment_surface(None)
    with pytest.raises(MorlError, match="resolution"):
        attainment_difference([two], [two], resolution=1)
    with pytest.raises(NonFiniteError, match=r"fronts\[0\]"):
        attainment_surface([[[np.nan, 1.0]]])
