"""What a run was asked for, and the file `config.json` that keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from morl import budget, registry, store
from morl._arrays import as_count, plain
from morl.errors import CheckpointError, MorlError
from morl.trust import code_names

CONFIG_FILE = "config.json"
FORMAT = "morl-run"
SCHEMA_VERSION = 1

EXTENDABLE = ("total_steps", "device", "evaluation_steps")
"""What may change when a run is resumed."""

KINDS: dict[str, type] = {
    "env": str,
    "agent": str,
    "backend": str,
    "compile": bool,
    "device": str,
    "env_kwargs": dict,
    "settings": dict,
}
"""What some of the entries must be, whoever wrote them."""

COUNTS: dict[str, tuple[str, int]] = {
    "total_steps": ("the budget", 1),
    "num_envs": ("the number of environments", 1),
    "seed": ("the seed", 0),
    "evaluation_steps": ("the steps between two evaluations", 1),
}
"""What must be whole numbers, what to call them, and the least that they may be."""

OPTIONAL = ("num_envs", "evaluation_steps")
"""Which of them may be None."""

FIRST = (
    "env",
    "agent",
    "total_steps",
    "seed",
    "num_envs",
    "backend",
    "compile",
    "device",
    "env_kwargs",
    "settings",
)
"""The entries that every `config.json` has; later versions of morl added others."""


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
    num_envs: int | None = None
    """Environments that run in parallel; None for as many as suit agent, budget and environment."""
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
        for name, kind in KINDS.items():
            if not isinstance(getattr(self, name), kind):
                raise MorlError(f"expected {name} to be a {kind.__name__}, got {getattr(self, name)!r}")
        object.__setattr__(self, "env_kwargs", _json_arguments(self.env_kwargs))
        object.__setattr__(self, "settings", plain(self.settings))
        for name, (said, least) in COUNTS.items():
            value = getattr(self, name)
            if value is not None or name not in OPTIONAL:
                count = as_count(value, name=f"{said} ({name})", minimum=least)
                if count >= 2**63:
                    raise MorlError(
                        f"expected {said} ({name}) to be below 2**63, got a number of {count.bit_length()} bits"
                    )
                object.__setattr__(self, name, count)

    def code_names(self) -> list[str]:
        """All names in it that make Python import what is not registered."""
        return code_names(self.env, self.agent, values=[self.env_kwargs, self.settings])

    def complete(self) -> RunConfig:
        """The same with every setting of the agent spelt out, as JSON keeps it, and the number of environments.

        Checks agent and settings.
        """
        import morl
        from morl.agent import make_config, restore_tuples

        kind: Any = registry.agent_class(self.agent)
        config = make_config(kind, None, restore_tuples(self.settings))
        num_envs = self.num_envs
        if num_envs is None:
            outline = morl.envs.outline(self.env, backend=self.backend, env_kwargs=self.env_kwargs)
            num_envs = budget.num_envs(
                self.total_steps,
                most=kind.default_num_envs,
                batched=outline.batched,
                horizon=outline.max_episode_steps,
                share=kind.trained_together(config),
            )
        return replace(self, num_envs=num_envs, settings=json.loads(json.dumps(asdict(config))))


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


def as_json(config: RunConfig) -> dict[str, Any]:
    """The configuration as JSON gives it back: tuples are lists."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return values


def differences(mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """In what another configuration differs, as far as it says anything: `seed is 0, got 1`, and so on."""
    different = (name for name in theirs if name not in EXTENDABLE and mine.get(name) != theirs[name])
    return [_difference(name, mine.get(name), theirs[name]) for name in different]


def _difference(name: str, mine: Any, theirs: Any) -> str:
    """`seed is 0, got 1`; for settings, only those that differ."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
        return "; ".join(f"{name}.{key} is {mine.get(key)!r}, got {theirs.get(key)!r}" for key in keys)
    return f"{name} is {mine!r}, got {theirs!r}"


def write_config(file: Path, config: RunConfig, details: dict[str, Any], *, own: bool) -> None:
    """Write a `config.json`; where all code that it names is the user's `own`, with the user's signature."""
    document = {"format": FORMAT, "version": SCHEMA_VERSION, "config": asdict(config), **details}
    store.atomic_write(file, json.dumps(store.seal(document, own=own), indent=2) + "\n")


def read_config(file: Path) -> tuple[RunConfig, dict[str, Any], bool]:
    """The configuration in a `config.json`, what else stands there, and whether this user signed it.

    Raises:
        CheckpointError: it is damaged, or was changed since it was written.
    """
    document = store.read_json(file)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CheckpointError(f"expected a run directory, {file} is not from a run; check the path")
    if document.get("version") != SCHEMA_VERSION:
        raise CheckpointError(
            f"expected version {SCHEMA_VERSION} in {file}, found {document.get('version')}; "
            "read it with the version of morl that wrote it"
        )
    signed = False
    if "sha256" in document:  # older versions wrote none
        try:
            document, signed = store.unseal(document, file)
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}. Was it changed by hand? A run keeps the settings that it began with: put them back, or "
                "begin another by `morl train --like`"
            ) from error
    with store.decoding(file):
        config, details = _checked(document)
    return config, details, signed


def _checked(document: dict[str, Any]) -> tuple[RunConfig, dict[str, Any]]:
    """The configuration in a `config.json`, and what else stands there."""
    said = document["config"]
    given = {e.name: said[e.name] for e in fields(RunConfig) if e.name in FIRST or e.name in said}
    as_count(said["num_envs"], name="the number of environments (num_envs)")  # decided when a run is created
    details = {name: document[name] for name in ("created", "threads", "versions")}
    created, threads, versions = details.values()
    # Numbers far off would fail only when they are used.
    if isinstance(created, bool) or not isinstance(created, (int, float)) or not 0 <= created < 2**35:
        raise MorlError(f"expected the seconds since 1970 at which the run was created, got {created!r}")
    if threads is not None:
        as_count(threads, name="threads")
    if not isinstance(versions, dict) or not all(isinstance(version, str) for version in versions.values()):
        raise MorlError(f"expected versions of packages, got {versions!r}")
    return RunConfig(**given), details | {"checkpointed": document.get("checkpointed") is True}
