from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import mannwhitneyu, norm, trim_mean

from morl import _bootstrap, statistics
from morl.errors import MorlError, NonFiniteError

VALUES = st.floats(-100, 100, allow_subnormal=False)
ONE = arrays(np.float64, st.integers(1, 12), elements=VALUES)
SEVERAL = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=VALUES)
SCORES = np.random.default_rng(0).normal(size=(10, 4))


@given(st.one_of(ONE, SEVERAL))
def test_interquartile_mean_is_scipys(scores: np.ndarray) -> None:
    assert statistics.interquartile_mean(scores) == pytest.approx(trim_mean(scores, 0.25, axis=None))
    assert statistics.median(scores) == np.median(scores)


def test_interquartile_mean_by_hand() -> None:
    assert statistics.interquartile_mean([7]) == 7
    assert statistics.interquartile_mean([0, 1, 5]) == 2  # nothing to leave out below four
    assert statistics.interquartile_mean([-1000, 1, 2, 3, 4, 5, 6, 1000]) == 3.5
    assert statistics.interquartile_mean([np.array([0.0, 8]), np.array([1.0, 3])]) == 2
    assert statistics.optimality_gap([0.25, 0.75, 3]) == pytest.approx(1 / 3)
    assert statistics.optimality_gap([1.5], target=2) == 0.5


@pytest.mark.parametrize("statistic", statistics.STATISTICS)
def test_intervals_hold_the_statistic_and_can_be_repeated(statistic: str) -> None:
    value = {
        "iqm": statistics.interquartile_mean(SCORES),
        "median": statistics.median(SCORES),
        "mean": SCORES.mean(),
        "optimality-gap": statistics.optimality_gap(SCORES),
    }[statistic]
    found = statistics.bootstrap_interval(SCORES, statistic=statistic, seed=3)
    assert found is not None and found[0] < value < found[1]
    assert found == statistics.bootstrap_interval(SCORES, statistic=statistic, seed=3)
    assert found != statistics.bootstrap_interval(SCORES, statistic=statistic, seed=4)
    shifted = statistics.bootstrap_interval(SCORES.T.tolist(), statistic=statistic, seed=3)
    assert shifted == pytest.approx(found), "one list for each environment is the same"


def test_seeds_are_resampled_within_environments() -> None:
    # Seeds agree within each environment, so nothing is uncertain, however much environments differ.
    scores = np.tile([0.0, 10.0, 50.0], (5, 1))
    assert statistics.bootstrap_interval(scores, statistic="mean") == (20, 20)
    # Spread in one environment only: a quarter of the interval of that environment.
    one = np.arange(8.0)
    flat = [one, *np.zeros((3, 8))]
    alone = np.array(statistics.bootstrap_interval(one, statistic="mean", resamples=20_000))
    among = np.array(statistics.bootstrap_interval(flat, statistic="mean", resamples=20_000))
    np.testing.assert_allclose(among, alone / 4, atol=0.03)


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    scores = np.random.default_rng(1).normal(3, 2, size=400)
    found = statistics.bootstrap_interval(scores, statistic="mean", resamples=20_000)
    half = norm.ppf(0.975) * scores.std() / 20
    np.testing.assert_allclose(found, scores.mean() + np.array([-half, half]), atol=0.02)


def test_memory_is_bounded_without_changing_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = statistics.bootstrap_interval(SCORES, resamples=4_000)
    monkeypatch.setattr(_bootstrap, "CELLS", 1_000)
    np.testing.assert_allclose(statistics.bootstrap_interval(SCORES, resamples=4_000), whole, atol=0.05)


def test_few_seeds_have_no_interval() -> None:
    for scores in ([1.0], [1.0, 2.0], np.ones((1, 5)), [np.ones(2), np.ones(1)]):
        assert statistics.bootstrap_interval(scores) is None
    assert statistics.bootstrap_interval([1, 2, 3]) is not None
    assert statistics.bootstrap_interval(np.ones((2, 2))) == (1, 1)
    profile = statistics.performance_profile([1, 2], [1.5])
    assert profile.low is None and profile.high is None and profile.fractions == [0.5]
    assert statistics.improvement_interval([1, 2, 3], [1, 2]) is None
    assert statistics.aggregate({"a": [2.0]})["a"].iqm_interval is None


def test_an_environment_with_one_seed_adds_to_the_value_only() -> None:
    with_one = [np.array([0.0, 1, 2, 3]), np.array([9.0])]
    low, high = statistics.bootstrap_interval(with_one, statistic="mean", resamples=20_000)
    alone = statistics.bootstrap_interval(with_one[0], statistic="mean", resamples=20_000)
    np.testing.assert_allclose([low, high], (np.array(alone) * 4 + 9) / 5, atol=0.05)


@settings(max_examples=60)
@given(ONE, ONE)
def test_probability_of_improvement_is_mann_whitneys(x: np.ndarray, y: np.ndarray) -> None:
    statistic = mannwhitneyu(x, y, method="asymptotic").statistic
    found = statistics.probability_of_improvement(x, y)
    assert found == pytest.approx(statistic / (len(x) * len(y)))
    assert statistics.probability_of_improvement(y, x) == pytest.approx(1 - found)


def test_improvement_over_environments() -> None:
    x, y = [np.array([2.0, 3]), np.array([0.0])], [np.array([1.0]), np.array([0.0, 5])]
    assert statistics.probability_of_improvement(x, y) == (1 + 0.25) / 2
    low, high = statistics.improvement_interval(SCORES + 0.5, SCORES)
    assert low < statistics.probability_of_improvement(SCORES + 0.5, SCORES) < high <= 1
    assert statistics.improvement_interval(SCORES + 100, SCORES) == (1, 1)


def test_the_interval_of_many_seeds_needs_no_table_of_all_pairs() -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 500))
    tracemalloc.start()
    found = statistics.improvement_interval(x, y)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 500e6, "2,000 tables of 500 x 500 are 4 GB"
    # The normal interval of a Mann-Whitney statistic under equal laws.
    half = norm.ppf(0.975) * np.sqrt(1001 / (12 * 500 * 500))
    value = statistics.probability_of_improvement(x, y)
    np.testing.assert_allclose(found, [value - half, value + half], atol=0.004)


@settings(max_examples=30)
@given(st.one_of(ONE, SEVERAL))
def test_profiles_fall_from_one_to_zero(scores: np.ndarray) -> None:
    levels = np.linspace(scores.min() - 1, scores.max(), 20)
    profile = statistics.performance_profile(scores, levels, resamples=200)
    np.testing.assert_allclose(profile.fractions, [(scores > level).mean() for level in levels])
    assert profile.fractions[0] == 1 and profile.fractions[-1] == 0
    if profile.low is not None:
        assert profile.low.shape == profile.high.shape == levels.shape
        assert (profile.low <= profile.high).all() and (np.diff(profile.low) <= 0).all()


def test_the_band_of_a_profile_is_binomial() -> None:
    profile = statistics.performance_profile(np.arange(200), [99.5], resamples=10_000)
    half = norm.ppf(0.975) * 0.5 / np.sqrt(200)
    np.testing.assert_allclose([profile.low[0], profile.high[0]], [0.5 - half, 0.5 + half], atol=0.011)


def test_aggregate_is_its_parts() -> None:
    found = statistics.aggregate({"a": SCORES, "b": SCORES[:, 0]})
    assert list(found) == ["a", "b"]
    assert found["a"].iqm == statistics.interquartile_mean(SCORES)
    assert found["b"].median_interval == statistics.bootstrap_interval(SCORES[:, 0], statistic="median")
    assert found["b"].optimality_gap == statistics.optimality_gap(SCORES[:, 0])


def test_inputs_are_never_changed() -> None:
    scores = SCORES.copy()
    scores.setflags(write=False)
    statistics.aggregate({"a": scores})
    statistics.performance_profile(scores, [0.0])
    np.testing.assert_array_equal(scores, SCORES)


def test_bad_input() -> None:
    for scores in ([], 3.0, np.ones((2, 2, 2)), [[1.0], []], [[[1.0], [1.0, 2.0]]], ["a"]):
        with pytest.raises(MorlError, match="scores"):
            statistics.interquartile_mean(scores)
    with pytest.raises(NonFiniteError, match=r"scores\[1\]"):
        statistics.bootstrap_interval([1.0, np.nan, 2.0])
    with pytest.raises(MorlError, match="iqm, median, mean, optimality-gap"):
        statistics.bootstrap_interval([1, 2, 3], statistic="mode")
    with pytest.raises(MorlError, match="same environments in x and y, got 1 and 2"):
        statistics.probability_of_improvement([1, 2], [[1, 2], [1, 2]])
    with pytest.raises(MorlError, match="resamples"):
        statistics.bootstrap_interval([1, 2, 3], resamples=0)
    for target in (np.nan, "high", None):
        with pytest.raises(MorlError, match="target"):
            statistics.optimality_gap([1, 2, 3], target=target)
    with pytest.raises(MorlError, match="thresholds"):
        statistics.performance_profile([1, 2, 3], [])
