from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, Space
from tiny import Bandit, Target

import morl
from morl.baselines import RandomPolicy
from morl.errors import MorlError
from morl.spec import EnvSpec

B = 20_000
OBS, WEIGHTS = torch.zeros(B, 1), torch.full((B, 2), 0.5)


def policy(space: Space, seed: int = 0) -> RandomPolicy:
    return RandomPolicy(replace(EnvSpec.of(Bandit(4)), single_action_space=space), seed=seed)


@pytest.mark.parametrize("start", [0, 3])
def test_discrete_actions_are_equally_likely(start: int) -> None:
    action = policy(Discrete(4, start=start)).act(OBS, WEIGHTS)
    share = torch.bincount(action - start, minlength=4) / B
    assert action.shape == (B,) and action.dtype == torch.int64 and len(share) == 4
    assert ((share - 0.25).abs() < 4 * (0.25 * 0.75 / B) ** 0.5).all()


def test_continuous_actions_fill_the_box() -> None:
    low, high = np.array([[-2, 0], [5, -1]], np.float32), np.array([[2, 0.5], [6, -1]], np.float32)
    action = policy(Box(low, high)).act(OBS, WEIGHTS)
    assert action.shape == (B, 2, 2) and action.dtype == torch.float32
    scaled = (action - torch.from_numpy(low)) / torch.from_numpy(np.maximum(high - low, 1e-9))
    assert (scaled >= 0).all() and (scaled <= 1).all()
    wide = scaled[:, high > low]
    torch.testing.assert_close(wide.mean(0), torch.full((3,), 0.5), rtol=0, atol=4 * (1 / 12 / B) ** 0.5)
    assert (wide.min(0).values < 0.001).all() and (wide.max(0).values > 0.999).all()


def test_double_bounds_give_float32_actions() -> None:
    assert policy(Box(-1, 1, (2,), np.float64)).act(OBS, WEIGHTS).dtype == torch.float32


@pytest.mark.parametrize("space", [Box(0, np.inf, (1,)), MultiBinary(2)])
def test_other_actions_are_refused(space: Space) -> None:
    with pytest.raises(MorlError, match="Discrete actions or a bounded Box"):
        policy(space)


def test_every_answer_is_new_and_seeds_repeat_them() -> None:
    first, again, other = (policy(Discrete(4), seed) for seed in (0, 0, 1))
    answers = [agent.act(OBS, WEIGHTS) for agent in (first, first, again, other)]
    assert torch.equal(answers[0], answers[2])
    assert not torch.equal(answers[0], answers[1]) and not torch.equal(answers[0], answers[3])


def test_learning_only_counts() -> None:
    env = Target(4)
    agent = RandomPolicy(env).learn(43, progress=False)
    assert agent.steps == 40 and env.streams is None, "the environment was never started"


def test_its_front_is_that_of_chance() -> None:
    front = morl.evaluate(
        RandomPolicy(Bandit(1)), Bandit, weights=np.eye(2), episodes=4000, backend="batched"
    )
    np.testing.assert_allclose(front.returns, 0.525, atol=0.03)
    assert front.agent == "random"
