"""How a run is trained: its environment, agent, callbacks, signals and final evaluation put together."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from morl import history, pareto, registry
from morl.agent import Agent, Callback, check_finite, restore_tuples
from morl.callbacks import (
    Checkpointer,
    CsvMetrics,
    FiniteCheck,
    PeriodicEvaluation,
    TensorBoardMetrics,
)
from morl.devices import check_device
from morl.diagnosis import AGAINST_COLLAPSE
from morl.errors import CheckpointError, EnvError, MorlError
from morl.evaluation import evaluate
from morl.front import Front
from morl.known import known_front_of
from morl.metrics import read_metrics
from morl.plain_text import path_word, shell_command
from morl.playing import WITHOUT_LIMIT, Stage, make_evaluation_env, require_ends
from morl.runs import FRONT_FILE, Run, RunConfig
from morl.signals import Interrupted, catching
from morl.step_limit import step_limit
from morl.threads import Threads, using


class RunInterrupted(Interrupted):
    """A signal ended the training early; the checkpoint is written and the message says how to go on."""


def train_run(
    run: Run,
    *,
    callbacks: Sequence[Callback],
    progress: bool,
    evaluation_seconds: float | None,
    checkpoint_seconds: float,
    threads: Threads | None,
    step_timeout: float | None,
) -> Front:
    """What `Run.train` does while it holds the lock."""
    config = run.config
    check_device(config.device)
    state = run.read_checkpoint(config.device)
    beginning = Beginning(run, state)
    own = [
        beginning,
        FiniteCheck(),
        PeriodicEvaluation(
            config.env,
            seconds=evaluation_seconds,
            steps=config.evaluation_steps,
            env_kwargs=config.env_kwargs,
            path=run.path / history.FILE,
        ),
        CsvMetrics(run.path / "metrics.csv"),
        TensorBoardMetrics(run.path / "tb", started=run.created),
        Checkpointer(run.save_checkpoint, seconds=checkpoint_seconds),
    ]
    agent: Agent | None = None
    try:
        with catching(), step_limit(step_timeout), ExitStack() as stack:
            env = _training_env(config)
            if state is None and env.max_episode_steps is None:
                require_ends(config.env, device=config.device, env_kwargs=config.env_kwargs)
            stack.callback(env.close)  # last of all: should it fail or hang, the results are written
            kind = registry.agent_class(config.agent)
            agent = kind(env, seed=config.seed, **restore_tuples(config.settings))
            agent.training_id = run.training_id
            resumed = state is not None and run.restore(agent, state)
            state = None  # as large as the agent
            agent.total_steps = config.total_steps  # on which the size of its updates depends
            number = agent.choose_threads(run.threads if threads is None else threads)
            if resumed:
                run.warn_of_changes(number)
            run.record_threads(number)
            if not resumed:
                run.begin()
            # A finished run may be short of its budget by less than one step of all environments.
            if agent.steps == 0 or config.total_steps - agent.steps >= env.num_envs:
                with beginning.in_doubt():
                    _learn(run, agent, beginning, [*own, *callbacks], progress=progress)
            beginning.make(agent)
            with using(number):
                front = final_front(agent, config)
            front.save(run.path / FRONT_FILE)
            warn_of_collapse(front)
            return front
    except Interrupted as stop:
        where = "before training began" if agent is None else f"after {agent.steps:,} steps"
        raise RunInterrupted(
            f"stopped {where} of {config.total_steps:,}; {go_on_with(run)}", stop.signal_number
        ) from stop


class Beginning(Callback):
    """Lets the run's files be what they were at the checkpoint, once an iteration has shown that it is whole."""

    def __init__(self, run: Run, state: dict[str, Any] | None) -> None:
        self.run = run
        self.resumed = state is not None
        self.made = state is None
        self._at = None if state is None else {"steps": state["steps"], "logs": state["logs"]}

    def on_iteration(self, agent: Agent, metrics: dict[str, Any]) -> None:
        """Begin, if what the iteration came to is finite."""
        if not self.made:
            check_finite(read_metrics(metrics), f"in the first iteration from {self.run.checkpoint}")
            self.make(agent)

    @contextmanager
    def in_doubt(self) -> Iterator[None]:
        """Lay errors that Python raises before an iteration has gone well to the checkpoint."""
        try:
            yield
        except (MorlError, OSError):
            raise
        except Exception as error:
            if not self.resumed or self.made:
                raise
            raise CheckpointError(
                f"expected to go on from {self.run.checkpoint}, which failed at once ({type(error).__name__}: "
                f"{error}); restore it from a copy, or begin anew elsewhere: morl train --like {self.run.path}"
            ) from error

    def make(self, agent: Agent) -> None:
        """Begin, if that is still to do."""
        if not self.made:
            self.made = True
            self.run.begin(self._at, agent)


def _training_env(config: RunConfig) -> Any:
    """The environment to train on."""
    import morl

    env = morl.make_vec(
        config.env,
        num_envs=config.num_envs,
        device=config.device,
        backend=config.backend,
        compile=config.compile,
        env_kwargs=config.env_kwargs,
    )
    if getattr(env, "moving", False):
        raise EnvError(
            f"expected an environment that stays as it is, got {config.env} with observation statistics that "
            "every step moves, which its evaluations would lack; let the agent normalise observations"
        )
    return env


def _learn(
    run: Run, agent: Agent, beginning: Beginning, callbacks: Sequence[Callback], *, progress: bool
) -> None:
    """Train to the budget and save; where a signal or an environment ends it early, nothing good is lost."""
    try:
        agent.learn(run.config.total_steps, callbacks=callbacks, progress=progress)
        run.save_checkpoint(agent)
    except OSError as error:
        kept = f"; the checkpoint is kept, {go_on_with(run)}" if run.has_checkpoint else ""
        raise MorlError(f"{error}{kept}") from error
    except (Interrupted, EnvError) as error:
        # In the middle of an iteration the last checkpoint is better than half of a state.
        if not agent.midway and agent.steps and beginning.made:
            run.save_checkpoint(agent)
        if isinstance(error, EnvError) and run.has_checkpoint:
            raise EnvError(f"{error}; the checkpoint is kept, {go_on_with(run)}") from error
        raise


def go_on_with(run: Run) -> str:
    """How to resume a run, in words that a shell takes as they are."""
    return f"go on with: {shell_command('morl', 'train', '--resume', '--out', path_word(run.path))}"


def warn_of_collapse(front: Front) -> None:
    """Say what to try where all policies come to one point, unless that is the known front."""
    if front.num_objectives > 1 and len(pareto.filter_nondominated(front.returns)) == 1:
        known, _ = known_front_of(front)
        if known is None or len(known) > 1:
            warnings.warn(
                f"the front of {front.agent} on {front.env_id} is a single point; unless there are no trade-offs, "
                f"{AGAINST_COLLAPSE}",
                stacklevel=2,
            )


def final_front(agent: Agent, config: RunConfig) -> Front:
    """The front under the default preferences on the original environment, or on the twin if there is none."""
    known: dict[str, Any] = {"device": config.device, "env_kwargs": config.env_kwargs}
    backend = "original"
    try:
        make_evaluation_env(config.env, 1, **known).close()
    except EnvError as error:
        warnings.warn(
            f"{config.env} is evaluated on its batched twin, since the original cannot be run: {error}",
            stacklevel=2,
        )
        backend = "batched"
    with Stage(config.env, backend=backend, without_limit=WITHOUT_LIMIT, **known) as stage:
        return evaluate(agent, stage, device=config.device)
