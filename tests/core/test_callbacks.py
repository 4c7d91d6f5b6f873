from __future__ import annotations

import io
import time

import numpy as np
import pytest
from rich.console import Console
from toys import Corridor, CorridorWalker, PlainCorridor

from morl.agent import Callback
from morl.callbacks import Cadence, Checkpointer, PeriodicEvaluation, ProgressBar
from morl.errors import NonFiniteError


@pytest.fixture
def agent() -> CorridorWalker:
    return CorridorWalker(Corridor(4))


class Seen(Callback):
    """Keeps the names of all metrics by step."""

    def __init__(self) -> None:
        self.metrics: dict[int, dict[str, object]] = {}

    def on_iteration(self, agent, metrics):
        self.metrics[agent.steps] = dict(metrics)


class Clock:
    """A clock that tests set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_cadence_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, cadence = Clock(monkeypatch), Cadence(seconds=10.0, share=0.1)
    cadence.start(0)
    assert not cadence.due(10**9)
    clock.now += 10
    assert cadence.due(0)
    with cadence.occasion(0):
        clock.now += 2  # a tenth of the time: 18 s of training beside these 2
    clock.now += 17.9
    assert not cadence.due(0)
    clock.now += 0.2
    assert cadence.due(0)


def test_cadence_by_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, cadence = Clock(monkeypatch), Cadence(steps=100, share=1.0)
    cadence.start(30)
    assert [cadence.due(steps) for steps in (99, 100, 101)] == [False, True, True]
    with cadence.occasion(105):
        clock.now += 5
    assert [cadence.due(steps) for steps in (199, 200)] == [False, True]


@pytest.mark.parametrize("env", [Corridor, PlainCorridor])
def test_periodic_evaluation(agent: CorridorWalker, env) -> None:
    weights = np.array([[0.5, 0.5], [1.0, 0.0]])
    evaluation = PeriodicEvaluation(env, seconds=None, steps=8, share=1.0, weights=weights)
    seen = Seen()
    agent.learn(20, callbacks=[evaluation, seen], progress=False)
    assert ["evaluation/commanded_utility" in metrics for metrics in seen.metrics.values()] == [
        steps in (8, 16, 20)
        for steps in seen.metrics  # every 8, and what came out
    ]
    front = evaluation.front
    assert front is not None and front.role == "selection" and front.episodes == 2
    assert seen.metrics[20]["evaluation/commanded_utility"] == front.commanded_utility()
    assert "evaluation/hypervolume" not in seen.metrics[20]  # no card, no reference point


def test_fewer_preferences_without_a_twin(agent: CorridorWalker) -> None:
    for env, points in ((Corridor, 101), (PlainCorridor, 11)):
        evaluation = PeriodicEvaluation(env, seconds=None, steps=20, share=1.0)
        agent.steps = 0
        agent.learn(20, callbacks=[evaluation], progress=False)
        assert evaluation.front is not None and len(evaluation.front) == points


def test_training_is_the_same_with_and_without_evaluation() -> None:
    plain, evaluated = CorridorWalker(Corridor(4, slip=0.3)), CorridorWalker(Corridor(4, slip=0.3))
    plain.learn(40, progress=False)
    evaluation = PeriodicEvaluation(Corridor, seconds=None, steps=4, share=1.0, env_kwargs={"slip": 0.3})
    evaluated.learn(40, callbacks=[evaluation], progress=False)
    assert (plain.parameters == evaluated.parameters).all()


def test_checkpointer_saves_and_never_what_is_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    keep = Checkpointer(lambda agent: saved.append(agent.steps), seconds=0.0, share=1.0)
    CorridorWalker(Corridor(4)).learn(12, callbacks=[keep], progress=False)
    assert saved == [4, 8, 12]
    saved.clear()
    with pytest.raises(NonFiniteError, match="loss"):
        CorridorWalker(Corridor(4), nan_after=8).learn(40, callbacks=[keep], progress=False)
    assert saved == [4, 8]


class Hypervolume(Callback):
    def on_iteration(self, agent, metrics):
        if agent.steps == 8:
            metrics["evaluation/hypervolume"] = 123.456


def test_progress_as_lines(agent: CorridorWalker) -> None:
    output = io.StringIO()
    bar = ProgressBar(seconds=0.0, console=Console(file=output, width=40))
    agent.learn(20, callbacks=[Hypervolume(), bar], progress=False)
    lines = output.getvalue().splitlines()
    assert len(lines) == 6  # one per iteration and the last
    assert lines[0].startswith("corridor-walker on toys:Corridor:  20 % · 4/20 steps · ")
    assert "left" in lines[0] and "hypervolume" not in lines[0]
    assert lines[1].endswith("hypervolume 123.46")
    assert "100 % · 20/20 steps" in lines[-1] and "elapsed" in lines[-1]


def test_progress_lines_are_rare(agent: CorridorWalker) -> None:
    output = io.StringIO()
    agent.learn(400, callbacks=[ProgressBar(console=Console(file=output))], progress=False)
    assert len(output.getvalue().splitlines()) == 1


def test_progress_as_a_bar(agent: CorridorWalker) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=160)
    agent.learn(20, callbacks=[Hypervolume(), ProgressBar(console=console)], progress=False)
    last = output.getvalue()
    assert "corridor-walker on toys:Corridor" in last
    assert "100%" in last and "20/20 steps" in last and "hypervolume 123.46" in last
