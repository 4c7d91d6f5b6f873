"""Callbacks for `Agent.learn`: progress, metrics, periodic evaluation, checkpoints.

Callbacks run in the order given. `PeriodicEvaluation` adds its indicators to the metrics of the iteration, so
it stands before those that show or write them.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

from morl._arrays import Array
from morl.agent import Agent, Callback, check_finite
from morl.cross_fitting import SingleEpisodeWarning
from morl.errors import CheckpointError
from morl.evaluation import evaluate, leaves_nothing_to_chance
from morl.front import Front
from morl.history import append_evaluation, read_evaluations
from morl.indicators import UndefinedIndicatorError, find, hypervolume_estimate
from morl.metrics import EVALUATION, CsvMetrics, FiniteCheck, MetricsLogger, TensorBoardMetrics, read_metrics
from morl.playing import WITHOUT_LIMIT, Stage
from morl.progress import ProgressBar
from morl.signals import Interrupted, exposed
from morl.study import Evaluation
from morl.weights import default_weights

__all__ = [
    "Cadence",
    "Callback",
    "Checkpointer",
    "CsvMetrics",
    "FiniteCheck",
    "MetricsLogger",
    "PeriodicEvaluation",
    "ProgressBar",
    "TensorBoardMetrics",
]


LOOK_EPISODES = 2
"""Of a quick look, where episodes may differ: what one of them chooses is valued by the other."""

LOOK_SECONDS, LOOK_SAMPLES = 0.1, 2**14
"""For the hypervolume of a quick look: exact within these seconds, else estimated in about as long."""


LOOK_MEMBERS = 100
"""The most policies of a set that a quick look follows, unless more answer preferences."""


class Cadence:
    """Says when something costly is due: every `seconds` or every `steps`, within a `share` of the time.

    Args:
        seconds: least time between two occasions; None to count steps only.
        steps: environment steps between two occasions; None to count time only.
        share: the greatest part of the time that the occasions may take; 1 for no limit.
    """

    def __init__(self, *, seconds: float | None = None, steps: int | None = None, share: float = 0.1) -> None:
        self.seconds, self.steps, self.share = seconds, steps, share
        self._next_time, self._next_step = 0.0, 0

    def start(self, steps: int) -> None:
        """Begin to count, at `steps` environment steps."""
        self._plan(steps, cost=0.0)

    def due(self, steps: int) -> bool:
        """Whether it is time."""
        if time.monotonic() < self._next_time:
            return False
        return self.seconds is not None or steps >= self._next_step

    @contextmanager
    def occasion(self, steps: int) -> Iterator[None]:
        """Run one occasion, and plan the next by what this one took."""
        start = time.monotonic()
        yield
        self._plan(steps, cost=time.monotonic() - start)

    def _plan(self, steps: int, cost: float) -> None:
        pause = cost * (1 / self.share - 1)
        self._next_time = time.monotonic() + max(self.seconds or 0.0, pause)
        if self.steps is not None:
            self._next_step = (steps // self.steps + 1) * self.steps


class PeriodicEvaluation(Callback):
    """Evaluates before, during and after training; adds hypervolume, expected and commanded utility to the metrics.

    A look, not a result: by default of few episodes, on the batched twin where there is one. Its time is no
    part of `agent.seconds`. It has environments and seeds of its own, so training runs the same with it and without
    it; at every so many steps, its outcomes are the same too, also of a run that was resumed.

    Args:
        env: what to evaluate on, as for `morl.evaluate`.
        seconds: least time between two evaluations; None for none but the first and the last.
        steps: environment steps between two evaluations, whatever time they take; None to go by `seconds`.
        share: the greatest part of the time that evaluations which go by `seconds` may take.
        weights: preferences (W, m); by default `default_weights`, fewer where there is no batched twin.
        episodes: per point; by default one where nothing is left to chance, else `LOOK_EPISODES`. Of a set of
            policies at most `LOOK_MEMBERS` are followed.
        seed: of the evaluations, the same for all, so that they differ by the agent only.
        backend: as for `morl.evaluate`.
        env_kwargs: keyword arguments of the environment.
        path: a file that every evaluation is appended to (format: `morl.history`); None to keep none.
    """

    def __init__(
        self,
        env: Any,
        *,
        seconds: float | None = 30.0,
        steps: int | None = None,
        share: float = 0.1,
        weights: Any = None,
        episodes: int | None = None,
        seed: int = 2,
        backend: str = "auto",
        env_kwargs: dict[str, Any] | None = None,
        path: str | Path | None = None,
    ) -> None:
        self.env, self.weights, self.episodes, self.seed = env, weights, episodes, seed
        self.backend, self.env_kwargs = backend, env_kwargs
        self.path = path
        self.cadence = Cadence(seconds=inf if seconds is None else seconds, share=share)
        if steps is not None:
            # No share: what is evaluated would depend on the time that it takes.
            self.cadence = Cadence(steps=steps, share=1.0)
        self.front: Front | None = None
        """The latest outcome."""
        self._first: Evaluation | None = None
        self._stage: Stage | None = None

    def on_start(self, agent: Agent, total_steps: int) -> None:
        """Evaluate what has learned nothing yet, and begin to count."""
        if agent.steps == 0 or self._owed(agent.steps):
            self._first = self._look(agent)
        self.cadence.start(agent.steps)

    def on_iteration(self, agent: Agent, metrics: dict[str, Any]) -> None:
        """Evaluate if it is time, or the last iteration is over."""
        if self._first is not None:
            # Only now: until something was learned, a run that is killed leaves nothing to go on with.
            self._keep(self._first)
            self._first = None
        last = agent.total_steps - agent.steps < agent.spec.num_envs
        if not last and not self.cadence.due(agent.steps):
            return
        try:
            with exposed(), self.cadence.occasion(agent.steps):
                found = self._look(agent)
        except Interrupted:
            # The look is given up; training stops when the other callbacks have had their turn.
            return
        metrics.update({EVALUATION + name: value for name, value in found.values.items()})
        self._keep(found)

    def on_end(self, agent: Agent) -> None:
        """Close the evaluation's environments."""
        if self._stage is not None:
            self._stage.close()
            self._stage = None

    def _owed(self, steps: int) -> bool:
        """Whether the look of a run that goes on here was given up, for the signal that stopped it."""
        every = self.cadence.steps
        if self.path is None or every is None or not Path(self.path).exists():
            return False
        try:
            looks = read_evaluations(self.path)
        except CheckpointError:  # said, and mended, once training goes on
            return False
        # What came after the checkpoint is not cut off yet.
        done = max((look.steps for look in looks if look.steps <= steps), default=0)
        return done < steps // every * every

    def _look(self, agent: Agent) -> Evaluation:
        if self._stage is None:
            self._stage = self._prepared(agent)
        self.front = evaluate(
            agent,
            self._stage,
            weights=self.weights,
            episodes=self.episodes,
            seed=self.seed,
            role="selection",
            members=LOOK_MEMBERS,
        )
        return Evaluation(
            steps=agent.steps,
            seconds=agent.seconds,
            returns=self.front.returns,
            values=indicators_of(self.front),
            preferences=len(self.weights),
        )

    def _keep(self, found: Evaluation) -> None:
        if self.path is not None:
            append_evaluation(self.path, found)

    def _prepared(self, agent: Agent) -> Stage:
        """What to play on, kept for the whole training; and how much to play."""
        stage = Stage(
            self.env,
            device=agent.device,
            backend=self.backend,
            env_kwargs=self.env_kwargs,
            spreads=False,  # the cores are the training's
            without_limit=WITHOUT_LIMIT,
        )
        if self.weights is None:
            more_than = 100 if stage.set_for(1).backend == "batched" else 10
            stage.close()
            self.weights = default_weights(agent.num_objectives, more_than=more_than)
        if self.episodes is None:
            certain = leaves_nothing_to_chance(agent, self.env, self.env_kwargs)
            self.episodes = 1 if certain else LOOK_EPISODES
        return stage


def indicators_of(front: Front) -> dict[str, float]:
    """What sums up a front in a few numbers, as far as it can be computed.

    A hypervolume of many objectives is an estimate; its seeds are always the same, which keeps a curve smooth.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingleEpisodeWarning)  # somebody's choice, for all looks alike
        values = {
            "expected_utility": front.expected_utility(),
            "commanded_utility": front.commanded_utility(),
        }
        if front.reference_point is not None:
            volume = replace(find("hypervolume"), fn=_volume)
            with suppress(UndefinedIndicatorError):  # for more objectives than moocore takes
                values["hypervolume"] = front.estimate(volume, reference_point=front.reference_point).value
    return values


def _volume(points: Array, *, reference_point: Array) -> float:
    """A quick hypervolume. Half-trained policies may well earn less than the reference point: nothing to warn of."""
    return hypervolume_estimate(
        points, reference_point=reference_point, seconds=LOOK_SECONDS, samples=LOOK_SAMPLES
    ).value


class Checkpointer(Callback):
    """Calls `save(agent)` every `seconds`, never with metrics that have turned NaN or infinite.

    A training that begins is saved after its first iteration, so that there is something to go on from.
    """

    def __init__(self, save: Callable[[Agent], Any], *, seconds: float = 60.0, share: float = 0.1) -> None:
        self.save = save
        self.cadence = Cadence(seconds=seconds, share=share)

    def on_start(self, agent: Agent, total_steps: int) -> None:
        """Begin to count."""
        if agent.steps:
            self.cadence.start(agent.steps)

    def on_iteration(self, agent: Agent, metrics: dict[str, Any]) -> None:
        """Save if it is time."""
        if self.cadence.due(agent.steps):
            agent.check_observed()
            check_finite(read_metrics(metrics), f"after {agent.steps:,} steps")
            with self.cadence.occasion(agent.steps):
                self.save(agent)
