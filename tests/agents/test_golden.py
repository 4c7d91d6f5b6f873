"""Every registered agent learns a tiny problem whose best commanded utility is known exactly.

An agent that is registered without an entry in `GOLDEN` fails here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import pytest
from tiny import ARMS, Bandit, Target, best_target_utility, best_utility, corridor_front
from toys import Corridor

import morl
from morl import registry

WEIGHTS = morl.weights.lattice(2, partitions=20)
GAMMA = 0.9
BEST = {
    Bandit: partial(best_utility, front=ARMS),
    Corridor: partial(best_utility, front=corridor_front(GAMMA)),
    Target: best_target_utility,
}
"""The best commanded utility for weights (k, m)."""

DQN = {
    "hidden": (32, 32),
    "n_steps": 4,
    "minibatch": 64,
    "replay": 8000,
    "replay_ratio": 6.0,
    "warmup": 0.1,
    "lr": 3e-3,
    "lr_end": 3e-4,
    "tau": 0.02,
    "average_tau": 0.02,
}
PPO = {
    "hidden": (32, 32),
    "rollout_length": 16,
    "minibatch": 256,
    "epochs": 4,
    "lr": 3e-3,
    "lr_end": 1e-4,
    "entropy_coefficient": 0.03,
    "entropy_end": 1e-4,
    "diversity_coefficient": 0.0,
}
FEW = {"population": 4, "neighbours": 2, "round_length": 2, "selection_steps": 20}
MEMBERS_PPO = {name: value for name, value in PPO.items() if name != "diversity_coefficient"}
BY_DQN = {**FEW, "learner": "dqn", "dqn": {**DQN, "rollout_length": 8}}
BY_PPO = {**FEW, "learner": "ppo", "ppo": MEMBERS_PPO}
BRED = {"hidden": (8,), "population": 32}
TABLE = {"resolution": 1.0, "rollout_length": 8}


@dataclass(frozen=True)
class Golden:
    """Where an agent's commanded utility ends, relative to the best possible one."""

    env: type
    steps: int
    regret: float
    """At most so much is missing."""
    settings: dict[str, Any] = field(default_factory=dict)
    missing: float = 0.0
    """At least so much is missing: for agents that must not be good."""
    slow: bool = False
    """Whether it takes long, and others guard the same sooner."""


GOLDEN = {
    "envelope-dqn": [Golden(Bandit, 5_000, 0.01, DQN), Golden(Corridor, 32_000, 0.03, DQN)],
    "conditioned-ppo": [
        Golden(Bandit, 18_000, 0.01, PPO),
        Golden(Corridor, 24_000, 0.04, PPO),
        Golden(Target, 18_000, 0.02, PPO),
    ],
    "single-objective": [
        Golden(Bandit, 5_000, 0.02, {"partitions": 2, "learner_settings": DQN}),
        Golden(Target, 28_000, 0.05, {"partitions": 4, "learner_settings": PPO}),
    ],
    "morld": [
        Golden(Bandit, 10_000, 1e-4, BY_DQN),
        Golden(Bandit, 18_000, 1e-4, {**BY_PPO, "cooperation": "none"}),
        Golden(Corridor, 120_000, 0.02, BY_DQN, slow=True),
        Golden(Corridor, 40_000, 0.01, {**BY_PPO, "criterion": "esr"}),
        Golden(Target, 36_000, 0.01, {**BY_PPO, "cooperation": "conditioned"}),
    ],
    "sweep": [Golden(Bandit, 18_000, 1e-4, BY_PPO), Golden(Corridor, 80_000, 0.02, BY_PPO)],
    "evolution": [
        Golden(Bandit, 2_000, 1e-6, BRED),
        Golden(Corridor, 28_000, 0.01, BRED),
        Golden(Target, 5_000, 0.01, BRED),
    ],
    "mo-q-learning": [
        Golden(Bandit, 2_000, 1e-6, {"scalarisation": "linear", **TABLE}),
        Golden(Corridor, 16_000, 1e-4, {"scalarisation": "linear", **TABLE}),
    ],
    "pareto-q-learning": [Golden(Bandit, 2_000, 1e-6, TABLE), Golden(Corridor, 16_000, 1e-6, TABLE)],
    # Any arm for any preference earns 0.525 on average, where 0.8 is the best.
    "random": [Golden(Bandit, 100, 0.305, missing=0.245)],
}


def own_agents() -> set[str]:
    """The agents that this project registers."""
    points = entry_points(group="morl.agents")
    return {point.name for point in points if point.value.startswith("morl.")}


def test_every_registered_agent_has_a_golden_value() -> None:
    missing, unknown = own_agents() - GOLDEN.keys(), GOLDEN.keys() - own_agents()
    assert not missing, f"add to GOLDEN what {sorted(missing)} must reach on a tiny problem"
    assert not unknown, f"{sorted(unknown)} is not registered"
    assert all(GOLDEN.values()) and own_agents() <= set(registry.agent_names())


@pytest.mark.parametrize(
    ("name", "golden"),
    [
        pytest.param(name, g, id=f"{name} {g.env.__name__}", marks=[pytest.mark.slow] * g.slow)
        for name, all_ in GOLDEN.items()
        for g in all_
    ],
)
def test_golden(name: str, golden: Golden) -> None:
    gamma = GAMMA if golden.env is Corridor else None
    agent = registry.agent_class(name)(golden.env(32), seed=0, gamma=gamma, **golden.settings)
    agent.learn(golden.steps, progress=False)
    episodes = 50 if name == "random" else 1
    front = morl.evaluate(
        agent, golden.env, weights=WEIGHTS, episodes=episodes, backend="batched", members=100
    )
    best = BEST[golden.env]
    regret = best(WEIGHTS) - front.commanded_utility()
    assert golden.missing <= regret + 1e-6 and regret <= golden.regret
    if name != "random":
        utility = (front.returns[front.answering] * WEIGHTS).sum(axis=1)
        corners = [best(WEIGHTS[[0]]), best(WEIGHTS[[-1]])]
        assert utility[[0, -1]] == pytest.approx(corners, abs=0.15), "corners are single-objective optima"
