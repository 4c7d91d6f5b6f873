"""Gradients and Adam as pure functions on a flat parameter vector, with the step count in the state.

Each member of a population has its own norm of the gradient and its own step count, thus its own bias correction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

Objective = Callable[[Tensor], tuple[Tensor, Any]]
"""theta (P,) -> (loss to be minimised, anything else worth keeping)."""

Differentiate = Callable[[Objective, Tensor], tuple[Tensor, Tensor, Any]]
"""(objective, theta) -> (gradient (P,), loss, the rest), detached."""


def autograd(objective: Objective, theta: Tensor) -> tuple[Tensor, Tensor, Any]:
    """By torch.autograd: the faster way for one parameter vector."""
    leaf = theta.detach().requires_grad_()
    with torch.enable_grad():
        loss, rest = objective(leaf)
        (gradient,) = torch.autograd.grad(loss, leaf)
    return gradient, loss.detach(), detached(rest)


def functional(objective: Objective, theta: Tensor) -> tuple[Tensor, Tensor, Any]:
    """By torch.func: the way that works under `torch.vmap`."""
    gradient, (loss, rest) = torch.func.grad_and_value(objective, has_aux=True)(theta)
    return gradient, loss, rest


def detached(values: Any) -> Any:
    """A tensor, or a dictionary of tensors, without its history."""
    if isinstance(values, dict):
        return {name: value.detach() for name, value in values.items()}
    return values.detach()


class AdamState(NamedTuple):
    """What Adam remembers between updates."""

    step: Tensor
    """() or (K,) number of updates done."""
    mean: Tensor
    """First moment, shaped like the parameters."""
    square: Tensor
    """Second moment, shaped like the parameters."""


def adam_init(theta: Tensor) -> AdamState:
    """The state before the first update of `theta` (P,) or (K, P)."""
    return AdamState(theta.new_zeros(theta.shape[:-1]), torch.zeros_like(theta), torch.zeros_like(theta))


def adam_update(
    theta: Tensor,
    gradient: Tensor,
    state: AdamState,
    lr: float | Tensor,
    *,
    max_norm: float | None = None,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> tuple[Tensor, AdamState]:
    """One step of Adam (Kingma and Ba 2015, algorithm 1) after clipping the gradient's norm to `max_norm`.

    Args:
        theta: parameters (P,), or (K, P) of K members.
        gradient: shaped like them, of a loss to be minimised.
        state: from `adam_init` or the last update.
        lr: learning rate, a number or a 0-d tensor.
        max_norm: each member's gradient is scaled down to this norm; None leaves it as it is.
        betas: decay of the two moments.
        eps: added to the denominator.

    Returns:
        New parameters and state; the inputs are unchanged.
    """
    if max_norm is not None:
        gradient = clipped(gradient, max_norm)
    step = state.step + 1
    mean = state.mean.lerp(gradient, 1 - betas[0])
    square = state.square.lerp(gradient * gradient, 1 - betas[1])
    # The bias corrections are numbers of a member: kept out of the passes over its parameters.
    root = (1 - betas[1] ** step).sqrt().unsqueeze(-1)
    rate = lr * root / (1 - betas[0] ** step).unsqueeze(-1)
    scale = square.sqrt().add_(eps * root)
    return torch.addcdiv(theta, mean, scale.div_(-rate)), AdamState(step, mean, square)


def clipped(gradient: Tensor, max_norm: float) -> Tensor:
    """A gradient (P,), or K of them (K, P), each scaled down to `max_norm` where it is longer."""
    norm = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
    return gradient * (max_norm / (norm + 1e-6)).clamp(max=1.0)
