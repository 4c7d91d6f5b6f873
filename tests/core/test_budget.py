"""How a budget is divided: `morl.budget`, and `RunConfig.complete`, which follows it."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morl import budget
from morl.errors import BudgetWarning
from morl.runs import RunConfig

steps = st.integers(min_value=1, max_value=10**9)


@given(
    total=steps,
    most=st.integers(1, 1024),
    batched=st.booleans(),
    horizon=st.none() | st.integers(1, 10**5),
    share=st.integers(1, 40),
)
def test_environments_are_shared_evenly_and_stay_within_what_is_asked_for(
    total: int, most: int, batched: bool, horizon: int | None, share: int
) -> None:
    n = budget.num_envs(total, most=most, batched=batched, horizon=horizon, share=share)
    assert n % share == 0
    assert share <= n <= max(2 * most, 2 * budget.FEWEST) + share


@given(total=steps, more=steps, n=st.integers(1, 1024))
def test_larger_budgets_have_longer_rollouts_and_no_fewer_rounds_than_wanted(
    total: int, more: int, n: int
) -> None:
    length = budget.rollout_length(total, n)
    assert budget.SHORTEST <= length <= budget.LONGEST
    assert length <= budget.rollout_length(total + more, n)
    if length > budget.SHORTEST:
        assert total // (n * length) >= budget.ROLLOUTS


def test_a_small_budget_gets_few_environments_and_a_large_one_all() -> None:
    assert budget.num_envs(150_000, most=512, batched=True) == 64
    assert budget.num_envs(6_000_000, most=512, batched=True) == 512
    assert budget.num_envs(6_000_000, most=512, batched=False) == budget.SINGLE
    assert budget.num_envs(150_000, most=512, batched=True, horizon=1000) == 16


def test_too_few_rounds_are_warned_of() -> None:
    with pytest.warns(BudgetWarning, match="9,000"):
        budget.check_rounds("an agent", 2_000, 300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        budget.check_rounds("an agent", 9_000, 300)


def test_a_run_without_a_number_of_environments_gets_one_that_its_population_shares() -> None:
    config = RunConfig(
        env="deep-sea-treasure-v0", agent="morld", total_steps=150_000, settings={"population": 11}
    ).complete()
    assert config.num_envs == 66
    assert RunConfig(env="mo-mountaincar-v0", agent="random", total_steps=10**7).complete().num_envs == 64
