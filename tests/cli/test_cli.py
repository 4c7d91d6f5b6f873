from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from refusals import assert_error

import morl
from morl import recipes, registry
from morl.cli.notation import keyword_arguments, whole_number
from morl.cli.options import flag_value
from morl.errors import MorlError
from morl.front import Front
from morl.runs import Run

TOY = ["--agent", "toys:CorridorWalker", "--quiet"]


# --- help -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["train", "evaluate", "compare", "list", "check-env", "demo"])
def test_help(call, command: str) -> None:
    status, out, _ = call(command, "--help")
    assert status == 0 and out.startswith(f"usage: morl {command}")
    assert command in call("--help")[1] and command in call()[1]


def test_help_shows_every_setting_of_the_agent(call) -> None:
    status, out, _ = call("train", "toys:Corridor", "--agent", "toys:CorridorWalker", "--help")
    assert status == 0
    for text in ("--agent.learning-rate", "Step size of the noise.", "(default: 0.1)", "--agent.nan-after"):
        assert text in out


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"]])
def test_help_is_quick_and_imports_no_torch(words: list[str]) -> None:
    code = (
        "import sys; from morl.cli import main\n"
        f"try: main({words})\nfinally: assert 'torch' not in sys.modules"
    )
    start = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - start < 2


def test_version(call) -> None:
    assert call("--version") == (0, f"morl {morl.__version__}\n", "")


def test_python_m_morl() -> None:
    result = subprocess.run([sys.executable, "-m", "morl", "list", "agents"], capture_output=True, text=True)
    assert result.returncode == 0 and "envelope-dqn" in result.stdout


# --- what works -------------------------------------------------------------------------------------------


def test_train_evaluate_compare(tmp_path: Path, call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in ("0", "1"):
        words = ["toys:PlainCorridor", *TOY, "--steps", "4e1", "--seed", seed, "--out", f"runs/{seed}"]
        status, out, err = call(
            "train",
            *words,
            "--agent.learning-rate",
            "0.5",
            "--agent.layers",
            "2",
            "2",
            "--agent.extras",
            "a=[1]",
        )
        assert (status, err) == (0, "") and "commanded utility" in out
    config = Run.open("runs/1").config
    assert (config.total_steps, config.seed, config.num_envs) == (40, 1, 4)
    settings = {
        "learning_rate": 0.5,
        "gamma": None,
        "layers": [2, 2],
        "extras": {"a": [1]},
        "nan_after": None,
    }
    assert config.settings == settings
    assert call("train", "--resume", "--out", "runs/1", "--quiet")[0] == 0

    status, out, _ = call(
        "evaluate", "runs/0", "--weights", "0.5,0.5", "1,0", "--episodes", "2", "--seed", "7"
    )
    assert status == 0 and "front: runs/0/front-2.json" in out
    front = Front.load("runs/0/front-2.json")
    assert front.weights is not None and front.weights.tolist() == [[0.5, 0.5], [1, 0]]
    assert (front.episodes, front.evaluation_seed, front.backend) == (2, 7, "original")
    assert call("evaluate", "runs/0/agent", "--partitions", "3", "--out", "mine.json")[0] == 0
    assert len(Front.load("mine.json")) == 4

    status, out, err = call(
        "compare", "runs/0", "runs/1", "--runs", "--out", "fronts.png", "--reference-point", "-1", "-20"
    )
    assert (status, err) == (0, "") and "written: fronts.png" in out
    # A row for the agent, and one for each of its runs.
    assert "hypervolume over the reference point (-1, -20)" in out and out.count("corridor-walker") == 3
    assert Path("fronts.png").read_bytes().startswith(b"\x89PNG")


def test_the_default_directory_names_the_run(tmp_path: Path, call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("train", "toys:PlainCorridor", *TOY, "--steps", "40", "--seed", "3")[0] == 0
    assert Run.open("runs/toys_PlainCorridor-toys_CorridorWalker-3").front().training_seed == 3


def test_environment_arguments(tmp_path: Path, call) -> None:
    words = ["--env-kwargs", "slip=1.0", "limit=7"]
    assert (
        call("train", "toys:PlainCorridor", *TOY, "--steps", "40", *words, "--out", tmp_path / "run")[0] == 0
    )
    run = Run.open(tmp_path / "run")
    assert run.config.env_kwargs == {"slip": 1.0, "limit": 7}
    lengths = run.front().episode_lengths
    assert lengths is not None and set(lengths.ravel().tolist()) == {1, 7}
    assert call("evaluate", tmp_path / "run", "--env-kwargs", "limit=3")[0] == 0
    lengths = Front.load(tmp_path / "run" / "front-2.json").episode_lengths
    assert lengths is not None and set(lengths.ravel().tolist()) == {1, 3}


def test_resume_needs_only_the_directory(run_path: Path, call) -> None:
    assert call("train", "--resume", "--out", run_path, "--quiet", "--steps", "80")[0] == 0
    assert Run.open(run_path).front().training_steps == 80
    again = ["train", "toys:PlainCorridor", *TOY, "--steps", "90", "--out", run_path]
    assert call(*again, "--resume")[0] == 0
    assert_error(call(*again, "--resume", "--seed", "9"), "began with: seed is 0, got 9")
    assert_error(call(*again), "already holds a run; resume it .--resume.")


def test_resume_begins_where_there_is_nothing_yet(tmp_path: Path, call) -> None:
    path = tmp_path / "new"
    assert call("train", "toys:PlainCorridor", *TOY, "--steps", "40", "--out", path, "--resume")[0] == 0


def test_a_run_like_another(tmp_path: Path, run_path: Path, call) -> None:
    """Same environment, agent and settings, with another seed and whatever else is said."""
    first = tmp_path / "first"
    words = ["toys:PlainCorridor", *TOY, "--steps", "40", "--num-envs", "2", "--env-kwargs", "limit=7"]
    assert call("train", *words, "--agent.learning-rate", "0.5", "--seed", "3", "--out", first)[0] == 0
    more = ["--like", first, "--seed", "4", "--steps", "20", "--quiet", "--out", tmp_path / "second"]
    assert call("train", *more)[0] == 0
    one, two = (Run.open(tmp_path / name).config for name in ("first", "second"))
    assert two == replace(one, seed=4, total_steps=20)
    other = ["--like", first, "--agent", "random", "--steps", "99", "--quiet", "--out", tmp_path / "third"]
    assert call("train", *other)[0] == 0
    third = Run.open(tmp_path / "third").config
    assert (third.agent, third.seed, third.env_kwargs) == ("random", 0, one.env_kwargs)
    assert third.num_envs == 8 != one.num_envs  # as many as its own agent and budget ask for
    # What is resumed knows everything itself.
    assert call("train", "--like", first, "--resume", "--out", run_path, "--quiet")[0] == 0


def test_a_recipe_is_trained_and_changed(tmp_path: Path, call) -> None:
    words = ["--like", "deep-sea-treasure-morld", "--steps", "4e4", "--num-envs", "88", "--quiet"]
    status, _, err = call("train", *words, "--agent.ppo.lr", "5e-4", "--out", tmp_path / "run")
    assert status == 0, err
    ours, recipe = Run.open(tmp_path / "run").config, recipes.load("deep-sea-treasure-morld").complete()
    settings = recipe.settings | {"ppo": recipe.settings["ppo"] | {"lr": 5e-4}}
    assert ours == replace(recipe, total_steps=40_000, num_envs=88, settings=settings)


def test_lists(call) -> None:
    kinds = ("envs", "agents", "recipes", "indicators")
    envs, agents, trainings, indicators = (call("list", what)[1] for what in kinds)
    assert all(name in trainings for name in recipes.names())
    assert all(env_id in envs for env_id in registry.cards())
    assert all(name in agents for name in registry.agent_names())
    assert "hypervolume" in indicators and "lower" in indicators


def test_a_whole_card(call) -> None:
    status, out, _ = call("list", "envs", "minecart-v0", "hypergrid-3d-v0")
    assert status == 0
    for text in (
        "fuel",
        "amount",
        "minus a cost",
        "c-morl (default)",
        "-1, -1, -200",
        "Liu et al.",
        "best known",
    ):
        assert text in out, text
    assert "action space: Discrete(6)" in out and "closed form" in out
    assert_error(
        call("list", "envs", "minecart-v1"), "expected an environment with a card, got 'minecart-v1'"
    )
    assert_error(call("list", "agents", "random"), "expected ids after `morl list envs`, got 'random'")


def test_check_env(call) -> None:
    status, out, err = call("check-env", "toys:PlainCorridor", "--env-kwargs", "limit=5")
    assert (status, err) == (0, "") and "morl can run it" in out
    assert "toys:PlainCorridor --agent NAME --steps N --env-kwargs limit=5" in out
    status, out, err = call("check-env", "toys:NanCorridor")
    assert status == 2 and "problem" in out and "nan" in out
    assert_error((status, out, err), "toys:NanCorridor cannot be run yet: 1 problem")


def test_the_current_folder_is_searched(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from toys import PlainCorridor as Mine\n")
    command = [sys.executable, "-m", "morl.cli", "x"]
    command = [
        sys.executable,
        "-c",
        "import sys; from morl.cli import main; sys.exit(main())",
        "check-env",
        "mine:Mine",
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_warnings_are_one_line(tmp_path: Path, call) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        words = ("--agent", "conditioned-ppo", "--steps", "40", "--quiet", "--out", tmp_path / "run")
        status, _, err = call("train", "toys:Corridor", *words)
    assert status == 0
    assert err.startswith("warning: 40 steps are ") and "conditioned-ppo" in err
    assert all(line.startswith("warning: ") for line in err.splitlines())


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_interrupt_and_resume(tmp_path: Path, call) -> None:
    path = tmp_path / "run"
    command = [sys.executable, "-m", "morl", "train", "toys:PlainCorridor", *TOY[:2], "--steps", "1e9"]
    process = subprocess.Popen([*command, "--out", path], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (path / "agent").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert f"go on with: morl train --resume --out {path}" in err
    steps = Run.open(path).load_agent().steps
    assert steps > 0
    assert call("train", "--resume", "--out", path, "--quiet", "--steps", str(steps + 40))[0] == 0


# --- parts ------------------------------------------------------------------------------------------------


def test_numbers_words_and_pairs() -> None:
    assert [whole_number(text) for text in ("12", "2e6", "1_000", "-3")] == [12, 2_000_000, 1000, -3]
    for text in ("1.5", "x", "", "inf", "nan"):
        with pytest.raises((ValueError, OverflowError)):
            whole_number(text)
    assert flag_value(["a", "--agent", "x", "--agent=y"], "--agent") == "y"
    assert flag_value(["--agent"], "--agent") is None and flag_value(["--agents", "x"], "--agent") is None
    assert keyword_arguments(["a=3", "b=text", "c=[1, 2]", "d=x=y"]) == {
        "a": 3,
        "b": "text",
        "c": [1, 2],
        "d": "x=y",
    }
    with pytest.raises(MorlError):
        keyword_arguments(["1a=3"])
