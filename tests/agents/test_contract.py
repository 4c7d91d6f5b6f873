"""What every agent promises: budgets, reproducibility, files, resuming, and answers in the action space."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from mo_gymnasium.wrappers.vector import MOSyncVectorEnv
from tiny import Target, small_agent
from torch import Tensor
from toys import Corridor, PlainCorridor

import morl
from morl import store
from morl.agent import Agent, Callback
from morl.errors import CheckpointError, MorlError

N, BUDGET = 4, 168  # 42 steps of 4 environments; the rollouts of 8 steps do not divide it
sea = partial(morl.make_vec, "deep-sea-treasure-v0", N)
looped = partial(morl.make_vec, partial(PlainCorridor, limit=5), N)


def next_step() -> Any:
    """A user's environment that needs a step of its own to reset."""
    return morl.make_vec(MOSyncVectorEnv([partial(PlainCorridor, limit=5)] * N))


CASES = [
    pytest.param(name, env, id=f"{name} {title}")
    for name, title, env in (
        ("envelope-dqn", "discrete", partial(Corridor, N)),
        ("envelope-dqn", "sea", sea),
        ("conditioned-ppo", "discrete", partial(Corridor, N)),
        ("conditioned-ppo", "continuous", partial(Target, N)),
        ("conditioned-ppo", "sea", sea),
        ("single-objective", "discrete", partial(Corridor, N)),
        ("single-objective", "continuous", partial(Target, N)),
        ("morld", "discrete", partial(Corridor, N)),
        ("morld", "continuous", partial(Target, N)),
        ("morld", "sea", sea),
        ("sweep", "discrete", partial(Corridor, N)),
        ("random", "discrete", partial(Corridor, N)),
        ("random", "continuous", partial(Target, N)),
        ("evolution", "discrete", partial(Corridor, N)),
        ("evolution", "continuous", partial(Target, N)),
        ("mo-q-learning", "discrete", partial(Corridor, N)),
        ("mo-q-learning", "sea", sea),
        ("pareto-q-learning", "discrete", partial(Corridor, N)),
        ("pareto-q-learning", "sea", sea),
    )
]
LEARNERS = [case for case in CASES if case.values[0] != "random"]
MakeEnv = Callable[[], Any]


class Until(Callback):
    """Stops training; keeps the metrics."""

    def __init__(self, steps: float = math.inf) -> None:
        self.steps, self.metrics = steps, []

    def on_iteration(self, agent: Agent, metrics: dict[str, Any]) -> bool | None:
        self.metrics.append(metrics)
        return agent.steps < self.steps


class Training(NamedTuple):
    """A training with seed 3, and what was seen of it."""

    agent: Agent
    state: list[Tensor]
    metrics: list[dict[str, Any]]
    stepped: int
    moved_the_global_generator: bool


@cache
def training(name: str, env: MakeEnv) -> Training:
    """The same for all tests, which must leave the agent as it is."""
    vec, calls, watch, before = env(), [], Until(), torch.get_rng_state()
    step = vec.step
    vec.step = lambda actions: calls.append(len(actions)) or step(actions)
    agent = small_agent(name, vec, seed=3).learn(BUDGET, callbacks=[watch], progress=False)
    moved = not torch.equal(torch.get_rng_state(), before)
    return Training(agent, everything(agent), watch.metrics, sum(calls), moved)


def tensors(value: Any) -> list[Tensor]:
    """All tensors inside nested dictionaries and lists, in order."""
    if isinstance(value, Tensor):
        return [value]
    parts = (
        list(value.values()) if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    )
    return [tensor for part in parts for tensor in tensors(part)]


def everything(agent: Agent) -> list[Tensor]:
    return [tensor.clone() for tensor in tensors([agent.parameters_state(), agent.training_state()])]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(torch.equal(*pair) for pair in zip(first, second, strict=True))


def questions(agent: Agent, rows: int = 50) -> tuple[Tensor, Tensor]:
    """Observations and preferences to ask an agent about."""
    generator = torch.Generator().manual_seed(0)
    obs = 8 * torch.rand(rows, *agent.spec.single_observation_space.shape, generator=generator)
    return obs.floor(), morl.weights.sample(2, rows, generator)


def save_training(agent: Agent, path: Any) -> None:
    state = {"parameters": agent.parameters_state(), "training": agent.training_state(), "steps": agent.steps}
    store.save(path, state, format="test", version=1)


def restored(agent: Agent, path: Any) -> Agent:
    """`agent`, put where another was when it was saved."""
    state = store.load(path, format="test", version=1)
    agent.load_parameters(state["parameters"])
    agent.load_training(state["training"])
    agent.steps = state["steps"]
    return agent


@pytest.mark.parametrize(("name", "env"), LEARNERS)
@pytest.mark.parametrize("budget", [12, 13, 71])
def test_the_budget_is_what_the_environment_is_stepped(name: str, env: MakeEnv, budget: int) -> None:
    vec, calls = env(), []
    step = vec.step
    vec.step = lambda actions: calls.append(len(actions)) or step(actions)
    agent = small_agent(name, vec).learn(budget, progress=False)
    assert agent.steps == sum(calls) == budget // N * N


@pytest.mark.parametrize(("name", "env"), CASES)
def test_a_training_keeps_to_its_budget_and_its_metrics_are_finite(name: str, env: MakeEnv) -> None:
    agent, state, metrics, stepped, moved_the_global_generator = training(name, env)
    assert not moved_the_global_generator
    assert agent.steps == stepped == BUDGET or name == "random"
    values = [value for found in metrics for value in found.values()]
    assert all(math.isfinite(value) and torch.as_tensor(value).shape == () for value in values)
    assert (len(values) > 0) == (name != "random")
    assert all(tensor.isfinite().all() for tensor in tensors(agent.parameters_state()))
    assert not any(tensor.requires_grad for tensor in state)


@pytest.mark.parametrize(("name", "env"), CASES)
def test_the_seed_decides_everything(name: str, env: MakeEnv) -> None:
    states = [training(name, env).state]
    for seed in (3, 4):
        torch.manual_seed(len(states))  # the global generator must not matter
        states.append(everything(small_agent(name, env(), seed=seed).learn(BUDGET, progress=False)))
    assert same(states[0], states[1]) and not same(states[0], states[2])


@pytest.mark.parametrize(("name", "env"), CASES)
def test_answers_are_actions_and_depend_on_the_row_alone(name: str, env: MakeEnv) -> None:
    agent = training(name, env).agent
    obs, weights = questions(agent)
    actions = agent.act(obs, weights)
    space = agent.spec.single_action_space
    assert len(actions) == 50 and all(space.contains(action.numpy()) for action in actions)
    if name != "random":
        assert torch.equal(agent.act(obs, weights), actions), "acting is greedy and moves nothing"
        alone = torch.cat([agent.act(obs[i : i + 1], weights[i]) for i in range(0, 50, 4)])
        torch.testing.assert_close(alone, actions[::4])
        assert torch.equal(agent.policy(weights.double().numpy()).act(obs), actions)


@pytest.mark.parametrize(("name", "env"), CASES)
def test_a_saved_agent_acts_the_same_without_its_environment(name: str, env: MakeEnv, tmp_path) -> None:
    agent = training(name, env).agent
    agent.save(tmp_path)
    loaded = morl.load(tmp_path)
    assert type(loaded) is type(agent) and loaded.config == agent.config and loaded.steps == agent.steps
    obs, weights = questions(agent)
    assert torch.equal(loaded.act(obs, weights), agent.act(obs, weights))
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    with pytest.raises(MorlError, match=r"env=morl.make_vec"):
        loaded.learn(2 * BUDGET, progress=False)


@pytest.mark.parametrize(("name", "env"), CASES)
def test_a_loaded_agent_learns_on_in_an_environment(name: str, env: MakeEnv, tmp_path) -> None:
    training(name, env).agent.save(tmp_path)
    loaded = morl.load(tmp_path, env=env())
    if name == "single-objective":
        with pytest.raises(MorlError, match="a new single-objective agent"):
            loaded.learn(2 * BUDGET, progress=False)
        return
    assert loaded.learn(2 * BUDGET, progress=False).steps == 2 * BUDGET


@pytest.mark.parametrize(("name", "env"), LEARNERS)
def test_parameters_of_another_environment_are_refused(name: str, env: MakeEnv) -> None:
    agent = training(name, env).agent
    wide = env()
    wide.single_observation_space = Box(0, 1, (9,), np.float32)
    other = small_agent(name, wide)
    with pytest.raises(CheckpointError, match=r"expected (\d+ parameters|observations with)"):
        other.load_parameters(agent.parameters_state())
        other.act(torch.zeros(1, 9), torch.full((2,), 0.5))  # single-objective looks at them when it is asked


@pytest.mark.parametrize(("name", "env"), CASES)
@pytest.mark.parametrize("stop", [1, 60, 100])
def test_a_resumed_agent_ends_bit_for_bit_like_an_uninterrupted_one(
    name: str, env: MakeEnv, stop: int, tmp_path
) -> None:
    agent = small_agent(name, env(), seed=3).learn(BUDGET, callbacks=[Until(stop)], progress=False)
    assert agent.steps < BUDGET or name == "random"
    save_training(agent, tmp_path)
    # A process that was killed starts anew, with nothing but the file.
    again = restored(small_agent(name, env(), seed=3), tmp_path)
    assert same(everything(agent), everything(again))
    assert same(everything(again.learn(BUDGET, progress=False)), training(name, env).state)
    assert again.steps == BUDGET


@pytest.mark.parametrize(("name", "env"), LEARNERS)
def test_evaluating_moves_nothing(name: str, env: MakeEnv) -> None:
    agent = small_agent(name, env(), seed=3).learn(BUDGET, callbacks=[Until(60)], progress=False)
    morl.evaluate(agent, env(), weights=[[0.5, 0.5], [1.0, 0.0]], episodes=2, backend="auto", max_steps=30)
    assert same(everything(agent.learn(BUDGET, progress=False)), training(name, env).state)


@pytest.mark.parametrize("name", sorted({case.values[0] for case in CASES}))
@pytest.mark.parametrize("env", [next_step, looped])
def test_any_environment_will_do(name: str, env: MakeEnv, tmp_path) -> None:
    agent = small_agent(name, env(), seed=3).learn(BUDGET, callbacks=[Until(60)], progress=False)
    save_training(agent, tmp_path)
    again = restored(small_agent(name, env(), seed=3), tmp_path).learn(BUDGET, progress=False)
    assert again.steps == BUDGET and all(
        tensor.isfinite().all() for tensor in tensors(again.parameters_state())
    )


@pytest.mark.parametrize("env", [next_step, looped])
def test_a_resumed_replay_does_not_join_episodes(env: MakeEnv, tmp_path) -> None:
    """These environments cannot be put back, so the episodes that were running end at the seam."""
    agent = small_agent("envelope-dqn", env(), seed=3).learn(BUDGET, callbacks=[Until(60)], progress=False)
    newest = len(agent.replay) - 1
    for flag, value in (("terminated", False), ("truncated", False), ("valid", True)):
        getattr(agent.replay.store, flag)[newest] = value  # nothing happened to end in this step
    save_training(agent, tmp_path)
    again = restored(small_agent("envelope-dqn", env(), seed=3), tmp_path)
    assert again.replay.store.truncated[newest].all()


def test_what_only_resets_is_marked_in_the_replay() -> None:
    agent = training("envelope-dqn", next_step).agent
    held = agent.replay.store
    rows = slice(0, len(agent.replay))
    done, valid = (held.terminated | held.truncated)[rows], held.valid[rows]
    assert torch.equal(valid[1:], ~done[:-1]) and valid[0].all() and not valid.all()
    assert not held.reward[rows][~valid].any()


@pytest.mark.parametrize("corner", [0, 1])
@pytest.mark.parametrize("name", ["envelope-dqn", "conditioned-ppo"])
def test_trained_preferences_can_be_replaced(name: str, corner: int) -> None:
    agent, wanted = small_agent(name, Corridor(N)), torch.eye(2)[corner]
    asked: list[Tensor] = []
    apply = agent.network.apply
    agent.preferences = lambda n, generator, device: wanted.expand(n, -1)

    def spy(theta: Tensor) -> dict[str, Callable[[Tensor], Tensor]]:
        def listening(part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
            if x.shape[-1] == 3:  # observation and preference, not features
                asked.append(x[..., 1:].reshape(-1, 2))
            return part(x)

        return {name: partial(listening, part) for name, part in apply(theta).items()}

    agent.network.apply = spy
    agent.learn(64, progress=False)
    seen = torch.cat(asked)
    assert len(seen) > 100 and torch.equal(seen, wanted.expand_as(seen))
