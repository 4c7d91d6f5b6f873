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
from morl.study import Entry, Study

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
    per_objective = ("episode_returns", "episode_returns_undiscounted", "weights", "reference_point")
    changed: dict[str, Any] = {
        name: None if getattr(front, name) is None else np.take(getattr(front, name), index, axis=-1)
        for name in per_objective
    }
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
