"""`morl list`."""

from __future__ import annotations

import inspect
import warnings

from rich.markup import escape

from morl import registry
from morl.cli.options import List
from morl.cli.tables import make_table, show


def run(options: List) -> None:
    """Print what was asked for."""
    {"envs": list_envs, "agents": list_agents, "indicators": list_indicators}[options.what]()


def list_envs() -> None:
    """Every environment with a card."""
    table = make_table(
        "id", "objectives", "discount", "reference point", "known front", "batched", "what it is"
    )
    for card in registry.cards().values():
        protocol = card.protocol()
        table.add_row(
            card.id,
            ", ".join(objective.name for objective in card.objectives),
            f"{protocol.gamma:g}",
            ", ".join(f"{value:g}" for value in protocol.reference_point),
            card.front_kind,
            "yes" if card.batched else "no",
            escape(card.description),
        )
    show(
        "Environments",
        table,
        "Any other environment with vector rewards works too, as Gymnasium id or module:Class; of one with a "
        "single reward, ID[TERM,...] makes terms of its info objectives. `morl check-env ENV` tells.",
    )


def list_agents() -> None:
    """Every installed agent, with the first line of its documentation."""
    table = make_table("name", "what it is")
    for name in registry.agent_names():
        try:
            documentation = inspect.getdoc(registry.agent_class(name)) or ""
        except Exception as error:  # a broken third-party package must not hide the others
            warnings.warn(f"the agent {name} cannot be loaded: {error!r}", stacklevel=2)
            continue
        table.add_row(name, escape(documentation.partition("\n\n")[0].replace("\n", " ")))
    show("Agents", table, "Settings: `morl train ENV --agent NAME --help`. Your own: --agent module:Class.")


def list_indicators() -> None:
    """Every indicator."""
    from morl.indicators import indicators

    table = make_table("name", "better", "needs beside the points", "what it is")
    for indicator in indicators().values():
        needs = ", ".join(name.replace("_", " ") for name in indicator.needs)
        table.add_row(indicator.name, indicator.better, needs, escape(indicator.description))
    show("Indicators", table)
