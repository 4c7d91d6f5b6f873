"""A study: the fronts of many trainings, read from wherever they lie, to be compared.

    study = load_study(["runs/", "gpi-ls=exports/gpi-ls/"])
    study.environments["minecart-v0"]      # the entries of one environment: one per run or front file

An entry is one training's result. Entries with the same `group` are the same thing trained with different
seeds: statistics are taken over them. Entries of different environments, or under different discounts, never
stand in the same table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from morl._arrays import Array
from morl.errors import MorlError
from morl.front import Front
from morl.problem import canonical_arguments


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """One look during a training."""

    steps: int
    """Environment steps trained until then."""
    seconds: float
    """Seconds trained until then."""
    returns: Array
    """Mean return of each point (k, m); (0, m) where only the values were kept."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Indicators under their names in metrics.csv, such as "hypervolume" and "commanded_utility"."""
    preferences: int | None = None
    """Over how many preferences the utilities are; None where it was not kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One run, or one front file, of a study."""

    label: str
    """What it is called; unique in the study."""
    group: str
    """What seeds are aggregated over: by default the agent's name, else the label."""
    front: Front
    """What is reported."""
    history: tuple[Evaluation, ...] = ()
    """The evaluations during training, by steps; empty where none were kept."""
    source: Path | None = None
    """The run directory or the file."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from, as JSON values: "file", "agent", "seed", "versions", "config" and the like."""

    def __post_init__(self) -> None:
        for name in ("label", "group"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise MorlError(f"expected {name} to be a non-empty string, got {getattr(self, name)!r}")
        config = self.provenance.get("config")
        kwargs = config.get("env_kwargs") if isinstance(config, Mapping) else None
        if self.front.env_kwargs is None and isinstance(kwargs, Mapping) and kwargs:
            # The front is of a version that did not record them, as its run did.
            front = replace(self.front, env_kwargs=canonical_arguments(kwargs))
            object.__setattr__(self, "front", front)

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """The keyword arguments of the environment beside its defaults."""
        return dict(self.front.env_kwargs or {})

    @property
    def environment(self) -> str:
        """The problem (`Front.problem`): `minecart-v0`, `toys:Corridor (slip=0.3)`."""
        return self.front.problem


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """Entries of one or several environments.

    Raises:
        MorlError: no entries, a label used twice, or entries of one environment whose objectives differ in
            name or order (`load_study(..., reorder=True)` puts those in one order).
    """

    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if not self.entries:
            raise MorlError("expected at least one run or front to compare, got none")
        labels = [entry.label for entry in self.entries]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise MorlError(f"expected a different label for every entry, got one twice: {', '.join(twice)}")
        first: dict[str, Entry] = {}
        for entry in self.entries:
            other = first.setdefault(entry.environment, entry)
            if entry.front.objectives != other.front.objectives:
                raise MorlError(
                    f"expected fronts of the same objectives in {entry.environment}: {other.label} has "
                    f"{_names(other)}, {entry.label} has {_names(entry)}"
                    + (
                        "; put them in one order with --reorder (reorder=True)"
                        if set(entry.front.objectives) == set(other.front.objectives)
                        else "; compare them in separate calls"
                    )
                )

    @property
    def environments(self) -> dict[str, tuple[Entry, ...]]:
        """Environment -> its entries, in the order of the study.

        Where an environment has fronts under several discounts, each discount is a section of its own, such
        as `minecart-v0, discount 0.98`.
        """
        discounts: dict[str, set[float]] = {}
        for entry in self.entries:
            discounts.setdefault(entry.environment, set()).add(entry.front.gamma)
        sections: dict[str, list[Entry]] = {}
        for entry in self.entries:
            key = entry.environment
            if len(discounts[key]) > 1:
                key = f"{key}, discount {entry.front.gamma!r}"
            sections.setdefault(key, []).append(entry)
        return {key: tuple(entries) for key, entries in sections.items()}

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of all environments, in the order of the study; a group's place is that of its colour."""
        return tuple(dict.fromkeys(entry.group for entry in self.entries))


def by_group(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Group -> its entries, in their order."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.group, []).append(entry)
    return groups


def load_study(
    paths: str | Path | Iterable[str | Path],
    *,
    env: str | None = None,
    gamma: float | None = None,
    objectives: Sequence[str] | None = None,
    minimise: Sequence[str] = (),
    reorder: bool = False,
    split_discounts: bool = False,
) -> Study:
    """Read runs and fronts into a study.

    Args:
        paths: run directories, files (`front.json`, and tables of points as `morl.point_parts` lists them) and
            directories, which are searched for such; `NAME=PATH` makes one group, called NAME, of all that lies
            there.
        env: the environment's id, for files that do not say it.
        gamma: the discount of the returns in files that do not say it.
        objectives: names of the columns in files that do not name them; of a table that does, the columns
            to read, in this order.
        minimise: objectives of which such files hold what is to be small: their signs are changed, once, since
            objectives are maximised.
        reorder: put objectives of the same names in the order of the first front of each environment.
        split_discounts: give each discount of an environment a section of its own; else that is refused.

    Raises:
        MorlError: nothing to read, something twice, files that are no fronts, or fronts of one environment
            that must not be compared.
    """
    from morl.study_files import read_study  # late: it reads into the classes above

    return read_study(
        paths,
        env=env,
        gamma=gamma,
        objectives=objectives,
        minimise=minimise,
        reorder=reorder,
        split_discounts=split_discounts,
    )


def _names(entry: Entry) -> str:
    return ", ".join(entry.front.objectives)
