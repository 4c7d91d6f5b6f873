"""Training never waits for its device: no operation reads a value back or depends on one.

On the CPU, tensors made from host data show; on the meta device, anything that needs a value or lies on
another device. Together they stand in for an accelerator.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from tiny import Target, small_agent
from toys import Corridor

import morl
from morl.envs.purity import PureMode, tensors_in
from morl.errors import EnvError

N, BUDGET = 4, 160
CASES = [
    pytest.param(name, env, id=f"{name} {title}")
    for name, title, env in (
        ("envelope-dqn", "corridor", Corridor),
        ("envelope-dqn", "minecart", partial(morl.make_vec, "minecart-v0")),
        ("conditioned-ppo", "corridor", Corridor),
        ("conditioned-ppo", "target", Target),
        ("single-objective", "corridor", Corridor),
        ("random", "corridor", Corridor),
        ("random", "target", Target),
    )
]


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(("name", "env"), CASES)
def test_training_and_acting_never_wait(name: str, env: Callable[..., Any], device: str) -> None:
    agent = small_agent(name, env(N, device=device))
    agent.total_steps = BUDGET
    # The first iteration resets the environment and, for single-objective, makes a learner from host numbers.
    agent.iterate(BUDGET)
    learner = getattr(agent, "learner", None)
    if name == "single-objective":
        agent.total_steps = learner.total_steps = BUDGET
        agent = learner
    with PureMode(allow_random=True):
        while agent.steps < BUDGET:
            metrics = agent.iterate(BUDGET - agent.steps)
        obs = torch.zeros(5, *agent.spec.single_observation_space.shape, device=device)
        weights = torch.full((5, agent.num_objectives), 1 / agent.num_objectives, device=device)
        actions = agent.act(obs, weights)
    results = [actions, agent.parameters_state(), agent.training_state()]
    if name != "random":
        results.append(metrics)
        assert metrics, "an update was among the iterations"
    states = {"cpu", "meta"} if device == "meta" else {"cpu"}  # generators' states lie on the CPU
    found = {tensor.device.type for tensor in tensors_in(results) if tensor.dtype != torch.uint8}
    assert found == {device} and {tensor.device.type for tensor in tensors_in(results)} <= states


def test_the_mode_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = small_agent("conditioned-ppo", Corridor(N))
    agent.total_steps = BUDGET
    agent.iterate(BUDGET)
    monkeypatch.setattr(agent, "preferences", lambda n, *_: torch.tensor([[0.5, 0.5]] * n))
    with pytest.raises(EnvError, match="from host data"), PureMode(allow_random=True):
        agent.iterate(BUDGET)
