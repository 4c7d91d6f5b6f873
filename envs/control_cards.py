"""Cards of FishWood, the water reservoir and the mountain cars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from morl.registry import EnvCard, Objective, Protocol, register_card

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FISHWOOD_PROTOCOLS = (
    Protocol(
        "eupg", 0.99, (0.0, 0.0), "discount of MORL-Baselines' examples/eupg_fishwood.py; no return is less"
    ),
    Protocol("undiscounted", 1.0, (0.0, 0.0), "plain counts; no return is less"),
)

WATER_PROTOCOLS = (
    Protocol(
        "discounted",
        0.99,
        (-250.0, -700.0),
        "as mips, the steady deficit discounted, too (x 63.4); discount of MORL-Baselines' benchmarks",
    ),
    Protocol(
        "mips", 1.0, (-250.0, -1100.0), "MIPS' MDPs/Dam/Dam.m: its antiutopia, a mean per step, x 100 steps"
    ),
)

TIME = Objective("time", "steps", "-1 for every step but the one that reaches the goal", cost=True)
PUSH_LEFT = Objective("reverse", "pushes", "-1 for every push to the left", cost=True)
PUSH_RIGHT = Objective("forward", "pushes", "-1 for every push to the right", cost=True)
PUSH = Objective("move", "pushes", "-1 for every push, to the left or to the right", cost=True)
SPEED = Objective("speed", "15 x speed", "15 times the speed, in every step: at most 1.05")
FUEL = Objective("fuel", "squared throttle", "minus the square of the throttle", cost=True)

MOUNTAIN_CARS = {
    "mo-mountaincar-v0": (TIME, PUSH_LEFT, PUSH_RIGHT),
    "mo-mountaincar-3d-v0": (TIME, PUSH, SPEED),
    "mo-mountaincar-timemove-v0": (TIME, PUSH),
    "mo-mountaincar-timespeed-v0": (TIME, SPEED),
    "mo-mountaincarcontinuous-v0": (TIME, FUEL),
}


def fishwood_front(gamma: float) -> NDArray[np.float64]:
    """200 points (200, 2) of the exact front, which is the line through them."""
    from morl.envs.fishwood import front

    return front(gamma)


def mountain_car_protocols(objectives: tuple[Objective, ...], steps: int) -> tuple[Protocol, ...]:
    """Nobody seems to have published one: reference points are bounds of the worst return.

    Args:
        objectives: each costs at most 1 a step, or is never negative.
        steps: the time limit.
    """

    def worst(steps: float) -> tuple[float, ...]:
        return tuple(-steps if objective.cost else 0.0 for objective in objectives)

    return (
        Protocol(
            "discounted",
            0.99,
            worst(100.0),
            "none published: the discount of MORL-Baselines' benchmarks, and below every return of any length",
        ),
        Protocol(
            "undiscounted", 1.0, worst(float(steps)), "none published: the worst return within the time limit"
        ),
    )


def register() -> None:
    """Register all cards of this module."""
    register_card(
        EnvCard(
            id="fishwood-v0",
            objectives=(
                Objective("fish", "fish", "a fish caught at the river: in a tenth of the steps there"),
                Objective("wood", "logs", "a log found in the woods: in nine tenths of the steps there"),
            ),
            protocols=FISHWOOD_PROTOCOLS,
            default_protocol="eupg",
            front_kind="closed form",
            front=fishwood_front,
            criterion="ESR",
            batched=True,
            original="fishwood-v0",
            description="200 steps between a river and the woods; every policy is Pareto-optimal in expectation",
        )
    )
    register_card(
        EnvCard(
            id="water-reservoir-v0",
            objectives=(
                Objective("flood", "level", "minus the level above 50, where there is a flood", cost=True),
                Objective(
                    "water deficit", "water", "minus what the release lacks to a demand of 50", cost=True
                ),
            ),
            protocols=WATER_PROTOCOLS,
            default_protocol="discounted",
            batched=True,
            original="water-reservoir-v0",
            description="100 releases of a dam under random inflow; nO=3 adds power deficit, nO=4 flood downstream",
        )
    )
    for env_id, objectives in MOUNTAIN_CARS.items():
        throttle = FUEL in objectives
        register_card(
            EnvCard(
                id=env_id,
                objectives=objectives,
                protocols=mountain_car_protocols(objectives, 999 if throttle else 200),
                default_protocol="discounted",
                batched=True,
                original=env_id,
                description="swing a weak car up a mountain" + (" with a throttle" if throttle else ""),
            )
        )
