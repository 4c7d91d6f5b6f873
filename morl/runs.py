"""A run: one training as a directory that can be killed at any moment, resumed, evaluated and compared.

    config.json        what was asked for (environment, agent, every setting, seed, budget), versions, threads
    metrics.csv        metrics over the training (format: `morl.metrics`)
    evaluations.jsonl  fronts over the training (format: `morl.history`)
    tb/                the metrics as TensorBoard events
    checkpoint/        everything needed to go on: parameters, optimiser, replay, environment, random streams
    agent/             the agent as `morl.load` reads it
    front.json         the final evaluation

Every file is written to a temporary name and renamed. A resumed run first cuts the metrics back to the
checkpoint. With a batched environment (eager, the same device, versions and number of threads) it then ends
bit for bit where an uninterrupted run ends; other environments cannot be saved, so they begin new episodes.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from morl import registry, store
from morl._arrays import as_count
from morl.errors import CheckpointError, MorlError, TrustError
from morl.front_fields import installed_versions
from morl.locking import lock_folder
from morl.trust import Trust, check, code_names

if TYPE_CHECKING:
    from morl.agent import Agent, Callback
    from morl.front import Front
    from morl.threads import Threads

FORMAT, CHECKPOINT_FORMAT = "morl-run", "morl-checkpoint"
SCHEMA_VERSION = 1

UNBEGUN = (".lock", "config.json")
"""What the directory of a run holds whose training has not begun."""

EXTENDABLE = ("total_steps", "device", "evaluation_steps")
"""What may change when a run is resumed."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides how a run goes."""

    env: str
    """Environment id, or `module:Class`."""
    agent: str
    """Agent name, or `module:Class`."""
    total_steps: int
    """Environment steps in all, over all parallel environments."""
    seed: int = 0
    """Of the agent and its training environments."""
    num_envs: int = 64
    """Environments that run in parallel."""
    backend: str = "auto"
    """Which implementation to train on, as for `morl.make_vec`."""
    compile: bool = False
    """Compile the batched environment."""
    device: str = "cpu"
    """Where to train."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the environment."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The agent's settings; those not given take their defaults."""
    evaluation_steps: int | None = None
    """Environment steps between two evaluations during training; None to go by time."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "env_kwargs", _json_arguments(self.env_kwargs))
        as_count(self.total_steps, name="the budget (total_steps)")
        as_count(self.num_envs, name="the number of environments (num_envs)")
        as_count(self.seed, name="the seed", minimum=0)
        if self.evaluation_steps is not None:
            as_count(self.evaluation_steps, name="the steps between two evaluations (evaluation_steps)")

    def code_names(self) -> list[str]:
        """All names in it that make Python import what is not registered."""
        return code_names(self.env, self.agent, values=[self.env_kwargs, self.settings])

    def complete(self) -> RunConfig:
        """The same with every setting of the agent spelt out, as JSON keeps it; checks agent and settings."""
        from morl.agent import make_config, restore_tuples

        config = make_config(registry.agent_class(self.agent), None, restore_tuples(self.settings))
        return replace(self, settings=json.loads(json.dumps(asdict(config))))


class Run:
    """One training in its directory; made by `create` or `open`."""

    def __init__(
        self, path: Path, config: RunConfig, details: dict[str, Any], *, trust: Trust = True
    ) -> None:
        self.path, self.recorded, self._details, self._trust = path, config, details, trust

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
        file = path / "config.json"
        try:
            document = json.loads(file.read_bytes())
        except ValueError as error:
            raise CheckpointError(
                f"{file} is damaged, it is not JSON ({error}); restore it from a copy"
            ) from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise CheckpointError(f"expected a run directory, {file} is not from a run; check the path")
        if document.get("version") != SCHEMA_VERSION:
            raise CheckpointError(
                f"expected version {SCHEMA_VERSION} in {file}, found {document.get('version')}; "
                "read it with the version of morl that wrote it"
            )
        signed = False
        if "sha256" in document:  # older versions wrote none
            document, signed = store.unseal(document, file)
        known = {entry.name for entry in fields(RunConfig)}
        try:
            config = RunConfig(**{name: value for name, value in document["config"].items() if name in known})
            details = {name: document[name] for name in ("created", "threads", "versions")}
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{file} is damaged, entries are missing ({error}); restore it") from error
        return cls(path, config, details, trust=signed or trust)

    def adopt(self, config: RunConfig) -> None:
        """Take over what may change when a run is resumed (budget, device, evaluations) from `config`.

        Raises:
            MorlError: `config` differs in anything else; the message lists it.
        """
        mine, theirs = asdict(self.config), asdict(config.complete())
        different = [name for name in mine if mine[name] != theirs[name] and name not in EXTENDABLE]
        if different:
            listed = "; ".join(_difference(name, mine[name], theirs[name]) for name in different)
            raise MorlError(f"expected the settings that {self.path} began with: {listed}")
        self.recorded = replace(self.recorded, **{name: theirs[name] for name in EXTENDABLE})

    def lock(self) -> AbstractContextManager[None]:
        """Hold the right to write this run; a second process gets a `MorlError`."""
        return lock_folder(self.path)

    def front(self) -> Front:
        """The final evaluation."""
        from morl.front import Front

        if not (self.path / "front.json").exists():
            raise CheckpointError(
                f"expected the result of a finished run, {self.path} has no front.json; resume it (--resume)"
            )
        return Front.load(self.path / "front.json")

    def load_agent(self, device: str = "cpu") -> Agent:
        """The agent as of the end, or of the last checkpoint of an unfinished run."""
        from morl.agent import load

        if not (self.path / "agent").exists():
            raise CheckpointError(
                f"expected an agent in {self.path}, found none yet; let the run begin (--resume)"
            )
        agent = load(self.path / "agent", device=device, trust=self._trust)
        agent.training_id = self.training_id
        return agent

    def save_checkpoint(self, agent: Agent) -> None:
        """Write everything that training needs to go on, and the agent as it is now."""
        state = {
            "steps": agent.steps,
            "seconds": agent.seconds,
            "parameters": agent.parameters_state(),
            "training": agent.training_state(),
        }
        store.save(self.path / "checkpoint", state, format=CHECKPOINT_FORMAT, version=SCHEMA_VERSION)
        agent.save(self.path / "agent")

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to go on from."""
        return (self.path / "checkpoint" / store.STATE_FILE).exists()

    def restore(self, agent: Agent) -> bool:
        """Put the agent where the checkpoint was taken, cut metrics and evaluations back to it; False without one."""
        from morl.history import FILE, cut_evaluations
        from morl.metrics import cut_csv

        folder = self.path / "checkpoint"
        found = self.has_checkpoint
        if found:
            try:
                state = store.load(
                    folder, format=CHECKPOINT_FORMAT, version=SCHEMA_VERSION, device=agent.device
                )
            except CheckpointError as error:
                raise CheckpointError(f"{error}; to begin the run anew, remove {folder}") from error
            agent.load_parameters(state["parameters"])
            agent.load_training(state["training"])
            agent.steps, agent.seconds = state["steps"], state["seconds"]
        cut_csv(self.path / "metrics.csv", agent.steps)
        cut_evaluations(self.path / FILE, agent.steps if found else -1)
        return found

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
            self._write_config()
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
        """Keep the number that the training computes with, for when it is resumed."""
        self._details = {**self._details, "threads": threads}
        self._write_config()

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
        document = {
            "format": FORMAT,
            "version": SCHEMA_VERSION,
            "config": asdict(self.recorded),
            **self._details,
        }
        sealed = store.seal(document, own=self.trusted)
        store.atomic_write(self.path / "config.json", json.dumps(sealed, indent=2) + "\n")


def is_run(path: str | Path) -> bool:
    """Whether a directory looks like a run."""
    return (Path(path) / "config.json").is_file()


def _json_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments as they are read from `config.json`: lists for tuples, Python's numbers for NumPy's."""

    def told(value: Any) -> Any:
        if hasattr(value, "tolist"):
            return value.tolist()
        raise MorlError(
            f"expected arguments of the environment (env_kwargs) that JSON can hold, got {value!r}; give the "
            "environment a function or class of its own, module:Class, that makes it from such"
        )

    plain: dict[str, Any] = json.loads(json.dumps(arguments, default=told))
    return plain


def _check_unused(path: Path) -> None:
    """Raise a `MorlError` where a new run would overwrite something."""
    if path.exists() and not path.is_dir():
        raise MorlError(f"expected a directory for the run, found the file {path}; choose another")
    if (path / "metrics.csv").exists() and is_run(path):
        raise MorlError(f"{path} already holds a run; resume it (--resume), or choose another directory")
    if path.exists() and any(file.name not in UNBEGUN for file in path.iterdir()):
        raise MorlError(f"expected a new or empty directory for the run, {path} holds other files")


def _difference(name: str, mine: Any, theirs: Any) -> str:
    """`seed is 0, got 1`; for settings, only those that differ."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
        return "; ".join(f"{name}.{key} is {mine.get(key)!r}, got {theirs.get(key)!r}" for key in keys)
    return f"{name} is {mine!r}, got {theirs!r}"
