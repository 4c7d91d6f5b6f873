"""Cards of MO-Gymnasium's MuJoCo and Box2D environments; nothing here needs either to be installed.

Of none is the exact front known. Versions 4 and 5 pay differently: what was published for one compares with the
other only as far as the descriptions say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from morl.registry import EnvCard, Objective, Protocol, register_card

NOT_ON_ENVPOOL = {
    "mo-reacher-v5": "its arm has one target, this one has four",
    **dict.fromkeys(
        ("mo-lunar-lander-v3", "mo-lunar-lander-continuous-v3"),
        "it shows the state in float32, from which the shaping reward cannot be rebuilt",
    ),
}
"""Environments that EnvPool has too, but whose reward vectors its steps do not determine; and why."""

EXAMPLES = "MORL-Baselines' examples/"
C_MORL = "C-MORL (Liu et al., ICLR 2025), whose episodes end after 500 steps"
IPRO = "IPRO (Röpke et al., 2024)"

VELOCITY = Objective("velocity", "m/s", "velocity forward, along x")
ENERGY = Objective("energy", "squared action", "minus the sum of the squared actions", cost=True)
TENTH = Objective(
    "energy", "0.1 squared action", "minus a tenth of the sum of the squared actions", cost=True
)
HEIGHT = Objective("height", "0.1 m", "height above the start")
ALONG = (
    Objective("x velocity", "m/s", "velocity along x"),
    Objective("y velocity", "m/s", "velocity along y"),
)
TARGETS = tuple(
    Objective(
        f"target {i}", "1 - 4 x m", f"1 with the fingertip on the target {where}, less with the distance"
    )
    for i, where in enumerate(("at the right", "at the left", "above", "below"), start=1)
)
LANDING = (
    Objective("landing", "points", "100 for coming to rest, -100 for a crash or leaving the screen"),
    Objective("shaping", "points", "progress: nearer, slower, more upright, legs on the ground"),
    Objective("main engine", "power", "minus the power of the main engine, at most 1 per step", cost=True),
    Objective("side engine", "power", "minus the power of the side engines, at most 1 per step", cost=True),
)


@dataclass(frozen=True)
class Body:
    """One environment in one version."""

    id: str
    objectives: tuple[Objective, ...]
    protocols: tuple[Protocol, ...]
    observation: str
    action: str
    description: str
    extra: str = "mujoco"


def _same(name: str, point: float, m: int, source: str, gamma: float = 0.99) -> Protocol:
    """A protocol whose reference point is the same number in each of m objectives."""
    return Protocol(name, gamma, (point,) * m, source)


def _from_v4(*protocols: Protocol) -> tuple[Protocol, ...]:
    """Protocols of version 4, taken over by version 5."""
    return tuple(replace(item, source=f"{item.source}; on version 4") for item in protocols)


def _bodies() -> Iterator[Body]:
    yield from _cheetahs()
    yield from _hoppers()
    yield from _walkers()
    yield from _ants()
    yield from _humanoids()
    yield from _swimmers_and_reachers()
    yield from _landers()


def _cheetahs() -> Iterator[Body]:
    spaces = ("17 floats: 8 positions, 9 velocities", "6 torques in [-1, 1]")
    generalization = "Teoh et al. (2025), who vary the cheetah's physics, too"
    older = (
        _same("morl-baselines", -100.0, 2, f"{EXAMPLES}morld_cheetah.py"),
        _same("pgmorl", -100.0, 2, f"{EXAMPLES}pgmorl_halfcheetah.py", gamma=0.995),
    )
    newer = (Protocol("generalization", 0.99, (-100.0, -500.0), generalization),)
    what = "run on two legs"
    yield Body("mo-halfcheetah-v4", (VELOCITY, TENTH), older, *spaces, f"{what}; energy counts a tenth")
    yield Body("mo-halfcheetah-v5", (VELOCITY, ENERGY), newer, *spaces, what)


def _hoppers() -> Iterator[Body]:
    spaces = ("11 floats: 5 positions, 6 velocities", "3 torques in [-1, 1]")
    three = (
        _same("morl-baselines", -100.0, 3, f"{EXAMPLES}morld_hopper.py"),
        _same("c-morl", -100.0, 3, C_MORL),
    )
    two = (_same("c-morl", -100.0, 2, f"{C_MORL}, as in {EXAMPLES}gpi_pd_hopper.py"),)
    what = "hop on one leg; 1 is added to every objective until it falls"
    last = f"{what}, and in that step, too"
    less = "0.001 x the energy is taken off both"
    objectives = (VELOCITY, HEIGHT, ENERGY)
    yield Body("mo-hopper-v4", objectives, three, *spaces, last)
    yield Body("mo-hopper-2d-v4", objectives[:2], two, *spaces, f"{last}; {less}")
    yield Body("mo-hopper-v5", objectives, _from_v4(*three), *spaces, what)
    yield Body("mo-hopper-2obj-v5", objectives[:2], _from_v4(*two), *spaces, f"{what}; {less}")


def _walkers() -> Iterator[Body]:
    spaces = ("17 floats: 8 positions, 9 velocities", "6 torques in [-1, 1]")
    protocols = (_same("ipro", -100.0, 2, f"{IPRO}, whose episodes end after 100 steps"),)
    what = "walk on two legs; 1 is added to every objective until it falls"
    last = f"{what}, and in that step, too; the right foot has less grip"
    yield Body("mo-walker2d-v4", (VELOCITY, ENERGY), protocols, *spaces, last)
    yield Body("mo-walker2d-v5", (VELOCITY, ENERGY), _from_v4(*protocols), *spaces, what)


def _ants() -> Iterator[Body]:
    older, newer = "27 floats: 13 positions, 14 velocities", "105 floats: as version 4, and 78 contact forces"
    action = "8 torques in [-1, 1]"
    three, two = (_same("c-morl", -100.0, m, C_MORL) for m in (3, 2))
    last = "crawl on four legs; 1 is added to every objective until it falls, and in that step, too"
    what = "crawl on four legs; 1, less the cost of contact, is added to every objective until it falls"
    less = "0.5 x the energy is taken off both"
    yield Body("mo-ant-v4", (*ALONG, ENERGY), (three,), older, action, last)
    yield Body("mo-ant-2d-v4", ALONG, (two,), older, action, f"{last}; {less}")
    yield Body("mo-ant-v5", (*ALONG, ENERGY), _from_v4(three), newer, action, what)
    yield Body("mo-ant-2obj-v5", ALONG, _from_v4(two), newer, action, f"{what}; {less}")


def _humanoids() -> Iterator[Body]:
    objectives = (replace(VELOCITY, description="velocity of the centre of mass along x"), ENERGY)
    protocol = _same("c-morl", -100.0, 2, C_MORL)
    parts = "22 positions, 23 velocities, inertia, forces"
    action = "17 torques in [-0.4, 0.4]"
    last = "walk upright; 5 is added to every objective until it falls, and in that step, too"
    what = "walk upright; 5, less the cost of contact, is added to every objective until it falls"
    yield Body("mo-humanoid-v4", objectives, (protocol,), f"376 floats: {parts}", action, last)
    yield Body("mo-humanoid-v5", objectives, _from_v4(protocol), f"348 floats: {parts}", action, what)


def _swimmers_and_reachers() -> Iterator[Body]:
    spaces = ("8 floats: 3 positions, 5 velocities", "2 torques in [-1, 1]")
    bound = "none published: discount of MORL-Baselines' benchmarks; no policy earns less energy"
    protocols = (Protocol("bound", 0.99, (-100.0, -200.0), bound),)
    for version in (4, 5):
        objectives = (VELOCITY, ENERGY)
        yield Body(f"mo-swimmer-v{version}", objectives, protocols, *spaces, "swim by bending two joints")
    spaces = ("6 floats: cosines and sines of 2 angles, 2 velocities", "9 choices: -1, 0 or 1 in both joints")
    what = "hold the fingertip of an arm near four targets; paid for where it was before the step"
    protocol = _same("ipro", -50.0, 4, IPRO)
    yield Body("mo-reacher-v4", TARGETS, (protocol,), *spaces, what)
    yield Body("mo-reacher-v5", TARGETS, _from_v4(protocol), *spaces, what)


def _landers() -> Iterator[Body]:
    source = f"{EXAMPLES}morld_lunar_lander.py; the same in {C_MORL}"
    protocols = (Protocol("morl-baselines", 0.99, (-101.0, -1001.0, -101.0, -101.0), source),)
    observation = "8 floats: place, velocity, angle, legs on the ground"
    for middle, action in (
        ("", "4 choices: nothing, or one of three engines"),
        ("-continuous", "2 throttles in [-1, 1]"),
    ):
        name, what = f"mo-lunar-lander{middle}-v3", "bring a spaceship down softly on its pad"
        yield Body(name, LANDING, protocols, observation, action, what, extra="box2d")


def register() -> None:
    """Register all cards of this module."""
    for body in _bodies():
        remark = ""
        if body.id in NOT_ON_ENVPOOL:
            remark = f"; not on EnvPool: {NOT_ON_ENVPOOL[body.id]}"
        elif body.id.endswith("-v5"):
            remark = "; also on EnvPool"
        register_card(
            EnvCard(
                id=body.id,
                objectives=body.objectives,
                protocols=body.protocols,
                default_protocol=body.protocols[0].name,
                original=body.id,
                description=body.description + remark,
                observation=body.observation,
                action=body.action,
                extra=body.extra,
            )
        )
