"""Advantages against the sum that defines them, and against values known in closed form."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from morl.gae import vector_gae

T, N, M = 7, 5, 3


class Case(dict):
    """Random arguments of `vector_gae`, T steps of N environments with M objectives, in float64."""

    def __init__(self, seed: int, *, ends: float = 0.25) -> None:
        generator = torch.Generator().manual_seed(seed)

        def normal() -> Tensor:
            return torch.randn(T, N, M, generator=generator, dtype=torch.float64)

        flags = torch.rand(2, T, N, generator=generator) < ends
        super().__init__(
            reward=normal(), value=normal(), next_value=normal(), terminated=flags[0], truncated=flags[1]
        )


def brute_force(case: dict, gamma: float, lam: float, t: int, n: int) -> Tensor:
    """The sum of discounted one-step errors from step t of environment n to the end of its episode."""
    total, weight = torch.zeros(M, dtype=torch.float64), 1.0
    for k in range(t, T):
        bootstrap = 0.0 if case["terminated"][k, n] else case["next_value"][k, n]
        total += weight * (case["reward"][k, n] + gamma * bootstrap - case["value"][k, n])
        if case["terminated"][k, n] or case["truncated"][k, n]:
            break
        weight *= gamma * lam
    return total


@given(seed=st.integers(0, 2**31), gamma=st.floats(0, 1), lam=st.floats(0, 1), ends=st.floats(0, 1))
def test_equals_the_sum_that_defines_it(seed: int, gamma: float, lam: float, ends: float) -> None:
    case = Case(seed, ends=ends)
    advantage, target = vector_gae(**case, gamma=gamma, lam=lam)
    for t in range(T):
        for n in range(N):
            torch.testing.assert_close(advantage[t, n], brute_force(case, gamma, lam, t, n))
    torch.testing.assert_close(target, advantage + case["value"])


@given(seed=st.integers(0, 2**31), share=st.floats(0, 1))
def test_weighting_commutes(seed: int, share: float) -> None:
    case = Case(seed)
    w = torch.tensor([share, (1 - share) / 3, 2 * (1 - share) / 3], dtype=torch.float64)
    vector, _ = vector_gae(**case, gamma=0.9, lam=0.7)
    for name in ("reward", "value", "next_value"):
        case[name] = (case[name] @ w).unsqueeze(-1)
    scalar, _ = vector_gae(**case, gamma=0.9, lam=0.7)
    torch.testing.assert_close(vector @ w, scalar.squeeze(-1))


def test_lambda_one_without_ends_is_the_return() -> None:
    case = Case(0, ends=0.0)
    case["next_value"][:-1] = case["value"][1:]  # what a critic would say
    _, target = vector_gae(**case, gamma=0.9, lam=1.0)
    discount = 0.9 ** torch.arange(T, dtype=torch.float64)
    rest = (discount.view(-1, 1, 1) * case["reward"]).sum(dim=0) + 0.9**T * case["next_value"][-1]
    torch.testing.assert_close(target[0], rest)


def test_lambda_zero_is_the_one_step_error() -> None:
    case = Case(1, ends=0.0)
    advantage, _ = vector_gae(**case, gamma=0.9, lam=0.0)
    torch.testing.assert_close(advantage, case["reward"] + 0.9 * case["next_value"] - case["value"])


def test_a_constant_reward_and_its_exact_value_leave_no_advantage() -> None:
    reward = torch.full((T, N, M), 2.0)
    value = torch.full_like(reward, 2.0 / (1 - 0.9))
    never = torch.zeros(T, N, dtype=torch.bool)
    advantage, target = vector_gae(reward, value, value, never, never, gamma=0.9, lam=0.95)
    torch.testing.assert_close(advantage, torch.zeros_like(advantage), atol=1e-5, rtol=0)
    torch.testing.assert_close(target, value)


@pytest.mark.parametrize("end", ["terminated", "truncated"])
def test_nothing_leaks_across_an_episode_end(end: str) -> None:
    case = Case(2, ends=0.0)
    case[end][3] = True
    before, _ = vector_gae(**case, gamma=0.9, lam=0.9)
    case["reward"][4:] += 100
    case["value"][4:] -= 100
    after, _ = vector_gae(**case, gamma=0.9, lam=0.9)
    assert torch.equal(before[:4], after[:4]) and not torch.equal(before[4:], after[4:])


def test_only_a_truncation_bootstraps() -> None:
    case = Case(3, ends=0.0)
    for end in ("terminated", "truncated"):
        case[end][-1] = True
        first, _ = vector_gae(**case, gamma=0.5, lam=0.9)
        case["next_value"][-1] += 8
        second, _ = vector_gae(**case, gamma=0.5, lam=0.9)
        gain = second[-1] - first[-1]
        torch.testing.assert_close(gain, torch.full_like(gain, 0.0 if end == "terminated" else 4.0))
        case[end][-1] = False


def test_a_step_that_is_both_is_terminated() -> None:
    case = Case(4)
    both = {**case, "truncated": case["truncated"] | case["terminated"]}
    only = {**case, "truncated": case["truncated"] & ~case["terminated"]}
    for first, second in zip(
        vector_gae(**both, gamma=0.9, lam=0.9), vector_gae(**only, gamma=0.9, lam=0.9), strict=True
    ):
        assert torch.equal(first, second)


def test_inputs_are_unchanged() -> None:
    case, copy = Case(5), Case(5)
    vector_gae(**case, gamma=0.9, lam=0.9)
    assert all(torch.equal(case[name], copy[name]) for name in case)
