"""Greedy actions are -1 here, so every other action is exploration."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from morl import store
from morl.agents.exploration import PersistentExploration


def played(exploration: PersistentExploration, steps: int, *, seed: int = 0, always: bool = False) -> Tensor:
    """Actions (steps, N)."""
    generator = torch.Generator().manual_seed(seed)
    greedy = torch.full(exploration.held.shape, -1)
    return torch.stack([exploration(greedy, generator, always=always) for _ in range(steps)])


@pytest.mark.parametrize("max_repeat", [1, 4, 12])
def test_every_environment_explores_its_own_share(max_repeat: int) -> None:
    n, highest, lowest = 4000, 0.9, 0.01
    actions = played(PersistentExploration(5, n, highest, lowest, max_repeat), 260)[60:]
    share = (actions >= 0).float().mean(0)
    wanted = highest * (lowest / highest) ** (torch.arange(n) / (n - 1))
    for block in range(10):
        rows = slice(400 * block, 400 * block + 400)
        torch.testing.assert_close(share[rows].mean(), wanted[rows].mean(), rtol=0.08, atol=0.003)
    assert int(actions.max()) == 4 and int(actions.min()) == -1


def test_the_ends_of_the_ladder() -> None:
    assert played(PersistentExploration(3, 1, 1.0, 1.0, 5), 50).min() >= 0, (
        "a rate of one never acts greedily"
    )
    alone = (played(PersistentExploration(3, 1, 1.0, 0.01, 1), 2000) >= 0).float().mean()
    assert float(alone) < 0.05, "a single environment is the one that explores least"


# 7, 13 and 49: 1 / (1 / r) is a little less than r in float32.
@pytest.mark.parametrize("max_repeat", [1, 2, 7, 12, 13, 49])
def test_durations_are_heavy_tailed_and_bounded(max_repeat: int) -> None:
    n = 3000
    # So many actions that two in a row are never the same.
    actions = played(PersistentExploration(10**9, n, 0.5, 0.5, max_repeat), 2 * max_repeat + 1, always=True)
    assert (actions >= 0).all(), "random play explores in every step"
    changes = actions[1:] != actions[:-1]
    first = torch.cat((changes, torch.ones(1, n, dtype=torch.bool))).int().argmax(0) + 1
    assert int(first.min()) == 1 and int(first.max()) == max_repeat
    for k in range(1, max_repeat + 1):
        probability = 1 / k
        deviation = (probability * (1 - probability) / n) ** 0.5
        assert abs(float((first >= k).float().mean()) - probability) <= 4 * deviation


@given(seed=st.integers(0, 999), max_repeat=st.integers(1, 8), steps=st.integers(1, 20))
def test_the_state_continues(seed: int, max_repeat: int, steps: int) -> None:
    whole, restored = (PersistentExploration(5, 6, 0.9, 0.1, max_repeat) for _ in range(2))
    played(whole, steps, seed=seed)
    restored.load_state(whole.state())
    assert torch.equal(played(whole, 10, seed=1), played(restored, 10, seed=1))


def test_the_state_goes_through_a_file(tmp_path) -> None:
    whole, restored = (PersistentExploration(5, 6, 0.9, 0.1, 9) for _ in range(2))
    played(whole, 7)
    store.save(tmp_path, whole.state(), format="test", version=1)
    restored.load_state(store.load(tmp_path, format="test", version=1))
    assert torch.equal(played(whole, 10, seed=1), played(restored, 10, seed=1))


def test_the_generator_decides() -> None:
    first, again, other = (
        played(PersistentExploration(5, 30, 0.9, 0.1, 4), 20, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
