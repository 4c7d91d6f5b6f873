"""Our Adam against torch's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from morl.agents.optim import AdamState, adam_init, adam_update, autograd, functional

P, STEPS = 20, 12


def gradients(seed: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(STEPS, P, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(
    seed=st.integers(0, 999),
    lr=st.floats(1e-4, 1.0),
    scale=st.sampled_from([1e-3, 1.0, 100.0]),
    max_norm=st.sampled_from([None, 0.5, 10.0]),
)
def test_equals_torch(seed: int, lr: float, scale: float, max_norm: float | None) -> None:
    theta, series = torch.ones(P, dtype=torch.float64), gradients(seed, scale)
    reference = torch.nn.Parameter(theta.clone())
    optimiser = torch.optim.Adam([reference], lr=lr)
    state = adam_init(theta)
    for gradient in series:
        theta, state = adam_update(theta, gradient, state, lr, max_norm=max_norm)
        reference.grad = gradient.clone()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_([reference], max_norm)
        optimiser.step()
    torch.testing.assert_close(theta, reference.data)
    assert float(state.step) == STEPS


def test_float32_keeps_the_bias_correction() -> None:
    """1 - 0.999 ** t loses digits in float32; the steps must not."""
    theta, reference = torch.zeros(P), torch.nn.Parameter(torch.zeros(P))
    optimiser, state = torch.optim.Adam([reference], lr=0.01), adam_init(theta)
    for gradient in gradients(0).float():
        theta, state = adam_update(theta, gradient, state, 0.01)
        reference.grad = gradient
        optimiser.step()
    torch.testing.assert_close(theta, reference.data, rtol=1e-3, atol=1e-6)


def test_the_first_step_is_the_learning_rate_against_the_sign() -> None:
    gradient = torch.tensor([3.0, -0.2, 1e-4])
    theta, _ = adam_update(torch.zeros(3), gradient, adam_init(torch.zeros(3)), 0.1)
    torch.testing.assert_close(theta, -0.1 * gradient.sign(), rtol=1e-3, atol=0)


@given(exponent=st.floats(-3, 3), max_norm=st.floats(0.01, 100))
def test_clipping_bounds_the_norm_and_keeps_the_direction(exponent: float, max_norm: float) -> None:
    gradient = 10**exponent * gradients(1)[0]
    _, state = adam_update(gradient, gradient, adam_init(gradient), 0.1, max_norm=max_norm)
    clipped = state.mean / 0.1
    assert float(clipped.norm()) <= max_norm * (1 + 1e-9)
    torch.testing.assert_close(clipped / clipped.norm(), gradient / gradient.norm())
    if float(gradient.norm()) < 0.999 * max_norm:
        torch.testing.assert_close(clipped, gradient)


def test_a_zero_gradient_moves_nothing() -> None:
    theta, state = torch.ones(P), adam_init(torch.ones(P))
    for _ in range(3):
        theta, state = adam_update(theta, torch.zeros(P), state, 0.1, max_norm=0.5)
    assert torch.equal(theta, torch.ones(P))


def test_inputs_are_unchanged_and_the_rate_may_be_a_tensor() -> None:
    theta, gradient = gradients(2)[:2]
    state = adam_init(theta)
    copies = theta.clone(), gradient.clone()
    moved, _ = adam_update(theta, gradient, state, torch.tensor(0.3, dtype=torch.float64), max_norm=0.5)
    assert torch.equal(theta, copies[0]) and torch.equal(gradient, copies[1])
    assert float(state.step) == 0 and not state.mean.any() and not state.square.any()
    torch.testing.assert_close(moved, adam_update(theta, gradient, state, 0.3, max_norm=0.5)[0])


def test_members_of_a_population_keep_their_own_step_counts() -> None:
    series = gradients(3)
    members = []
    for steps in (1, 7):
        theta = torch.full((P,), float(steps), dtype=torch.float64)
        state = adam_init(theta)
        for gradient in series[:steps]:
            theta, state = adam_update(theta, gradient, state, 0.1)
        members.append((theta, state))
    thetas = torch.stack([theta for theta, _ in members])
    stacked = AdamState(*map(torch.stack, zip(*(state for _, state in members), strict=True)))
    assert adam_init(thetas).step.shape == stacked.step.shape == (2,)
    together, after = torch.vmap(lambda t, g, s: adam_update(t, g, s, 0.1, max_norm=0.5))(
        thetas, series[8:10], stacked
    )
    for index, (theta, state) in enumerate(members):
        alone, alone_after = adam_update(theta, series[8 + index], state, 0.1, max_norm=0.5)
        torch.testing.assert_close(together[index], alone)
        torch.testing.assert_close(AdamState(*(field[index] for field in after)), alone_after)


@pytest.mark.parametrize("rest", ["tensor", "dictionary"])
def test_both_ways_to_differentiate_agree(rest: str) -> None:
    def objective(theta: Tensor) -> tuple[Tensor, Tensor | dict[str, Tensor]]:
        square = theta**2
        return square.sum(), square if rest == "tensor" else {"square": square}

    theta = gradients(4)[0]
    with torch.no_grad():  # collecting turns gradients off, an update turns them on for itself
        results = [differentiate(objective, theta) for differentiate in (autograd, functional)]
    for gradient, loss, kept in results:
        square = kept["square"] if isinstance(kept, dict) else kept
        torch.testing.assert_close(gradient, 2 * theta)
        torch.testing.assert_close(square, theta**2)
        assert not any(value.requires_grad for value in (gradient, loss, square, theta))
