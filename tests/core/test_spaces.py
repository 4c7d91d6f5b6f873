"""Actions always lie in their space; observations are flattened as Gymnasium does it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from morl.errors import EnvError
from morl.spaces import Observations, action_encoder, action_space_of, is_bounded, observation_box

INTEGERS = [
    Box(-1, 1, (1,), np.int64),
    Box(0, 20, (2, 2), np.uint8),
    Box(0, 1, (), bool),
    Box(np.iinfo(np.int64).min, np.iinfo(np.int64).max, (1,), np.int64),
    Box(np.array([-3, 5], np.int16), np.array([2, 5], np.int16), dtype=np.int16),
]
REALS = [
    Box(np.float32(-196.18903), np.float32(38.41947), (1,)),
    Box(-0.1, 0.3, (3, 1), np.float64),
    Box(-0.1, 0.7, (), np.float16),
    Box(np.array([-np.inf, 0.1]), np.array([0.3, np.inf]), dtype=np.float64),
]
MIXED = Tuple((Box(0, 9, (2,), np.int32), Dict(x=Box(-0.1, 0.3, (), np.float64), y=Box(0, 1, (1, 2)))))


def extremes(space: Box, beyond: float) -> np.ndarray:
    """Actions at and between the bounds (9, d), and `beyond` them on both sides."""
    low, high = (np.nan_to_num(bound, posinf=1.0, neginf=-1.0) for bound in (space.low, space.high))
    inside = np.linspace(low, high, 7, dtype=np.float32)
    return np.concatenate([inside, (low - beyond)[None], (high + beyond)[None]]).astype(np.float32)


@pytest.mark.parametrize("space", [*INTEGERS, *REALS, MIXED], ids=str)
@pytest.mark.parametrize("tensors", [False, True])
def test_every_number_is_brought_into_its_box(space: Space, tensors: bool) -> None:
    seen = action_space_of(space)
    assert isinstance(seen, Box) and seen.dtype == np.float32 and len(seen.shape) == 1
    values = extremes(seen, 1e30 if space in INTEGERS else 0)
    before = values.copy()
    encode = action_encoder(space)
    batch = encode(torch.from_numpy(values) if tensors else values)
    assert np.array_equal(values, before)
    many = batch_space(space, len(values))
    assert many.contains(_as_numpy(batch) if tensors else batch), batch
    if not tensors:
        alone = [encode(row) for row in values]
        assert all(space.contains(action) for action in alone)
        flat = [gymnasium.spaces.flatten(space, action) for action in alone]
        together = gymnasium.spaces.flatten(many, batch)
        np.testing.assert_array_equal(np.sort(np.ravel(flat)), np.sort(together))


def test_real_numbers_far_outside_are_handed_on() -> None:
    for dtype in (np.float32, np.float64):
        assert action_encoder(Box(-1, 1, (2,), dtype))(np.array([2.0, -0.5])).tolist() == [2, -0.5]
        assert action_encoder(Box(-1, 1, (2,), dtype))(torch.tensor([2.0, -0.5])).tolist() == [2, -0.5]


def _as_numpy(batch: Any) -> Any:
    if isinstance(batch, dict):
        return {name: _as_numpy(part) for name, part in batch.items()}
    return tuple(map(_as_numpy, batch)) if isinstance(batch, tuple) else batch.numpy()


def test_whole_numbers_have_equal_shares() -> None:
    space = Box(-3, 5, (1,), np.int32)
    seen = action_space_of(space)
    assert isinstance(seen, Box) and (seen.low, seen.high) == (-3.5, 5.5)
    even = np.linspace(seen.low, seen.high, 9001, dtype=np.float32)[:-1]
    numbers, counts = np.unique(action_encoder(space)(even), return_counts=True)
    assert numbers.tolist() == list(range(-3, 6)) and abs(counts - 1000).max() <= 1
    encode = action_encoder(Box(-1, 1, (1,), np.int64))
    assert encode(np.array([[-0.9], [-0.6], [-0.4], [0.4], [0.6], [0.9]])).ravel().tolist() == [
        -1,
        -1,
        0,
        0,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("space", "bounded"),
    [(Box(-1, 1, (2,)), True), (Box(0, np.inf), False), (Box(-1e300, 1, dtype=np.float64), False)],
)
def test_bounds_that_float32_holds(space: Box, bounded: bool) -> None:
    assert is_bounded(space) is bounded
    assert not is_bounded(Box(np.finfo(np.float32).min, np.finfo(np.float32).max, (1,)))


@pytest.mark.parametrize("make", [action_space_of, observation_box])
@pytest.mark.parametrize("space", [Box(0, 1, (0,)), Dict(), Tuple(()), Dict(a=Box(0, 1, (2, 0)))], ids=str)
def test_empty_spaces_are_refused(make: Any, space: Space) -> None:
    with pytest.raises(EnvError):
        make(space)


OBSERVED: list[Space] = [
    Box(-1, 1, (3,)),
    Box(-1, 1, (2, 3), np.float64),
    Box(0, 255, (2, 2, 3), np.uint8),
    Box(0, 1, ()),
    Discrete(5, start=-2),
    MultiDiscrete([[2, 3], [4, 2]], start=[[0, 1], [-1, 5]]),
    MultiBinary((2, 2)),
    Dict(b=Tuple((Discrete(3, start=1), Box(0, 9, (2,), np.int32))), a=MultiBinary(2), c=Box(0, 1, (1, 2))),
]


@pytest.mark.parametrize("space", OBSERVED, ids=str)
def test_observations_are_flattened_as_gymnasium_does(space: Space) -> None:
    space.seed(0)
    samples = [space.sample() for _ in range(4)]
    read = Observations(space)
    expected = np.stack([gymnasium.spaces.flatten(space, sample) for sample in samples])
    ones = [read.read(sample) for sample in samples]
    assert all(rows is None and flat.shape == read.seen.shape for flat, rows in ones)
    np.testing.assert_allclose(np.stack([flat.ravel() for flat, _ in ones]), expected, rtol=1e-6)
    batch = concatenate(space, samples, create_empty_array(space, 4))
    flat, rows = read.read(batch)
    assert rows == 4 and flat.dtype == read.seen.dtype and flat.shape == (4, *read.seen.shape)
    np.testing.assert_allclose(flat.reshape(4, -1), expected, rtol=1e-6)
    tensors, rows = read.read(_as_tensors(batch))
    assert rows == 4 and isinstance(tensors, torch.Tensor)
    np.testing.assert_array_equal(tensors.numpy(), flat)


def _as_tensors(batch: Any) -> Any:
    if isinstance(batch, dict):
        return {name: _as_tensors(part) for name, part in batch.items()}
    return tuple(map(_as_tensors, batch)) if isinstance(batch, tuple) else torch.as_tensor(batch)


def test_entries_are_named_by_their_parts() -> None:
    read = Observations(OBSERVED[-1])
    assert [read.name_of(i) for i in (0, 4, 5)] == ["0 (['b'][0], 0)", "4 (['b'][1], 1)", "5 (['a'], 0)"]
    assert Observations(Box(0, 1, (3,))).name_of(2) == "2"
