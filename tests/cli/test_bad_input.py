"""Whatever is wrong with the input: one line that says what was expected, exit status 2, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from refusals import assert_error

from morl.front import Front

TOY = ["--agent", "toys:CorridorWalker", "--quiet"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (["0.5,0.6"], "weights sum to 1.1, expected 1"),
        (["-0.5,1.5"], "negative entry -0.5"),
        (["nan,1"], "entry nan"),
        (["0.2,0.3,0.5"], "expected weights for 2 objectives"),
        (["1"], "expected weights for 2 objectives"),
        (["a,b"], "as numbers with commas"),
        (["0.5,0.5", "1"], "expected weights for 2 objectives"),
    ],
)
def test_bad_weights(run_path: Path, call, weights: list[str], message: str) -> None:
    before = (run_path / "front.json").read_bytes()
    assert_error(call("evaluate", run_path, "--weights", *weights), message)
    assert (run_path / "front.json").read_bytes() == before and not (run_path / "front-2.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["deep-see-treasure-v0", *TOY, "--steps", "40"], "unknown id.*Did you mean 'deep-sea-treasure-v0'"),
        (["toys:PlainCorridor", "--agent", "envelope-dqm", "--steps", "40"], "Did you mean 'envelope-dqn'"),
        (["toys:PlainCoridor", *TOY, "--steps", "40"], "Did you mean 'PlainCorridor'"),
        (["nowhere:Env", *TOY, "--steps", "40"], "found no 'nowhere'"),
        (["toys:PlainCorridor", *TOY, "--steps", "0"], "the budget .*at least 1, got 0"),
        (["toys:PlainCorridor", *TOY, "--steps", "-10"], "at least 1, got -10"),
        (["toys:PlainCorridor", *TOY, "--steps", "3"], "a budget of at least 4 steps"),
        (["toys:PlainCorridor", *TOY, "--steps", "40", "--num-envs", "0"], "the number of environments"),
        (["toys:PlainCorridor", *TOY, "--steps", "40", "--device", "cuda:99"], "use cpu"),
        (["toys:PlainCorridor", *TOY, "--steps", "40", "--backend", "batched"], "batched"),
        (["toys:PlainCorridor", *TOY, "--steps", "40", "--env-kwargs", "speed=3"], "speed"),
        (["toys:PlainCorridor", *TOY, "--steps", "40", "--agent.gamma", "1.5"], "discount .*got 1.5"),
        (
            ["toys:PlainCorridor", *TOY, "--steps", "40", "--agent.learning-rate", "-1"],
            "learning_rate > 0, got -1",
        ),
        (["toys:ScalarCorridor", *TOY, "--steps", "40"], "expected a reward vector .* got the scalar"),
        (["toys:WrongShapeCorridor", *TOY, "--steps", "40"], r"shape \(2,\).* got shape \(3,\)"),
        (["toys:NanCorridor", *TOY, "--steps", "400"], "expected finite rewards"),
        (["toys:DictActionCorridor", *TOY, "--steps", "40"], "expected an action space of choices"),
        (["toys:ContinuousCorridor", "--agent", "envelope-dqn", "--steps", "400"], "needs Discrete actions"),
        (["toys:PlainCorridor", *TOY, "--steps", "400", "--agent.nan-after", "8"], "loss = nan after"),
        (["toys:PlainCorridor"], "expected --agent, --steps; for example: morl train"),
        (["--like", "mo-hoper-morld"], "a recipe or a run directory .*Did you mean 'mo-hopper-morld'"),
        (["--like", "deep-sea-treasure-morld", "--num-envs", "100"], "take num_envs=99"),
        ([], "expected ENV, --agent, --steps"),
    ],
)
def test_bad_trainings(tmp_path: Path, call, words: list[str], message: str) -> None:
    out = tmp_path / "new" / "run"
    assert_error(call("train", *words, "--out", out), message)
    begun = "nan" in message  # what is wrong with an environment shows before anything is learned
    assert (out / "metrics.csv").exists() if begun else not out.parent.exists()


def test_what_was_there_before_a_mistake_stays(tmp_path: Path, call) -> None:
    wrong = ["train", "toys:ScalarCorridor", *TOY, "--steps", "40", "--out", tmp_path / "run"]
    (tmp_path / "run").mkdir()
    assert_error(call(*wrong), "expected a reward vector")
    assert not [*(tmp_path / "run").iterdir()]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "toys:Corridor", *TOY, "--steps", "1.5"], "expected a whole number, got 1.5"),
        (["train", "toys:Corridor", *TOY, "--steps", "many"], "many"),
        (["train", "toys:Corridor", *TOY, "--steps", "40", "--env-kwargs", "speed"], "expected NAME=VALUE"),
        (["train", "toys:Corridor", *TOY, "--stepz", "4"], "--steps"),
        (["train", "toys:Corridor", *TOY, "--agent.learning-rat", "4"], "--agent.learning-rate"),
        (["trian"], "train"),
        (["list", "everything"], "envs"),
    ],
)
def test_bad_flags(call, words: list[str], message: str) -> None:
    status, _, err = call(*words)
    assert status == 2 and message in err and "Traceback" not in err


def test_what_is_no_run(tmp_path: Path, call) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path.parent / "notes").write_text("mine")
    for command in ("evaluate", "compare"):
        assert_error(call(command, tmp_path / "missing"), "expected a|there is no front")
        assert_error(call(command, tmp_path), "expected a")
    words = ["train", "toys:PlainCorridor", *TOY, "--steps", "40", "--out", tmp_path]
    assert_error(call(*words), "holds other files")
    assert_error(call(*words, "--resume"), "expected a run to resume")
    assert_error(call("compare", tmp_path / "notes.txt"), "expected at least one point")
    assert_error(call("compare", tmp_path.parent / "notes"), "not JSON")
    assert_error(call("compare"), "got none")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_two_processes_on_one_run(run_path: Path, call) -> None:
    code = (
        "import sys; from morl.locking import lock_folder\n"
        "with lock_folder(sys.argv[1]): print('ready', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(run_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        result = call("train", "--resume", "--out", run_path, "--quiet", "--steps", "80")
        assert_error(result, f"another process is writing it.*process {other.pid}")
        other.communicate("\n")


def test_a_damaged_checkpoint(run_path: Path, call) -> None:
    (tensors,) = (run_path / "checkpoint").glob("*.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-1])
    result = call("train", "--resume", "--out", run_path, "--quiet", "--steps", "80")
    assert_error(result, "is damaged.*morl train --like")
    (agent,) = (run_path / "agent").glob("*.safetensors")
    agent.write_bytes(b"")
    assert_error(call("evaluate", run_path), "is damaged")


def test_fronts_that_do_not_compare(tmp_path: Path, call) -> None:
    def write(name: str, **changes) -> Path:
        values = {"env_id": "toy", "gamma": 0.9, "objectives": ["a", "b"], "role": "report"} | changes
        return Front.from_points(np.eye(2), **values).save(tmp_path / name)

    one = write("one.json")
    for other, message in (
        (
            write("gamma.json", gamma=0.5),
            "same discount in toy: one has 0.9, gamma has 0.5; .*--split-discounts",
        ),
        (write("objectives.json", objectives=["a", "c"]), "same objectives"),
        (one, "got one twice"),
    ):
        assert_error(call("compare", one, other), message)
    assert_error(call("compare", one, "--out", tmp_path / "picture.gif"), "ending in .csv, .*png")
    assert_error(call("compare", one, "--reference-point", "1"), "reference point")


def test_an_agent_that_does_not_fit(run_path: Path, call) -> None:
    assert_error(
        call("evaluate", run_path, "--env", "minecart-v0"), "expected an environment with 2 objectives"
    )
    assert_error(call("evaluate", run_path, "--env", "toys:ContinuousCorridor"), "with the action space")
    assert_error(call("evaluate", run_path, "--episodes", "0"), "episodes")
    assert_error(call("evaluate", run_path, "--partitions", "0"), "partitions")
    assert_error(call("evaluate", run_path, "--partitions", "3", "--weights", "1,0"), "got both")
    assert_error(call("evaluate", run_path, "--gamma", "0"), "discount")
