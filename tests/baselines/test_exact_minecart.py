"""The best plans for minecarts: against brute force where that is possible, and replayed in the originals."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from morl.baselines.exact import library
from morl.baselines.exact.minecart_bounds import Bounds
from morl.baselines.exact.minecart_loads import FULL, Loads, list_loads
from morl.baselines.exact.minecart_search import returns_of, search
from morl.envs.make import make_vec
from morl.envs.minecart import Minecart, State
from morl.envs.minecart_front import front
from morl.envs.originals import make_original
from morl.envs.stored_fronts import find_front, read_fronts
from morl.errors import MorlError
from morl.indicators import hypervolume
from morl.pareto import coverage_set, is_nondominated
from morl.registry import get_card

Array = NDArray[np.float64]
Mine = tuple[float, float, float, float]
IDS = ("minecart-deterministic-v0", "minecart-v0")
FIXED, RANDOM = IDS


@cache
def motion() -> Minecart:
    """The deterministic minecart, one copy."""
    return Minecart(1, config="mine_config_det.json", dtype=torch.float64)


@cache
def loads_of(env_id: str) -> Loads:
    """What digs lead to in a registered minecart."""
    return list_loads(make_vec(env_id, dtype=torch.float64))  # type: ignore[arg-type]


def small_cart(folder: Path, mines: list[Mine], capacity: float, frame_skip: int) -> Minecart:
    """A deterministic minecart with mines (x, y, first ore, second ore)."""
    places = [{"x": x, "y": y, "distributions": [[a, 0], [b, 0]]} for x, y, a, b in mines]
    path = folder / "mines.json"
    path.write_text(json.dumps({"ore_cnt": 2, "mine_cnt": len(mines), "capacity": capacity, "mines": places}))
    return Minecart(1, config=path, frame_skip=frame_skip, dtype=torch.float64)


def all_plans(env: Minecart, gamma: float, length: int) -> Array:
    """Returns of all plans that come home within so many steps."""
    state = env.initial_state(1, None)
    returns, home = torch.zeros(1, 3, dtype=torch.float64), []
    for time in range(length):
        n = len(state.x)
        state = State(*(part.repeat_interleave(6, 0) for part in state))
        step = env.transition(state, torch.arange(6).repeat(n), None)
        returns = returns.repeat_interleave(6, 0) + gamma**time * step.reward
        home.append(returns[step.terminated])
        state = State(*(part[~step.terminated] for part in step.state))
        returns = returns[~step.terminated]
    return np.unique(torch.cat(home).numpy().round(9), axis=0)


@pytest.mark.parametrize("gamma", [0.98, 1.0])
@pytest.mark.parametrize(
    ("mines", "capacity"),
    [([(0.25, 0.25, 0.02, 0.05)], 0.9), ([(0.25, 0.25, 0.05, 0.01), (0.4, 0.2, 0.01, 0.05)], 0.5)],
)
def test_no_plan_dominates_what_is_found(
    mines: list[Mine], capacity: float, gamma: float, tmp_path: Path
) -> None:
    """With 9 frames in a step a push leads to the nearest mine, and two turns face home: 6 steps for a dig."""
    env, length = small_cart(tmp_path, mines, capacity, 9), 7
    loads = list_loads(env)
    guess = search(env, loads, gamma, resolution=0.05)
    found = search(env, loads, gamma, plans=guess.plans)
    np.testing.assert_allclose(returns_of(env, loads, gamma, found.plans), found.points, atol=1e-10)
    assert is_nondominated(found.points).all()
    everything = all_plans(env, gamma, length)
    assert (everything[:, :2].sum(axis=1) > 0.4).any()
    covered = (found.points[None] >= everything[:, None] - 1e-8).all(axis=2).any(axis=1)
    assert covered.all()
    short = np.array([len(plan) <= length for plan in found.plans])
    assert short.any()
    near = (np.abs(found.points[short][:, None] - everything) <= 1e-8).all(axis=2).any(axis=1)
    assert near.all()


@pytest.mark.parametrize("gamma", [0.98, 1.0])
@pytest.mark.parametrize("env_id", IDS)
def test_the_bounds_keep_each_plan_that_is_better_than_the_others(env_id: str, gamma: float) -> None:
    stored = find_front(env_id, gamma)
    assert stored is not None and stored.plans is not None
    loads = loads_of(env_id)
    bounds = Bounds(motion(), loads, gamma)
    for row in range(0, len(stored.plans), 7):
        bounds.update(np.delete(stored.points, row, axis=0))
        cart, load, burnt = motion().initial_state(1, None), 0, torch.zeros(1, dtype=torch.float64)
        for time, letter in enumerate(stored.plans[row]):
            number = torch.tensor([load])
            assert bounds.useful(cart, number, burnt, time).all(), (stored.plans[row], time)
            step = motion().transition(cart, torch.tensor([int(letter)]), None)
            before = cart.content.sum()
            if step.state.content.sum() > before:
                distance = (cart.x - motion().mine_x) ** 2 + (cart.y - motion().mine_y) ** 2
                load = int(loads.after[load, int(distance.argmin())])
            burnt = burnt - gamma**time * step.reward[:, -1]
            cart = step.state
        bounds.update(stored.points)
        assert not bounds.useful(cart, number, burnt, time + 1).any()


def test_every_load_is_empty_or_full_enough() -> None:
    fixed, random = map(loads_of, IDS)
    full = (fixed.after == -1).all(axis=1)
    assert not fixed.content[0].any() and fixed.error.max() == 0
    np.testing.assert_allclose(fixed.content[full].sum(axis=1), 1.5)  # no deterministic cart is nearly full
    assert (fixed.content[~full].sum(axis=1) < FULL * 1.5).all()
    assert random.error.max() < 1e-3


def test_a_random_dig_yields_four_clipped_normals() -> None:
    """max(0, X) of a normal variable has the mean `mean * Phi(mean / deviation) + deviation * phi(...)`."""
    env: Any = make_vec(RANDOM, dtype=torch.float64)
    loads = loads_of(RANDOM)
    mean, deviation = env.ore_mean.numpy(), env.ore_deviation.numpy()
    z = mean / np.where(deviation > 0, deviation, 1)
    clipped = mean * norm.cdf(z) + deviation * norm.pdf(z)
    for mine, load in enumerate(loads.after[0]):
        expected = 4 * np.where(deviation[mine] > 0, clipped[mine], mean[mine].clip(min=0))
        if expected.sum() < 1.0:  # else the cart may be filled
            np.testing.assert_allclose(loads.content[load], expected, atol=5 * loads.error[load] + 1e-12)


def replayed(original: Any, plan: str, gamma: float, seed: int = 0) -> tuple[Array, bool]:
    """The discounted return of a plan in an environment of MO-Gymnasium, and whether its last action ends at home."""
    original.reset(seed=seed)
    total, over = np.zeros(3), False
    for time, letter in enumerate(plan):
        assert not over
        _, reward, over, *_ = original.step(int(letter))
        total += gamma**time * np.array(reward)
    return total, over


@pytest.mark.parametrize("gamma", [0.98, 1.0])
def test_plans_earn_their_points_in_the_original(gamma: float) -> None:
    stored = find_front(FIXED, gamma)
    assert stored is not None and stored.exact and stored.plans is not None
    original = make_original(FIXED)
    for point, plan in zip(stored.points, stored.plans, strict=True):
        found, home = replayed(original, plan, gamma)
        assert home
        np.testing.assert_allclose(found, point, atol=1e-6)


def test_plans_for_random_ore_earn_their_points_on_average() -> None:
    stored = find_front(RANDOM, 0.98)
    assert stored is not None and not stored.exact and stored.plans is not None
    assert stored.optimal_among.startswith("open-loop plans")
    copies, gamma = 2048, 0.98
    plans = range(0, len(stored.plans), 5)
    for row in plans:
        env = make_vec(RANDOM, copies, dtype=torch.float64)
        env.reset(seed=row)
        total = torch.zeros(copies, 3, dtype=torch.float64)
        for time, letter in enumerate(stored.plans[row]):
            *_, reward, terminated, _, _ = env.step(torch.full((copies,), int(letter)))
            assert bool(terminated.all()) == bool(terminated.any()) == (time == len(stored.plans[row]) - 1)
            total += gamma**time * reward
        error = total.std(dim=0).numpy() / copies**0.5
        off = np.abs(total.mean(dim=0).numpy() - stored.points[row])
        assert (off <= 5 * (error + stored.standard_error) + 1e-6).all()
    original: Any = make_original(RANDOM)
    returns = np.array([replayed(original, stored.plans[-1], gamma, seed)[0] for seed in range(100)])
    error = returns.std(axis=0) / 10
    assert (
        np.abs(returns.mean(axis=0) - stored.points[-1]) <= 5 * (error + stored.standard_error) + 1e-6
    ).all()


@pytest.mark.parametrize(
    ("gamma", "volume", "ours", "wrong"),
    [
        (0.98, 723.05, 762.70, ["33334111103333", "3355541111033555", "35111155"]),
        (1.0, 944.93, 996.02, ["35111155"]),
    ],
)
def test_what_mo_gymnasium_enumerates_is_covered_but_for_plans_that_fail(
    gamma: float, volume: float, ours: float, wrong: list[str]
) -> None:
    """Its plans are not played: some do not come home. All others are no better than those on file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        original: Any = make_original(FIXED).unwrapped
    published, points = np.array(original.pareto_front(gamma)), front(FIXED, gamma)
    covered = (points[None] >= published[:, None] - 1e-6).all(axis=2).any(axis=1)
    assert (~covered).sum() == len(wrong)
    burnt = []
    for plan in wrong:
        found, home = replayed(original, plan, gamma)
        assert not home and not found[:2].any()
        burnt.append(found[2])
    np.testing.assert_allclose(sorted(published[~covered][:, 2]), sorted(burnt), atol=1e-6)
    reference = (-1, -1, -200)
    assert hypervolume(published, reference_point=reference) == pytest.approx(volume, abs=0.006)
    assert hypervolume(points, reference_point=reference) == pytest.approx(ours, abs=0.006)


@pytest.mark.parametrize("env_id", IDS)
def test_at_other_discounts_the_best_of_the_known_plans_are_told(env_id: str) -> None:
    points = front(env_id, 0.95)
    plans = [plan for stored in read_fronts(env_id) for plan in stored.plans or ()]
    loads = loads_of(env_id)
    expected = returns_of(motion(), loads, 0.95, plans)
    expected = expected[is_nondominated(expected.round(10))]
    assert points.shape == expected.shape and is_nondominated(points).all()
    order = [p[np.lexsort(p.round(6).T)] for p in (points, expected)]
    np.testing.assert_allclose(*order, atol=1e-9)


def test_the_card_says_where_the_front_is_exact() -> None:
    card, other = get_card(FIXED), get_card(RANDOM)
    assert card is not None and other is not None
    assert [card.front_kind_at(gamma) for gamma in (0.98, 1.0, 0.9)] == ["planned", "planned", "best known"]
    assert other.front_kind_at(0.98) == "best known"
    linear = card.linear_front(0.98)
    assert linear is not None and len(linear) == len(coverage_set(front(FIXED, 0.98))) == 10


def test_what_the_search_does_not_hold_for_is_refused(tmp_path: Path) -> None:
    loads = list_loads(motion())
    scaled = Minecart(1, config="mine_config_det.json", incremental_frame_skip=False, dtype=torch.float64)
    with pytest.raises(MorlError, match="minecart with incremental_frame_skip"):
        search(scaled, loads, 0.98)
    at_wall = small_cart(tmp_path, [(0.1, 0.5, 0.1, 0.1)], 1.0, 4)
    with pytest.raises(MorlError, match="mines off the walls"):
        search(at_wall, list_loads(at_wall), 0.98)
    for plan in ("3", "23211111113"):
        with pytest.raises(MorlError, match=f"ends at home with its last action, got {plan}"):
            returns_of(motion(), loads, 0.98, [plan])


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
def test_the_undiscounted_front_is_found_again(env_id: str) -> None:
    listed = [entry for entry in library.chosen([env_id]) if entry.gamma == 1.0]
    assert library.differences(listed) == []
