"""`--members` of `morl choose` and `morl elicit`, and what is found out before a user has answered anything."""

from __future__ import annotations

import io
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from refusals import assert_error
from tiny import SMALL

import morl
from morl.cli import main
from morl.front import Front

CONCAVE = "deep-sea-treasure-concave-v0"


@pytest.fixture(scope="module")
def set_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an agent that knows the concave front, most of which no weights ask for; a space in its name.

    Its front has only what weights ask for, as those of older versions have.
    """
    path = tmp_path_factory.mktemp("with space") / "run"
    words = ["train", CONCAVE, "--agent", "pareto-q-learning", "--steps", "60000", "--quiet"]
    assert main([*words, "--out", str(path)]) == 0
    whole = Front.load(path / "front.json")
    assert len(whole.nondominated()) == 10 and whole.answers is not None
    asked = whole.subset(whole.answers)
    replace(asked, answers=None, members=None, weights=whole.weights).save(path / "front.json")
    whole.save(path / "whole.json")
    return path


def chosen(out: str) -> str:
    return next(line.strip() for line in out.splitlines() if line.strip().startswith("chosen "))


def test_all_policies_are_chosen_from(set_path: Path, call, tmp_path: Path) -> None:
    words = ("choose", set_path, "--at-least", "time=-8")
    assert re.match(r"chosen +1 +-1 ", chosen(call(*words)[1])), "all that weights ask for"
    status, out, err = call(*words, "--members", "--out", tmp_path / "policy")
    assert (status, err) == (0, "") and re.match(r"chosen +7\.457 +-7\.726 ", chosen(out))
    status, out, err = call("play", tmp_path / "policy", "--no-render")
    assert (status, err) == (0, "") and "1 episode of 8 steps, original environment" in out
    assert re.search(r"treasure +value +8\.0000 +7\.4565", out)
    found = morl.choose(set_path, at_least={"time": -8}, members=True)
    policy = morl.load_policy(tmp_path / "policy")
    assert policy.member == found.index and policy.metadata["returns"] == found.returns[found.index].tolist()
    status, out, err = call(*words, "--front", set_path / "whole.json", "--out", tmp_path / "same")
    assert (status, err) == (0, "") and re.match(r"chosen +7\.457 +-7\.726 ", chosen(out))
    assert morl.load_policy(tmp_path / "same").member == policy.member
    own = Front.load(set_path / "front.json")
    assert (found.front.episodes, found.front.evaluation_seed) == (own.episodes, own.evaluation_seed)


def test_every_table_shows_the_whole_front(set_path: Path, call, tmp_path: Path) -> None:
    """10 points, of which linear preferences ask for 2, and the commanded utility that these earn."""
    whole = Front.load(set_path / "whole.json")
    assert (
        whole.commanded_utility() == pytest.approx(whole.expected_utility()) and len(set(whole.answers)) == 2
    )
    again = tmp_path / "again.json"
    for words in (
        ("evaluate", set_path, "--episodes", "1", "--out", again),
        ("compare", again, "--indicators", "commanded-utility"),
    ):
        status, out, err = call(*words)
        assert (status, err) == (0, "")
        rows = [line for line in out.splitlines() if "44.2483" in line and "exact front" not in line]
        assert len(rows) == 1 and " 10 " in rows[0]
    status, out, _ = call("evaluate", set_path, "--episodes", "1", "--no-members", "--out", again)
    assert status == 0 and len(Front.load(again)) == 101


def test_all_policies_are_asked_about(
    set_path: Path, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n2\nq\n"))
    status, out, err = call("elicit", set_path, "--members", "--out", tmp_path / "policy")
    assert (status, err) == (0, "") and f"{CONCAVE}: 1 of 10 points" in out
    command = re.search(r"the same without questions: morl (choose .*)", out)
    assert command is not None
    status, again, _ = call(*shlex.split(command[1]))
    assert status == 0 and chosen(again) == chosen(out)
    assert len(morl.elicit(set_path, members=True).points) == 10


def test_what_has_no_members(run_path: Path, call) -> None:
    for command in (("choose", "--weights", "1,0"), ("elicit",)):
        name, *words = command
        assert_error(call(name, run_path, *words, "--members"), "set of policies", "leave members out")
        front = run_path / "front.json"
        assert_error(call(name, front, *words, "--members"), "expected a run for members")
        assert_error(call(name, run_path, *words, "--members", "--front", front), "got both")


def test_nothing_is_asked_where_nothing_could_be_written(run_path: Path, call, tmp_path: Path) -> None:
    own = Front.load(run_path / "front.json")
    points = {"env_id": own.env_id, "gamma": own.gamma, "objectives": own.objectives}
    nameless = Front.from_points(own.returns, **points).save(tmp_path / "nameless.json")
    status, out, err = call("elicit", run_path, "--front", nameless, "--out", tmp_path / "policy")
    assert status == 2 and "nothing says how to command the agent" in err and "Question" not in out
    assert own.training_seconds is not None
    # The same agent, seed and steps, with other settings say.
    replace(own, training_seconds=own.training_seconds + 1.0).save(tmp_path / "other.json")
    status, out, err = call(
        "elicit", run_path, "--front", tmp_path / "other.json", "--out", tmp_path / "policy"
    )
    assert status == 2 and "(seconds of training: " in err and "Question" not in out
    words = ("--weights", "1,0", "--out", tmp_path / "policy")
    assert_error(call("choose", run_path, "--front", tmp_path / "other.json", *words), "found another")
    assert not (tmp_path / "policy").exists()


def test_settled_without_a_question(run_path: Path, call, tmp_path: Path) -> None:
    """One policy is nearly the best for everybody: it is written though nobody answered."""
    own = Front.load(run_path / "front.json")
    returns = np.zeros_like(own.episode_returns)
    returns[0], returns[1], returns[2:] = [1.0, 0.0], [0.0, 1.0], [0.999, 0.999]
    near = replace(own, episode_returns=returns, episode_returns_undiscounted=None)
    near.save(tmp_path / "near.json")
    words = ("--front", tmp_path / "near.json", "--out", tmp_path / "policy")
    status, out, err = call("elicit", run_path, *words)
    assert (status, err) == (0, "") and "Settled after 0 answers" in out
    assert morl.load_policy(tmp_path / "policy").metadata["returns"] == pytest.approx([0.999, 0.999])


def test_returns_of_another_environment_go_with_its_name(run_path: Path, call, tmp_path: Path) -> None:
    """The run's own environment would not pay what the policy's folder promises."""
    other = tmp_path / "other.json"
    assert call("evaluate", run_path, "--env", "toys:Corridor", "--backend", "auto", "--out", other)[0] == 0
    choice = morl.choose(run_path, front=other, weights=[0.5, 0.5])
    assert choice.policy().metadata["env"] == "toys:Corridor"
    assert morl.choose(run_path, weights=[0.5, 0.5]).policy().metadata["env"] == "toys:PlainCorridor"


def test_every_small_agent_says_whether_it_is_a_set() -> None:
    sets = {name for name in SMALL if hasattr(morl.registry.agent_class(name), "follow")}
    assert {"morld", "sweep", "evolution", "mo-q-learning", "pareto-q-learning"} == sets
