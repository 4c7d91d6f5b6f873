"""Cards of the environments with many objectives: hypergrids and buildings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from morl.registry import EnvCard, Objective, Protocol, register_card

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HYPERGRIDS: dict[str, dict[str, Any]] = {
    **{f"hypergrid-{m}d-v0": {"objectives": m, "shape": "convex"} for m in range(2, 11)},
    "hypergrid-concave-3d-v0": {"objectives": 3, "shape": "concave"},
}
"""The registered hypergrids: their arguments by id."""

FLOORS = ("ground floor", "middle floor", "top floor")
"""Of the nine-objective building."""

GAINS = (
    ("comfort", "a zone at its target temperature; a twentieth less for each kelvin off"),
    ("cost", "a zone less its share of full power at the highest price of the year"),
    ("ramping", "a zone less the change, since the last step, of its share of full power"),
)
"""Kinds of objective of a building, and what one unit is."""


def hypergrid_front(objectives: int, shape: str, gamma: float) -> NDArray[np.float64]:
    """The exact front of a hypergrid with default depth and layout."""
    from morl.envs.hypergrid_map import make_map

    return make_map(objectives, shape=shape).front(gamma)


def hypergrid_card(env_id: str, objectives: int, shape: str) -> EnvCard:
    """The card of one hypergrid."""
    from morl.envs.hypergrid_map import DEPTHS

    depth = DEPTHS[objectives]
    treasures = tuple(
        Objective(
            f"treasure {axis + 1}", "value", f"worth, up to {depth}, of how far the dig is along axis {axis}"
        )
        for axis in range(objectives - 1)
    )
    # Below what any walk is paid that goes straight to a cell and digs: even the ends add to the volume.
    reference = (*(-1.0,) * (objectives - 1), -(depth + 2.0))
    reach = "weighted sums reach all of it" if shape == "convex" else "weighted sums reach only its ends"
    return EnvCard(
        id=env_id,
        objectives=(*treasures, Objective("time", "steps", "-1 for every step", cost=True)),
        protocols=(
            Protocol("standard", 0.99, reference, "defined here: one less than the least, one step too many"),
            Protocol("undiscounted", 1.0, reference, "as standard, without discount"),
        ),
        default_protocol="standard",
        front_kind="closed form",
        front=partial(hypergrid_front, objectives, shape),
        deterministic=True,
        batched=True,
        description=f"walk a grid with {objectives - 1} axes and dig; {shape} front, {reach}",
    )


def building_card(env_id: str, places: tuple[str, ...]) -> EnvCard:
    """The card of a building with three objectives for each of `places`; none means the building as a whole."""
    objectives = tuple(
        Objective(f"{place} {name}".strip(), "zones", f"sum over zones: {gain}")
        for name, gain in GAINS
        for place in places or ("",)
    )
    origin = (0.0,) * len(objectives)
    return EnvCard(
        id=env_id,
        objectives=objectives,
        protocols=(
            Protocol("discounted", 0.995, origin, "C-MORL (Liu et al., ICLR 2025): its training discount"),
            Protocol(
                "c-morl", 1.0, origin, "C-MORL's scripts building-3d.py and building-9d.py: eval-gamma 1"
            ),
        ),
        default_protocol="discounted",
        batched=True,
        description="heat and cool fifteen zones of an office over 480 hours; made weather and prices",
    )


def register() -> None:
    """Register all cards of this module; called by `morl.envs.cards.register`."""
    for env_id, arguments in HYPERGRIDS.items():
        register_card(hypergrid_card(env_id, **arguments))
    register_card(building_card("building-energy-3-v0", ()))
    register_card(building_card("building-energy-9-v0", FLOORS))
