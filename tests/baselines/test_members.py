from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import ARMS, Bandit
from torch import Tensor

import morl
from morl.agent import Policy
from morl.baselines import evaluate_members
from morl.commands import MOST_MEMBERS, commands_of
from morl.errors import MorlError
from morl.weights import finest_lattice


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


class Answering(Arms):
    """Answers every preference with arm 1."""

    def policy(self, preference: Tensor) -> Policy:
        return self.follow(self.answering(preference))

    def answering(self, weights: Tensor) -> Tensor:
        return torch.ones(len(weights), dtype=torch.int64)


class Commanded(Arms):
    """Answers every preference with arm 2, and says of none which of its policies that is."""

    def policy(self, preference: Tensor) -> Policy:
        return self.follow(torch.full((len(preference),), 2))


class Many(Answering):
    """So many policies that not all are followed; the ends answer."""

    returns = torch.stack((torch.arange(1000.0), -torch.arange(1000.0)), dim=1)

    def answering(self, weights: Tensor) -> Tensor:
        return (weights @ self.returns.T).argmax(dim=1)


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


def test_a_set_is_evaluated_as_a_set() -> None:
    """Each arm is a point, once; preferences are answered by points, or asked for beside them."""
    weights = morl.weights.lattice(2, partitions=4)
    whole = morl.evaluate(Answering(), Bandit, weights=weights, episodes=2, backend="batched")
    np.testing.assert_allclose(whole.returns, ARMS, rtol=1e-6)
    assert whole.members is not None and whole.members.tolist() == list(range(len(ARMS)))
    assert whole.answers is not None and whole.answers.tolist() == [1] * 5
    asked = morl.evaluate(Answering(), Bandit, weights=weights, episodes=2, backend="batched", members=False)
    np.testing.assert_array_equal(whole.commanded_returns, asked.returns)
    assert (asked.answers, asked.members) == (None, None)
    one = morl.evaluate(Answering(), Bandit, weights=weights[2], episodes=2, backend="batched")
    assert len(one) == 1 and one.members is None
    # What answers is no member, or nobody says which: preferences are asked for, too.
    both = morl.evaluate(Commanded(), Bandit, weights=weights, episodes=2, backend="batched")
    np.testing.assert_allclose(both.returns[: len(ARMS)], ARMS, rtol=1e-6)
    np.testing.assert_allclose(both.commanded_returns, ARMS[[2] * 5], rtol=1e-6)
    assert both.members is not None and both.members.tolist() == [*range(len(ARMS)), *[-1] * 5]


def test_of_many_policies_the_most_different_are_followed() -> None:
    few = morl.evaluate(Answering(), Bandit, weights=np.eye(2), episodes=1, backend="batched", members=2)
    assert few.members is not None and few.members.tolist() == [1], "the others promise the same"
    agent = Many()
    with pytest.warns(UserWarning, match="200 of 1000 policies"):
        commands = commands_of(agent, np.eye(2), True)
    numbers = commands.members
    assert numbers is not None and len(numbers) == MOST_MEMBERS == len(np.unique(numbers))
    assert {0, 999} <= set(numbers.tolist()), "those that answer"
    assert np.diff(numbers).max() <= 10, "and the others lie spread between them"
