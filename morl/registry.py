"""What `morl` knows by name: environment cards and agents, ours and third parties' alike.

Everything registers through entry points, so that a package becomes known by being installed:

    [project.entry-points."gymnasium.envs"]
    my-lab = "my_lab.envs:register"           # a function that calls `gymnasium.register`
    [project.entry-points."morl.cards"]
    my-lab = "my_lab.cards:register"          # a function that calls `register_card`
    [project.entry-points."morl.agents"]
    my-agent = "my_lab.agents:MyAgent"

Nothing here imports torch or gymnasium.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from morl.errors import EnvError, MorlError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FrontFunction = Callable[[float], NDArray[np.float64]]

NAMESPACE = "morl/"
"""Gymnasium's registry holds the batched environments under this namespace."""

DEFAULT_GAMMA = 0.99
"""The discount of an environment that has no card."""

FrontKind = Literal["closed form", "planned", "planned hull", "best known", "none"]


@dataclass(frozen=True)
class Objective:
    """One component of the vector reward. It is maximised, as every objective is."""

    name: str
    unit: str
    description: str
    cost: bool = False
    """True where the reward is minus a quantity to be kept small, such as time or fuel."""


@dataclass(frozen=True)
class Protocol:
    """A named way to evaluate: results are comparable only under the same one."""

    name: str
    gamma: float
    """Discount, in (0, 1]."""
    reference_point: tuple[float, ...]
    """Of the hypervolume, one number per objective."""
    source: str
    """The publication or library that evaluates so."""

    def __post_init__(self) -> None:
        check_discount(self.gamma)


@dataclass(frozen=True, kw_only=True)
class EnvCard:
    """What is known of an environment beyond its spaces.

    Raises:
        EnvError: a reference point does not fit the objectives, the default protocol is not among the
            protocols, or `front` and `front_kind` contradict each other.
    """

    id: str
    objectives: tuple[Objective, ...]
    protocols: tuple[Protocol, ...]
    default_protocol: str
    front_kind: FrontKind = "none"
    """How `front` is known: exactly ("planned hull": the convex hull's corners), as the best found, or not at all."""
    exact_at: tuple[float, ...] = ()
    """Discounts at which a best known front is exact."""
    criterion: Literal["SER", "ESR"] = "SER"
    """Made for a utility of expected returns; or for the expected utility of returns, which no front here answers."""
    front: FrontFunction | None = None
    """The known Pareto front as a function of the discount: (k, m), float64."""
    deterministic: bool = False
    """Whether starts and transitions leave nothing to chance, so that a policy is known by one episode."""
    batched: bool = False
    """Whether Gymnasium's registry holds a batched twin, as `morl/<id>`."""
    original: str | None = None
    """The id of the environment itself in Gymnasium's registry, once `mo_gymnasium` is imported."""
    description: str = ""
    observation: str = ""
    """What an observation holds, in words, such as "17 floats: 8 positions, 9 velocities"."""
    action: str = ""
    """What an action is, in words, such as "6 torques in [-1, 1]"."""
    extra: str | None = None
    """The extra of `morl` that installs what the environment needs, such as "mujoco"; None for nothing more."""

    def __post_init__(self) -> None:
        called = [objective.name for objective in self.objectives]
        if not all(isinstance(name, str) and name.strip() for name in called) or len(set(called)) < len(
            called
        ):
            raise EnvError(f"expected different names for the objectives of {self.id}, got {called!r}")
        names = [protocol.name for protocol in self.protocols]
        if self.default_protocol not in names:
            raise EnvError(
                f"expected the default protocol of {self.id} in {names}, got {self.default_protocol!r}"
            )
        for protocol in self.protocols:
            if len(protocol.reference_point) != len(self.objectives):
                raise EnvError(
                    f"expected a reference point with {len(self.objectives)} numbers in protocol "
                    f"{protocol.name!r} of {self.id}, got {protocol.reference_point}"
                )
        if (self.front is None) != (self.front_kind == "none"):
            raise EnvError(f"expected {self.id} to give a front and its front_kind, or neither")

    @property
    def num_objectives(self) -> int:
        """m, the length of a reward vector."""
        return len(self.objectives)

    def protocol(self, name: str | None = None) -> Protocol:
        """The protocol called `name`, or the default one.

        Raises:
            EnvError: there is no such protocol.
        """
        wanted = self.default_protocol if name is None else name
        for protocol in self.protocols:
            if protocol.name == wanted:
                return protocol
        known = [protocol.name for protocol in self.protocols]
        raise EnvError(
            f"{self.id} has no protocol {wanted!r}.{suggest(wanted, known)} Known: {', '.join(known)}"
        )

    def front_kind_at(self, gamma: float) -> FrontKind:
        """How `front(gamma)` is known."""
        return "planned" if gamma in self.exact_at else self.front_kind

    def linear_front(self, gamma: float) -> NDArray[np.float64] | None:
        """The points of `front(gamma)` that are optimal for some weights, (k', m); None without a front.

        What an agent that maximises `w . return` can reach; `front` may hold points that no weight asks for.
        """
        if self.front is None:
            return None
        from morl.pareto import coverage_set  # late: needs scipy

        return coverage_set(self.front(gamma))


_cards: dict[str, EnvCard] = {}
_installed: set[str] = set()
_ran: set[str] = set()


def register_card(card: EnvCard) -> None:
    """Make `card` known under its id.

    Raises:
        EnvError: another card has this id already.
    """
    if _cards.setdefault(card.id, card) != card:
        raise EnvError(f"expected a new environment id, got {card.id!r}, which has another card already")


def register_environments() -> None:
    """Let installed packages register with Gymnasium: entry point group `gymnasium.envs`, ours included.

    Gymnasium itself stopped reading this group at 1.0. Its registry then holds what the group's functions
    register, as after an `import` of each package.
    """
    _run_once("gymnasium.envs")


def cards() -> dict[str, EnvCard]:
    """All known cards by environment id, sorted."""
    _run_once("morl.cards")
    return dict(sorted(_cards.items()))


def get_card(env_id: str) -> EnvCard | None:
    """The card of an environment, with or without the `morl/` namespace; None where there is none."""
    _run_once("morl.cards")
    return _cards.get(canonical_id(env_id))


def is_installed(env_id: str) -> bool:
    """Whether an installed package brings the environment's card, so that every process here knows it."""
    _run_once("morl.cards")
    return canonical_id(env_id) in _installed


def canonical_id(env_id: str) -> str:
    """The id of the environment itself: `minecart-v0` for its batched twin `morl/minecart-v0` too."""
    return env_id.removeprefix(NAMESPACE)


def discount(env_id: str, given: float | None = None) -> float:
    """The discount to use: `given`, else that of the environment's default protocol, else 0.99.

    Raises:
        MorlError: `given` is outside (0, 1].
    """
    if given is not None:
        return check_discount(given)
    card = get_card(env_id)
    return DEFAULT_GAMMA if card is None else card.protocol().gamma


def check_discount(gamma: float) -> float:
    """`gamma` as a float in (0, 1], or a `MorlError`."""
    try:
        value = float(gamma)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0.0 < value <= 1.0:
        raise MorlError(f"expected a discount (gamma) in (0, 1], got {gamma!r}")
    return value


def agent_names() -> list[str]:
    """The registered names of all installed agents, sorted."""
    return sorted({point.name for point in entry_points(group="morl.agents")})


def agent_class(name_or_path: str) -> type:
    """The agent class with this registered name, or at this `module:Class`.

    Raises:
        MorlError: there is none; the message suggests the nearest name and lists all.
    """
    if ":" in name_or_path:
        found = resolve(name_or_path)
    else:
        points = {point.name: point for point in entry_points(group="morl.agents")}
        if name_or_path not in points:
            known = sorted(points)
            raise MorlError(
                f"expected an agent, got {name_or_path!r}.{suggest(name_or_path, known)} "
                f"Known agents: {', '.join(known)}; or give your own as module:Class"
            )
        found = points[name_or_path].load()
    if not isinstance(found, type):
        raise MorlError(f"expected {name_or_path!r} to name an agent class, got a {type(found).__name__}")
    return found


def agent_path(cls: type) -> str:
    """What `agent_class` turns back into `cls`: its registered name, else `module:Class`."""
    path = f"{cls.__module__}:{cls.__qualname__}"
    for point in entry_points(group="morl.agents"):
        if point.value.replace(" ", "") == path:
            return point.name
    return path


def resolve(path: str) -> Any:
    """The object at `module:attribute` (dots reach into attributes).

    Raises:
        MorlError: the path is malformed, or there is no such module or attribute. An error inside the
            module passes through unchanged, because its traceback is what its author needs.
    """
    module_name, colon, attribute = path.partition(":")
    if not (colon and module_name and attribute):
        raise MorlError(f"expected module:Class, got {path!r}; for example my_package.envs:MyEnv")
    found: Any = import_module(module_name, path)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise MorlError(f"{module_name!r} has no {attribute!r}.{suggest(name, dir(found))}")
        found = getattr(found, name)
    return found


module_folder: str | None = None
"""Where `import_module` looks last; the command line looks in the folder that it runs in.

Only from the first such import on: else any module that is missing, an extra's for one, would be taken from there.
"""


def import_module(name: str, path: str) -> ModuleType:
    """The module called `name`, which `path` asks for; `MorlError` where there is none.

    For names that the user said: see `morl.trust`.
    """
    if module_folder is not None and module_folder not in sys.path:
        sys.path.append(module_folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise MorlError(
            f"expected an importable module, found no {error.name!r} for {path!r}; "
            "install its package, or run from the folder that holds it"
        ) from None


def suggest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` with the nearest known name, or nothing where none is near."""
    # The cutoff keeps ids apart that share little more than a version.
    nearest = get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""


def _run_once(group: str) -> None:
    """Call the registration functions that installed packages offer under `group`, each once per process."""
    for point in entry_points(group=group):
        if point.value in _ran:
            continue
        _ran.add(point.value)  # first: registering may ask for what is registered
        before = set(_cards)
        try:
            point.load()()
            _installed.update(set(_cards) - before)
        except Exception as error:  # one broken package must not take all the others with it
            warnings.warn(f"{point.value} (entry point group {group}) failed: {error!r}", stacklevel=3)
