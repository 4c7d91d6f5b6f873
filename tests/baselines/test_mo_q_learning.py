from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import ARMS, Bandit, corridor_front
from toys import LENGTH, STOP, WALK, Corridor

import morl
from morl import registry, store
from morl.agent import Callback
from morl.baselines import MOQLearning, evaluate_members
from morl.baselines.walker import Steps
from morl.pareto import filter_nondominated
from morl.utility import Chebyshev

GAMMA = 0.9


def agent_for(env: Any = None, **options: Any) -> MOQLearning:
    env = Corridor(16) if env is None else env
    options = {"resolution": 1.0, "rollout_length": 8, "gamma": GAMMA, "tables": 21, **options}
    return MOQLearning(env, **options)


def steps_of(
    state: list[int], action: list[int], reward: Any, following: list[int], ends: list[bool]
) -> Steps:
    """B steps of which nothing was paid before."""
    n = len(state)
    true = torch.ones(n, dtype=torch.bool)
    return Steps(
        torch.tensor(state),
        torch.tensor(action),
        torch.tensor(reward, dtype=torch.float64),
        torch.tensor(following),
        torch.zeros(n, 2),
        torch.ones(n),
        torch.tensor(ends),
        ~true,
        true,
        true,
    )


def with_tables(**options: Any) -> MOQLearning:
    """Two states, and three tables with values drawn at random."""
    agent = agent_for(tables=3, **options)
    agent.states.add(torch.tensor([0, 1]))
    agent._grow()
    agent.q = torch.rand(agent.q.shape, generator=torch.Generator().manual_seed(0))
    return agent


def test_every_table_moves_towards_its_own_target() -> None:
    agent = with_tables(scalarisation="linear")
    before = agent.q.clone()
    agent.update(steps_of([0, 1], [1, 0], [[1.0, -1.0], [2.0, 3.0]], [1, 0], [False, True]), 0.25)
    for table, w in enumerate(agent.lattice):
        later = before[1, table]
        target = torch.tensor([1.0, -1.0]) + GAMMA * later[(later @ w).argmax()]
        torch.testing.assert_close(agent.q[0, table, 1], 0.75 * before[0, table, 1] + 0.25 * target)
        ended = torch.tensor([2.0, 3.0])
        torch.testing.assert_close(agent.q[1, table, 0], 0.75 * before[1, table, 0] + 0.25 * ended)
    untouched = torch.tensor([[True, False], [False, True]])
    assert torch.equal(agent.q.transpose(1, 2)[untouched], before.transpose(1, 2)[untouched])


def test_what_is_met_three_times_moves_as_far_as_in_three_updates() -> None:
    once, thrice = with_tables(), with_tables()
    reward = [1.0, -2.0]
    for _ in range(3):
        once.update(steps_of([0], [1], [reward], [1], [True]), 0.3)
    thrice.update(steps_of([0] * 3, [1] * 3, [reward] * 3, [1] * 3, [True] * 3), 0.3)
    torch.testing.assert_close(once.q, thrice.q)
    # Different outcomes count by their mean.
    mixed = with_tables()
    before = mixed.q.clone()
    mixed.update(steps_of([0, 0], [1, 1], [[0.0, 0.0], [4.0, 2.0]], [1, 1], [True, True]), 0.5)
    torch.testing.assert_close(mixed.q[0, :, 1], 0.25 * before[0, :, 1] + 0.75 * torch.tensor([2.0, 1.0]))


def test_chebyshev_takes_the_action_that_is_nearest_to_the_ideal() -> None:
    agent = with_tables(scalarisation="chebyshev", tau=0.5)
    agent.q[1] = torch.tensor([[3.0, 0.0], [1.5, 1.5]])
    agent.update(steps_of([0], [0], [[0.0, 0.0]], [1], [False]), 1.0)
    assert agent.ideal is not None
    ideal = [3.0 * GAMMA + 0.5, 1.5 * GAMMA + 0.5]
    assert agent.ideal.reference.tolist() == pytest.approx(ideal), "the best seen of each, and the margin"
    again = steps_of([0], [0], [[0.0, 0.0]], [1], [False])
    agent.update(again, 1.0)
    utility = Chebyshev(ideal)
    for table, w in enumerate(agent.lattice.numpy()):
        best = int(utility(agent.q[1, table].numpy(), w).argmax())
        torch.testing.assert_close(agent.q[0, table, 0], GAMMA * agent.q[1, table, best])
    assert {int(q[0, 0]) for q in agent.q[0]} != {0}


def test_linear_tables_find_the_convex_front() -> None:
    weights = morl.weights.lattice(2, partitions=20)
    agent = agent_for(scalarisation="linear").learn(16_000, progress=False)
    front = evaluate_members(agent, Corridor, episodes=1, backend="batched")
    assert len(front) == 21
    np.testing.assert_allclose(front.returns, agent.returns, rtol=1e-3, atol=1e-3)
    best = (weights @ corridor_front(GAMMA).T).max(axis=1)
    np.testing.assert_allclose((front.returns * weights).sum(axis=1), best, atol=1e-3)
    asked = morl.evaluate(agent, Corridor, weights=weights, episodes=1, backend="batched")
    np.testing.assert_allclose((asked.commanded_returns * weights).sum(axis=1), best, atol=1e-3)


def test_stochastic_environments_are_averaged() -> None:
    agent = agent_for(Corridor(64, slip=0.5), scalarisation="linear", lr=0.2, lr_end=0.001)
    agent.learn(100_000, progress=False)
    front = evaluate_members(agent, Corridor(2100, slip=0.5), episodes=100)
    weights = agent.lattice.numpy()
    promised, earned = ((weights * returns).sum(axis=1) for returns in (agent.returns.numpy(), front.returns))
    np.testing.assert_allclose(earned, promised, atol=0.15)


def test_chebyshev_finds_bandit_arms_that_weights_miss() -> None:
    """(0.45, 0.45) lies below the line between the others."""
    arms = ARMS.copy()
    arms[1] = 0.45
    exact = filter_nondominated(np.float32(arms))
    for scalarisation, found in (("chebyshev", 3), ("linear", 2)):
        env = Bandit(16)
        env.arms = env.constant(arms)
        agent = agent_for(env, scalarisation=scalarisation).learn(2000, progress=False)
        assert len(np.unique(agent.returns.numpy().round(3), axis=0)) == found <= len(exact)


def test_what_was_paid_completes_chebyshev() -> None:
    """Who scalarises what is still to come changes their mind on the way; who scalarises the whole does not."""
    exact = corridor_front(GAMMA)
    plain, accrued = (
        agent_for(tables=41, accrued=accrued, epsilon_min=0.2).learn(24_000, progress=False)
        for accrued in (False, True)
    )
    assert accrued.rows > plain.rows == LENGTH + 1
    utility = Chebyshev(exact.max(axis=0), tau=0.1)
    weights = accrued.lattice.numpy().astype(np.float64)
    best = utility(exact, weights[:, None]).max(axis=1)
    regret = [
        float(
            (
                best - utility(evaluate_members(a, Corridor, episodes=1, backend="batched").returns, weights)
            ).mean()
        )
        for a in (plain, accrued)
    ]
    assert regret[1] < 0.01 < 0.1 < regret[0]


def test_accrued_policies_have_memory_of_one_episode() -> None:
    agent = agent_for(accrued=True).learn(20_000, progress=False)
    policy, at = agent.follow(torch.tensor([10])), torch.zeros(1, 1)
    first = policy.act(at)
    assert torch.equal(first, policy.act(at)), "asking changes nothing"
    policy.observe(torch.tensor([[0.0, -1.0]]), torch.tensor([False]))
    paid, factor = policy.ledger.accrual
    assert paid.tolist() == [[0.0, -1.0]] and factor.tolist() == [pytest.approx(0.9)]
    policy.observe(torch.tensor([[7.7, 7.7]]), torch.tensor([False]))
    assert policy.act(at).tolist() == [STOP], "a history that was never met has no table"
    policy.observe(torch.zeros(1, 2), torch.tensor([True]))
    assert policy.ledger.accrual.paid.tolist() == [[0.0, 0.0]] and torch.equal(policy.act(at), first)


def test_with_accounts_it_resumes_bit_for_bit(tmp_path: Path) -> None:
    """The contract tests all agents with their defaults, which keep no accounts."""

    def fresh() -> MOQLearning:
        return agent_for(morl.make_vec("deep-sea-treasure-v0", 4), tables=5, accrued=True, resolution=None)

    class Stop(Callback):
        def on_iteration(self, agent: Any, metrics: dict[str, Any]) -> bool:
            return agent.steps < 500

    whole, half, again = (fresh() for _ in range(3))
    whole.learn(2000, progress=False)
    half.learn(2000, callbacks=[Stop()], progress=False)
    state = {"parameters": half.parameters_state(), "training": half.training_state()}
    store.save(tmp_path, state, format="test", version=1)
    state = store.load(tmp_path, format="test", version=1)
    again.load_parameters(state["parameters"])
    again.load_training(state["training"])
    again.steps = half.steps
    again.learn(2000, progress=False)
    assert half.steps < 2000 and torch.equal(again.q[: again.rows], whole.q[: whole.rows])
    assert again.histories is not None and whole.histories is not None
    assert torch.equal(again.histories.pairs.keys, whole.histories.pairs.keys)
    assert torch.equal(again.returns, whole.returns)
    whole.save(tmp_path / "agent")
    loaded = morl.load(tmp_path / "agent")
    earned = [evaluate_members(a, "deep-sea-treasure-v0", episodes=1).returns for a in (whole, loaded)]
    np.testing.assert_array_equal(*earned)


def test_the_discount_reaches_the_tables() -> None:
    agent = agent_for(gamma=0.5)
    assert agent.gamma == agent.walker.ledger.gamma == 0.5
    default = MOQLearning(morl.make_vec("deep-sea-treasure-v0", 4))
    card = registry.get_card("deep-sea-treasure-v0")
    assert card is not None and default.gamma == card.protocol().gamma


def test_untrained_it_answers() -> None:
    fresh = agent_for()
    assert fresh.act(torch.zeros(3, 1), torch.tensor([0.5, 0.5])).tolist() == [STOP] * 3 != [WALK] * 3
    assert fresh.returns.shape == (21, 2)


@pytest.mark.slow
def test_the_concave_front_is_found_with_accounts() -> None:
    """Ten treasures with `accrued`; the tables of the paper find six."""
    env = "deep-sea-treasure-concave-v0"
    card = registry.get_card(env)
    assert card is not None and card.front is not None
    exact = card.front(0.99)
    for accrued, steps, least, most in ((False, 500_000, 5, 7), (True, 2_000_000, 10, 10)):
        agent = MOQLearning(morl.make_vec(env, 128), gamma=0.99, accrued=accrued).learn(steps, progress=False)
        returns = evaluate_members(agent, env, episodes=1).returns
        found = (np.abs(returns[:, None] - exact) < 1e-3).all(axis=2).any(axis=0).sum()
        assert least <= found <= most
