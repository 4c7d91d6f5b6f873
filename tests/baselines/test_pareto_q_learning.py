from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from tiny import ARMS, Bandit, corridor_front
from torch import Tensor
from toys import LENGTH, WALK, Corridor

import morl
from morl import registry
from morl.baselines import ParetoQLearning, evaluate_members
from morl.errors import MorlError
from morl.pareto import filter_nondominated

GAMMA = 0.9


def trained(env: Any = None, steps: int = 8000, **options: Any) -> ParetoQLearning:
    env = Corridor(16) if env is None else env
    options = {"resolution": 1.0, "rollout_length": 8, "gamma": GAMMA, **options}
    return ParetoQLearning(env, **options).learn(steps, progress=False)


def same_points(found: Any, exact: Any) -> None:
    np.testing.assert_allclose(np.unique(found, axis=0), np.unique(exact, axis=0), rtol=1e-6, atol=1e-9)


def test_the_bandit_is_solved_exactly() -> None:
    same_points(trained(Bandit(8), 200).returns, filter_nondominated(np.float32(ARMS)))


@pytest.mark.parametrize("evaluation", ["pareto", "cardinality", "hypervolume"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_place_to_stop_is_found(evaluation: str, seed: int) -> None:
    agent = trained(seed=seed, evaluation=evaluation, reference_point=(0.0, -10.0))
    same_points(agent.returns, filter_nondominated(corridor_front(GAMMA)))


def test_the_sets_are_a_fixed_point_of_the_papers_equations() -> None:
    agent = trained()
    for state in range(len(agent.states)):
        union = [
            agent.reward[state, a] + agent.gamma * later
            for a in range(agent.actions)
            for where in [int(agent.successor[state, a])]
            for later in ([torch.zeros(2)] if where < 0 else agent.vectors[where, : agent.counts[where]])
        ]
        count = int(agent.counts[state])
        same_points(agent.vectors[state, :count], filter_nondominated(torch.stack(union)))
        assert not agent.vectors[state, count:].any()


@pytest.mark.parametrize("memory", ["track", "weights"])
def test_policies_earn_what_the_vectors_promise(memory: str) -> None:
    agent = trained()
    if memory == "track":
        front = evaluate_members(agent, Corridor, episodes=2, backend="batched")
        np.testing.assert_allclose(front.returns, agent.returns, rtol=1e-5)
        return
    weights = morl.weights.lattice(2, partitions=30)
    best = (weights @ corridor_front(GAMMA).T).max(axis=1)
    front = morl.evaluate(agent, Corridor, weights=weights, episodes=1, backend="batched", members=False)
    np.testing.assert_allclose((front.returns * weights).sum(1), best, rtol=1e-5, atol=1e-6)
    whole = morl.evaluate(agent, Corridor, weights=weights, episodes=1, backend="batched")
    assert whole.commanded_returns is not None and len(whole) == len(agent.returns)
    np.testing.assert_allclose((whole.commanded_returns * weights).sum(1), best, rtol=1e-5, atol=1e-6)
    acted = morl.evaluate(
        Forgetful(agent), Corridor, weights=weights, episodes=1, backend="batched", gamma=GAMMA
    )
    np.testing.assert_allclose((acted.returns * weights).sum(1), best, rtol=1e-5, atol=1e-6)


class Forgetful:
    """Asks `act` in every step."""

    def __init__(self, agent: ParetoQLearning) -> None:
        self.agent = agent
        self.num_objectives = 2

    def policy(self, preference: Tensor) -> Any:
        return morl.agent.WeightPolicy(self.agent, preference)


def test_memory_is_of_one_episode() -> None:
    """Tracked vectors start anew where an episode ended, and where the policy is told that one starts."""
    agent = trained()
    third = (agent.returns[:, 0] - 3 * GAMMA**3).abs().argmin(dim=0, keepdim=True)
    policy, yes = agent.follow(third), torch.tensor([True])

    def walked(*, ends: bool) -> int:
        position = 0
        while int(policy.act(torch.tensor([[float(position)]]))) == WALK:
            policy.observe(torch.tensor([[0.0, -1.0]]), ~yes)
            position += 1
        policy.observe(torch.tensor([[float(position), -1.0]]), yes if ends else ~yes)
        return position

    assert walked(ends=True) == 3
    assert walked(ends=False) == 3
    assert walked(ends=False) == 0, "nothing is to come, so the nearest is to stop"
    policy.reset(~yes)
    assert walked(ends=False) == 0
    policy.reset(yes)
    assert walked(ends=False) == 3
    policy.reset()
    assert walked(ends=False) == 3


def test_sets_are_thinned_to_their_limit() -> None:
    agent = trained(max_vectors=3)
    assert int(agent.counts.max()) == 3 and agent.vectors.shape[1] == 3
    returns, best = agent.returns.numpy(), corridor_front(GAMMA)
    np.testing.assert_allclose(returns.max(axis=0), best.max(axis=0), rtol=1e-6)


def test_unknown_states_and_untrained_agents_answer() -> None:
    fresh = ParetoQLearning(Corridor(4), resolution=1.0)
    assert fresh.act(torch.zeros(3, 1), torch.tensor([0.5, 0.5])).tolist() == [0, 0, 0]
    assert fresh.returns.shape == (0, 2)
    with pytest.raises(MorlError, match="train it for longer"):
        evaluate_members(fresh, Corridor, backend="batched")
    young = fresh.learn(4, progress=False)
    assert young.act(torch.full((1, 1), float(LENGTH)), torch.tensor([0.5, 0.5])).tolist() == [0]


class Patience(gymnasium.Env):
    """Waiting pays one a step, until the time is up after eight; leaving costs `price`."""

    observation_space = Box(0.0, 8.0, (1,), np.float32)
    action_space = Discrete(2)
    reward_space = Box(-100.0, 100.0, (2,))

    def __init__(self, price: float, leaves: bool = True) -> None:
        self.price, self.leaves, self.time = price, leaves, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> Any:
        self.time += 1
        obs = np.full(1, self.time, np.float32)
        if action == 1 and self.leaves:
            return obs, np.array([-self.price, 1.0]), True, False, {}
        return obs, np.array([1.0, 0.0]), False, self.time == 8, {}


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"price": 5.0}, "knows nothing as good"),
        ({"price": 0.0, "leaves": False}, "knows no way to an end"),
        ({"price": -9.0}, None),  # whoever leaves at last has more than whoever stays
    ],
)
def test_what_a_time_limit_hides_is_said(kwargs: dict[str, Any], said: str | None) -> None:
    agent = ParetoQLearning(morl.make_vec(Patience, 4, **kwargs), resolution=1.0, gamma=GAMMA)
    with nullcontext() if said is None else pytest.warns(UserWarning, match=f"Patience.*{said}"):
        agent.learn(2000, progress=False)
    again = ParetoQLearning(morl.make_vec(Patience, 4, **kwargs), resolution=1.0, gamma=GAMMA)
    again.load_training(agent.training_state())
    assert again.cut.points.tolist() == agent.cut.points.tolist() and len(again.cut) == 1


def test_transitions_that_are_not_deterministic_are_refused() -> None:
    with pytest.raises(MorlError, match=r"deterministic.*mo-q-learning"):
        trained(Corridor(16, slip=0.5))


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MorlError, match=r"reference_point=\(\.\.\.\).*pareto"):
        trained(evaluation="hypervolume")
    with pytest.raises(MorlError, match="reference_point"):
        trained(evaluation="hypervolume", reference_point=(0.0, 0.0, 0.0))
    with pytest.raises(MorlError, match="max_vectors >= 2"):
        trained(max_vectors=1)
    card = registry.get_card("deep-sea-treasure-v0")
    assert card is not None
    agent = ParetoQLearning(morl.make_vec("deep-sea-treasure-v0", 4), evaluation="hypervolume")
    assert agent.reference is not None and agent.reference.tolist() == list(card.protocol().reference_point)


@pytest.mark.parametrize("sea", ["concave", "mirrored"])
def test_the_concave_front_is_found_and_followed(sea: str) -> None:
    """Ten treasures, eight of which no linear preference asks for."""
    env = f"deep-sea-treasure-{sea}-v0"
    card = registry.get_card(env)
    assert card is not None and card.front is not None
    agent = ParetoQLearning(morl.make_vec(env, 128), gamma=0.99).learn(120_000, progress=False)
    front = evaluate_members(agent, env, episodes=1)
    assert front.backend == "original" and front.weights is None and front.agent == "pareto-q-learning"
    exact = card.front(0.99)
    assert len(exact) == 10
    np.testing.assert_allclose(np.sort(front.returns, axis=0), np.sort(exact, axis=0), rtol=1e-5)


def test_six_objectives() -> None:
    agent = ParetoQLearning(morl.make_vec("fruit-tree-v0", 64), gamma=0.99).learn(20_000, progress=False)
    card = registry.get_card("fruit-tree-v0")
    assert card is not None and card.front is not None
    same_points(agent.returns, card.front(0.99))
