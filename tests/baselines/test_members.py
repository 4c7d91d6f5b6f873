from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import ARMS, Bandit
from torch import Tensor

import morl
from morl.agent import Policy
from morl.baselines import evaluate_members
from morl.baselines.members import finest_lattice
from morl.errors import MorlError


class Fixed:
    """Pulls the same arm for ever."""

    def __init__(self, arm: Tensor) -> None:
        self.arm = arm

    def reset(self, mask: Tensor | None = None) -> None: ...

    def act(self, obs: Tensor) -> Tensor:
        return self.arm

    def observe(self, reward: Tensor, done: Tensor) -> None: ...


class Arms:
    """An agent with a member for each arm; as the promises are wrong, only following can tell."""

    name, num_objectives, gamma, seed, steps = "arms", 2, 1.0, 7, 11
    returns = torch.zeros(len(ARMS), 2)

    def follow(self, index: Tensor) -> Policy:
        return Fixed(index)


@pytest.mark.parametrize("rows", [1, 3, 12, 50])
def test_every_member_is_followed(rows: int) -> None:
    """However many episodes the environment can play at a time."""
    front = evaluate_members(Arms(), Bandit(rows), episodes=3)
    np.testing.assert_allclose(front.episode_returns, np.repeat(ARMS[:, None], 3, axis=1), rtol=1e-6)
    assert front.weights is None and front.role == "report"
    assert (front.agent, front.training_seed, front.training_steps) == ("arms", 7, 11)


def test_options_are_those_of_evaluate() -> None:
    front = evaluate_members(Arms(), Bandit, episodes=2, seed=5, backend="batched", role="selection")
    assert front.evaluation_seed == 5 and front.role == "selection" and front.backend == "batched"
    with pytest.raises(TypeError, match="weights"):
        evaluate_members(Arms(), Bandit, weights=[[1.0, 0.0]])


@pytest.mark.parametrize(
    ("m", "most", "rows"), [(2, 101, 101), (3, 101, 91), (6, 101, 56), (6, 3, 6), (1, 9, 1)]
)
def test_the_finest_lattice(m: int, most: int, rows: int) -> None:
    lattice = finest_lattice(m, most)
    assert lattice.shape == (rows, m)
    morl.weights.validate(lattice, m)


def test_an_agent_that_is_no_set_is_refused() -> None:
    agent = morl.agents.ConditionedPPO(Bandit(4), seed=0)
    with pytest.raises(MorlError, match=r"set of policies, such as morld or evolution, got ConditionedPPO"):
        evaluate_members(agent, Bandit)
