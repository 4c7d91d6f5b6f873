"""What makes the entries of a study comparable: one order of objectives, one discount, groups of equal trainings."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from morl import registry
from morl.comparison_text import listed
from morl.errors import MorlError
from morl.problem import numbered_places
from morl.study import Entry, Study

PER_OBJECTIVE = (
    *("episode_returns", "episode_returns_undiscounted"),
    *("weights", "reference_point", "known_points"),
)
"""The arrays of a front whose last dimension are the objectives."""

NOT_SEEDS = ("env", "env_kwargs", "agent", "seed", "device", "settings")
"""Entries of a run's configuration that do not make it another variant of its agent; settings are looked into."""


def tell_variants_apart(entries: Sequence[Entry], fixed: set[str]) -> list[Entry]:
    """Split the groups of agents that were trained with different settings: those are not seeds of one thing.

    Args:
        entries: as read.
        fixed: labels of the entries whose group the user named; they stay as they are.

    Returns:
        Entries whose groups are called, say, `envelope-dqn (hidden=[64], total_steps=100000)`, after all that
        differs between the runs of an agent in some environment.
    """
    configs: dict[str, dict[str, Any]] = {}
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in entries:
        config = entry.provenance.get("config")
        if entry.label in fixed or not isinstance(config, dict):
            continue
        flat = {name: value for name, value in config.items() if name not in NOT_SEEDS}
        configs[entry.label] = {**flat, **config.get("settings", {})}
        seen.setdefault((entry.group, entry.environment), []).append(configs[entry.label])
    differing: dict[str, set[str]] = {}
    for (group, _), variants in seen.items():
        differing.setdefault(group, set()).update(
            name
            for variant in variants
            for name in variant
            if any(other.get(name) != variant[name] for other in variants)
        )
    result = []
    for entry in entries:
        names = sorted(differing.get(entry.group, ())) if entry.label in configs else []
        settings = ", ".join(f"{name}={configs[entry.label].get(name)}" for name in names)
        result.append(replace(entry, group=f"{entry.group} ({settings})") if settings else entry)
    return result


def once_each(entries: Sequence[Entry]) -> list[Entry]:
    """Entries in which no training counts as two seeds of one group.

    What is another evaluation of a training gets a group of its own, what is the same again (a copy of a run, a run
    and its own front.json) is left out and named in a warning.
    """
    first: dict[Any, Entry] = {}
    groups: dict[str, str] = {}
    again = {}
    # Runs first, which know more than their fronts.
    for entry in sorted(entries, key=lambda entry: "config" not in entry.provenance):
        front = entry.front
        section = (entry.group, entry.environment, front.gamma)
        keys = [(*section, key) for key in _training_keys(entry)]
        other = next((first[key] for key in keys if key in first), None)
        for key in keys:
            first.setdefault(key, entry)
        if other is None or _are_told_apart(entry, other):
            continue
        if np.array_equal(other.front.episode_returns, front.episode_returns):
            again[entry.label] = other.label
        else:
            groups[entry.label] = f"{entry.group} ({entry.label})"
    if again:
        pairs = listed([f"{kept} and {label}" for label, kept in again.items()])
        warnings.warn(f"counted once, since they are the same training: {pairs}", stacklevel=2)
    return [
        replace(entry, group=groups.get(entry.label, entry.group))
        for entry in entries
        if entry.label not in again
    ]


def _training_keys(entry: Entry) -> list[Any]:
    """What only fronts of one training have in common, as far as it is known."""
    front = entry.front
    keys: list[Any] = [("id", told) for told in [entry.provenance.get("training_id")] if told is not None]
    if front.agent is not None and front.training_seed is not None:
        who = (front.agent, front.training_seed)
        keys.append(("returns", *who, front.episode_returns.tobytes()))
        if front.training_seconds is not None:  # to the microsecond
            keys.append(("seconds", *who, front.training_steps, front.training_seconds))
    return keys


def _are_told_apart(entry: Entry, other: Entry) -> bool:
    """Whether both say which training they are of, and it is not the same."""
    ids = {each.provenance.get("training_id") for each in (entry, other)}
    return len(ids) == 2 and None not in ids


def in_their_problem(entries: Sequence[Entry]) -> list[Entry]:
    """Put tables whose environment was given as a section's name, `minecart-v0 (frame_skip=2)`, into that section."""
    problems = {entry.front.problem: entry.front for entry in entries if not entry.front.ordinary}
    result = []
    for entry in entries:
        known = problems.get(entry.front.env_id)
        if known is not None:
            own: dict[str, Any] = {
                name: getattr(known, name) for name in ("env_id", "env_kwargs", "wrappers")
            }
            entry = replace(entry, front=replace(entry.front, **own))
        result.append(entry)
    return result


def name_numbered(entries: Sequence[Entry]) -> list[Entry]:
    """Give objectives that are only numbered the names that they have in the other fronts of their environment."""
    named: dict[tuple[str, int], set[tuple[str, ...]]] = {}
    for entry in entries:
        front = entry.front
        if numbered_places(front.objectives) is None:
            named.setdefault((front.env_id, front.num_objectives), set()).add(front.objectives)
    result = []
    for entry in entries:
        front = entry.front
        places = numbered_places(front.objectives)
        known = named.get((front.env_id, front.num_objectives), set())
        if places is not None and len(known) == 1:
            (names,) = known
            front = replace(front, objectives=tuple(names[place] for place in places))
        result.append(entry if front is entry.front else replace(entry, front=front))
    return result


def in_one_order(entries: Sequence[Entry]) -> list[Entry]:
    """Put objectives of the same names in one order: that of the environment's card, else of its first entry."""
    orders: dict[str, tuple[str, ...]] = {}
    result = []
    for entry in entries:
        names = entry.front.objectives
        card = registry.get_card(entry.front.env_id)
        known = () if card is None else tuple(objective.name for objective in card.objectives)
        order = orders.setdefault(entry.environment, known if set(known) == set(names) else names)
        result.append(_reordered(entry, order) if set(order) == set(names) else entry)
    return result


def _reordered(entry: Entry, order: tuple[str, ...]) -> Entry:
    """The entry with its objectives in this order of their names."""
    front = entry.front
    if front.objectives == order:
        return entry
    index = [front.objectives.index(name) for name in order]
    changed: dict[str, Any] = {
        name: None if value is None else value[..., index]
        for name in PER_OBJECTIVE
        for value in [getattr(front, name)]
    }
    for name in ("units", "costs"):
        value = getattr(front, name)
        changed[name] = None if value is None else tuple(value[i] for i in index)
    return replace(
        entry,
        front=replace(front, objectives=order, **changed),
        history=tuple(replace(look, returns=look.returns[:, index]) for look in entry.history),
    )


def check_discounts(study: Study, *, split: bool) -> None:
    """Refuse one environment under several discounts, whose returns must not stand side by side."""
    first: dict[str, Entry] = {}
    for entry in study.entries:
        other = first.setdefault(entry.environment, entry)
        if entry.front.gamma != other.front.gamma and not split:
            raise MorlError(
                f"expected fronts of the same discount in {entry.environment}: {other.label} has "
                f"{other.front.gamma}, {entry.label} has {entry.front.gamma}; evaluate again with --gamma, or "
                "give each discount a table of its own with --split-discounts (split_discounts=True)"
            )


def warn_of_repeated_seeds(study: Study) -> None:
    """Say where one seed of one agent counts several times: those trainings are no independent samples."""
    twice = []
    for entries in study.environments.values():
        seen: dict[str, str] = {}
        for entry in entries:
            seed = entry.front.training_seed
            if seed is None:
                continue
            training = [entry.group, entry.front.agent, seed, entry.provenance.get("config")]
            other = seen.setdefault(json.dumps(training, sort_keys=True, default=str), entry.label)
            if other != entry.label:
                twice.append(f"{other} and {entry.label} (seed {seed})")
    if twice:
        warnings.warn(
            f"these count as two seeds of one agent although they may be the same training: {listed(twice)}",
            stacklevel=2,
        )
