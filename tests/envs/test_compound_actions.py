"""Compound action spaces become one choice or one Box, and every choice reaches the environment as it should."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, iterate

from morl.envs.adapters import AsyncAdapter, SyncAdapter
from morl.envs.make import make_vec
from morl.spaces import action_encoder, action_space_of

UNIT = Box(0.0, 1.0, (2,), dtype=np.float32)
CHOICES: list[tuple[Space, int]] = [
    (MultiDiscrete([2, 3]), 6),
    (MultiDiscrete([2, 3], start=[5, -1]), 6),
    (MultiDiscrete([[2, 3], [2, 2]]), 24),
    (MultiBinary(3), 8),
    (MultiBinary((2, 2)), 16),
    (Tuple((Discrete(3), Discrete(2, start=7))), 6),
    (Dict(b=MultiDiscrete([2, 2]), a=Tuple((Discrete(2), MultiBinary(1)))), 16),
]
NUMBERS: list[Space] = [
    Tuple((UNIT, Box(-1, 2, (1, 2), dtype=np.float64))),
    Dict(b=UNIT, a=Dict(c=Box(-3, 3, (1,), dtype=np.float32))),
]


def frozen(action: Any) -> Any:
    """`action` as something hashable."""
    if isinstance(action, dict):
        return tuple((name, frozen(part)) for name, part in sorted(action.items()))
    if isinstance(action, tuple):
        return tuple(frozen(part) for part in action)
    return tuple(np.asarray(action).ravel().tolist())


@pytest.mark.parametrize(("space", "count"), CHOICES, ids=str)
def test_every_combination_is_one_choice(space: Space, count: int) -> None:
    assert action_space_of(space) == Discrete(count)
    encode = action_encoder(space)
    actions = [encode(np.int64(choice)) for choice in range(count)]
    assert all(space.contains(action) for action in actions)
    assert len({frozen(action) for action in actions}) == count  # all different, so all combinations


def test_the_last_part_changes_fastest() -> None:
    encode = action_encoder(MultiDiscrete([2, 3]))
    assert [encode(np.int64(choice)).tolist() for choice in range(6)] == [
        [0, 0],
        [0, 1],
        [0, 2],
        [1, 0],
        [1, 1],
        [1, 2],
    ]


@pytest.mark.parametrize("space", NUMBERS, ids=str)
def test_boxes_become_one_in_gymnasiums_order(space: Space) -> None:
    flat = action_space_of(space)
    assert isinstance(flat, Box) and flat.dtype == np.float32
    sample = flat.sample()
    action = action_encoder(space)(sample)
    assert space.contains(action)
    np.testing.assert_allclose(gymnasium.spaces.flatten(space, action), sample, rtol=1e-6)


@pytest.mark.parametrize("space", [space for space, _ in CHOICES] + NUMBERS, ids=str)
@pytest.mark.parametrize("tensors", [False, True])
def test_a_batch_is_encoded_row_by_row(space: Space, tensors: bool) -> None:
    encode, seen = action_encoder(space), action_space_of(space)
    seen.seed(0)
    rows = np.stack([seen.sample() for _ in range(5)])
    batch = encode(torch.from_numpy(rows) if tensors else rows)
    for row, action in zip(rows, iterate(batch_space(space, 5), batch), strict=True):
        assert frozen(encode(row)) == frozen(action)


class Told(gymnasium.Env):
    """Pays the flattened action; never ends."""

    def __init__(self, space: Space) -> None:
        self.action_space, self.observation_space = space, UNIT

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(2, dtype=np.float32), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        reward = gymnasium.spaces.flatten(self.action_space, action)
        return np.zeros(2, dtype=np.float32), reward.astype(np.float32), False, False, {}


@pytest.mark.parametrize("adapter", [SyncAdapter, AsyncAdapter])
def test_adapters_hand_on_compound_actions(adapter: Any) -> None:
    space = Dict(speed=MultiDiscrete([2, 2]), turn=Discrete(3, start=-1))
    env = adapter([partial(Told, space)] * 2)
    assert env.single_action_space == Discrete(12)
    env.reset(seed=0)
    reward = env.step(torch.tensor([0, 11]))[1]  # one-hot of speed's parts, then of turn
    assert reward.tolist() == [[1, 0, 1, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0, 1]]
    env.close()


class Several(VectorEnv):
    """Somebody's vector environment with MultiDiscrete actions, paid as they are."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int, tensors: bool) -> None:
        self.num_envs, self.tensors = num_envs, tensors
        self.single_observation_space, self.single_action_space = UNIT, MultiDiscrete([3, 2], start=[4, 0])
        self.observation_space = batch_space(UNIT, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        zeros = torch.zeros(self.num_envs, 2)
        return (zeros if self.tensors else zeros.numpy()), {}

    def step(self, actions: Any) -> Any:
        assert isinstance(actions, torch.Tensor) == self.tensors
        obs, ends = self.reset()[0], torch.zeros(self.num_envs, dtype=torch.bool)
        ends = ends if self.tensors else ends.numpy()
        return obs, actions * 1.0, ends, ends, {}


@pytest.mark.parametrize("tensors", [False, True])
def test_vector_environments_get_compound_actions(tensors: bool) -> None:
    env = make_vec(Several(3, tensors))
    assert env.single_action_space == Discrete(6)
    env.reset(seed=0)
    assert env.step(torch.tensor([0, 1, 5]))[1].tolist() == [[4, 0], [4, 1], [6, 1]]
