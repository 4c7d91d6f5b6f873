"""Agents and exported policies answer an environment in its own spaces, as they were evaluated."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import mo_gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Space
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from machines import ACTED, OBSERVED, Machine
from tiny import small_agent

import morl
from morl.artefact import ChosenPolicy, save_policy
from morl.errors import EnvError, MorlError, NonFiniteError
from morl.spec import EnvSpec

PAIRS = [*((name, "from one") for name in OBSERVED), *(("dictionary", name) for name in ACTED)]
W = [0.5, 0.5]


def agent_for(observed: str, acted: str, name: str = "conditioned-ppo") -> Any:
    """An untrained agent, whose answers depend on what it observes."""
    return small_agent(name, morl.make_vec(partial(Machine, observed, acted), num_envs=2), seed=1)


def batch_of(space: Space, n: int) -> tuple[list[Any], Any]:
    """Observations one by one, and as Gymnasium's vector environments batch them."""
    space.seed(0)
    samples = [space.sample() for _ in range(n)]
    return samples, concatenate(space, samples, create_empty_array(space, n))


def mapped(batch: Any, change: Any) -> Any:
    """`batch` with its arrays changed."""
    if isinstance(batch, dict):
        return {name: mapped(part, change) for name, part in batch.items()}
    return tuple(mapped(part, change) for part in batch) if isinstance(batch, tuple) else change(batch)


def assert_same(one: Any, other: Any) -> None:
    torch.testing.assert_close(one, other, check_device=False)


@pytest.mark.parametrize(("observed", "acted"), PAIRS)
def test_a_policy_plays_its_own_environment(observed: str, acted: str, tmp_path: Path) -> None:
    agent = agent_for(observed, acted)
    front = morl.evaluate(agent, partial(Machine, observed, acted), weights=[W], episodes=1)
    save_policy(ChosenPolicy(agent, preference=W), tmp_path)
    policy, env = morl.load_policy(tmp_path), Machine(observed, acted)
    obs, _ = env.reset(seed=int(front.episode_seeds[0, 0]))
    earned, over = np.zeros(2), False
    while not over:
        obs, reward, over, _, _ = env.step(policy.act(obs))
        earned += reward
    np.testing.assert_allclose(earned, front.episode_returns_undiscounted[0, 0], rtol=1e-5)


@pytest.mark.parametrize(("observed", "acted"), PAIRS)
def test_one_observation_or_a_batch_of_arrays_or_tensors(observed: str, acted: str) -> None:
    agent = agent_for(observed, acted)
    policy = ChosenPolicy(agent, preference=W)
    rows, batch = batch_of(OBSERVED[observed], 4)
    actions = policy.act(batch)
    assert batch_space(ACTED[acted], 4).contains(actions), actions
    alone = [policy.act(row) for row in rows]
    assert all(ACTED[acted].contains(action) for action in alone)
    together = concatenate(ACTED[acted], alone, create_empty_array(ACTED[acted], 4))
    assert_same(mapped(actions, torch.as_tensor), mapped(together, torch.as_tensor))
    tensors = policy.act(mapped(batch, torch.as_tensor))
    assert_same(tensors, mapped(actions, torch.as_tensor))
    assert_same(mapped(agent.act(batch, W), torch.as_tensor), tensors)
    assert_same(mapped(agent.act(rows[0], W), torch.as_tensor), mapped(alone[0], torch.as_tensor))
    if observed not in ("vector", "whole", "bits"):  # whose tensors could be those of make_vec
        assert_same(agent.act(mapped(batch, torch.as_tensor), W), tensors)


@pytest.mark.parametrize("name", ["envelope-dqn", "evolution", "single-objective", "mo-q-learning"])
def test_every_kind_of_agent(name: str) -> None:
    observed = "whole" if name == "mo-q-learning" else "picture"
    agent = agent_for(observed, "from one", name).learn(64, progress=False)
    rows, batch = batch_of(OBSERVED[observed], 3)
    actions = agent.act(batch, np.array(W))
    assert isinstance(actions, np.ndarray) and set(actions) <= {1, 2, 3}
    assert agent.act(rows[0], W) == actions[0] == ChosenPolicy(agent, preference=W).act(rows[0])
    front = morl.evaluate(agent, partial(Machine, observed, "from one"), weights=[W], episodes=1)
    assert front.returns.shape == (1, 2)


def test_tensors_of_make_vec_are_answered_for_its_step() -> None:
    agent = agent_for("dictionary", "choices")
    env = morl.make_vec(partial(Machine, "dictionary", "choices"), num_envs=3)
    obs, _ = env.reset(seed=0)
    actions = agent.act(obs, torch.tensor(W))
    assert actions.shape == (3,) and set(actions.tolist()) <= set(range(6))
    env.step(actions)
    flat = ChosenPolicy(agent, preference=W)
    assert flat.act(obs.numpy()).shape == (3, 2), "no dictionary: flattened, but answered in its own actions"


def test_what_could_be_either_is_refused() -> None:
    agent = agent_for("vector", "from one")
    obs = torch.zeros(2, 3)
    with pytest.raises(MorlError, match=r"\(2, 3\).*Discrete\(3, start=1\)"):
        agent.act(obs, W)
    flat, own = agent.policy([W, W]).act(obs), agent.act(obs.numpy(), W)
    assert (own - flat.numpy()).tolist() == [1, 1]
    assert agent.act(torch.zeros(3), W) == own[0] == agent.act(np.zeros(3), W)
    minecart = EnvSpec.of(morl.make_vec("minecart-v0"))
    assert minecart.language.is_own(torch.zeros(2, 7)) is False, "nothing to tell apart"


@pytest.mark.parametrize(
    ("observed", "obs", "named"),
    [
        ("vector", np.zeros(4), r"\(3,\).*\(4,\)"),
        ("vector", "up", r"\(3,\).*U2"),
        ("vector", {"a": np.zeros(3)}, r"\(3,\)"),
        ("dictionary", {"machine": {"heat": np.zeros(2)}, "tick": [0]}, "mode"),
        (
            "dictionary",
            {"machine": {"heat": np.zeros((2, 2)), "mode": 1}, "tick": [0]},
            "has 2 of them",
        ),
        ("choice", 1, r"Discrete\(5, start=2\).*1"),
        ("choice", 2.5, "2.5"),
        ("whole", np.array([0.5, 1]), "int32"),
        ("picture", np.zeros((3, 4)), r"\(3, 4, 2\)"),
    ],
)
def test_other_observations_are_refused(observed: str, obs: Any, named: str) -> None:
    agent = agent_for(observed, "from one")
    for act in (ChosenPolicy(agent, preference=W).act, lambda obs: agent.act(obs, W)):
        with pytest.raises(EnvError, match=f"Machine.*{named}"):
            act(obs)


def test_numbers_that_are_none_are_refused() -> None:
    policy = ChosenPolicy(agent_for("vector", "from one"), preference=W)
    with pytest.raises(NonFiniteError, match="nan in entry 1 in row 2"):
        policy.act(np.array([[0.0] * 3, [0.0] * 3, [0.0, np.nan, 0.0]]))


def test_an_agent_saved_without_its_environments_spaces_speaks_as_before(tmp_path: Path) -> None:
    agent = agent_for("dictionary", "from one")
    state = agent.to_state()
    spec = state["header"]["spec"]
    assert Dict(EnvSpec.from_dict(spec).native_observation_space.spaces) == OBSERVED["dictionary"]  # type: ignore
    for name in ("native_observation_space", "native_action_space"):
        del spec[name]
    old = ChosenPolicy(type(agent).from_state(state), preference=W)
    obs = np.zeros((2, 6), np.float32)
    assert (old.act(obs) + 1).tolist() == ChosenPolicy(agent, preference=W).act(obs).tolist()


def test_wrappers_say_what_policies_are_given() -> None:
    from morl.envs import wrappers

    env = morl.make_vec(partial(Machine, "picture", "from one"), num_envs=2)
    flat = wrappers.FlattenObservation(env)
    assert flat.native_observation_space == OBSERVED["picture"]
    stacked = wrappers.FrameStackObservation(env, 2)
    assert stacked.native_observation_space == stacked.single_observation_space
    assert stacked.native_action_space == ACTED["from one"]
    bottles = morl.make_vec("breakable-bottles-v0")
    assert (
        EnvSpec.of(bottles).native_observation_space
        == mo_gymnasium.make("breakable-bottles-v0").observation_space
    )
    assert isinstance(EnvSpec.of(morl.make_vec("minecart-v0")).language.observations.native, Box)
