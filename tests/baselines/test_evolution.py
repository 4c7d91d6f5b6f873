from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from tiny import Bandit, Target, corridor_front
from torch import Tensor
from toys import Corridor, PlainCorridor

import morl
from morl import registry
from morl.agent import Callback
from morl.baselines import Evolution, evaluate_members
from morl.baselines.evolution import Trials
from morl.errors import MorlError
from morl.pareto import is_nondominated
from morl.spec import EnvSpec
from morl.transitions import Transition

GAMMA = 0.9
CPU = torch.device("cpu")


def bred(env: Any = None, steps: int = 6000, **options: Any) -> Evolution:
    env = Corridor(16) if env is None else env
    return Evolution(env, **{"population": 16, "hidden": (8,), "gamma": GAMMA, **options}).learn(
        steps, progress=False
    )


class Generations(Callback):
    """Stops after so many."""

    def __init__(self, number: int) -> None:
        self.left = number

    def on_iteration(self, agent: Any, metrics: dict[str, Any]) -> bool:
        self.left -= 1
        return self.left > 0


def step_of(reward: Tensor, done: Tensor, valid: Tensor | None = None) -> Transition:
    nothing = torch.zeros(len(reward), 1)
    return Transition(nothing, nothing, reward, done, torch.zeros_like(done), nothing, valid)


@pytest.mark.parametrize(("rows", "jobs"), [(4, 4), (3, 10), (7, 5), (1, 3)])
@pytest.mark.parametrize("gaps", [False, True])
def test_every_episode_of_a_generation_is_played_once(rows: int, jobs: int, gaps: bool) -> None:
    """Against a plain loop over rows, with episodes of random length and steps that only reset."""
    generator = torch.Generator().manual_seed(rows * jobs)
    trials = Trials.begin(jobs, rows, 2, CPU)
    job = [min(row, jobs) for row in range(rows)]
    started, power, gain = rows, [1.0] * rows, np.zeros((rows, 2))
    returns: dict[int, Any] = {}
    for _ in range(200):
        reward = torch.rand(rows, 2, generator=generator)
        done = torch.rand(rows, generator=generator) < 0.2
        valid = torch.rand(rows, generator=generator) < 0.7 if gaps else torch.ones(rows, dtype=torch.bool)
        trials = trials.advance(step_of(reward, done, valid if gaps else None), GAMMA)
        for row in range(rows):
            if not valid[row]:
                continue
            gain[row] += power[row] * reward[row].double().numpy()
            power[row] *= GAMMA
            if done[row]:
                if job[row] < jobs:
                    returns[job[row]] = gain[row].copy()
                    job[row] = min(started, jobs)
                started, power[row], gain[row] = started + 1, 1.0, 0.0
        assert trials.job.tolist() == job
    assert len(returns) == jobs and set(job) == {jobs}
    np.testing.assert_allclose(trials.returns[:-1], [returns[k] for k in range(jobs)])


@pytest.mark.parametrize("algorithm", ["nsga2", "nsga3", "moead"])
def test_the_archive_holds_what_its_policies_earn(algorithm: str) -> None:
    agent = bred(algorithm=algorithm)
    front = evaluate_members(agent, Corridor, episodes=1, backend="batched")
    np.testing.assert_allclose(front.returns, agent.returns, rtol=1e-6)
    assert is_nondominated(agent.returns).all() and len(front) > 3
    best = corridor_front(GAMMA)
    assert all((np.abs(best - point).max(axis=1) < 1e-5).any() for point in front.returns)


@pytest.mark.parametrize("episodes", [1, 3])
def test_how_many_environments_there_are_changes_nothing(episodes: int) -> None:
    """Without chance, a generation comes to the same in one batch and in several, one after the other."""
    seen = []
    for n in (5, 16, 64):
        agent = Evolution(Corridor(n), population=16, hidden=(8,), gamma=GAMMA, episodes=episodes)
        agent.learn(10**6, callbacks=[Generations(4)], progress=False)
        seen.append(agent.search.candidates)
    assert np.array_equal(seen[0], seen[1]) and np.array_equal(seen[0], seen[2])


def test_a_generation_in_one_batch_takes_as_long_as_its_longest_episode() -> None:
    agent = Evolution(Corridor(16, max_episode_steps=7), population=16, hidden=(8,), gamma=1.0)
    agent.learn(10**6, callbacks=[Generations(1)], progress=False)
    longest = agent.search.algorithm.pop.get("F")[:, 1].max()
    assert 1 < longest <= 7 and agent.steps == 16 * longest and agent.trials is None


class Spy(Corridor):
    """Remembers the seeds that it was given."""

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.seeds = [*getattr(self, "seeds", []), seed]
        return super().reset(seed=seed, options=options)


def test_every_generation_meets_fresh_episodes(tmp_path: Any) -> None:
    env, other = Spy(8, slip=0.5), Spy(8, slip=0.5)
    agent = Evolution(env, population=8, hidden=(4,), seed=3)
    agent.learn(10**6, callbacks=[Generations(5)], progress=False)
    assert env.seeds[0] is not None and env.seeds[1:] == [None] * 4
    agent.save(tmp_path)
    loaded = morl.load(tmp_path, env=other)
    loaded.learn(10**6, callbacks=[Generations(2)], progress=False)
    assert other.seeds == env.seeds[:2], "in new environments it is the seed that decides, not chance"


def test_episodes_are_averaged() -> None:
    agent = bred(Corridor(80, slip=0.5), 40_000, episodes=40)
    fresh = evaluate_members(agent, Corridor(400 * len(agent.returns), slip=0.5), episodes=400).returns
    # Chosen for their luck: they promise a little too much.
    np.testing.assert_allclose(agent.returns, fresh, atol=1.2)
    assert -0.05 < float((agent.returns.numpy() - fresh).mean()) < 0.3


def test_stacked_policies_are_networks_one_by_one() -> None:
    agent = Evolution(Target(4), population=8, hidden=(6, 5))
    obs = torch.rand(8, 1, generator=torch.Generator().manual_seed(0))
    stacked = agent.actions_of(agent.first, obs)
    for row in range(8):
        mean = agent.network.apply(agent.first[row])["policy"](2 * obs[row] - 1)
        torch.testing.assert_close(stacked[row], 2 * torch.tanh(mean))
    assert len(torch.unique(stacked)) == 8


def test_bounded_observations_are_scaled() -> None:
    low, high = np.array([-3, 0, 5, -1e30], np.float32), np.array([1, np.inf, 5, 1e30], np.float32)
    spec = replace(EnvSpec.of(Bandit(4)), single_observation_space=Box(low, high))
    agent = Evolution(spec)
    given = torch.tensor([[-3.0, 7.0, 5.0, 4.0], [1.0, -7.0, 6.0, 2.0]])
    scaled = (given - agent.centre) / agent.scale
    assert scaled.tolist() == [[-1, 7, 5, 4], [1, -7, 6, 2]]


def test_the_best_of_the_archive_answers() -> None:
    agent = bred()
    weights = morl.weights.lattice(2, partitions=10)
    front = morl.evaluate(agent, Corridor, weights=weights, episodes=1, backend="batched")
    best = (weights @ agent.returns.numpy().T).max(axis=1)
    np.testing.assert_allclose((front.commanded_returns * weights).sum(axis=1), best, rtol=1e-6)


def test_untrained_it_answers_with_its_first_policy() -> None:
    agent = Evolution(Corridor(4), population=8)
    obs = torch.linspace(0, 8, 9).unsqueeze(1)
    first = agent.actions_of(agent.first[:1].expand(9, -1), obs)
    assert torch.equal(agent.act(obs, torch.tensor([0.5, 0.5])), first)
    assert agent.returns.tolist() == [[0.0, 0.0]]


def test_a_loaded_archive_is_in_the_first_generation(tmp_path: Any) -> None:
    agent = bred()
    agent.save(tmp_path)
    loaded = morl.load(tmp_path, env=Corridor(16))
    assert isinstance(loaded, Evolution)
    kept = len(agent.returns)
    assert 3 < kept <= 16
    candidates = torch.as_tensor(loaded.search.candidates, dtype=torch.float32)
    assert torch.equal(candidates[:kept], agent.members[0])
    assert not torch.equal(candidates[kept:], agent.members[0][: 16 - kept])
    torch.testing.assert_close(loaded.returns, agent.returns)


def test_the_archive_is_bounded() -> None:
    agent = bred(archive=3)
    assert len(agent.returns) == 3
    ends = corridor_front(GAMMA)[[0, -1]]
    assert all((np.abs(agent.returns.numpy() - end).max(axis=1) < 1e-5).any() for end in ends[:1])


def test_an_unfinished_generation_is_gone_on_with() -> None:
    whole = bred(steps=4000)
    parts = Evolution(Corridor(16), population=16, hidden=(8,), gamma=GAMMA)
    for budget in (48, 1000, 1016, 4000):
        parts.learn(budget, progress=False)
    assert np.array_equal(whole.search.candidates, parts.search.candidates)
    assert torch.equal(whole.returns, parts.returns)


@pytest.mark.parametrize("backend", ["sync", "async"])
def test_original_environments(backend: str) -> None:
    """Two environments, in this process or in their own, play eight policies in turn."""
    env = morl.make_vec(partial(PlainCorridor, limit=12), 2, backend=backend)
    try:
        agent = bred(env, 1200, population=8)
    finally:
        env.close()
    twin = Evolution(Corridor(2, max_episode_steps=12), population=8, hidden=(8,), gamma=GAMMA)
    twin.learn(1200, progress=False)
    torch.testing.assert_close(agent.returns, twin.returns)


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MorlError, match="population >= 4"):
        bred(population=3)
    with pytest.raises(MorlError, match="Did you mean 'nsga2'"):
        bred(algorithm="nsga22")
    for name in ("episodes", "bound", "crossover_eta", "mutation_eta", "archive"):
        with pytest.raises(MorlError, match=f"{name} > 0"):
            bred(**{name: -1 if name in ("episodes", "archive") else -1.0})


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["nsga2", "nsga3"])
def test_deep_sea_treasure(algorithm: str) -> None:
    card = registry.get_card("deep-sea-treasure-v0")
    assert card is not None and card.front is not None
    agent = Evolution(morl.make_vec("deep-sea-treasure-v0", 128), gamma=0.99, algorithm=algorithm)
    returns = evaluate_members(
        agent.learn(2_000_000, progress=False), "deep-sea-treasure-v0", episodes=1
    ).returns
    exact = card.front(0.99)
    assert (np.abs(returns[:, None] - exact) < 1e-3).all(axis=2).any(axis=0).sum() >= 9
