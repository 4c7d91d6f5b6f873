"""A policy as a module: exported for batches of any size, it acts as the policy does."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from gymnasium.vector.utils import concatenate, create_empty_array
from machines import OBSERVED, Machine
from tiny import Bandit, small_agent

import morl
from morl.artefact import ChosenPolicy
from morl.errors import MorlError

W = [0.5, 0.5]


def tensors(value: Any) -> Any:
    return torch.utils._pytree.tree_map(torch.as_tensor, value)


def observations(name: str, n: int) -> Any:
    space = OBSERVED[name]
    samples = [space.sample() for _ in range(n)]
    return tensors(concatenate(space, samples, create_empty_array(space, n)))


@pytest.mark.parametrize(
    ("name", "observed", "acted"),
    [
        ("conditioned-ppo", "dictionary", "asymmetric"),
        ("envelope-dqn", "vector", "from one"),
        ("morld", "vector", "whole"),
        pytest.param("conditioned-ppo", "picture", "dictionary", marks=pytest.mark.slow),
        pytest.param("conditioned-ppo", "choices", "tuple", marks=pytest.mark.slow),
    ],
)
def test_an_exported_module_acts_as_the_policy(name: str, observed: str, acted: str) -> None:
    agent = small_agent(name, morl.make_vec(partial(Machine, observed, acted), num_envs=2), seed=1)
    if name == "morld":
        policy = ChosenPolicy(agent.learn(64, progress=False), member=0)
    else:
        policy = ChosenPolicy(agent, preference=W)
    module = policy.to_module()
    few, many = observations(observed, 3), observations(observed, 7)
    dynamic = torch.utils._pytree.tree_map(lambda _: {0: torch.export.Dim("batch")}, few)
    exported = torch.export.export(module, (few,), dynamic_shapes=(dynamic,)).module()
    for batch in (few, many):
        torch.testing.assert_close(exported(batch), policy.act(batch))
    one = tensors(OBSERVED[observed].sample())
    torch.testing.assert_close(module(one), policy.act(one))


@pytest.mark.parametrize("name", ["random", "pareto-q-learning"])
def test_policies_that_are_no_functions_are_refused(name: str) -> None:
    agent = small_agent(name, Bandit(2)).learn(64, progress=False)
    with pytest.raises(MorlError, match=name):
        ChosenPolicy(agent, preference=W).to_module()
