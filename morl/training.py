"""How a run is trained: its environment, agent, callbacks, signals and final evaluation put together."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

from morl import history, registry
from morl.agent import Agent, Callback, restore_tuples
from morl.callbacks import (
    Checkpointer,
    CsvMetrics,
    FiniteCheck,
    PeriodicEvaluation,
    TensorBoardMetrics,
)
from morl.commands import commands_of
from morl.devices import check_device
from morl.errors import EnvError
from morl.evaluation import evaluate, make_evaluation_env
from morl.front import Front
from morl.plain_text import path_word, shell_command
from morl.runs import Run, RunConfig
from morl.threads import Threads, using
from morl.weights import default_weights

EPISODES = 5
"""Of the final evaluation, per point."""


class RunInterrupted(KeyboardInterrupt):
    """A signal ended the training early; the checkpoint is written and the message says how to go on."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class StopOnSignal(Callback):
    """Ends training between two iterations once SIGINT or SIGTERM came; a second signal acts at once.

    Signals reach the main thread only: elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def on_start(self, agent: Agent, total_steps: int) -> None:
        """Take over both signals."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {
                number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
            }

    def on_iteration(self, agent: Agent, metrics: dict[str, Any]) -> bool | None:
        """Stop if one came."""
        return None if self.received is None else False

    def on_end(self, agent: Agent) -> None:
        """Give the signals back."""
        self._release()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._release()  # the next signal acts as it would have before

    def _release(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}


@contextmanager
def _workers_deaf_to_interrupts() -> Iterator[None]:
    """Let processes started here ignore SIGINT, which a terminal sends to them too: they are still needed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def train_run(
    run: Run,
    *,
    callbacks: Sequence[Callback],
    progress: bool,
    evaluation_seconds: float,
    checkpoint_seconds: float,
    threads: Threads | None,
) -> Front:
    """What `Run.train` does while it holds the lock."""
    import morl

    config = run.config
    check_device(config.device)
    with _workers_deaf_to_interrupts():
        env = morl.make_vec(
            config.env,
            num_envs=config.num_envs,
            device=config.device,
            backend=config.backend,
            compile=config.compile,
            **config.env_kwargs,
        )
    try:
        if getattr(env, "moving", False):
            raise EnvError(
                f"expected an environment that stays as it is, got {config.env} with observation statistics that "
                "every step moves, which its evaluations would lack; let the agent normalise observations"
            )
        kind = registry.agent_class(config.agent)
        agent: Agent = kind(env, seed=config.seed, **restore_tuples(config.settings))
        resumed = run.restore(agent)
        number = agent.choose_threads(run.threads if threads is None else threads)
        if resumed:
            run.warn_of_changes(number)
        run.record_threads(number)
        # A finished run may be short of its budget by less than one step of all environments.
        if agent.steps == 0 or config.total_steps - agent.steps >= config.num_envs:
            stop = StopOnSignal()
            own = [
                stop,  # first, so that a signal finds it before anything is written
                FiniteCheck(),
                PeriodicEvaluation(
                    config.env,
                    seconds=evaluation_seconds,
                    env_kwargs=config.env_kwargs,
                    path=run.path / history.FILE,
                ),
                CsvMetrics(run.path / "metrics.csv"),
                TensorBoardMetrics(run.path / "tb", started=run.created),
                Checkpointer(run.save_checkpoint, seconds=checkpoint_seconds),
            ]
            agent.learn(config.total_steps, callbacks=[*own, *callbacks], progress=progress)
            run.save_checkpoint(agent)
            if stop.received is not None:
                raise RunInterrupted(
                    f"stopped after {agent.steps:,} of {config.total_steps:,} steps; "
                    f"go on with: {shell_command('morl', 'train', '--resume', '--out', path_word(run.path))}",
                    stop.received,
                )
    finally:
        env.close()
    with using(number):
        front = final_front(agent, config)
    front.save(run.path / "front.json")
    return front


def final_front(agent: Agent, config: RunConfig) -> Front:
    """The front under the default preferences on the original environment, or on the twin if there is none."""
    weights = default_weights(agent.num_objectives)
    make = partial(
        make_evaluation_env,
        config.env,
        len(commands_of(agent, weights, True)) * EPISODES,
        device=config.device,
        env_kwargs=config.env_kwargs,
    )
    try:
        env = make(backend="original")
    except EnvError as error:
        warnings.warn(
            f"{config.env} is evaluated on its batched twin, since the original cannot be run: {error}",
            stacklevel=2,
        )
        env = make(backend="batched")
    try:
        return evaluate(agent, env, weights=weights, episodes=EPISODES)
    finally:
        env.close()
