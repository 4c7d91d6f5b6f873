"""Several seeds train as one population, and each becomes what it would have become alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny import SMALL, Target
from toys import Corridor

import morl
from morl.agents.morld import MORLD
from morl.errors import MorlError

SEEDS, MEMBERS, EACH, BUDGET = (3, 8, 5), 2, 4, 600
FEW = {**SMALL["morld"], "population": MEMBERS, "selection_steps": 8}


def trained(make: Any, seeds: tuple[int, ...], **options: Any) -> MORLD:
    members = len(seeds) * (options.get("slots") or MEMBERS)
    env = make(members * EACH, groups=members, max_episode_steps=8)
    agent = MORLD(env, seed=seeds, **{**FEW, **options})
    return agent.learn(BUDGET * len(seeds), progress=False)


def slippery(num_envs: int, **options: Any) -> Corridor:
    return Corridor(num_envs, slip=0.3, **options)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (slippery, {"learner": "ppo"}),
        (slippery, {"learner": "dqn"}),
        (slippery, {"learner": "ppo", "criterion": "esr", "scalarisation": "chebyshev"}),
        (slippery, {"learner": "dqn", "cooperation": "shared-replay"}),
        (slippery, {"learner": "dqn", "cooperation": "shared-trunk"}),
        (slippery, {"learner": "ppo", "cooperation": "conditioned"}),
        (slippery, {"learner": "dqn", "slots": 1, "schedule": "ucb"}),
        (Target, {"learner": "ppo"}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else value.__name__,
)
def test_each_seed_becomes_what_it_becomes_alone(make: Any, options: dict[str, Any]) -> None:
    together = trained(make, SEEDS, **options).split()
    assert [agent.seed for agent in together] == list(SEEDS)
    for agent in together:
        alone = trained(make, (agent.seed,), **options)
        assert (agent.steps, agent.gamma) == (alone.steps, alone.gamma)
        mine, theirs = agent.parameters_state(), alone.parameters_state()
        for name in ("theta", "weights", "directions"):
            torch.testing.assert_close(mine[name], theirs[name], rtol=0, atol=1e-5)
        torch.testing.assert_close(mine["normaliser"]["mean"], theirs["normaliser"]["mean"])
        np.testing.assert_allclose(agent.front().returns, alone.front().returns, atol=1e-5)
    a, b = (agent.parameters_state()["theta"] for agent in together[:2])
    assert (a - b).abs().max() > 0.01  # guards the comparison


def test_results_spread_as_those_of_separate_runs() -> None:
    """Also where all share one stream of environments, so that numbers differ: the distribution is the same."""
    seeds = tuple(range(6))
    weights = morl.weights.lattice(2, partitions=4)

    def utilities(agents: list[MORLD]) -> np.ndarray:
        asked = {"weights": weights, "episodes": 8, "backend": "batched", "env_kwargs": {"slip": 0.3}}
        fronts = [morl.evaluate(agent, Corridor, **asked) for agent in agents]
        return np.array([front.expected_utility() for front in fronts])

    settings = {**FEW, "learner": "ppo"}
    joint = MORLD(slippery(6 * MEMBERS * EACH, max_episode_steps=8), seed=seeds, **settings)
    together = utilities(joint.learn(6 * 4 * BUDGET, progress=False).split())
    alone = utilities(
        [
            MORLD(slippery(MEMBERS * EACH, max_episode_steps=8), seed=s, **settings).learn(
                4 * BUDGET, progress=False
            )
            for s in seeds
        ]
    )
    error = np.sqrt(together.var(ddof=1) / 6 + alone.var(ddof=1) / 6)
    assert abs(together.mean() - alone.mean()) < 3 * error


def test_a_seed_split_off_is_an_agent_like_any_other(tmp_path: Any) -> None:
    agent = trained(Target, SEEDS[:2], learner="ppo").split()[1]
    agent.save(tmp_path / "agent")
    loaded = morl.load(tmp_path / "agent")
    obs, weights = torch.zeros(3, 1), torch.tensor([0.3, 0.7])
    torch.testing.assert_close(loaded.act(obs, weights), agent.act(obs, weights))
    assert loaded.seed == SEEDS[1]


def test_several_seeds_are_not_one_agent() -> None:
    agent = MORLD(Target(8), seed=(0, 1), **FEW)
    for use in (lambda: agent.front(), lambda: agent.act(torch.zeros(2, 1), torch.full((2,), 0.5))):
        with pytest.raises(MorlError, match=r"holds 2, one for each seed: take them with split\(\)"):
            use()
    for wrong in ((), (1, 1)):
        with pytest.raises(MorlError, match="one seed or several different ones"):
            MORLD(Target(8), seed=wrong, **FEW)
