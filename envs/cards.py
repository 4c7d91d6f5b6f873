"""Cards of the environments that `morl` ships: objectives, evaluation protocols, known fronts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from morl.envs import control_cards, grid_cards, many_cards, physics_cards
from morl.registry import EnvCard, Objective, Protocol, register_card

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Front = NDArray[np.float64]

SEA_PROTOCOLS = (
    Protocol("standard", 0.99, (0.0, -50.0), "runs of GPI-LS and Envelope with MORL-Baselines"),
    Protocol("near", 0.99, (0.0, -25.0), "as standard, with the reference point of Pareto Q-learning"),
    Protocol("pql", 1.0, (0.0, -25.0), "Pareto Q-learning, MORL-Baselines' examples/pql_dst.py"),
)

MINECART_PROTOCOLS = (
    Protocol("c-morl", 0.98, (-1.0, -1.0, -200.0), "C-MORL (Liu et al., ICLR 2025)"),
    Protocol("morl-baselines", 0.98, (0.0, 0.0, -200.0), "MORL-Baselines' GPI-PD and Envelope"),
    Protocol("pcn", 1.0, (0.0, 0.0, -200.0), "PCN, MORL-Baselines' examples/pcn_minecart.py"),
)


def sea_front(sea_map: str, gamma: float) -> Front:
    """The exact front of a deep-sea-treasure map."""
    from morl.envs.sea_maps import MAPS

    return MAPS[sea_map].front(gamma)


def minecart_front(env_id: str, gamma: float) -> Front:
    """Returns of the best plans for a minecart."""
    from morl.envs.minecart_front import front

    return front(env_id, gamma)


def sea_card(env_id: str, sea_map: str, description: str) -> EnvCard:
    """The card of one deep-sea-treasure map."""
    return EnvCard(
        id=env_id,
        objectives=(
            Objective("treasure", "value", "worth of the treasure that ends the episode"),
            Objective("time", "steps", "-1 for every step", cost=True),
        ),
        protocols=SEA_PROTOCOLS,
        default_protocol="standard",
        front_kind="closed form",
        front=partial(sea_front, sea_map),
        deterministic=True,
        batched=True,
        original=env_id,
        description=description,
    )


def minecart_card(env_id: str, stored_id: str, description: str) -> EnvCard:
    """The card of one minecart; its front is on file as that of `stored_id`."""
    return EnvCard(
        id=env_id,
        objectives=(
            Objective("ore 1", "amount", "first ore brought home; the cart holds 1.5 in all"),
            Objective("ore 2", "amount", "second ore brought home"),
            Objective("fuel", "amount", "minus the fuel for idling, accelerating and digging", cost=True),
        ),
        protocols=MINECART_PROTOCOLS,
        default_protocol="c-morl",
        front_kind="best known",
        front=partial(minecart_front, stored_id),
        exact_at=(0.98, 1.0) if stored_id == "minecart-deterministic-v0" else (),
        deterministic=stored_id == "minecart-deterministic-v0",
        batched=True,
        original=env_id,
        description=description,
    )


def register() -> None:
    """Register all cards of this module; called through the entry point group `morl.cards`."""
    control_cards.register()
    grid_cards.register()
    many_cards.register()
    physics_cards.register()
    register_card(sea_card("deep-sea-treasure-v0", "convex", "10 treasures; weighted sums can reach all"))
    register_card(
        sea_card(
            "deep-sea-treasure-concave-v0",
            "concave",
            "10 treasures; weighted sums reach only the nearest and the farthest",
        )
    )
    register_card(
        sea_card(
            "deep-sea-treasure-mirrored-v0",
            "mirrored",
            "the concave map, doubled by a side without treasures",
        )
    )
    errand = "dig two ores at five mines and bring them home"
    for env_id, stored_id, description in (
        ("minecart-v0", "minecart-v0", f"{errand}; random amounts"),
        ("minecart-deterministic-v0", "minecart-deterministic-v0", f"{errand}; fixed amounts"),
        ("minecart-rgb-v0", "minecart-v0", "minecart-v0, observed as pictures of 480 x 480 pixels"),
    ):
        register_card(minecart_card(env_id, stored_id, description))
