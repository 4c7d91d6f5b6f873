from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from morl.normalise import ObservationNormaliser

ROWS = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(-1e3, 1e3, width=32)
)


@given(rows=ROWS, cuts=st.lists(st.integers(0, 30), max_size=4))
def test_chunks_give_the_statistics_of_the_whole(rows: np.ndarray, cuts: list[int]) -> None:
    normaliser = ObservationNormaliser((3,))
    for chunk in np.split(rows, sorted(min(cut, len(rows)) for cut in cuts)):
        if len(chunk):
            normaliser.update(torch.from_numpy(chunk))
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(normaliser.mean, exact.mean(0), atol=1e-9)
    np.testing.assert_allclose(normaliser.variance, exact.var(0), rtol=1e-9, atol=1e-6)
    assert float(normaliser.count) == len(rows)


@given(rows=ROWS)
def test_scales_to_zero_mean_and_unit_variance(rows: np.ndarray) -> None:
    normaliser = ObservationNormaliser((3,))
    normaliser.update(torch.from_numpy(rows))
    scaled = normaliser(torch.from_numpy(rows))
    spread = rows.astype(np.float64).std(0)
    wide = spread > 1
    assert scaled.dtype == torch.float32 and torch.isfinite(scaled).all() and (scaled.abs() <= 10).all()
    np.testing.assert_allclose(scaled.double().mean(0)[wide], 0, atol=2e-3)
    np.testing.assert_allclose(scaled.double().std(0, correction=0)[wide], 1, atol=2e-3)


def test_before_any_observation_nothing_is_moved() -> None:
    obs = torch.tensor([[0.5, -2.0, 3.0]])
    torch.testing.assert_close(ObservationNormaliser((3,))(obs), obs)


def test_a_feature_that_never_changes_stays_finite() -> None:
    normaliser = ObservationNormaliser((1,))
    normaliser.update(torch.full((50, 1), 7.0))
    assert (
        normaliser(torch.tensor([[7.0]])).item() == 0 and abs(normaliser(torch.tensor([[8.0]])).item()) == 10
    )


def test_values_are_clipped() -> None:
    normaliser = ObservationNormaliser((1,), clip=2.0)
    normaliser.update(torch.tensor([[-1.0], [1.0]]))
    assert normaliser(torch.tensor([[-9.0], [0.5], [9.0]])).flatten().tolist() == [-2.0, 0.5, 2.0]


def test_any_number_of_leading_dimensions_and_integers() -> None:
    obs = torch.arange(24).view(2, 3, 4)
    normaliser = ObservationNormaliser((4,))
    normaliser.update(obs)
    assert normaliser(obs).shape == obs.shape
    np.testing.assert_allclose(normaliser.mean, obs.reshape(-1, 4).double().mean(0))


def test_scaling_never_moves_the_statistics() -> None:
    normaliser = ObservationNormaliser((2,))
    normaliser.update(torch.tensor([[0.0, 1.0], [2.0, 5.0]]))
    before = {name: value.clone() for name, value in normaliser.state().items()}
    normaliser(torch.full((100, 2), 50.0))
    assert all(torch.equal(value, before[name]) for name, value in normaliser.state().items())


def test_the_state_continues() -> None:
    first, second = (torch.randn(9, 2, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    whole, restored = ObservationNormaliser((2,)), ObservationNormaliser((2,))
    whole.update(first)
    restored.load_state(whole.state())
    for normaliser in (whole, restored):
        normaliser.update(second)
    assert torch.equal(whole(first), restored(first)) and float(restored.count) == 18
