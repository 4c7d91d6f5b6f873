"""The planners against brute force over all policies of tiny decision processes, and what they refuse."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

import morl
from morl.baselines import exact
from morl.envs import pareto_induction, planning
from morl.envs.base import BatchedEnv, Step
from morl.errors import EnvError, MorlError
from morl.pareto import coverage_set, filter_nondominated

Array = NDArray[np.float64]
STATES, ACTIONS = 3, 2
SEEDS = st.integers(0, 2**32 - 1)
DISCOUNTS = st.sampled_from([0.5, 0.9, 1.0])
CHANCES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


class State(NamedTuple):
    place: Tensor
    colour: Tensor
    """Changes in every step and decides nothing."""


class Tables(BatchedEnv):
    """A random decision process of three states, two actions and small whole rewards.

    With `ways=1` an action leads to one state, or ends the episode with some chance; with 2 it may lead to two, and
    episodes start in any state.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        seed: int = 0,
        ways: int = 2,
        m: int = 2,
        limit: int | None = 3,
        **options: Any,
    ) -> None:
        super().__init__(
            num_envs,
            observation_space=Box(0, STATES, (1,), np.float32),
            action_space=Discrete(ACTIONS),
            reward_space=Box(-3, 3, (m,), np.float32),
            max_episode_steps=limit,
            **options,
        )
        rng = np.random.default_rng(seed)
        self.ways = ways
        self.pay = rng.integers(-3, 4, (STATES, ACTIONS, m)).astype(float)
        self.to = rng.integers(0, STATES, (STATES, ACTIONS, ways))
        self.chance = rng.choice(CHANCES, (STATES, ACTIONS))
        """Of the first way; the other is the second, or the end."""

    def draw_reset_noise(self, n: int, streams: Any) -> Tensor | None:
        return streams.integers(STATES) if self.ways == 2 else None

    def draw_step_noise(self, n: int, streams: Any) -> Tensor | None:
        return streams.uniform()

    def reset_outcomes(self) -> list[tuple[float, int]]:
        return [(1 / STATES, place) for place in range(STATES)]

    def step_outcomes(self) -> list[tuple[float, float]]:
        return [(0.25, quarter) for quarter in (0.1, 0.3, 0.6, 0.9)]

    def canonical(self, state: State) -> State:
        return state._replace(colour=torch.zeros_like(state.colour))

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        zero = torch.zeros(n, dtype=torch.int64)
        return State(zero if noise is None else noise, zero)

    def observe(self, state: State) -> Tensor:
        return state.place.float().unsqueeze(1)

    def transition(self, state: State, action: Tensor, noise: Tensor) -> Step:
        first = noise < torch.tensor(self.chance)[state.place, action]
        to = torch.tensor(self.to)[state.place, action]
        after = torch.where(first, to[:, 0], to[:, -1])
        ended = ~first if self.ways == 1 else torch.zeros_like(first)
        reward = torch.tensor(self.pay, dtype=self.dtype)[state.place, action]
        return Step(State(after, state.colour + 1), reward, ended)

    def policies(self, gamma: float) -> Array:
        """Expected returns of all deterministic policies that see state and time, by brute force."""
        returns = []
        horizon = self.max_episode_steps
        assert horizon is not None
        ways = range(self.ways)
        for choices in product(range(ACTIONS), repeat=STATES * horizon):
            worth = np.zeros((STATES, self.pay.shape[2]))
            for action in np.array(choices).reshape(horizon, STATES):
                rows = np.arange(STATES), action
                first = self.chance[rows]
                chances = (first, 1 - first if self.ways == 2 else 0 * first)
                ahead = sum(chances[way][:, None] * worth[self.to[rows][:, way]] for way in ways)
                worth = self.pay[rows] + gamma * ahead
            returns.append(worth.mean(axis=0) if self.ways == 2 else worth[0])
        return np.array(returns)


class Endless(Tables):
    """Pays one for every step, and never ends."""

    def transition(self, state: State, action: Tensor, noise: Tensor) -> Step:
        step = super().transition(state, action, noise)
        return step._replace(
            reward=torch.ones_like(step.reward), terminated=torch.zeros_like(step.terminated)
        )


def same(points: Array, expected: Array) -> None:
    """Assert that two sets of points are equal."""
    assert points.shape == expected.shape
    rows = [p[np.lexsort(p.round(8).T)] for p in (points, expected)]
    np.testing.assert_allclose(*rows, atol=1e-9)


@settings(max_examples=40)
@given(seed=SEEDS, gamma=DISCOUNTS, m=st.integers(2, 3))
def test_the_pareto_front_is_that_of_all_policies(seed: int, gamma: float, m: int) -> None:
    env = Tables(seed=seed, ways=1, m=m, dtype=torch.float64)
    expected = filter_nondominated(np.unique(env.policies(gamma).round(9), axis=0))
    same(exact.plan(env, gamma=gamma).returns.round(9), expected)


@settings(max_examples=40)
@given(seed=SEEDS, gamma=DISCOUNTS, m=st.integers(2, 3), ways=st.integers(1, 2))
def test_the_hull_is_that_of_all_policies(seed: int, gamma: float, m: int, ways: int) -> None:
    env = Tables(seed=seed, ways=ways, m=m, dtype=torch.float64)
    policies = env.policies(gamma)
    hull = exact.plan(env, gamma=gamma, kind="hull").returns
    same(hull, coverage_set(np.unique(policies.round(9), axis=0)))
    weights = np.random.default_rng(seed).dirichlet(np.ones(m), 20)
    best = exact.linear_optimum(exact.enumerate_model(env), weights, gamma)
    np.testing.assert_allclose(best, (policies @ weights.T).max(axis=0), atol=1e-9)
    np.testing.assert_allclose(best, (hull @ weights.T).max(axis=0), atol=1e-8)


@given(seed=SEEDS, gamma=DISCOUNTS)
def test_plans_earn_their_points(seed: int, gamma: float) -> None:
    env = Tables(seed=seed, ways=1, limit=4, dtype=torch.float64)
    model = exact.enumerate_model(env)
    points, plans = exact.pareto_plans(model, gamma)
    same(points, exact.pareto_front(model, gamma))
    for point, plan in zip(points, plans, strict=True):
        assert len(plan) <= 4
        place, alive, total = 0, 1.0, np.zeros(2)
        for time, action in enumerate(plan):
            total += alive * gamma**time * env.pay[place, action]
            alive *= env.chance[place, action]
            place = env.to[place, action, 0]
        assert alive == 0 or len(plan) == 4
        np.testing.assert_allclose(total, point, atol=1e-9)


def test_the_tables_are_the_environments() -> None:
    env = Tables(seed=3, dtype=torch.float64)
    model = exact.enumerate_model(env)
    assert model.states.shape == (STATES, 2) and (model.states[:, 1] == 0).all() and model.horizon == 3
    np.testing.assert_allclose(model.start_chance, np.full(STATES, 1 / STATES))
    places = model.states[:, 0].astype(int)
    np.testing.assert_allclose(model.reward, env.pay[places])
    np.testing.assert_allclose(model.chance.sum(axis=2), 1)
    for state, place in enumerate(places):
        for action in range(ACTIONS):
            expected = np.zeros(STATES)
            np.add.at(
                expected, env.to[place, action], [env.chance[place, action], 1 - env.chance[place, action]]
            )
            found = np.zeros(STATES)
            np.add.at(found, places[model.successor[state, action]], model.chance[state, action])
            np.testing.assert_allclose(found, expected)


def test_more_copies_and_less_precision_change_nothing() -> None:
    one = exact.plan(Tables(seed=5, dtype=torch.float64), gamma=0.9, kind="hull")
    same(exact.plan(Tables(7, seed=5), gamma=0.9, kind="hull").returns, one.returns)
    same(exact.plan(Tables, seed=5, gamma=0.9, kind="hull").returns, one.returns)


@pytest.mark.parametrize("kind", ["pareto", "hull"])
@pytest.mark.parametrize(
    ("limit", "gamma", "worth"), [(5, 1.0, 5.0), (5, 0.9, 10 * (1 - 0.9**5)), (None, 0.9, 10.0)]
)
def test_time_is_part_of_the_state_where_a_limit_truncates(
    kind: Any, limit: int | None, gamma: float, worth: float
) -> None:
    env = Endless(ways=1, limit=limit, dtype=torch.float64)
    np.testing.assert_allclose(exact.plan(env, gamma=gamma, kind=kind).returns, [[worth, worth]], rtol=1e-9)
    if limit is not None:
        assert [len(p) for p in exact.pareto_plans(exact.enumerate_model(env), gamma)[1]] == [limit]


@pytest.mark.parametrize("kind", ["pareto", "hull"])
def test_returns_that_grow_without_end_are_refused(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "MOST_STEPS", 200)
    with pytest.raises(MorlError, match=r"settle within 200 steps.*time limit"):
        exact.plan(Endless(ways=1, limit=None), gamma=1.0, kind=kind)


def test_a_front_says_what_it_is_optimal_among() -> None:
    front = exact.plan("deep-sea-treasure-v0")
    assert (front.role, front.gamma, front.env_id) == ("exact", 0.99, "deep-sea-treasure-v0")
    assert front.optimal_among == "deterministic, history-independent policies (SER)"
    assert front.objectives == ("treasure", "time") and front.reference_point is not None
    hull = exact.plan("deep-sea-treasure-v0", kind="hull", gamma=1.0)
    assert hull.optimal_among == "all policies, by weighted sums (SER)" and len(hull) < 10
    assert exact.plan(Tables(), gamma=1.0).optimal_among == hull.optimal_among  # chance decides
    esr = exact.plan("fishwood-v0", gamma=1.0, kind="hull").optimal_among
    assert esr is not None and "(ESR), which is not planned" in esr


class Coin(Tables):
    """Draws random numbers of which it tells nothing."""

    step_outcomes: Any = property()


class Lopsided(Tables):
    """Tells chances that do not sum to one."""

    def step_outcomes(self) -> list[tuple[float, float]]:
        return [(0.5, 0.0)]


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        ("deep-sea-treasure-v0", {"kind": "front"}, "kind 'pareto' or 'hull', or None .* got 'front'"),
        ("deep-sea-treasure-v0", {"gamma": 1.5}, r"discount \(gamma\) in \(0, 1\], got 1.5"),
        ("deep-sea-treasure-v0", {"most_states": 5}, "at most 5 states .* `canonical`"),
        ("deep-sea-treasure-v0", {"most_states": "5"}, "most_states to be an integer of at least 1, got '5'"),
        (Tables(), {"kind": "pareto"}, r"take the convex hull \(kind='hull'\)"),
        (Tables(), {"seed": 1}, "no arguments beside an instance, got seed"),
        (Coin, {}, "to tell what may happen in a step.*step_outcomes"),
        (Lopsided(), {}, "chances that sum to 1 from step_outcomes"),
        ("mo-mountaincarcontinuous-v0", {}, "discrete actions to plan with"),
        ("mo-hopper-v5", {}, "batched"),
        ("breakable-bottles-v0", {"kind": "pareto", "gamma": 0.99}, "chance decides"),
    ],
)
def test_what_cannot_be_planned_is_refused(env: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(MorlError, match=rf"(?s){message}"):
        exact.plan(env, **options)


def test_more_trade_offs_than_can_be_listed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of fishwood with a discount, 2^199."""
    monkeypatch.setattr(pareto_induction, "MOST_CANDIDATES", 2000)
    with pytest.raises(MorlError, match="at most 2000 numbers to sift for the full Pareto front, got"):
        exact.plan("fishwood-v0", kind="pareto", gamma=0.99)


def test_only_batched_environments_have_tables() -> None:
    with pytest.raises(EnvError, match="a batched environment to plan in, got"):
        exact.enumerate_model(morl.make_vec("deep-sea-treasure-v0", backend="original"))  # type: ignore[arg-type]
