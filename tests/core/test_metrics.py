from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toys import Corridor, CorridorWalker

from morl.agent import Callback
from morl.callbacks import CsvMetrics, FiniteCheck, TensorBoardMetrics
from morl.errors import NonFiniteError
from morl.metrics import MetricsLogger, cut_csv, read_csv, read_metrics


@pytest.fixture
def agent() -> CorridorWalker:
    return CorridorWalker(Corridor(4))


class Collected(MetricsLogger):
    """Keeps what it is given."""

    def __init__(self, **options: float) -> None:
        super().__init__(**options)
        self.entries: list[tuple[int, dict[str, float]]] = []

    def write(self, steps: int, seconds: float, values: dict[str, float]) -> None:
        self.entries.append((steps, values))


def test_tensors_and_numbers_become_floats() -> None:
    metrics = {"a": torch.tensor(1.5), "b": 2, "c": torch.tensor(3), "d": torch.tensor(True), "e": 0.1}
    assert read_metrics(metrics) == {"a": 1.5, "b": 2.0, "c": 3.0, "d": 1.0, "e": 0.1}
    assert list(read_metrics(metrics)) == list(metrics)


def test_rare_writes_and_the_last(agent: CorridorWalker) -> None:
    often, rarely = Collected(seconds=0.0), Collected(seconds=3600.0)
    agent.learn(20, callbacks=[often, rarely], progress=False)
    assert [steps for steps, _ in often.entries] == [4, 8, 12, 16, 20]
    assert [steps for steps, _ in rarely.entries] == [20]
    assert rarely.entries[0][1]["loss"] == often.entries[-1][1]["loss"]
    assert rarely.entries[0][1]["time/steps_per_second"] == pytest.approx(20 / agent.seconds)


def test_evaluations_are_always_written(agent: CorridorWalker) -> None:
    class Evaluating(Callback):
        def on_iteration(self, agent, metrics):
            if agent.steps == 8:
                metrics["evaluation/hypervolume"] = 1.0

    rarely = Collected(seconds=3600.0)
    agent.learn(20, callbacks=[Evaluating(), rarely], progress=False)
    assert [steps for steps, _ in rarely.entries] == [8, 20]


def test_what_comes_up_once_is_not_lost(agent: CorridorWalker) -> None:
    class Selecting(Callback):
        def on_iteration(self, agent, metrics):
            if agent.steps in (4, 8):
                metrics["archive"] = float(agent.steps)

    rarely = Collected(seconds=3600.0)
    agent.learn(20, callbacks=[Selecting(), rarely], progress=False)
    ((steps, values),) = rarely.entries
    assert steps == 20 and values["archive"] == 8 and "loss" in values


def test_csv_is_long_appended_and_exact(agent: CorridorWalker, tmp_path: Path) -> None:
    path, collected = tmp_path / "deep" / "metrics.csv", Collected(seconds=0.0)
    agent.learn(12, callbacks=[CsvMetrics(path, seconds=0.0), collected], progress=False)
    agent.learn(20, callbacks=[CsvMetrics(path, seconds=0.0), collected], progress=False)
    assert path.read_text().startswith("steps,seconds,name,value\n4,")
    rows = read_csv(path)
    expected = [(steps, name, value) for steps, values in collected.entries for name, value in values.items()]
    ours = [(steps, name, value) for steps, _, name, value in rows]
    timeless = [[row for row in table if row[1] != "time/steps_per_second"] for table in (ours, expected)]
    assert timeless[0] == timeless[1]
    assert all(a[1] <= b[1] for a, b in pairwise(rows))


def test_csv_is_cut_back(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text('steps,seconds,name,value\n4,0.100,loss,0.1\n8,0.200,"a,b",nan\n8,0.200,loss,2.0\n12,0.3')
    cut_csv(path, 8)
    assert (
        path.read_text()
        == 'steps,seconds,name,value\n4,0.100,loss,0.1\n8,0.200,"a,b",nan\n8,0.200,loss,2.0\n'
    )
    cut_csv(path, 7)
    assert read_csv(path) == [(4, 0.1, "loss", 0.1)]
    cut_csv(path, 0)
    assert path.read_text() == "steps,seconds,name,value\n"
    cut_csv(tmp_path / "missing.csv", 0)
    assert not (tmp_path / "missing.csv").exists()


def events(path: Path) -> EventAccumulator:
    return EventAccumulator(str(path), purge_orphaned_data=True).Reload()


def test_tensorboard_shows_steps_and_training_time(agent: CorridorWalker, tmp_path: Path) -> None:
    agent.learn(20, callbacks=[TensorBoardMetrics(tmp_path, started=1e9, seconds=0.0)], progress=False)
    found = events(tmp_path)
    assert {"loss", "return/0", "time/seconds", "time/steps_per_second"} <= set(found.Tags()["scalars"])
    assert [event.step for event in found.Scalars("loss")] == [4, 8, 12, 16, 20]
    for value, event in zip(found.Scalars("time/seconds"), found.Scalars("loss"), strict=True):
        assert event.wall_time - 1e9 == pytest.approx(value.value, abs=1e-5)
    assert found.Scalars("time/seconds")[-1].value == pytest.approx(agent.seconds)


def test_tensorboard_hides_what_came_after_the_checkpoint(agent: CorridorWalker, tmp_path: Path) -> None:
    agent.learn(20, callbacks=[TensorBoardMetrics(tmp_path, seconds=0.0)], progress=False)
    agent.steps = 8
    agent.learn(12, callbacks=[TensorBoardMetrics(tmp_path, seconds=0.0)], progress=False)
    assert [event.step for event in events(tmp_path).Scalars("loss")] == [4, 8, 12]


@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_a_metric_that_is_not_finite_stops_training(tmp_path: Path, seconds: float) -> None:
    agent = CorridorWalker(Corridor(4), nan_after=12)
    collected = Collected(seconds=0.0)
    with pytest.raises(NonFiniteError, match="loss = nan after"):
        agent.learn(40, callbacks=[FiniteCheck(seconds=seconds), collected], progress=False)
    assert agent.steps == (16 if seconds == 0 else 40)
    assert not math.isnan(collected.entries[0][1]["loss"])
