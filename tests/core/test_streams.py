from __future__ import annotations

import pytest
import torch

from morl.errors import MorlError
from morl.streams import Streams, derive_seed


def test_a_generator_owns_a_contiguous_block() -> None:
    """The first block of many is what a single generator of that seed draws."""
    many, alone = Streams(5, 12, groups=3), Streams(5, 4)
    for draw in ("uniform", "normal"):
        assert torch.equal(getattr(many, draw)(2)[:4], getattr(alone, draw)(2))
    blocks = Streams(5, 12, groups=3).uniform().reshape(3, 4)
    assert len({tuple(block.tolist()) for block in blocks}) == 3


def test_numbers_have_their_range_and_shape() -> None:
    streams = Streams(0, 1000)
    uniform, normal, integers = streams.uniform(3), streams.normal(2), streams.integers(7)
    assert uniform.shape == (1000, 3) and (uniform >= 0).all() and (uniform < 1).all()
    assert normal.shape == (1000, 2) and abs(float(normal.mean())) < 0.1
    assert integers.shape == (1000,) and set(integers.tolist()) == set(range(7))


@pytest.mark.parametrize("groups", [1, 2, 5])
def test_the_state_continues_the_numbers(groups: int) -> None:
    streams = Streams(0, 10, groups=groups)
    streams.normal()
    state = streams.get_state()
    expected = streams.normal(3)
    other = Streams(1, 10, groups=groups)
    other.set_state(state)
    assert torch.equal(other.normal(3), expected)


def test_a_state_of_another_size_is_refused() -> None:
    with pytest.raises(MorlError, match="2 generators, got 1"):
        Streams(0, 4, groups=2).set_state(Streams(0, 4).get_state())


@pytest.mark.parametrize("groups", [0, 3])
def test_groups_must_divide(groups: int) -> None:
    with pytest.raises(MorlError, match="divide the 4 environments"):
        Streams(0, 4, groups=groups)


def test_the_meta_device_gets_shapes_only() -> None:
    assert Streams(0, 6, groups=2, device="meta").normal(2).shape == (6, 2)


def test_seeds_of_different_purposes_differ() -> None:
    seeds = {derive_seed(seed, *path) for seed in (0, 1) for path in ((), (0,), (1,), (0, 0), (0, 1))}
    assert len(seeds) == 10 and all(0 <= seed < 2**63 for seed in seeds)
