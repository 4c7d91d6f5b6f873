"""Recipes: trainings that were measured, by name, with the settings that they need.

An agent's defaults suit small discrete problems. What the benchmarks train, and with which settings, stands in
`recipes.json`: `benchmarks/` takes it from there, `morl list recipes` shows it, `morl train --like NAME` repeats it.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from morl import registry
from morl.errors import MorlError

if TYPE_CHECKING:
    from morl.runs import RunConfig


@cache
def _entries() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = json.loads(files("morl").joinpath("recipes.json").read_text("utf-8"))
    return entries


def names() -> list[str]:
    """All there are."""
    return list(_entries())


def load(name: str) -> RunConfig:
    """The configuration of a run, with seed 0: `Run.create(path, recipes.load(name)).train()` repeats the training.

    Raises:
        MorlError: there is no such recipe.
    """
    from morl.runs import RunConfig

    if name not in names():
        raise MorlError(
            f"expected a recipe, got {name!r}.{registry.suggest(name, names())} `morl list recipes` shows them"
        )
    return RunConfig(**deepcopy(_entries()[name]))
