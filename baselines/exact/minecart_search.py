"""The Pareto front of a minecart over all action sequences, by branch and bound on the batched environment.

A cart's motion does not depend on what it holds. So all carts under way advance as one batch, one step at a time,
each with the number of its load and the fuel that it has burnt. Of carts in the same state only the one that has
burnt least goes on; whoever can no longer bring home anything new is given up (`Bounds`). When no cart is left, no
action sequence has a return that dominates a point of the front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morl.baselines.exact.minecart_bounds import LONGEST_LEG, STEPS, Bounds
from morl.baselines.exact.minecart_loads import Loads
from morl.envs.minecart import (
    ACCELERATE,
    ACCELERATION,
    BRAKE,
    LEFT,
    MINE,
    MINE_RADIUS,
    NOTHING,
    RIGHT,
    STILL,
    Minecart,
    State,
)
from morl.errors import MorlError
from morl.pareto import is_nondominated

Array = NDArray[np.float64]

CHUNK = 250_000
"""Carts that are stepped at a time, for the sake of memory."""

DIGITS = 10
"""Decimals to which returns are told apart."""


class Found(NamedTuple):
    """Non-dominated plans."""

    points: Array
    """(k, m) discounted returns."""
    plans: tuple[str, ...]
    """The actions of each, a digit each."""


class Carts(NamedTuple):
    """n carts under way; their content is left at zero, `load` says what they hold."""

    state: State
    load: Tensor
    """(n,) int64."""
    burnt: Tensor
    """(n,) discounted fuel."""

    def take(self, index: Tensor) -> Carts:
        """Some of the carts."""
        return Carts(State(*(part[index] for part in self.state)), self.load[index], self.burnt[index])


class Branches(NamedTuple):
    """Carts one step later, and where they come from."""

    carts: Carts
    parent: Tensor
    """(n,) int64."""
    action: Tensor
    """(n,) int64."""

    def take(self, index: Tensor) -> Branches:
        """Some of them."""
        return Branches(self.carts.take(index), self.parent[index], self.action[index])


def returns_of(env: Minecart, loads: Loads, gamma: float, plans: Sequence[str]) -> Array:
    """Expected discounted returns (k, m) of plans, which must all end at home.

    Raises:
        MorlError: a plan does not come home, or goes on when it is there.
    """
    rows = []
    for plan in plans:
        carts = _first_cart(env)
        for time, letter in enumerate(plan):
            action = torch.full((1,), int(letter), device=env.device)
            load = _loads_after(env, loads, carts, action)
            step = env.transition(carts.state, action, None)
            burnt = carts.burnt - gamma**time * step.reward[:, -1]
            carts = Carts(_emptied(step.state), load, burnt)
            if bool(step.terminated) != (time == len(plan) - 1):
                raise MorlError(f"expected a plan that ends at home with its last action, got {plan}")
        rows.append(_paid(loads, gamma, len(plan) - 1, carts))
    return np.concatenate(rows)


def search(
    env: Minecart,
    loads: Loads,
    gamma: float,
    *,
    plans: Sequence[str] = (),
    resolution: float | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Found:
    """The Pareto front over all action sequences; or, with a resolution, a good first guess.

    Args:
        env: the motion; deterministic, or its ore is left alone.
        loads: what digs lead to; the search is over plans that do not look at what was dug.
        gamma: discount.
        plans: known ones; the better they are, the less is left to search.
        resolution: None to be exact. Otherwise carts whose positions round to the same multiple of it, with all else
            the same, count as one, at all times: the first is followed, and a later one if it has burnt less.
        report: called with a line of progress for each step.
    """
    bounds = Bounds(env, loads, gamma)
    found = Found(np.empty((0, env.num_objectives)), ())
    if plans:
        found = _better(found, returns_of(env, loads, gamma, plans), list(plans))
    seen: dict[bytes, float] = {}
    carts = _first_cart(env)
    history: list[tuple[NDArray[np.int32], NDArray[np.int8]]] = []
    for time in range(STEPS - LONGEST_LEG - 1):
        bounds.update(found.points)
        followed, home = _expand(env, loads, bounds, carts, gamma, time)
        if len(home.action):
            points = _paid(loads, gamma, time, home.carts)
            # Many come home alike: only one of each is looked at.
            points, first = np.unique(points.round(DIGITS), axis=0, return_index=True)
            ends = [(int(home.parent[row]), int(home.action[row])) for row in first]
            found = _better(found, points, [_plan(history, end) for end in ends])
        kept = _distinct(followed) if resolution is None else _unseen(followed, resolution, seen)
        carts = kept.carts
        history.append(
            (kept.parent.numpy().astype(np.int32), kept.action.numpy().astype(np.int8)),
        )
        report(f"step {time + 1}: {len(carts.load)} carts, {len(found.plans)} plans")
        if not len(carts.load):
            return found
    raise MorlError(f"expected every plan of use to end within {time + 1} steps; some carts are still going")


def _first_cart(env: Minecart) -> Carts:
    zero = torch.zeros(1, dtype=env.dtype, device=env.device)
    return Carts(env.initial_state(1, None), torch.zeros(1, dtype=torch.int64, device=env.device), zero)


def _emptied(state: State) -> State:
    return state._replace(content=torch.zeros_like(state.content))


def _paid(loads: Loads, gamma: float, time: int, carts: Carts) -> Array:
    """Returns (n, m) of carts that came home in the step after `time`."""
    ore = gamma**time * loads.content[carts.load.cpu().numpy()]
    return np.column_stack((ore, -carts.burnt.double().cpu().numpy()))


def _loads_after(env: Minecart, loads: Loads, carts: Carts, action: Tensor) -> Tensor:
    """Numbers of the loads (n,) that carts have after an action (n,)."""
    state = carts.state
    distance = ((state.x.unsqueeze(1) - env.mine_x) ** 2 + (state.y.unsqueeze(1) - env.mine_y) ** 2).sqrt()
    nearest, mine = distance.min(dim=1)
    dug = torch.from_numpy(loads.after).to(env.device)[carts.load, mine]
    digs = (action == MINE) & (state.speed < STILL) & (nearest <= MINE_RADIUS) & (dug >= 0)
    return torch.where(digs, dug, carts.load)


def _expand(
    env: Minecart, loads: Loads, bounds: Bounds, carts: Carts, gamma: float, time: int
) -> tuple[Branches, Branches]:
    """What becomes of carts with every action that may help: those to follow, and those that came home."""
    followed, home = [], []
    still = carts.state.speed < STILL
    for action in (LEFT, RIGHT, ACCELERATE, NOTHING, BRAKE, MINE):
        chosen = torch.full_like(carts.load, action)
        after = _loads_after(env, loads, carts, chosen)
        # To brake at a stand, or to dig where nothing comes of it, is to do nothing, at no less cost.
        helps = ~still if action == BRAKE else after != carts.load if action == MINE else still | ~still
        for index in helps.nonzero().squeeze(1).split(CHUNK):
            step = env.transition(State(*(part[index] for part in carts.state)), chosen[index], None)
            burnt = carts.burnt[index] - gamma**time * step.reward[:, -1]
            branches = Branches(Carts(_emptied(step.state), after[index], burnt), index, chosen[index])
            useful = bounds.useful(step.state, after[index], burnt, time + 1)
            followed.append(branches.take((useful & ~step.terminated).nonzero().squeeze(1)))
            home.append(branches.take(step.terminated.nonzero().squeeze(1)))
    return _joined(followed), _joined(home)


def _joined(parts: list[Branches]) -> Branches:
    states = [part.carts.state for part in parts]
    return Branches(
        Carts(
            State(*(torch.cat(columns) for columns in zip(*states, strict=True))),
            torch.cat([part.carts.load for part in parts]),
            torch.cat([part.carts.burnt for part in parts]),
        ),
        torch.cat([part.parent for part in parts]),
        torch.cat([part.action for part in parts]),
    )


def _distinct(branches: Branches) -> Branches:
    """Of carts in exactly the same state the one that has burnt least."""
    keys = _keys(branches.carts, None)
    burnt = branches.carts.burnt.numpy()
    order = np.lexsort((burnt, _hashes(keys)))
    # Sorted by a hash, equal states are side by side; others that share one are told apart here.
    new = np.ones(len(order), dtype=bool)
    new[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    return branches.take(torch.from_numpy(order[new]))


def _unseen(branches: Branches, resolution: float, seen: dict[bytes, float]) -> Branches:
    """The carts whose rounded state was not seen before, or only with more fuel burnt; `seen` learns of them."""
    keys = _keys(branches.carts, resolution)
    kept = {}
    for row, (key, burnt) in enumerate(zip(map(bytes, keys), branches.carts.burnt.tolist(), strict=True)):
        if burnt < seen.get(key, np.inf) - 1e-12:
            seen[key] = burnt
            kept[key] = row
    return branches.take(torch.tensor(list(kept.values()), dtype=torch.int64))


def _keys(carts: Carts, resolution: float | None) -> NDArray[np.int64]:
    """States as integers (n, 6), equal where the states are; or where they round to the same."""
    state = carts.state
    reals = torch.stack((state.x, state.y, state.speed), dim=1).double().numpy()
    if resolution is None:
        bits = np.ascontiguousarray(reals + 0.0).view(np.int64)
    else:
        bits = (reals / [resolution, resolution, ACCELERATION]).round().astype(np.int64)
    rest = torch.stack((state.heading, carts.load, state.departed.long()), dim=1).numpy()
    return np.hstack((bits, rest))


def _hashes(keys: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Numbers (n,) that are equal for equal rows, and hardly ever for others (Fibonacci hashing)."""
    total = np.zeros(len(keys), dtype=np.uint64)
    for column in keys.T:
        total = (total ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        total ^= total >> np.uint64(29)
    return total


def _plan(history: list[tuple[NDArray[np.int32], NDArray[np.int8]]], end: tuple[int, int]) -> str:
    """The actions that lead to a last action of a cart."""
    row, action = end
    letters = [str(action)]
    for parents, actions in reversed(history):
        letters.append(str(actions[row]))
        row = int(parents[row])
    return "".join(reversed(letters))


def _better(found: Found, points: Array, plans: list[str]) -> Found:
    """What is not dominated of both; of equal points the first."""
    together = np.concatenate((found.points, points))
    names = [*found.plans, *plans]
    kept = is_nondominated(together.round(DIGITS))
    return Found(together[kept], tuple(names[row] for row in np.flatnonzero(kept)))
