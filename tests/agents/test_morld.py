"""MORL/D: what it maximises, whom it asks, what it keeps, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny import SMALL, Bandit, Target, small_agent
from toys import Corridor

import morl
from morl.agents.accrued import AccruedTransitions, utility_rises
from morl.agents.morld import MORLD
from morl.agents.morld_config import Config
from morl.agents.policy_set import Policies, PolicySet
from morl.agents.scalarisation import Scalarisation
from morl.agents.team import Team
from morl.errors import MorlError
from morl.evaluation import evaluate_members
from morl.transitions import Transitions

FEW = SMALL["morld"]


# --- scalarisation --------------------------------------------------------------------------------------


def known(kind: Any, **options: Any) -> Scalarisation:
    scalarisation = Scalarisation(kind, 2, margin=0.0, **options)
    scalarisation.observe(torch.tensor([[0.0, 10.0], [4.0, 0.0], [3.0, 6.0]]))
    return scalarisation


def test_utilities_by_hand() -> None:
    returns, weights = torch.tensor([[3.0, 6.0]]), torch.tensor([[0.5, 0.5]])
    assert known("weighted-sum")(returns, weights).item() == pytest.approx(0.5 * 0.75 + 0.5 * 0.6)
    assert known("weighted-sum", normalise=False)(returns, weights).item() == pytest.approx(4.5)
    assert known("chebyshev")(returns, weights).item() == pytest.approx(-0.2)
    assert known("augmented-chebyshev", rho=0.1)(returns, weights).item() == pytest.approx(-0.2 - 0.065)


def test_chebyshev_prefers_what_no_weighted_sum_does() -> None:
    concave = torch.tensor([[0.0, 10.0], [4.0, 4.0], [10.0, 0.0]])
    for kind, best in (("weighted-sum", {0, 2}), ("chebyshev", {1})):
        scalarisation = Scalarisation(kind, 2)
        scalarisation.observe(concave)
        worth = scalarisation(concave, torch.tensor([0.49, 0.51]))
        assert int(worth.argmax()) in best


@pytest.mark.parametrize("kind", ["weighted-sum", "chebyshev", "augmented-chebyshev"])
def test_directions_climb(kind: Any) -> None:
    scalarisation = known(kind)
    generator = torch.Generator().manual_seed(0)
    returns = torch.rand(100, 2, generator=generator) * torch.tensor([4.0, 10.0])
    weights = morl.weights.sample(2, 100, generator)
    step = 1e-3 * scalarisation.direction(returns, weights)
    assert (step >= 0).all()
    rises = scalarisation(returns + step, weights) - scalarisation(returns, weights)
    assert (rises > 0).float().mean() > 0.95  # at a corner of Chebyshev's the smooth gradient is another


# --- accrued rewards ------------------------------------------------------------------------------------


def test_rises_add_up_to_the_utility_of_the_return() -> None:
    env = Corridor(3, slip=0.3)
    source = AccruedTransitions(Transitions(env), gamma=0.9)
    source.reset(0)
    weights = torch.tensor([0.3, 0.7]).expand(3, 2)
    utility = known("chebyshev")
    total, returns = torch.zeros(3), torch.zeros(3, 2)
    for t in range(6):
        step = source.step(torch.tensor([1, 1, 0 if t == 5 else 1]))
        total += utility_rises(step.obs, step.reward, weights, utility).squeeze(-1)
        returns += 0.9**t * step.reward
    nothing = utility(torch.zeros(3, 2), weights)
    torch.testing.assert_close(total, utility(returns, weights) - nothing)
    torch.testing.assert_close(step.next_obs[:, 1:3], returns)
    assert (source.obs[2, 1:] == torch.tensor([0.0, 0.0, 1.0])).all()  # its episode ended
    assert source.obs[0, 3].item() == pytest.approx(0.9**6)


# --- the policies found ---------------------------------------------------------------------------------


def policies(*numbers: int) -> Policies:
    rows = torch.tensor(numbers, dtype=torch.float32).unsqueeze(1)
    return Policies(rows, rows * 0, rows * 0 + 1, rows.repeat(1, 2), rows, torch.tensor(numbers))


def test_a_policy_set_keeps_the_nondominated_with_their_parameters() -> None:
    found = PolicySet(2, 10)
    kept = found.add(policies(1, 2, 3), np.array([[[0.0, 4]], [[1, 1]], [[4, 0]]]))
    assert kept.all()
    kept = found.add(policies(4, 5), np.array([[[2.0, 2]], [[0, 0]]]))
    assert kept.tolist() == [True, False]
    assert found.policies is not None
    held = dict(zip(found.policies.member.tolist(), found.points.tolist(), strict=True))
    assert held == {1: [0, 4], 3: [4, 0], 4: [2, 2]}
    assert found.policies.theta.squeeze(1).tolist() == found.policies.member.tolist()
    other = PolicySet(2, 10)
    other.load_state(found.state())
    assert np.array_equal(other.points, found.points) and np.array_equal(other.episodes, found.episodes)


@pytest.mark.parametrize("env", [Bandit, Target])
def test_rows_follow_their_own_policies(env: Any) -> None:
    agent: Any = small_agent("morld", env(4), seed=1)
    agent.learn(400, progress=False)
    k = len(agent._policies().theta)
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(k, (17,), generator=generator)
    obs = torch.rand(17, *agent.spec.single_observation_space.shape, generator=generator)
    together = agent.follow(index).act(obs)
    alone = torch.cat([agent.follow(index[i : i + 1]).act(obs[i : i + 1]) for i in range(17)])
    torch.testing.assert_close(together, alone)


def test_the_front_is_a_selection_and_members_are_evaluated_on_others() -> None:
    agent = MORLD(Bandit(32), **{**FEW, "population": 4}, seed=0)
    agent.learn(4_000, progress=False)
    front = agent.front()
    assert front.role == "selection" and front.training_steps == agent.steps
    again = evaluate_members(agent, Bandit, episodes=2, backend="batched")
    np.testing.assert_allclose(again.returns, front.returns)


def test_every_preference_is_answered_by_the_best_policy_found() -> None:
    agent = MORLD(Bandit(32), **{**FEW, "population": 4}, seed=0)
    agent.learn(8_000, progress=False)
    weights = morl.weights.lattice(2, partitions=10)
    report = morl.evaluate(agent, Bandit, weights=weights, episodes=1, backend="batched")
    np.testing.assert_allclose(
        (report.commanded_returns * weights).sum(axis=1),
        (weights @ agent.front().returns.T).max(axis=1),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "options",
    [
        {"cooperation": "none"},
        {"cooperation": "shared-replay", "learner": "dqn"},
        {"cooperation": "shared-trunk", "learner": "dqn"},
        {"cooperation": "conditioned", "learner": "dqn"},
        {"cooperation": "conditioned", "learner": "ppo", "criterion": "esr"},
        {"scalarisation": "chebyshev", "learner": "ppo"},
        {"scalarisation": "augmented-chebyshev", "criterion": "esr", "learner": "dqn"},
        {"slots": 2, "schedule": "ucb"},
        {"slots": 2, "schedule": "sparsity", "learner": "dqn"},
        {"normalise_objectives": False, "normalise_observations": False, "weight_method": "random"},
    ],
    ids=str,
)
def test_the_taxonomy_runs(options: dict[str, Any]) -> None:
    agent = MORLD(Bandit(8), seed=0, **{**FEW, "population": 4, **options})
    agent.learn(1_600, progress=False)
    assert len(agent.front()) >= 1
    assert agent.act(torch.zeros(3, 1), torch.full((2,), 0.5)).shape == (3,)


# --- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 0}, "population"),
        ({"population": 1}, 'PSA needs two members or more: raise population, or take adaptation="none"'),
        ({"slots": 17}, "at most 16 slots"),
        ({"slots": 4, "cooperation": "conditioned"}, "members that share parameters are trained together"),
        ({"learner": "ppo", "cooperation": "shared-replay"}, 'take learner="dqn" for a shared replay'),
        ({"learner": "ppo", "cooperation": "shared-trunk"}, "no trunk"),
        ({"scalarisation": "chebishev"}, "Did you mean 'chebyshev'"),
        ({"population": 5}, "take num_envs=5"),
        ({"population": 3, "weight_method": "lattice"}, None),
        ({"ppo": {"lr": -1.0}}, "lr"),
    ],
    ids=str,
)
def test_refused_at_once(settings: dict[str, Any], message: str | None) -> None:
    env = Bandit(9 if settings.get("population") == 5 else 48)
    if message is None:
        MORLD(env, **settings)
        return
    with pytest.raises(MorlError, match=message):
        MORLD(env, **settings)


def test_dqn_refuses_continuous_actions() -> None:
    with pytest.raises(MorlError, match="use the learner ppo"):
        MORLD(Target(16), learner="dqn")


# --- cooperation ----------------------------------------------------------------------------------------


def test_a_stalled_member_goes_on_from_the_neighbour_that_serves_it_best() -> None:
    team = Team(Config(population=3, neighbours=2, patience=2, adaptation="none"), 2, 0, torch.device("cpu"))
    team.search.weights = team.search.start = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    team.scalarisation.observe(torch.tensor([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]]))
    team.begin()
    poor = np.array([[0.0, 2.0], [1.0, 1.0], [0.0, 2.0]])
    for selection in range(4):  # the first is progress, two more are waited for
        team.search.tell(team.tasks, poor, np.zeros(3))
        expected = [0, 1, 2] if selection < 2 or selection == 3 else [1, 1, 2]
        assert team.sources().tolist() == expected
    risen = np.array([[0.5, 2.0], [1.0, 1.0], [0.0, 2.0]])
    team.search.tell(team.tasks, risen, np.zeros(3))
    assert team.sources().tolist() == [0, 0, 2] and team.stalled[0] == 0  # now the second has waited


def test_selection_lasts_as_long_as_the_discount_lets_rewards_matter() -> None:
    assert Config().longest_selection(0.98) == 228 and 0.98**228 < 0.01 < 0.98**227
    assert Config().longest_selection(1.0) == 1000
    assert Config(selection_steps=30).longest_selection(0.98) == 30
