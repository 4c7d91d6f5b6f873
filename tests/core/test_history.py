from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_runs import CONFIG, config, train
from toys import Corridor, CorridorWalker

from morl.agent import Callback
from morl.callbacks import PeriodicEvaluation
from morl.cli.options import train_options
from morl.errors import CheckpointError
from morl.evaluation import evaluate
from morl.history import FILE, append_evaluation, cut_evaluations, read_evaluations, read_history
from morl.metrics import read_csv
from morl.runs import Run
from morl.signals import Interrupted
from morl.study import Evaluation


def evaluation(steps: int, points=((1.0, -1.0), (0.1 + 0.2, -3.0)), **values: float) -> Evaluation:
    return Evaluation(steps=steps, seconds=steps / 3, returns=np.array(points), values=values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for steps in (4, 8, 12):
        append_evaluation(tmp_path / FILE, evaluation(steps, hypervolume=steps / 7))
    return tmp_path / FILE


def test_what_was_written_is_read(path: Path) -> None:
    looks = read_evaluations(path)
    assert [look.steps for look in looks] == [4, 8, 12]
    assert looks[1].returns.tolist() == [[1.0, -1.0], [0.1 + 0.2, -3.0]]  # bit for bit
    assert looks[2].values == {"hypervolume": 12 / 7} and looks[2].seconds == pytest.approx(4.0)


def test_a_last_line_that_was_cut_off_is_left_out(path: Path) -> None:
    text = path.read_text()
    for missing in range(1, len(text.splitlines()[-1]) + 1):
        path.write_text(text[:-missing])
        assert [look.steps for look in read_evaluations(path)] == [4, 8]


def test_cut_back(path: Path) -> None:
    lines = path.read_text().splitlines()
    with open(path, "a") as file:
        file.write('{"steps": 16, "sec')
    cut_evaluations(path, 8)
    assert path.read_text().splitlines() == lines[:2]
    cut_evaluations(path, 3)
    assert path.read_text() == "" and read_evaluations(path) == []
    cut_evaluations(path.with_name("missing.jsonl"), 3)
    assert not path.with_name("missing.jsonl").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is damaged"),
        ("[]", "line 2 is damaged: expected an object with steps"),
        ('{"steps": 1.5, "seconds": 1, "returns": [[1]], "values": {}}', "steps .* got 1.5"),
        ('{"steps": 1, "seconds": 1, "returns": [[1, 2], [3]], "values": {}}', "returns"),
        ('{"steps": 1, "seconds": 1, "returns": [[NaN]], "values": {}}', "finite numbers in returns"),
        (
            '{"steps": 1, "seconds": 1, "returns": [[1]], "values": {"hypervolume": "x"}}',
            "values.hypervolume",
        ),
        ('{"steps": 1, "seconds": null, "returns": [[1]], "values": {}}', "seconds"),
    ],
)
def test_damaged_lines_are_named(path: Path, line: str, message: str) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, lines[2]]) + "\n")
    with pytest.raises(CheckpointError, match=message) as caught:
        read_evaluations(path)
    assert str(path) in str(caught.value)


def test_runs_that_kept_only_metrics(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(
        "steps,seconds,name,value\n"
        "4,0.5,loss,1.0\n4,0.5,evaluation/expected_utility,2.5\n4,0.5,evaluation/hypervolume,7.0\n"
        "8,1.0,evaluation/expected_utility,3.5\n"
    )
    first, second = read_history(tmp_path, 2)
    assert (first.steps, first.seconds, first.values) == (4, 0.5, {"expected_utility": 2.5, "hypervolume": 7})
    assert first.returns.shape == (0, 2) and second.values == {"expected_utility": 3.5}
    append_evaluation(tmp_path / FILE, evaluation(8, expected_utility=3.5))
    append_evaluation(tmp_path / FILE, evaluation(12))
    assert [(look.steps, len(look.returns)) for look in read_history(tmp_path, 2)] == [
        (4, 0),
        (8, 2),
        (12, 2),
    ]
    with pytest.raises(CheckpointError, match="expected returns of 3 objectives"):
        read_history(tmp_path, 3)
    assert read_history(tmp_path / "nothing", 2) == ()


def test_a_damaged_metrics_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("steps,seconds,name,value\n4,0.5,evaluation/hypervolume,x\n")
    with pytest.raises(CheckpointError, match=r"metrics.csv, line 2 is damaged"):
        read_history(tmp_path, 2)


def test_evaluations_keep_what_the_metrics_say(tmp_path: Path) -> None:
    looks = PeriodicEvaluation(Corridor, seconds=None, steps=8, share=1.0, path=tmp_path / FILE)
    CorridorWalker(Corridor(4)).learn(20, callbacks=[looks], progress=False)
    history = read_evaluations(tmp_path / FILE)
    assert [look.steps for look in history] == [0, 8, 16, 20] and history[0].returns.shape == (101, 2)
    assert {look.preferences for look in history} == {101}
    assert looks.front is not None
    assert history[-1].returns.tolist() == looks.front.returns.tolist()
    assert history[-1].values["commanded_utility"] == looks.front.commanded_utility()


class Crash(Callback):
    def on_iteration(self, agent, metrics):
        if agent.steps >= 24:
            raise RuntimeError("crash")


def test_a_resumed_run_has_each_evaluation_once(tmp_path: Path) -> None:
    """Cut back as the metrics are: whatever the clock decides, both files name the same evaluations."""
    run = Run.create(tmp_path / "run", config(total_steps=80))
    with pytest.raises(RuntimeError, match="crash"):
        train(run, callbacks=[Crash()], evaluation_seconds=0.0, checkpoint_seconds=3600.0)
    with open(run.path / FILE, "a") as file:
        file.write(json.dumps({"steps": 24})[:-3])
    train(Run.open(run.path), evaluation_seconds=0.0)
    steps = [look.steps for look in read_history(run.path, 2)]
    rows = {row[0] for row in read_csv(run.path / "metrics.csv") if row[2].startswith("evaluation/")}
    assert steps == [0, *sorted(rows)] and steps[-1] == 80
    assert all(len(look.returns) == 101 for look in read_history(run.path, 2))


@pytest.mark.parametrize("given_up", [False, True])
def test_by_steps_a_resumed_run_has_the_same_evaluations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_up: bool
) -> None:
    """Bit for bit, however long they took, also where a signal cut one short; and the steps belong to the run."""
    noisy = config(total_steps=80, evaluation_steps=12, env_kwargs={"slip": 0.3})
    train(Run.create(tmp_path / "whole", noisy))
    run = Run.create(tmp_path / "run", noisy)

    def interrupted(agent: Any, *words: Any, **options: Any) -> Any:
        if agent.steps == 24:
            raise Interrupted("stop", 15)
        return evaluate(agent, *words, **options)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="crash"):
        if given_up:
            patched.setattr("morl.callbacks.evaluate", interrupted)
        train(run, callbacks=[Crash()], checkpoint_seconds=0.0)
    assert len(read_history(run.path, 2)) == (2 if given_up else 3)
    assert train_options(["--resume", "--out", str(run.path)])().evaluate_every == "12steps"
    train(Run.open(run.path))
    whole, resumed = (read_history(path, 2) for path in (tmp_path / "whole", run.path))
    assert [look.steps for look in whole] == [0, 12, 24, 36, 48, 60, 72, 80]
    assert [(look.steps, look.returns.tolist(), look.values) for look in resumed] == [
        (look.steps, look.returns.tolist(), look.values) for look in whole
    ]


def test_every_run_is_looked_at_before_and_after(tmp_path: Path) -> None:
    train(Run.create(tmp_path / "run", CONFIG))
    assert [look.steps for look in read_history(tmp_path / "run", 2)] == [0, CONFIG.total_steps]
