"""Wrong settings, environments and budgets are refused at once, with a message that helps."""

from __future__ import annotations

from typing import Any

import pytest
from tiny import SMALL, Bandit, Target, small_agent
from toys import PlainCorridor

from morl import registry
from morl.errors import MorlError

N = 4


def test_dqn_needs_discrete_actions() -> None:
    with pytest.raises(MorlError, match=r"Discrete actions from 0, got Box.*ConditionedPPO"):
        small_agent("envelope-dqn", Target(N))


def test_environments_come_from_make_vec() -> None:
    for name in sorted(SMALL.keys() - {"single-objective"}):
        with pytest.raises(MorlError, match=r"morl.make_vec"):
            small_agent(name, PlainCorridor())


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("envelope-dqn", {"n_stepz": 3}, r"EnvelopeDQN has no setting 'n_stepz'. Did you mean 'n_steps'\?"),
        ("conditioned-ppo", {"clipp": 1}, r"ConditionedPPO has no setting 'clipp'. Did you mean 'clip'\?"),
        ("single-objective", {"partition": 3}, r"Did you mean 'partitions'\?"),
        ("random", {"gama": 0.9}, r"RandomPolicy has no setting 'gama'. Did you mean 'gamma'\?"),
        ("envelope-dqn", {"gamma": 1.5}, "discount"),
        ("envelope-dqn", {"lr": -1.0}, "lr > 0, got -1"),
        ("envelope-dqn", {"lr": float("nan")}, "lr > 0, got nan"),
        ("envelope-dqn", {"tau": 2.0}, "tau between 0 and 1"),
        ("envelope-dqn", {"n_steps": 2.5}, "n_steps"),
        ("envelope-dqn", {"n_steps": 0}, "n_steps > 0"),
        ("envelope-dqn", {"envelope_weights": -1}, "envelope_weights >= 0"),
        ("envelope-dqn", {"hidden": ()}, "hidden"),
        ("envelope-dqn", {"epsilon_min": 0.9, "epsilon_max": 0.1}, "epsilon_min"),
        ("conditioned-ppo", {"epochs": 0}, "epochs > 0"),
        ("conditioned-ppo", {"gae_lambda": 1.01}, "gae_lambda between 0 and 1"),
        ("conditioned-ppo", {"scalarisation": "middle"}, "scalarisation"),
        ("conditioned-ppo", {"advantage_scale": "comon"}, r"Did you mean 'common'\?"),
        ("conditioned-ppo", {"hidden": (0,)}, "hidden|positive"),
        ("single-objective", {"partitions": 0}, "partitions > 0"),
        ("single-objective", {"partitions": 1.5}, "partitions"),
        ("single-objective", {"learner": "envelope"}, r"Did you mean 'envelope-dqn'\?"),
        ("single-objective", {"learner": "single-objective"}, "got single-objective itself"),
        ("single-objective", {"learner_settings": {"lrr": 1}}, "EnvelopeDQN has no setting 'lrr'"),
    ],
)
def test_wrong_settings_are_refused_at_once(name: str, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(MorlError, match=message):
        registry.agent_class(name)(Bandit(N), **wrong)


@pytest.mark.parametrize("budget", [0, -4, 3])
@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_budget_without_a_step_is_refused(name: str, budget: int) -> None:
    with pytest.raises(MorlError, match=r"at least 4 steps|total_steps.*-4"):
        small_agent(name, Bandit(N)).learn(budget, progress=False)
