"""`morl choose` and `morl elicit`: what they print, write and refuse; and the policy as `morl play` takes it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from refusals import assert_error

import morl
from morl.cli.choose import thresholds
from morl.errors import MorlError
from morl.front import Front


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    """Makes lines the standard input."""

    def lines(*replies: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{reply}\n" for reply in replies)))

    return lines


@pytest.fixture
def sea_file(tmp_path: Path) -> Path:
    """The exact front of deep-sea-treasure, as a file."""
    card = morl.registry.get_card("deep-sea-treasure-v0")
    assert card is not None and card.front is not None
    front = Front.from_points(
        card.front(1.0), env_id=card.id, gamma=1.0, objectives=[o.name for o in card.objectives]
    )
    return front.save(tmp_path / "sea.json")


def rows(out: str, kind: str) -> list[str]:
    return [line.strip() for line in out.splitlines() if line.strip().startswith(kind + " ")]


# --- choose -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "flag"), [("choose", "--at-least"), ("elicit", "--questions")])
def test_help(call, command: str, flag: str) -> None:
    status, out, _ = call(command, "--help")
    assert status == 0 and out.startswith(f"usage: morl {command}") and flag in out and "--out" in out
    assert command in call("--help")[1]


def test_the_table_of_a_front(sea_file: Path, call) -> None:
    status, out, err = call("choose", sea_file, "--weights", "0.5", "0.5", "--at-least", "time=-9")
    assert (status, err) == (0, "")
    assert "deep-sea-treasure-v0: 1 of 10 points, returns without discount" in out
    assert "treasure, value" in out and "time, steps" in out
    (chosen,) = rows(out, "chosen")
    # 16.1 - 9 is as much; the tie goes to the larger sum in units of the ranges.
    assert re.fullmatch(r"chosen +15\.1 +-8 +3\.55", chosen)
    assert len(rows(out, "neighbour")) == 4
    assert rows(out, "excluded")[0].endswith("time 4"), "13 steps are 4 too many"
    assert "among the points with time of at least -9" in out and "6 of 10 points meet the threshold" in out
    assert "policy" not in out


def test_a_policy_is_written_and_played(run_path: Path, call, tmp_path: Path) -> None:
    words = ("--at-least", "objective_2=-5", "--at-least", "objective-1=1", "--weights", "1,0")
    status, out, err = call("choose", run_path, *words, "--out", tmp_path / "policy")
    assert (status, err) == (0, "") and f"policy: {tmp_path / 'policy'}" in out
    assert "objective_2 of at least -5 and objective_1 of at least 1" in out
    # Discounted by 0.99, five steps cost 4.90; a sixth would be too many.
    policy = morl.load_policy(tmp_path / "policy")
    assert policy.metadata["returns"] == pytest.approx([4 * 0.99**4, -sum(0.99**t for t in range(5))])
    assert policy.act(np.array([3.0], np.float32)) == 1 and policy.act(np.array([4.0], np.float32)) == 0
    status, out, err = call("play", tmp_path / "policy", "--no-render")
    assert (status, err) == (0, "") and "toys:PlainCorridor: 1 episode of 5 steps" in out
    assert re.search(r"objective_1 +0\.5 +4\.0000", out)
    status, out, err = call("evaluate", tmp_path / "policy", "--episodes", "3", "--seed", "2")
    assert (status, err) == (0, "")
    front = Front.load(tmp_path / "policy" / "front.json")
    assert front.weights.tolist() == [policy.preference.tolist()] and front.episodes == 3
    for command, flag in (("play", "--weights"), ("evaluate", "--weights")):
        assert_error(
            call(command, tmp_path / "policy", flag, "1,0"), f"expected no {flag}: what .* does is fixed"
        )
    assert_error(call("evaluate", tmp_path / "policy", "--partitions", "3"), "expected no --partitions")


def test_without_out_nothing_is_written(run_path: Path, call) -> None:
    before = sorted(run_path.rglob("*"))
    status, out, err = call("choose", run_path, "--weights", "0.5", "0.5")
    assert (status, err) == (0, "") and "nothing is written: --out DIR writes the chosen policy" in out
    assert sorted(run_path.rglob("*")) == before


def test_a_front_with_more_episodes(run_path: Path, call, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    slips = ("--env-kwargs", "slip=0.3", "--episodes", "6")
    assert call("evaluate", run_path, "--partitions", "8", *slips, "--out", other)[0] == 0
    words = ("--at-least", "objective_2=-6", "--undiscounted", "--front", other, "--out", tmp_path / "policy")
    status, out, err = call("choose", run_path, *words)
    assert (status, err) == (0, "")
    assert "1 of 9 points, undiscounted returns, 6 episodes each" in out and " ± " in out
    assert "a little optimistic" in out
    assert morl.load_policy(tmp_path / "policy").metadata["provenance"]["episodes"] == 6


def test_a_utility_function_of_the_users_own(
    sea_file: Path, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_taste.py").write_text(
        "def quick(returns, weights):\n    return -abs(returns[..., 1] + 8)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    status, out, err = call("choose", sea_file, "--utility", "my_taste:quick")
    assert (status, err) == (0, "") and "largest utility my_taste:quick with weights 0.5 0.5" in out
    assert re.match(r"chosen +15\.1 +-8 +(-0|0)\b", rows(out, "chosen")[0])


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        ([], ["something to choose by, got nothing", "--weights", "--at-least", "--utility"]),
        (["--weights", "0.5", "0.6"], ["weights sum to 1.1, expected 1"]),
        (["--weights", "a", "b"], ["as numbers, such as 0.5 0.5; got a b"]),
        (["--at-least", "fuel"], ["OBJECTIVE=VALUE, such as fuel=-5; got fuel"]),
        (["--at-least", "time=soon"], ["OBJECTIVE=VALUE"]),
        (["--at-least", "tme=-3"], ["got 'tme'", "Did you mean 'time'"]),
        (["--at-least", "time=-3", "--at-least", "time=-4"], ["one threshold for each objective"]),
        (
            ["--at-least", "time=-3", "--at-least", "treasure=20"],
            ["no point of the front has", r"treasure 14 \(6 too little\), time -7 \(4 too little\)"],
        ),
        (["--utility", "nowhere:f"], ["found no .nowhere"]),
        (["--weights", "1,0", "--out", "policy"], ["a front alone has points only"]),
        (
            ["--weights", "1,0", "--undiscounted", "--front", "missing.json"],
            ["there is no front at missing.json"],
        ),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_cannot_be_chosen(sea_file: Path, call, words: list[str], messages: list[str]) -> None:
    assert_error(call("choose", sea_file, *words), *messages)


def test_what_is_no_run(tmp_path: Path, call) -> None:
    for command in ("choose", "elicit"):
        assert_error(call(command, tmp_path), "expected a run directory")
        assert_error(call(command, tmp_path / "missing.json"), "there is no front")


def test_thresholds_are_read_from_the_last_equals_sign() -> None:
    assert thresholds(("ore 1=0.5", "a=b=-2e1")) == {"ore 1": 0.5, "a=b": -20.0}
    with pytest.raises(MorlError, match="two for 'a'"):
        thresholds(("a=1", "a=2"))


# --- elicit -----------------------------------------------------------------------------------------------


def test_a_dialogue(run_path: Path, call, typed, tmp_path: Path) -> None:
    typed("1", "what", "=", "s", "=", "q")
    status, out, err = call("elicit", run_path, "--out", tmp_path / "policy")
    assert (status, err) == (0, "")
    assert "returns discounted by 0.99; --undiscounted goes by what episodes earn in all" in out
    assert "Question 1 of at most 10" in out and "Question 4 of at most 10" in out
    assert out.count("Question 3 of") == 2, "skipped questions do not count"
    assert out.count("Please answer 1, 2, =, s or q.") == 1
    assert re.search(r"objective_1 +\d.* +[12] by \d", out), "the difference, and whose it is"
    assert "Ended after 3 answers." in out and "importance" in out and "90 % between" in out
    # What it prints chooses the same.
    command = re.search(r"the same without questions: morl (choose .*)", out)
    assert command is not None
    status, again, _ = call(*command[1].split(), "--out", tmp_path / "same")
    assert status == 0 and rows(again, "chosen")[0] == rows(out, "chosen")[0]
    policies = [morl.load_policy(tmp_path / name) for name in ("policy", "same")]
    assert policies[0].preference.tolist() == policies[1].preference.tolist()
    assert call("play", tmp_path / "policy", "--no-render")[0] == 0


def test_answers_lead_to_what_is_wanted(sea_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who wants treasure, reading the questions as they are printed."""

    class Reader(io.StringIO):
        def readline(self, *_: object) -> str:
            line = [line for line in sys.stdout.getvalue().splitlines() if "treasure" in line][-1]
            found = re.search(r"([12]) by", line)
            return f"{found[1]}\n" if found else "=\n"

    monkeypatch.setattr(sys, "stdin", Reader())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert morl.cli.main(["elicit", str(sea_file), "--questions", "8"]) == 0
    out = sys.stdout.getvalue()
    assert re.search(r"Question \d of at most 8; the choice so far loses at most \d+ % of the range", out)
    assert re.match(r"chosen +(23\.7|22\.4) ", rows(out, "chosen")[0])
    assert re.search(r"treasure +value +0\.7 to 23\.7 +0\.[89]", out)


def test_without_answers(run_path: Path, call, typed, tmp_path: Path) -> None:
    for replies in (("q",), ()):  # the end of the input ends the questions
        typed(*replies)
        status, out, err = call("elicit", run_path)
        assert (status, err) == (0, "") and "Ended after 0 answers." in out
        assert "every objective's range counts the same" in out and len(rows(out, "chosen")) == 1
    typed("q")
    assert_error(call("elicit", run_path, "--out", tmp_path / "policy"), "at least one answer")
    assert not (tmp_path / "policy").exists()


def test_all_questions_answered_or_settled(sea_file: Path, call, typed) -> None:
    typed("1", "1")
    status, out, _ = call("elicit", sea_file, "--questions", "2")
    assert status == 0 and "Ended after 2 answers." in out and "Question 3" not in out
    typed(*"s" * 99)
    status, out, _ = call("elicit", sea_file)
    assert status == 0 and out.count("Question 1 of") == 45 and "Nothing to ask" in out


def test_a_front_of_one_point(call, typed, tmp_path: Path) -> None:
    front = Front.from_points([[1.0, 2.0]], env_id="toy", gamma=1.0, objectives=["a", "b"])
    typed()
    status, out, err = call("elicit", front.save(tmp_path / "one.json"))
    assert (status, err) == (0, "") and "Nothing to ask: the front has a single point." in out
    assert len(rows(out, "chosen")) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--questions", "0"], "at least one question"),
        (["--lapse", "0.7"], "lapse in"),
        (["--seed", "-1"], "seed"),
        (["--out", "policy"], "is a front, which has points but no policies"),
    ],
)
def test_what_cannot_be_asked(sea_file: Path, call, typed, words: list[str], message: str) -> None:
    typed("1")
    assert_error(call("elicit", sea_file, *words), message)


def test_a_place_that_is_taken_is_noticed_before_the_questions(run_path: Path, call, typed) -> None:
    typed("1")
    status, out, err = call("elicit", run_path, "--out", run_path)
    assert status == 2 and "holds something else" in err and "Question" not in out


def test_piped_from_a_shell(sea_file: Path) -> None:
    start = "import sys; from morl.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "elicit", str(sea_file), "--questions", "3"]
    done = subprocess.run(command, input="1\n2\n", capture_output=True, text=True, env={**os.environ})
    assert (done.returncode, done.stderr) == (0, "")
    assert "Ended after 2 answers." in done.stdout and "s (skip), q (end): 1\n" in done.stdout
    assert "torch" not in done.stdout
