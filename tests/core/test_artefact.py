"""A chosen policy is written, read back, and earns what was chosen."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import SMALL, small_agent
from toy_runs import config, train
from toys import Corridor, CorridorWalker, PlainCorridor

import morl
from morl import artefact, store
from morl.artefact import ChosenPolicy
from morl.choosing import choose
from morl.errors import CheckpointError, MorlError
from morl.evaluation import evaluate_members
from morl.front import Front
from morl.runs import Run

LATTICE = morl.weights.lattice(2, partitions=4)
evaluated = partial(morl.evaluate, env=PlainCorridor, episodes=2)


ones = partial(Front.from_points, env_id="toy", gamma=0.9, objectives=("gain", "time"))


def agent_of(name: str) -> Any:
    return small_agent(name, Corridor(4), seed=3).learn(168, progress=False)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_agents_policy_acts_as_it_was_evaluated(name: str, tmp_path: Path) -> None:
    agent = agent_of(name)
    choice = choose(evaluated(agent, weights=LATTICE), weights=[0.3, 0.7])
    choice.save(tmp_path / "policy", agent=agent)
    policy = morl.load_policy(tmp_path / "policy")
    asked = np.full(2, 0.5) if choice.preference is None else choice.preference
    assert (policy.preference is None) == (choice.preference is None) == (choice.member is not None)
    assert policy.member == choice.member and (
        policy.preference is None or policy.preference.tolist() == asked.tolist()
    )
    assert {file.suffix for file in (tmp_path / "policy").iterdir()} == {".json", ".safetensors"}
    again = evaluated(policy, weights=asked)
    assert again.agent == name and again.training_seed == 3
    if name == "random":
        return  # its actions are drawn anew
    np.testing.assert_array_equal(again.returns, choice.front.subset([choice.index]).returns)
    obs = np.array([[3.0], [0.0], [7.0]], dtype=np.float32)
    same = (
        agent.policy(np.tile(asked, (3, 1)))
        if choice.member is None
        else agent.follow(torch.full((3,), choice.member))
    )
    expected = same.act(torch.from_numpy(obs))
    policy.reset()
    batch = policy.act(obs)
    assert isinstance(batch, np.ndarray) and batch.tolist() == expected.tolist()
    policy.reset()
    as_tensor = policy.act(torch.from_numpy(obs))
    assert isinstance(as_tensor, torch.Tensor) and torch.equal(as_tensor, expected)
    fresh = morl.load_policy(tmp_path / "policy")
    single = fresh.act(obs[0].astype(np.float64))  # as environments in float64 observe
    assert np.shape(single) == expected.shape[1:] and single == expected[0]


@pytest.mark.parametrize("name", ["mo-q-learning", "pareto-q-learning", "evolution"])
def test_a_member_of_a_set_of_policies(name: str, tmp_path: Path) -> None:
    agent = agent_of(name)
    front = evaluate_members(agent, PlainCorridor)
    choice = choose(front, weights=[0.1, 0.9])
    choice.save(tmp_path, agent=agent)
    policy = morl.load_policy(tmp_path)
    assert policy.preference is None and policy.member == choice.index and "policy " in repr(policy)
    again = evaluated(policy, weights=[0.5, 0.5])
    np.testing.assert_array_equal(again.returns, front.subset([choice.index]).returns)
    with pytest.raises(MorlError, match="the preference behind each point"):
        choose(ones(np.ones((99, 2))), weights=[1, 0]).save(tmp_path / "b", agent=agent)


class Counting(CorridorWalker):
    """Its policies have memory: they walk as often as the last reward says, then stop."""

    def policy(self, preference: Any) -> Any:
        class Policy:
            def __init__(self) -> None:
                self.left = torch.full((len(preference),), 2.0)

            def reset(self, mask: Any = None) -> None:
                mask = torch.ones(len(self.left), dtype=torch.bool) if mask is None else mask
                self.left = torch.where(mask, 2.0, self.left)

            def act(self, obs: torch.Tensor) -> torch.Tensor:
                return (self.left > 0).long()

            def observe(self, reward: torch.Tensor, done: torch.Tensor) -> None:
                self.left = torch.where(done, 2.0, self.left + reward[:, 1])

        return Policy()


def test_a_policy_with_memory() -> None:
    policy = ChosenPolicy(Counting(Corridor(4)), preference=[0.5, 0.5])
    assert evaluated(policy, weights=[[0.5, 0.5]]).episode_lengths.tolist() == [[3, 3]]
    actions = []
    for _ in range(4):
        actions.append(int(policy.act(np.zeros(1, np.float32))))
        policy.observe(np.array([0.0, -1.0]), done=False)
    assert actions == [1, 1, 0, 0]
    policy.reset()
    assert policy.act(np.zeros(1, np.float32)) == 1
    two = np.zeros((2, 1), np.float32)
    assert policy.act(two).tolist() == [1, 1]
    policy.observe([[0.0, -2.0], [0.0, -2.0]], [False, True])
    assert policy.act(two).tolist() == [0, 1]
    policy.reset([True, False])
    assert policy.act(two).tolist() == [1, 1]


def test_from_a_run_with_its_provenance(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", config(env="toys:PlainCorridor", env_kwargs={"slip": 0.25}))
    front = train(run)
    choice = morl.choose(tmp_path / "run", at_least={"objective_2": -5})
    assert choice.run is not None and choice.front == front
    choice.save(tmp_path / "policy")
    metadata = morl.load_policy(tmp_path / "policy").metadata
    assert metadata["returns"] == front.returns[choice.index].tolist()
    assert metadata["standard_errors"] == pytest.approx(front.standard_errors[choice.index].tolist())
    assert metadata["undiscounted"]["returns"] != metadata["returns"]
    assert (metadata["env"], metadata["env_kwargs"]) == ("toys:PlainCorridor", {"slip": 0.25})
    assert metadata["chosen"]["at_least"] == {"objective_2": -5.0}
    assert metadata["chosen"]["feasible"] == int(choice.feasible.sum())
    told = metadata["provenance"]
    assert (told["agent"], told["training_seed"], told["training_steps"]) == ("corridor-walker", 5, 40)
    assert told["role"] == "report" and told["versions"]["morl"] == morl.__version__
    assert "morl.load_policy" in metadata["usage"]
    # Another evaluation of the same run.
    longer = morl.evaluate(run.load_agent(), PlainCorridor, weights=LATTICE, episodes=3)
    assert choose(run, front=longer.save(tmp_path / "longer.json"), weights=[1, 0]).front == longer
    # A later choice takes the place of an earlier one.
    morl.choose(run, weights=[1, 0]).save(tmp_path / "policy")
    assert morl.load_policy(tmp_path / "policy").metadata["chosen"]["weights"] == [1, 0]


def test_another_agent_than_the_evaluated_one_is_refused(tmp_path: Path) -> None:
    agent = agent_of("random")
    choice = choose(evaluated(agent, weights=LATTICE), weights=[0.5, 0.5])
    agent.steps += 4
    with pytest.raises(MorlError, match=r"steps of training: 168\), found another \(172\)"):
        choice.save(tmp_path / "a", agent=agent)
    with pytest.raises(MorlError, match=r"\(agent: random\), found another \(envelope-dqn\)"):
        choice.save(tmp_path / "a", agent=small_agent("envelope-dqn", Corridor(4), seed=3))
    with pytest.raises(MorlError, match="a front alone has points only"):
        choice.save(tmp_path / "a")
    exact = choose(ones(np.ones((1, 2))), weights=[1, 0])
    with pytest.raises(MorlError, match="this one has none, so nothing says how to command"):
        exact.save(tmp_path / "a", agent=agent)
    assert not (tmp_path / "a").exists()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    agent = agent_of("random")
    agent.save(tmp_path / "agent")
    (tmp_path / "file").write_text("mine")
    choice = choose(evaluated(agent, weights=LATTICE), weights=[0.5, 0.5])
    for place in (tmp_path, tmp_path / "agent", tmp_path / "file"):
        with pytest.raises(MorlError, match="holds something else"):
            choice.save(place, agent=agent)
    morl.load(tmp_path / "agent")


def test_damaged_and_foreign_folders(tmp_path: Path) -> None:
    agent = agent_of("random")
    choose(evaluated(agent, weights=LATTICE), weights=[0.5, 0.5]).save(tmp_path / "policy", agent=agent)
    with pytest.raises(CheckpointError, match="expected a morl-agent"):
        morl.load(tmp_path / "policy")
    with pytest.raises(CheckpointError, match="expected a morl-policy"):
        morl.load_policy(agent.save(tmp_path / "agent"))
    with pytest.raises(CheckpointError, match="no such folder"):
        morl.load_policy(tmp_path / "missing")
    state = tmp_path / "policy" / "state.json"
    document = json.loads(state.read_text())
    document["state"]["policy"]["preference"] = [1.0, 0.0]
    state.write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match="checksum"):
        morl.load_policy(tmp_path / "policy")
    state.write_text(state.read_text()[:100])
    with pytest.raises(CheckpointError, match="not JSON"):
        morl.load_policy(tmp_path / "policy")


@pytest.mark.parametrize("obs", [np.zeros(2), np.zeros((2, 2)), np.zeros(()), np.zeros((2, 3, 1)), "up"])
def test_an_observation_of_another_shape(obs: Any) -> None:
    policy = ChosenPolicy(CorridorWalker(Corridor(4)), preference=[0.5, 0.5])
    with pytest.raises(MorlError, match=r"expected an observation of shape \(1,\)"):
        policy.act(obs)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ({}, "got both or neither"),
        ({"preference": [1, 0], "member": 0}, "got both or neither"),
        ({"preference": [[1, 0]]}, "expected one preference"),
        ({"preference": [1, 1]}, "sum to 2"),
        ({"member": -1}, "member"),
        ({"member": 0}, "a set of policies, corridor-walker is not"),
    ],
)
def test_commands_that_are_none(command: dict[str, Any], message: str) -> None:
    with pytest.raises(MorlError, match=message):
        ChosenPolicy(CorridorWalker(Corridor(4)), **command)


def test_a_member_that_does_not_exist() -> None:
    agent = agent_of("mo-q-learning")
    assert ChosenPolicy(agent, member=4).member == 4
    with pytest.raises(MorlError, match="expected a member below 5, the number of policies, got 5"):
        ChosenPolicy(agent, member=5)


ACCRUED = {"mo-q-learning": {"accrued": True, "scalarisation": "chebyshev"}, "morld": {"criterion": "esr"}}


@pytest.mark.parametrize("name", sorted(ACCRUED))
def test_agents_that_remember_what_was_paid(name: str, tmp_path: Path) -> None:
    """Stepped by hand, as the manual says, each policy of the set earns what it was evaluated to."""
    kind, settings = morl.registry.agent_class(name), {**SMALL[name], **ACCRUED[name]}
    agent = kind(Corridor(4), seed=3, **settings).learn(800, progress=False)
    front = evaluate_members(agent, PlainCorridor, episodes=1)
    for row in range(len(front)):
        saved = replace(choose(front, weights=[1, 0]), index=row).save(tmp_path / str(row), agent=agent)
        policy, env = morl.load_policy(saved), PlainCorridor()
        for _ in range(2):  # a second episode remembers nothing of the first
            earned, done, step = np.zeros(2), False, 0
            obs, _ = env.reset(seed=0)
            policy.reset()
            while not done:
                obs, reward, terminated, truncated, _ = env.step(policy.act(obs))
                done = terminated or truncated
                policy.observe(reward, done)
                earned, step = earned + agent.gamma**step * np.asarray(reward), step + 1
            np.testing.assert_allclose(earned, front.returns[row], rtol=1e-6)


def rewritten(policy: ChosenPolicy, path: Path, **changes: Any) -> Path:
    """A policy's folder with other entries, and checksums that fit them."""
    header = {"preference": [0.5, 0.5], "member": None, **policy.metadata, **changes}
    state = {"policy": header, "agent": policy.agent.to_state()}
    return store.save(path, state, format=artefact.FORMAT, version=artefact.SCHEMA_VERSION)


def test_folders_with_entries_of_another_kind(tmp_path: Path) -> None:
    policy = ChosenPolicy(agent_of("random"), preference=[0.5, 0.5])
    for i, changes in enumerate(({"env": 3}, {"env_kwargs": [1]})):
        with pytest.raises(CheckpointError, match="the id of an environment and a dictionary"):
            artefact.environment_of(morl.load_policy(rewritten(policy, tmp_path / str(i), **changes)))
    whole = {"policy": {"preference": [0.5, 0.5], "member": None}, "agent": policy.agent.to_state()}
    for i, state in enumerate(({**whole, "policy": [1]}, {**whole, "agent": {"header": {}}}, {})):
        path = store.save(tmp_path / f"s{i}", state, format=artefact.FORMAT, version=artefact.SCHEMA_VERSION)
        with pytest.raises(CheckpointError, match="is damaged, or of something else"):
            morl.load_policy(path)
