"""A run: one training as a directory that can be killed at any moment, resumed, evaluated and compared.

    config.json        what was asked for (environment, agent, every setting, seed, budget), versions, threads
    metrics.csv        metrics over the training (format: `morl.metrics`)
    evaluations.jsonl  fronts over the training (format: `morl.history`)
    tb/                the metrics as TensorBoard events
    checkpoint/        everything needed to go on: parameters, optimiser, replay, environment, random streams
    agent/             the agent as `morl.load` reads it
    front.json         the final evaluation

Every file is written to a temporary name and renamed. A resumed run goes on for one iteration before anything in the
directory changes; then it cuts the metrics back to the checkpoint. With a batched environment (eager, the same
device, versions and number of threads) it ends bit for bit where an uninterrupted run ends; other environments cannot
be saved, so they begin new episodes.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from morl import store
from morl.errors import CheckpointError, MorlError, TrustError
from morl.front_fields import installed_versions
from morl.locking import lock_folder
from morl.run_config import (
    CONFIG_FILE,
    EXTENDABLE,
    FORMAT,
    SCHEMA_VERSION,
    RunConfig,
    as_json,
    differences,
    read_config,
    write_config,
)
from morl.trust import Trust, check
from morl.writing import is_leftover, remove_leftovers

if TYPE_CHECKING:
    import torch

    from morl.agent import Agent, Callback
    from morl.front import Front
    from morl.threads import Threads

__all__ = ["FORMAT", "Run", "RunConfig", "is_run", "is_unbegun"]

CHECKPOINT_FORMAT = "morl-checkpoint"
FRONT_FILE = "front.json"
UNBEGUN = (".lock", CONFIG_FILE)
"""What the directory of a run holds whose training has not begun."""


class Run:
    """One training in its directory; made by `create` or `open`."""

    def __init__(
        self,
        path: Path,
        config: RunConfig,
        details: dict[str, Any],
        *,
        trust: Trust = False,
        signed: bool = True,
    ) -> None:
        self.path, self.recorded, self._details = path, config, details
        self._given, self._signed = trust, signed
        self._trust: Trust = signed or trust

    @property
    def config(self) -> RunConfig:
        """What to train by. (`recorded` is the same, to be shown only: it may name what nobody should call.)

        Raises:
            TrustError: it names code that is neither registered nor said by the user.
        """
        check(self.recorded.code_names(), self.path, self._trust)
        return self.recorded

    @property
    def trusted(self) -> bool:
        """Whether all code that the configuration names may be called."""
        try:
            return bool(self.config)
        except TrustError:
            return False

    @classmethod
    def create(cls, path: str | Path, config: RunConfig) -> Self:
        """Begin a run in a new or empty directory, or in that of a run whose training never began.

        Raises:
            MorlError: the directory holds a run or anything else, or the configuration is not valid.
        """
        path = Path(path)
        config = config.complete()
        _check_unused(path)
        path.mkdir(parents=True, exist_ok=True)
        with lock_folder(path):
            _check_unused(path)
            remove_leftovers(path)
            details = {
                "created": time.time(),
                "threads": None,  # chosen when the training begins
                "versions": installed_versions(),
            }
            run = cls(path, config, details)
            run._write_config()
        return run

    @classmethod
    def open(cls, path: str | Path, *, trust: Trust = False) -> Self:
        """The run that `create` began.

        Args:
            path: its directory.
            trust: allow the code that a directory from elsewhere names (True), or the names that the user said.

        Raises:
            CheckpointError: there is none, or its `config.json` is damaged.
        """
        path = Path(path)
        if not is_run(path):
            found = "no such directory" if not path.exists() else "no config.json in it"
            raise CheckpointError(f"expected a run directory, found {found}: {path}; `morl train` makes one")
        config, details, signed = read_config(path / CONFIG_FILE)
        return cls(path, config, details, trust=trust, signed=signed)

    def adopt(self, config: RunConfig) -> None:
        """Take over what may change when a run is resumed (budget, device, evaluations) from `config`.

        Raises:
            MorlError: `config` differs in anything else; the message lists it.
        """
        if config.num_envs is None:
            config = replace(config, num_envs=self.recorded.num_envs)
        mine, theirs = as_json(self.config), as_json(config.complete())
        different = differences(mine, theirs)
        if different:
            raise MorlError(f"expected the settings that {self.path} began with: {'; '.join(different)}")
        self.recorded = replace(self.recorded, **{name: theirs[name] for name in EXTENDABLE})

    def lock(self) -> AbstractContextManager[None]:
        """Hold the right to write this run; a second process gets a `MorlError`."""
        return lock_folder(self.path)

    def front(self) -> Front:
        """The final evaluation."""
        from morl.front import Front

        if not (self.path / FRONT_FILE).exists():
            raise CheckpointError(
                f"expected the result of a finished run, {self.path} has no {FRONT_FILE}; resume it (--resume)"
            )
        front, config = Front.load(self.path / FRONT_FILE), self.recorded
        known, own = (front.training_id, front.training_seed), (self.training_id, config.seed)
        if any(found not in (None, mine) for found, mine in zip(known, own, strict=True)):
            raise CheckpointError(
                f"expected the front of this training in {self.path}, found that of another, with seed "
                f"{front.training_seed}; put the right {FRONT_FILE} back, or --resume to evaluate anew"
            )
        if front.training_steps is not None and config.total_steps - front.training_steps >= (
            config.num_envs or 1
        ):
            warnings.warn(
                f"{self.path} is to be trained for {config.total_steps:,} steps, its front is that of "
                f"{front.training_steps:,}; go on with --resume",
                stacklevel=2,
            )
        return front

    def load_agent(self, device: str = "cpu") -> Agent:
        """The agent as of the end, or of the last checkpoint of an unfinished run."""
        from morl.agent import FORMAT, SCHEMA_VERSION, Agent

        folder = self.path / "agent"
        if not folder.exists():
            raise CheckpointError(
                f"expected an agent in {self.path}, found none yet; let the run begin (--resume)"
            )
        state, signed = store.load_signed(folder, format=FORMAT, version=SCHEMA_VERSION, device=device)
        self._check_signed(folder, signed)
        with store.decoding(folder):
            header = state["header"]
            # Agents may choose what a run leaves to them.
            settings = {
                name: value if value is None else header["config"].get(name, value)
                for name, value in self.recorded.settings.items()
            }
            self._check_same(folder, {"seed": header["seed"], "settings": settings})
        agent = Agent.from_state(state, device=device, source=str(folder), trust=signed or self._trust)
        agent.training_id = self.training_id
        return agent

    def _check_signed(self, folder: Path, signed: bool) -> None:
        """In a run of the user's own, nothing can be somebody else's."""
        if self._signed and not signed and self._given is not True:
            raise TrustError(
                f"expected what you wrote yourself, as {self.path / CONFIG_FILE}, but {folder} comes from elsewhere "
                "or was changed; restore it from a copy, or if you trust whoever made it, add --trust (trust=True "
                "in Python)"
            )

    def _check_same(self, folder: Path, found: dict[str, Any]) -> None:
        """Refuse what another training wrote; `found` is its configuration, as far as it is known."""
        different = differences(as_json(self.recorded), found)
        if different:
            raise CheckpointError(
                f"expected {folder} to be of this run's training: {'; '.join(different)}; put the right one back, or "
                "begin anew in another directory"
            )

    def save_checkpoint(self, agent: Agent) -> None:
        """Write everything that training needs to go on, and the agent as it is now."""
        from morl.history import FILE
        from morl.logs import fingerprint

        state = {
            "steps": agent.steps,
            "seconds": agent.seconds,
            "config": as_json(self.recorded),
            "logs": {name: fingerprint(self.path / name) for name in ("metrics.csv", FILE)},
            "parameters": agent.parameters_state(),
            "training": agent.training_state(),
        }
        store.save(self.checkpoint, state, format=CHECKPOINT_FORMAT, version=SCHEMA_VERSION)
        agent.save(self.path / "agent")
        if not self._details.get("checkpointed"):
            self._details = {**self._details, "checkpointed": True}
            self._write_config()

    @property
    def checkpoint(self) -> Path:
        """The folder of the checkpoint."""
        return self.path / "checkpoint"

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to go on from."""
        return (self.checkpoint / store.STATE_FILE).exists()

    def read_checkpoint(self, device: torch.device | str = "cpu") -> dict[str, Any] | None:
        """What training goes on from; None where it has not come that far. Changes nothing.

        Raises:
            CheckpointError: the checkpoint is damaged, of another training, or missing though there was one.
        """
        from morl.agent import check_progress

        if not self.has_checkpoint:
            traces = [name for name in ("agent", FRONT_FILE) if (self.path / name).exists()]
            if traces or self._details.get("checkpointed"):
                raise CheckpointError(
                    f"expected the checkpoint that this run had reached, {self.checkpoint} is missing or has no "
                    f"{store.STATE_FILE}; copy it back, or begin anew elsewhere: morl train --like {self.path}"
                )
            return None
        try:
            state, signed = store.load_signed(
                self.checkpoint, format=CHECKPOINT_FORMAT, version=SCHEMA_VERSION, device=device
            )
            with store.decoding(self.checkpoint):
                check_progress(state["steps"], state["seconds"])
                state = {"config": {}, "logs": {}, **state}
                self._check_same(self.checkpoint, state["config"])
                for length, digest in state["logs"].values():
                    if not isinstance(length, int) or not isinstance(digest, str):
                        raise MorlError(f"expected a length and a checksum, got {length!r} and {digest!r}")
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}; to begin the training anew, do so in another folder: morl train --like {self.path}"
            ) from error
        self._check_signed(self.checkpoint, signed)
        if state["steps"] > self.recorded.total_steps:
            raise MorlError(
                f"expected a budget of at least the {state['steps']:,} steps that are done, got "
                f"{self.recorded.total_steps:,}; raise --steps"
            )
        return state

    def restore(self, agent: Agent, state: dict[str, Any] | None = None) -> bool:
        """Put the agent where the checkpoint was taken; False without one. Nothing on disk changes.

        Args:
            agent: a new one, of the run's configuration.
            state: what `read_checkpoint` found.

        Raises:
            CheckpointError: as for `read_checkpoint`, or the checkpoint does not fit the agent.
        """
        from morl.agent import check_acts

        state = self.read_checkpoint(agent.device) if state is None else state
        if state is None:
            return False
        with store.decoding(self.checkpoint):
            agent.load_parameters(state["parameters"])
            check_acts(agent)
            agent.load_parameters(state["parameters"])  # anew: acting may draw random numbers
            agent.load_training(state["training"])
            agent.steps, agent.seconds = state["steps"], state["seconds"]
        return True

    def begin(self, state: dict[str, Any] | None = None, agent: Agent | None = None) -> None:
        """Make the run's files what they were at its checkpoint `state`, now that the `agent` goes on from there."""
        from morl.history import FILE, cut_evaluations
        from morl.metrics import cut_csv

        # Without a checkpoint the evaluation of what is not trained comes anew, too.
        steps, known = (-1, {}) if state is None else (state["steps"], state["logs"])
        cut_csv(self.path / "metrics.csv", steps, known.get("metrics.csv"))
        cut_evaluations(self.path / FILE, steps, known.get(FILE))
        if agent is not None and (not self._signed or self._given is True):
            self.save_checkpoint(agent)  # first, since a configuration that is signed speaks for all else
        self._write_config()

    def train(
        self,
        *,
        callbacks: Sequence[Callback] = (),
        progress: bool = True,
        evaluation_seconds: float | None = 30.0,
        checkpoint_seconds: float = 60.0,
        threads: Threads | None = None,
        step_timeout: float | None = None,
    ) -> Front:
        """Train to the budget, from the checkpoint if there is one; evaluate; write the results.

        Args:
            callbacks: called beside the run's own.
            progress: show a progress bar.
            evaluation_seconds: least time between two evaluations during training, unless the configuration has
                `evaluation_steps`; None for none but the first, of what is not trained, and the last.
            checkpoint_seconds: least time between two checkpoints.
            threads: how many torch computes with, as for `Agent.learn`; by default as many as the run began with, so
                that a resumed run ends bit for bit where an uninterrupted one does.
            step_timeout: seconds that one call of an environment in a process may take, 60 by default; 0 for none.

        Raises:
            MorlError: another process is writing this run, or the budget is too small for one step.
            TrustError: the run comes from elsewhere and names code that was not allowed.
            CheckpointError: the checkpoint is damaged; nothing has been overwritten.
            RunInterrupted: SIGINT, SIGTERM or SIGHUP came; the run can be resumed.
        """
        from morl.training import train_run

        check(self.recorded.code_names(), self.path, self._trust)
        with self.lock():
            for folder in (self.path, self.checkpoint, self.path / "agent"):
                remove_leftovers(folder)
            self._check_same(self.path / CONFIG_FILE, as_json(Run.open(self.path).recorded))
            return train_run(
                self,
                callbacks=callbacks,
                progress=progress,
                evaluation_seconds=evaluation_seconds,
                checkpoint_seconds=checkpoint_seconds,
                threads=threads,
                step_timeout=step_timeout,
            )

    @property
    def threads(self) -> Threads:
        """How many threads the run computes with; "auto" before its training begins."""
        return self._details["threads"] or "auto"

    def record_threads(self, threads: int) -> None:
        """Keep the number that the training computes with, for when it is resumed; `begin` writes it."""
        self._details = {**self._details, "threads": threads}

    @property
    def training_id(self) -> str:
        """Tells this training from all others: the same for copies of the run, and when its budget is extended."""
        # Not the whole configuration, to which a later version may add.
        told = json.dumps([self.created, self.recorded.env, self.recorded.agent, self.recorded.seed])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def created(self) -> float:
        """When the run began, in seconds since the epoch."""
        return float(self._details["created"])

    def warn_of_changes(self, threads: int) -> None:
        """Say what keeps a resumed run from ending bit for bit where an uninterrupted one would."""
        now = {"threads": threads, **installed_versions()}
        then = {"threads": self.threads, **self._details["versions"]}
        changes = [
            f"{name} {then.get(name)} -> {value}" for name, value in now.items() if then.get(name) != value
        ]
        if changes:
            warnings.warn(
                f"{self.path} began under other circumstances ({', '.join(changes)}); it goes on, "
                "but its numbers may differ slightly from those of an uninterrupted run",
                stacklevel=2,
            )

    def _write_config(self) -> None:
        write_config(self.path / CONFIG_FILE, self.recorded, self._details, own=self.trusted)


def is_run(path: str | Path) -> bool:
    """Whether a directory looks like a run."""
    return (Path(path) / CONFIG_FILE).is_file()


def is_unbegun(folder: Path) -> bool:
    """Whether a folder holds nothing but what a run has whose training has not begun, or was killed that early."""
    return all(file.name in UNBEGUN or is_leftover(file.name) for file in folder.iterdir())


def _check_unused(path: Path) -> None:
    """Raise a `MorlError` where a new run would overwrite something."""
    if path.exists() and not path.is_dir():
        raise MorlError(f"expected a directory for the run, found the file {path}; choose another")
    if (path / "metrics.csv").exists() and is_run(path):
        raise MorlError(f"{path} already holds a run; resume it (--resume), or choose another directory")
    if path.exists() and not is_unbegun(path):
        raise MorlError(f"expected a new or empty directory for the run, {path} holds other files")
