"""The contract that every agent inherits, on an agent that only pretends to learn."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from toys import Corridor, CorridorWalker

import morl
from morl import registry
from morl.agent import Agent, Callback, check_finite, make_config, restore_tuples
from morl.errors import CheckpointError, MorlError, NonFiniteError

WEIGHTS = torch.tensor([[0.0, 1.0], [0.25, 0.75], [1.0, 0.0]])


@pytest.fixture
def agent() -> CorridorWalker:
    return CorridorWalker(Corridor(4), seed=3)


class Counter(Callback):
    """Counts calls, and stops after some."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.calls: list[str] = []
        self.stop_after = stop_after

    def on_start(self, agent: Agent, total_steps: int) -> None:
        self.calls.append(f"start {total_steps}")

    def on_iteration(self, agent: Agent, metrics: dict[str, Any]) -> bool | None:
        self.calls.append(f"{agent.steps}")
        return False if agent.steps == self.stop_after else None

    def on_end(self, agent: Agent) -> None:
        self.calls.append("end")


@pytest.mark.parametrize("budget", [4, 7, 8.0, 30])
def test_a_budget_is_used_up_and_never_exceeded(agent: CorridorWalker, budget: float) -> None:
    assert agent.learn(budget, progress=False) is agent
    assert agent.steps == budget // 4 * 4 and agent.seconds > 0 and agent.total_steps == budget


@pytest.mark.parametrize("budget", [0, -1, 3, -1e6])
def test_a_budget_too_small_for_one_step_is_refused(agent: CorridorWalker, budget: float) -> None:
    with pytest.raises(MorlError, match=f"at least .*{int(budget)}"):
        agent.learn(budget, progress=False)
    assert agent.steps == 0


def test_the_budget_counts_what_was_done_before(agent: CorridorWalker) -> None:
    agent.learn(8, progress=False).learn(20, progress=False)
    assert agent.steps == 20
    agent.learn(20, progress=False)  # already done
    assert agent.steps == 20
    for budget in (0, 8, 23):
        with pytest.raises(MorlError, match="the 20 already done"):
            agent.learn(budget, progress=False)


def test_a_callback_sees_every_iteration_and_may_stop(agent: CorridorWalker) -> None:
    stopping, watching = Counter(stop_after=8), Counter()
    agent.learn(400, callbacks=[stopping, watching], progress=False)
    assert stopping.calls == watching.calls == ["start 400", "4", "8", "end"]


def test_callbacks_end_after_an_error(agent: CorridorWalker) -> None:
    counter = Counter()
    agent.env.step = None
    with pytest.raises(TypeError):
        agent.learn(8, callbacks=[counter], progress=False)
    assert counter.calls == ["start 8", "end"]


def test_the_discount_is_given_or_of_the_environment_or_the_default() -> None:
    assert CorridorWalker(Corridor(1)).gamma == 0.99
    assert CorridorWalker(Corridor(1), gamma=0.5).gamma == 0.5
    card = registry.get_card("deep-sea-treasure-v0")
    env = morl.make_vec("deep-sea-treasure-v0", num_envs=1)
    assert card is not None and CorridorWalker(env).gamma == card.protocol().gamma
    for wrong in (0.0, 1.5, float("nan")):
        with pytest.raises(MorlError, match="discount"):
            CorridorWalker(Corridor(1), gamma=wrong)


def test_settings_are_checked_by_name() -> None:
    with pytest.raises(MorlError, match=r"no setting 'learning_rat'. Did you mean 'learning_rate'\?"):
        CorridorWalker(Corridor(1), learning_rat=0.1)
    with pytest.raises(MorlError, match="learning_rate > 0, got -1"):
        CorridorWalker(Corridor(1), learning_rate=-1)
    config = CorridorWalker.Config(learning_rate=0.2)
    assert CorridorWalker(Corridor(1), config=config).config is config
    with pytest.raises(MorlError, match=r"got both config and \['gamma'\]"):
        CorridorWalker(Corridor(1), config=config, gamma=0.9)
    with pytest.raises(MorlError, match=r"CorridorWalker\.Config, got dict"):
        CorridorWalker(Corridor(1), config={"gamma": 0.9})


def test_an_agent_without_a_dataclass_is_told() -> None:
    class Careless(CorridorWalker):
        class Config: ...

    with pytest.raises(MorlError, match=r"Careless.Config to be a dataclass"):
        make_config(Careless, None, {})


def test_policies_follow_their_rows(agent: CorridorWalker) -> None:
    obs = torch.tensor([[0.0], [2.0], [7.0]])
    policy = agent.policy(WEIGHTS)
    policy.reset()
    actions = policy.act(obs)
    policy.observe(torch.zeros(3, 2), torch.zeros(3, dtype=torch.bool))
    policy.reset(torch.tensor([True, False, False]))
    assert torch.equal(policy.act(obs), actions) and torch.equal(actions, agent.act(obs, WEIGHTS))
    assert agent.policy([0.5, 0.5]).act(obs[:1]).shape == (1,)
    assert agent.policy(np.array([0.5, 0.5])).act(obs[:1]).shape == (1,)


@pytest.mark.parametrize("wrong", [[0.5, 0.6], [1.5, -0.5], [1.0], [0.2, 0.3, 0.5], [float("nan"), 1.0]])
def test_a_policy_for_what_is_no_preference_is_refused(agent: CorridorWalker, wrong: list[float]) -> None:
    with pytest.raises(MorlError, match="weights"):
        agent.policy(wrong)


def test_preferences_can_be_replaced(agent: CorridorWalker) -> None:
    drawn = agent.draw_preferences(1000)
    assert drawn.shape == (1000, 2) and torch.allclose(drawn.sum(1), torch.ones(1000))
    assert abs(float(drawn[:, 0].mean()) - 0.5) < 0.05
    agent.preferences = lambda n, generator, device: torch.tensor([0.0, 1.0], device=device).expand(n, -1)
    assert torch.equal(agent.draw_preferences(3), torch.tensor([[0.0, 1.0]] * 3))
    agent.preferences = lambda n, generator, device: torch.full((n, 2), 0.5, dtype=torch.float64)
    assert agent.draw_preferences(3).dtype == torch.float32
    agent.preferences = lambda n, generator, device: torch.full((n, 3), 1 / 3)
    with pytest.raises(MorlError, match=r"shape \(4, 2\), got \(4, 3\)"):
        agent.draw_preferences(4)


def test_save_and_load(agent: CorridorWalker, tmp_path) -> None:
    agent.learn(40, progress=False).save(tmp_path / "agent")
    for loaded in (morl.load(tmp_path / "agent"), CorridorWalker.load(tmp_path / "agent")):
        assert isinstance(loaded, CorridorWalker) and torch.equal(loaded.parameters, agent.parameters)
        for name in ("config", "seed", "steps", "seconds", "gamma", "env_id", "num_objectives"):
            assert getattr(loaded, name) == getattr(agent, name)
        with pytest.raises(MorlError, match=r"env=morl.make_vec"):
            loaded.learn(80, progress=False)
    continued = morl.load(tmp_path / "agent", env=Corridor(4)).learn(80, progress=False)
    assert continued.steps == 80
    assert not list(tmp_path.rglob("*.pkl")) and not list(tmp_path.rglob("*.pt"))


def test_another_kind_of_agent_is_refused(agent: CorridorWalker, tmp_path) -> None:
    class Other(CorridorWalker): ...

    agent.save(tmp_path)
    with pytest.raises(CheckpointError, match=r"expected a Other in .*, found corridor-walker"):
        Other.load(tmp_path)


@pytest.mark.parametrize("missing", ["agent", "gamma", "spec"])
def test_a_header_that_lacks_something_is_damaged(agent: CorridorWalker, missing: str) -> None:
    state = agent.to_state()
    del state["header"][missing]
    with pytest.raises(CheckpointError, match=f"the state is damaged, or of something else .*{missing}"):
        Agent.from_state(state)
    with pytest.raises(CheckpointError, match="is damaged"):
        Agent.from_state({})


def test_a_saved_setting_that_is_no_more_is_named(agent: CorridorWalker, tmp_path, monkeypatch) -> None:
    agent.save(tmp_path)

    @dataclass(frozen=True, kw_only=True)
    class Config:
        gamma: float | None = None

    monkeypatch.setattr(CorridorWalker, "Config", Config)
    with pytest.raises(MorlError, match="no setting 'learning_rate'"):
        CorridorWalker.load(tmp_path)


def test_json_lists_become_tuples() -> None:
    settings = {"hidden": (3, 4), "lr": 0.1, "learner_settings": {"hidden": (5,), "more": {"a": (1, 2)}}}
    assert restore_tuples(json.loads(json.dumps(settings))) == settings


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), torch.tensor(float("nan"))])
def test_numbers_that_are_not_finite_are_named(value: Any) -> None:
    check_finite({"loss": torch.tensor(0.5), "lr": 1}, "at step 8")
    with pytest.raises(NonFiniteError, match=r"loss = -?(nan|inf) at step 8"):
        check_finite({"lr": 1.0, "loss": value}, "at step 8")
