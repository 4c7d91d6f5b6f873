"""Files name code; nothing is imported or called for their sake that the user did not say."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from strangers import contents, rewrite
from tiny import SMALL, small_agent
from toys import Corridor, CorridorWalker

import morl
from morl import store, trust
from morl.artefact import ChosenPolicy, save_policy
from morl.choosing import choose
from morl.cli import main
from morl.errors import MorlError, TrustError
from morl.evaluation import evaluate
from morl.runs import Run, RunConfig

EVIL = "import builtins\nbuiltins.evil_ran = True\nclass Env:\n    pass\n"


@pytest.fixture(autouse=True)
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module `evil` in the working folder, which must not run."""
    (tmp_path / "evil.py").write_text(EVIL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("morl.registry.module_folder", str(tmp_path))
    yield
    sys.modules.pop("evil", None)
    assert not vars(sys.modules["builtins"]).pop("evil_ran", False)


NAMED: list[dict[str, Any]] = [
    {"env": "evil:Env"},
    {"env": "evil:Env-v0"},
    {"env": "evil:Env[gain,time]"},
    {"env": "subprocess:Popen", "env_kwargs": {"args": ["touch", "evil"]}},
    {"agent": "evil:Env"},
    {"env_kwargs": {"base": [{"make": "evil:Env"}]}},
    {"env_kwargs": {"id": "evil:1-v0"}},
    {"settings": {"learner": "evil:Env"}},
]
"""Changes of a configuration whose environment is registered."""


WEIGHTS = ["--weights", "0.5", "0.5"]


def harmless(document: dict[str, Any]) -> None:
    document["config"] |= {"env": "deep-sea-treasure-v0", "env_kwargs": {"start": "12:30", "at": "https://x"}}


@pytest.mark.parametrize("named", NAMED, ids=str)
def test_a_strangers_run_runs_nothing(
    named: dict[str, Any],
    run_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("q"))

    def change(document: dict[str, Any]) -> None:
        harmless(document)
        document["config"] |= named

    rewrite(run_path / "config.json", change)
    before = contents(run_path)
    commands = [
        ["evaluate", run_path],
        ["play", run_path, *WEIGHTS, "--no-render"],
        ["choose", run_path, "--members", *WEIGHTS],
        ["elicit", run_path, "--members", "--questions", "1"],
        ["train", "--resume", "--out", run_path],
        ["train", "--like", run_path, "--out", tmp_path / "new"],
    ]
    for command in commands:
        words = [str(word) for word in command]
        if (
            words[0] not in ("evaluate", "play") or "agent" not in named
        ):  # these load the agent by its own folder
            status, error = main(words), capsys.readouterr().err
            # The front is not that of such a training, which is noticed before a choice calls anything.
            front = words[0] in ("choose", "elicit") and "expected the front of this training" in error
            assert status == 2 and (front or f"morl {' '.join(words)} --trust" in error)
    with pytest.raises(TrustError):
        Run.open(run_path).train(progress=False)
    with pytest.raises(TrustError):
        Run.create(tmp_path / "new", Run.open(run_path).config)
    main(["compare", str(run_path)])
    assert contents(run_path) == before and not (tmp_path / "new").exists()


def test_a_strangers_agent_and_policy_run_nothing(tmp_path: Path) -> None:
    folder = small_agent("random", Corridor(4)).save(tmp_path / "agent")
    rewrite(folder / store.STATE_FILE)
    agent = morl.load(folder)  # what is registered acts, whatever its environment is called
    assert main(["evaluate", str(folder)]) == 2
    # Written again it is still not the user's own, so nothing that it names is believed.
    policy = ChosenPolicy(agent, preference=[0.5, 0.5], metadata={"env": "evil:Env"})
    written = {save_policy(policy, tmp_path / "policy"): [], agent.save(tmp_path / "again"): WEIGHTS}
    for path, weights in written.items():
        assert main(["play", str(path), "--no-render", *weights]) == 2

    def other_class(document: dict[str, Any]) -> None:
        header = document["state"].get("agent", document["state"])["header"]
        header["agent"] = "evil:Env"

    rewrite(tmp_path / "again" / store.STATE_FILE, other_class)
    rewrite(tmp_path / "policy" / store.STATE_FILE, other_class)
    with pytest.raises(TrustError, match="evil:Env"):
        morl.load(tmp_path / "again")
    with pytest.raises(TrustError, match="evil:Env"):
        morl.load_policy(tmp_path / "policy")
    rewrite(folder / store.STATE_FILE, lambda d: d["state"]["header"]["config"].update(learner="evil:Env"))
    with pytest.raises(TrustError, match="evil:Env"):
        morl.load(folder)


def test_what_a_stranger_names_is_allowed_by_saying_it(run_path: Path, tmp_path: Path) -> None:
    out = ["--episodes", "1", "--partitions", "1", "--out", str(tmp_path / "front.json")]
    rewrite(run_path / "config.json")
    rewrite(run_path / "agent" / store.STATE_FILE)
    assert main(["evaluate", str(run_path), *out]) == 2
    assert main(["evaluate", str(run_path), "--env", "toys:PlainCorridor", *out]) == 0
    assert main(["evaluate", str(run_path), "--trust", *out]) == 0
    resumed = ["train", "--resume", "--out", str(run_path), "--quiet"]
    assert main(resumed) == 2
    assert main(["train", "toys:PlainCorridor", *resumed[1:]]) == 0
    # Once allowed, it is the user's own.
    assert main(resumed) == 0 and main(["evaluate", str(run_path), *out]) == 0


def test_own_folders_need_no_ceremony(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = CorridorWalker(Corridor(4), seed=1)
    folder = agent.save(tmp_path / "agent")
    assert type(morl.load(folder)) is CorridorWalker and morl.load(folder).own
    # The signature of another user, or of another machine, is none.
    monkeypatch.setattr("morl.trust._key", lambda: b"other")
    with pytest.raises(TrustError, match="toys:CorridorWalker"):
        morl.load(folder)
    assert type(CorridorWalker.load(folder)) is CorridorWalker  # the class is the user's word
    assert morl.load(folder, trust=True).own
    assert type(morl.load(folder, trust=["toys:CorridorWalker"])) is CorridorWalker


def test_a_front_from_elsewhere_is_not_vouched_for(run_path: Path, tmp_path: Path) -> None:
    run = Run.open(run_path)
    front = evaluate(run.load_agent(), "toys:PlainCorridor", weights=[[0.5, 0.5]], episodes=1)
    object.__setattr__(front, "env_id", "evil:Env")
    choice = choose(run, front=front, weights=[0.5, 0.5])
    assert main(["play", str(choice.save(tmp_path / "policy")), "--no-render"]) == 2
    assert choose(run, weights=[0.5, 0.5]).policy().own


def test_an_installed_extra_is_not_looked_for_in_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "not_installed.py").write_text(EVIL)
    assert main(["list", "indicators"]) == 0
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("not_installed")


@pytest.mark.parametrize("state", ["fresh", "short", "no home", "read-only", "relative"])
def test_the_key(state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state" / "morl" / "key"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    kept = state in ("fresh", "short")
    if state == "short":
        store.atomic_write(path, b"x")
    elif state != "fresh":
        monkeypatch.setenv("XDG_STATE_HOME", "state" if state == "relative" else "")
        monkeypatch.setenv("HOME", str(tmp_path / "evil.py"))  # not a folder
    if state == "no home":
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    keys = [trust._key.__wrapped__() for _ in range(2)]
    assert all(len(key) == 32 for key in keys)
    assert (keys[0] == keys[1]) == kept == path.exists()
    if kept:
        assert path.stat().st_mode & 0o777 == 0o600


def test_processes_that_begin_at_once_agree_on_one_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("morl.trust._read_key", lambda path: None)  # each finds none at first
    assert len({trust._key.__wrapped__() for _ in range(3)}) == 1


def test_a_budget_may_be_extended_by_its_owner_alone(run_path: Path, tmp_path: Path) -> None:
    config = Run.open(run_path).config
    assert isinstance(config, RunConfig) and config.settings["tables"] == SMALL["mo-q-learning"]["tables"]
    rewrite(run_path / "config.json")
    with pytest.raises(MorlError, match="toys:PlainCorridor"):
        Run.open(run_path).adopt(config)
