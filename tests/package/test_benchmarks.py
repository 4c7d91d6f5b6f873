"""The benchmarks run, judge and report correctly. How fast anything is, no test asks."""

from __future__ import annotations

import importlib
import os
import re
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import morl
from morl import registry

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def script(name: str, *words: str) -> tuple[Any, str, str]:
        """Exit status, output and error output of a script, run in this process."""
        monkeypatch.setattr(sys, "argv", [name, *words])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(BENCHMARKS / name), run_name="__main__")
        return end.value.code, *capsys.readouterr()

    return script


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["quality.py", "--help"], "--baselines"),
        (["quality.py", "--list"], "deep-sea-treasure/envelope-dqn"),
        (["speed.py", "--help"], "--peer-python"),
        (["speed.py", "--list"], "training"),
        (["gpu.py", "--help"], "--sizes"),
        (["members.py", "--list"], "deep-sea-treasure-concave-pareto-q-learning"),
        (["decomposition.py", "--list"], "minecart-deterministic-evolution"),
        (["against_morld.py", "--help"], "--peer-python"),
        (["population.py", "--help"], "--draw"),
        (["comparing.py", "--help"], "--repeats"),
        (["elicitation.py", "--help"], "--users"),
        (["threads.py", "--help"], "--quick"),
        (["checkouts.py", "--help"], "OLD"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_scripts_say_what_they_do(script, arguments: list[str], shown: str) -> None:
    status, out, err = script(*arguments)
    assert (status, err) == (0, "") and shown in out


def test_without_a_gpu_there_is_one_line() -> None:
    # In a Python of its own without a GPU, so that the same is shown on every machine.
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(BENCHMARKS / "gpu.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1 and "no CUDA device" in done.stdout


@pytest.mark.parametrize("name", ["quality.py", "speed.py"])
def test_a_trial_cannot_be_written_as_a_result(script, name: str) -> None:
    status, _, err = script(name, "--steps", "10", "--write")
    assert status == 2 and "trials" in err


def test_cases_use_the_defaults_and_known_protocols(load) -> None:
    quality = load("quality")
    for case in quality.CASES:
        card = registry.get_card(case.problem.env)
        assert card is not None
        assert case.settings == {}
        # The agent's own default discount, so that a case need not set it.
        assert card.protocol(case.problem.protocol) == card.protocol()
        assert {bar.measure for bar in case.bars} <= quality.MEASURES.keys()
    names = [case.name for case in (*quality.CASES, *quality.baselines(quality.CASES))]
    assert len(set(names)) == len(names), "two cases would write the same file"


@pytest.mark.parametrize("lost", [0, 3])
def test_measures_of_the_exact_front_and_of_one_that_lost_points(load, tmp_path: Path, lost: int) -> None:
    quality = load("quality")
    problem = quality.SEA
    card = registry.get_card(problem.env)
    assert card is not None
    exact = card.linear_front(0.99)
    weights = morl.weights.lattice(2, partitions=problem.partitions)
    kept = exact[: len(exact) - lost]
    best = kept[(weights @ kept.T).argmax(axis=1)]
    front = morl.Front.from_points(
        best, env_id=problem.env, gamma=0.99, objectives=["treasure", "time"], role="report", weights=weights
    )
    measures = quality.measures_of(front.save(tmp_path / "front.json"), problem)
    assert measures["points"] == len(exact) - lost
    if lost:
        assert measures["commanded"] < 100 and measures["loss"] > 0
    else:
        np.testing.assert_allclose(measures["commanded"], 100)
        np.testing.assert_allclose(measures["loss"], 0, atol=1e-12)
        assert all(
            bar.verdict(measures[bar.measure]) == "PASS"
            for bar in quality.CASES[0].bars
            if bar.measure in measures
        )


def test_a_failed_seed_makes_its_case_fall_short(load) -> None:
    quality = load("quality")
    case = replace(quality.CASES[1], bars=(quality.Bar("commanded", 98),))
    good = {"seed": 0, "measures": {"commanded": 99.0}}
    verdicts = []
    for seeds in ([good], [good, {"seed": 1, "failed": True}]):
        last = quality.bars_table([(case, {"seeds": seeds})]).splitlines()[-1]
        verdicts.append(last.split("|")[-2].strip())
    assert verdicts == ["PASS", "FALL SHORT"]


def test_times_between_looks_count_against_us(load) -> None:
    training = load("training")
    points = [{"seconds": s, "commanded_utility": u} for s, u in ((10.0, 0.1), (20.0, 0.5), (30.0, 0.9))]
    assert training.reached(points, 0.5) == 20.0
    assert training.not_before(points, 0.5) == 10.0
    assert training.reached(points, 1.0) == float("inf")
    assert training.not_before(points, 1.0) == 30.0


def test_a_block_of_the_readme_is_replaced_and_the_rest_kept(load, tmp_path: Path) -> None:
    common = load("common")
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- begin a -->\nold\n<!-- end a -->\nafter\n", encoding="utf-8")
    for new in ("new", "newer"):
        common.write_block("a", new, readme)
        expected = f"before\n<!-- begin a -->\n{new}\n<!-- end a -->\nafter\n"
        assert readme.read_text(encoding="utf-8") == expected
    with pytest.raises(common.BenchmarkError, match="begin b"):
        common.write_block("b", "new", readme)


def test_the_readme_has_a_place_for_everything_that_is_written(load) -> None:
    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    names = {
        "quality-bars",
        "quality-agents",
        "defaults",
        "elicitation",
        "decomposition",
        "against-morld",
        "population",
        "comparing",
        "threads",
        "gpu",
        *(f"speed-{name}" for name in load("speed").SECTIONS),
    }
    for mark in ("begin", "end"):
        found = re.findall(rf"<!-- {mark} (\S+) -->", text)
        assert (set(found), len(found)) == (names, len(names))


def test_agreement_of_two_devices_sees_a_difference(load, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = load("gpu")
    env_id = "minecart-deterministic-v0"
    assert gpu.agreement(env_id, "cpu", num_envs=8, steps=20) == (0.0, 0.0)
    make = morl.make_vec
    made = []

    def altered(*args, **kwargs):
        env = make(*args, **kwargs)
        made.append(env)
        if len(made) == 2:  # the other device's
            step = env.transition
            env.transition = lambda *a: (s := step(*a))._replace(reward=s.reward + 0.5)
        return env

    monkeypatch.setattr(morl, "make_vec", altered)
    found = gpu.agreement(env_id, "cpu", num_envs=8, steps=20)
    assert found.difference >= 0.5 and not found.holds
