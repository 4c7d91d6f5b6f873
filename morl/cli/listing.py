"""`morl list`."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import morl
from morl import recipes, registry
from morl.cli.options import List
from morl.cli.tables import literal, make_table, show
from morl.errors import EnvError, MorlError
from morl.plain_text import one_line
from morl.registry import EnvCard, Objective


def run(options: List) -> None:
    """Print what was asked for."""
    if not options.ids:
        lists = {
            "envs": list_envs, "agents": list_agents, "recipes": list_recipes, "indicators": list_indicators
        }  # fmt: skip
        lists[options.what]()
    elif options.what != "envs":
        raise MorlError(
            f"expected ids after `morl list envs`, got {options.ids[0]!r} after `list {options.what}`"
        )
    for env_id in options.ids:
        describe(env_id)


def list_envs() -> None:
    """Every environment with a card."""
    table = make_table(
        "id", "objectives", "discount", "reference point", "known front", "batched", "what it is"
    )
    for card in registry.cards().values():
        protocol = card.protocol()
        table.add_row(
            literal(card.id),
            ", ".join(map(_in_short, card.objectives)),
            f"{protocol.gamma:g}",
            ", ".join(f"{value:g}" for value in protocol.reference_point),
            card.front_kind,
            "yes" if card.batched else "no",
            literal(card.description),
        )
    show(
        "Environments",
        table,
        "Names stand with their units; a cost is paid as a negative reward. All of a card: `morl list envs ID`.\n"
        "Any other environment with vector rewards works too, as Gymnasium id or module:Class; of one with a "
        "single reward, ID[TERM,...] makes terms of its info objectives. `morl check-env ENV` tells.",
    )


def _in_short(objective: Objective) -> str:
    notes = [word for word in (objective.unit, "cost" if objective.cost else "") if word]
    return literal(f"{objective.name} ({', '.join(notes)})" if notes else objective.name)


def describe(env_id: str) -> None:
    """All that the card of one environment says, and its spaces.

    Raises:
        EnvError: there is no card.
    """
    card = registry.get_card(env_id)
    if card is None:
        known = list(registry.cards())
        raise EnvError(
            f"expected an environment with a card, got {env_id!r}.{registry.suggest(env_id, known)} "
            "`morl check-env` looks at any other"
        )
    objectives = make_table("objective", "unit", "direction", "what it is")
    for objective in card.objectives:
        direction = "minus a cost: the nearer to 0 the better" if objective.cost else "the more the better"
        objectives.add_row(
            literal(objective.name), literal(objective.unit), direction, literal(objective.description)
        )
    show(f"{card.id}: {card.description}", objectives)
    protocols = make_table("protocol", "discount", "reference point", "source")
    for protocol in card.protocols:
        default = " (default)" if protocol.name == card.default_protocol else ""
        point = ", ".join(f"{value:g}" for value in protocol.reference_point)
        protocols.add_row(
            literal(protocol.name) + default, f"{protocol.gamma:g}", point, literal(protocol.source)
        )
    batched = f"yes, also as {registry.NAMESPACE}{card.id} in Gymnasium's registry" if card.batched else "no"
    show(
        "Evaluation",
        protocols,
        "\n".join((*_spaces(card), f"known front: {_front_kind(card)}", f"batched: {batched}")),
    )


def _front_kind(card: EnvCard) -> str:
    """How the front of an environment is known, and what for."""
    kind: str = card.front_kind
    if card.exact_at:
        kind += f"; exact with discount {' and '.join(f'{gamma:g}' for gamma in card.exact_at)}"
    return f"{kind}; made for ESR, which it does not answer" if card.criterion == "ESR" else kind


def _spaces(card: EnvCard) -> list[str]:
    """Lines on what is observed and done."""
    lines = [
        f"{name}: {text}"
        for name, text in (("observation", card.observation), ("action", card.action))
        if text
    ]
    try:
        env = morl.make_vec(card.id, num_envs=1)
    except EnvError:
        needs = f"; its spaces show once the extra {card.extra} is installed" if card.extra else ""
        return [*lines, f"cannot be made here{needs}"]
    try:
        spaces = ("observation", "action", "reward")
        found = (env.single_observation_space, env.single_action_space, env.reward_space)
        return [*lines, *(f"{name} space: {space}" for name, space in zip(spaces, found, strict=True))]
    finally:
        env.close()


def list_agents() -> None:
    """Every installed agent, with the first line of its documentation."""
    table = make_table("name", "what it is")
    for name in registry.agent_names():
        try:
            documentation = inspect.getdoc(registry.agent_class(name)) or ""
        except Exception as error:  # a broken third-party package must not hide the others
            warnings.warn(f"the agent {name} cannot be loaded: {error!r}", stacklevel=2)
            continue
        table.add_row(literal(name), literal(one_line(documentation.partition("\n\n")[0])))
    show("Agents", table, "Settings: `morl train ENV --agent NAME --help`. Your own: --agent module:Class.")


def list_recipes() -> None:
    """Every training that was measured."""
    table = make_table("name", "environment", "steps", "environments", "settings")
    table.columns[0].no_wrap = True
    for name in recipes.names():
        config = recipes.load(name)
        side_by_side = f"{config.num_envs}" + (f", {config.backend}" if config.backend != "auto" else "")
        settings = literal(", ".join(_spelt(config.settings)) or "the defaults")
        table.add_row(name, config.env, f"{config.total_steps:,}", side_by_side, settings)
    show(
        "Recipes",
        table,
        "What the benchmarks train: `morl train --like NAME` does it again, other options change it. What comes out "
        "stands in benchmarks/README.md.",
    )


def _spelt(settings: dict[str, Any], prefix: str = "") -> list[str]:
    """Settings as the flags behind `--agent.` have them."""
    spelt = []
    for name, value in settings.items():
        if isinstance(value, dict):
            spelt += _spelt(value, f"{prefix}{name}.")
        else:
            spelt.append(f"{prefix}{name}={value}")
    return spelt


def list_indicators() -> None:
    """Every indicator."""
    from morl.indicators import indicators

    table = make_table("name", "better", "needs beside the points", "in tables", "what it is")
    for indicator in indicators().values():
        needs = ", ".join(name.replace("_", " ") for name in indicator.needs)
        shown = "yes" if indicator.default else "asked for"
        table.add_row(literal(indicator.name), indicator.better, needs, shown, literal(indicator.description))
    show("Indicators", table, "`morl compare` computes them all. docs/indicators.md says when to use which.")
