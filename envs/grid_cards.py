"""Cards of resource gathering, breakable bottles, the fruit tree and the four rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from morl.registry import EnvCard, Objective, Protocol, register_card

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Front = NDArray[np.float64]

RESOURCE_PROTOCOLS = (
    Protocol(
        "discounted",
        0.9,
        (-1.0, -1.0, -1.0),
        "none published: discount of MO-Gymnasium's issue 104, and a reference that values one treasure alone",
    ),
    Protocol(
        "patient",
        0.99,
        (-1.0, -1.0, -1.0),
        "as discounted, with the discount of MORL-Baselines' benchmarks, which leaves three trade-offs",
    ),
)

BOTTLES_PROTOCOLS = (
    Protocol(
        "discounted",
        0.99,
        (-100.0, 0.0, -1.0),
        "none published: the discount of MORL-Baselines' benchmarks, and bounds of the worst return",
    ),
    Protocol(
        "undiscounted", 1.0, (-100.0, 0.0, -1.0), "none published: the worst return within the time limit"
    ),
)

FRUIT_PROTOCOLS = (
    Protocol("c-morl", 0.99, (-1.0,) * 6, "C-MORL (Liu et al., ICLR 2025), scripts/ftn.py"),
    Protocol("lcn", 1.0, (0.0,) * 6, "LCN, MORL-Baselines' examples/lcn_fruit_tree.py"),
)

ROOMS_PROTOCOLS = (
    Protocol("sfols", 0.95, (0.0, 0.0, 0.0), "SFOLS (Alegre et al., ICML 2022), experiments/run_fourroom.py"),
    Protocol("patient", 0.99, (0.0, 0.0, 0.0), "as sfols, with the discount of MORL-Baselines' benchmarks"),
)

NUTRIENTS = ("protein", "carbs", "fats", "vitamins", "minerals", "water")

SHAPES = ("blue squares", "green triangles", "red circles")


def resource_front(gamma: float) -> Front:
    """The exact front of resource gathering."""
    from morl.envs.resource_gathering import front

    return front(gamma)


def bottles_front(gamma: float) -> Front:
    """The corners of the convex hull of breakable bottles."""
    from morl.envs.breakable_bottles import front

    return front(gamma)


def fruit_front(gamma: float) -> Front:
    """The exact front of the tree with depth 6."""
    from morl.envs.fruit_tree import front

    return front(gamma)


def rooms_front(gamma: float) -> Front:
    """The exact front of the default maze."""
    from morl.envs.four_room_front import front

    return front(gamma)


def register() -> None:
    """Register all cards of this module."""
    register_card(
        EnvCard(
            id="resource-gathering-v0",
            objectives=(
                Objective(
                    "death", "deaths", "-1 if an enemy kills, which happens to a tenth of visitors", cost=True
                ),
                Objective("gold", "pieces", "1 if home is reached with the gold"),
                Objective("diamond", "pieces", "1 if home is reached with the diamond"),
            ),
            protocols=RESOURCE_PROTOCOLS,
            default_protocol="discounted",
            front_kind="planned",
            front=resource_front,
            batched=True,
            original="resource-gathering-v0",
            description="bring gold and a diamond home past two enemies; safe ways are longer",
        )
    )
    register_card(
        EnvCard(
            id="breakable-bottles-v0",
            objectives=(
                Objective("time", "steps", "-1 for every step", cost=True),
                Objective("delivery", "25 per bottle", "25 for each of two bottles delivered"),
                Objective("litter", "potential", "-1 when the first bottle is dropped", cost=True),
            ),
            protocols=BOTTLES_PROTOCOLS,
            default_protocol="discounted",
            front_kind="planned hull",
            front=bottles_front,
            batched=True,
            original="breakable-bottles-v0",
            description="carry two bottles one by one, or both at once and perhaps drop one",
        )
    )
    register_card(
        EnvCard(
            id="fruit-tree-v0",
            objectives=tuple(
                Objective(name, "amount", f"{name} in the fruit, from 0 to 10") for name in NUTRIENTS
            ),
            protocols=FRUIT_PROTOCOLS,
            default_protocol="c-morl",
            front_kind="closed form",
            front=fruit_front,
            deterministic=True,
            batched=True,
            original="fruit-tree-v0",
            description="six steps down a binary tree to one of 64 fruits; weighted sums can reach all",
        )
    )
    register_card(
        EnvCard(
            id="four-room-v0",
            objectives=tuple(
                Objective(name, "shapes", f"1 for each of four {name}, and 1 for the goal") for name in SHAPES
            ),
            protocols=ROOMS_PROTOCOLS,
            default_protocol="sfols",
            front_kind="planned",
            front=rooms_front,
            deterministic=True,
            batched=True,
            original="four-room-v0",
            description="collect three kinds of shapes in four rooms; what is traded is which come first",
        )
    )
