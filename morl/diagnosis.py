"""What to look at when a front is poor: whom it serves, how objectives go together, what members did in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morl import weights as preference_weights
from morl._arrays import Array, as_points
from morl.front import Front
from morl.pareto import filter_nondominated

AGAINST_COLLAPSE = "train longer, explore more, or check the rewards with `morl check-env`"
"""What to try where a front is a single point."""

USERS = 1000
"""Weights, drawn uniformly, by which the coverage of the simplex is estimated."""

MEMBER, CONFLICT = "member/", "conflict/"
"""How metrics of members (`member/K/utility`, `member/K/share`) and of pairs of objectives (`conflict/I-J`) begin."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """How the points of a front share out the users with linear utilities."""

    points: int
    """Different points that no other dominates."""
    used: int
    """Those that are best for some user."""
    leader: float
    """The largest share of users that one point serves: near 1, the front is a single policy."""


def service(points: Any, *, users: int = USERS) -> Service:
    """How points (k, m) serve users with uniformly drawn weights.

    >>> service([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])
    Service(points=3, used=2, leader=0.501)
    """
    front = filter_nondominated(points)
    drawn = preference_weights.dirichlet(front.shape[1], users, rng=0)
    served = np.bincount((drawn @ front.T).argmax(axis=1), minlength=len(front))
    return Service(points=len(front), used=int((served > 0).sum()), leader=float(served.max() / users))


def correlation(points: Any) -> Array:
    """Pearson's correlation (m, m) of the objectives over points (k, m); NaN where an objective does not vary.

    Near -1 one objective is paid for with the other, near 1 they rise together and one of them would do.
    """
    front = as_points(points)
    centred = front - front.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = centred.T @ centred / np.outer(spread, spread)
    varies = spread > 1e-12 * np.abs(front).max(initial=1.0)
    return np.where(np.outer(varies, varies), found.clip(-1.0, 1.0), np.nan)


@dataclass(frozen=True, kw_only=True)
class MemberCurve:
    """What one member of a population did in training."""

    number: int
    utilities: tuple[float, ...]
    """Its weighted return at each selection."""
    share: float
    """Of the policies kept at the end, the part that it found."""


def member_curves(rows: Sequence[tuple[int, float, str, float]]) -> list[MemberCurve]:
    """The members of a population by number, from the rows of its `metrics.csv` (`morl.metrics.read_csv`)."""
    utilities: dict[int, list[float]] = {}
    shares: dict[int, float] = {}
    for _, _, name, value in rows:
        number, _, what = name.removeprefix(MEMBER).partition("/")
        if not name.startswith(MEMBER) or not number.isdecimal():
            continue
        if what == "utility":
            utilities.setdefault(int(number), []).append(value)
        elif what == "share":
            shares[int(number)] = value
    return [
        MemberCurve(number=k, utilities=tuple(utilities.get(k, ())), share=shares.get(k, 0.0))
        for k in sorted(utilities.keys() | shares.keys())
    ]


def last_conflict(rows: Sequence[tuple[int, float, str, float]], m: int) -> Array | None:
    """Cosines (m, m) between the gradients of the objectives as logged last; None where none were."""
    found = np.eye(m)
    pairs = {name: value for _, _, name, value in rows if name.startswith(CONFLICT)}
    for name, value in pairs.items():
        i, _, j = name.removeprefix(CONFLICT).partition("-")
        found[int(i), int(j)] = found[int(j), int(i)] = value
    return found if pairs else None


def advice(
    front: Front, served: Service, members: Sequence[MemberCurve], values: Mapping[str, float]
) -> list[str]:
    """What stands out, and what to do about it, one sentence each; empty where nothing does.

    Args:
        front: as evaluated.
        served: its service.
        members: of a population; empty for other agents.
        values: `commanded-utility` and `expected-utility` of the front, where it has them.
    """
    found = []
    if served.points == 1:
        found.append(f"one policy for all: {AGAINST_COLLAPSE}")
    elif served.leader > 0.9:
        found.append(
            f"one policy serves {served.leader:.0%} of the users: objectives may differ much in scale; scale the "
            "rewards (morl.envs.wrappers), or ask for the weights that matter"
        )
    best, asked = values.get("expected-utility"), values.get("commanded-utility")
    if best is not None and asked is not None:
        scale = float(np.ptp(front.returns, axis=0).max(initial=0.0))
        if best - asked > 0.02 * max(scale, 1e-12):
            found.append(
                f"commanded utility is {best - asked:.3g} below expected utility: the agent has better policies than "
                "it answers with; train it for longer, or select on more episodes"
            )
    stuck = [member.number for member in members if _stuck(member)]
    if stuck:
        names = ", ".join(map(str, stuck[:8])) + (" ..." if len(stuck) > 8 else "")
        found.append(
            f"members that never rose: {names}; try cooperation=transfer, or a larger entropy or epsilon"
        )
    idle = [member.number for member in members if member.share == 0]
    if members and len(idle) > len(members) / 2:
        found.append(
            f"{len(idle)} of {len(members)} members found nothing that was kept: fewer members, or adaptation=psa"
        )
    return found


def _stuck(member: MemberCurve) -> bool:
    curve = np.array(member.utilities)
    return len(curve) >= 4 and bool(curve.max() - curve[0] <= 1e-3 * abs(curve[0]))


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """A curve as text, at most `width` characters: the mean of each stretch, from lowest to highest.

    >>> sparkline([0, 1, 2, 3, 4, 5, 6, 7])
    '▁▂▃▄▅▆▇█'
    """
    if not values:
        return ""
    stretches: list[NDArray[np.float64]] = np.array_split(np.array(values, float), min(width, len(values)))
    means = np.array([stretch.mean() for stretch in stretches])
    low, span = means.min(), np.ptp(means)
    heights = np.zeros(len(means)) if span == 0 else (means - low) / span * 7
    return "".join("▁▂▃▄▅▆▇█"[round(height)] for height in heights)
