"""Generalised advantage estimation for vector rewards."""

from __future__ import annotations

import torch
from torch import Tensor


def vector_gae(
    reward: Tensor,
    value: Tensor,
    next_value: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    lam: float,
) -> tuple[Tensor, Tensor]:
    """Advantages per objective (Schulman et al. 2016, eq. 16), with the two kinds of episode end kept apart.

    Objectives stay separate: a linear scalarisation of the result equals the scalar estimate, because the
    recursion is linear; other utilities may not be taken afterwards.

    Args:
        reward: (T, N, m).
        value: (T, N, m), V of each observation acted upon.
        next_value: (T, N, m), V of the observation that followed, *before* any reset.
        terminated: (T, N) bool: nothing follows, the bootstrap is zero.
        truncated: (T, N) bool: cut off, the bootstrap is `next_value`; the trace ends in both cases.
        gamma: discount in [0, 1].
        lam: trace decay in [0, 1]; 1 gives Monte Carlo returns, 0 one-step errors.

    Returns:
        advantage (T, N, m) and the value target `advantage + value` (T, N, m).
    """
    going = (~terminated).unsqueeze(-1).to(value.dtype)
    same_episode = (~(terminated | truncated)).unsqueeze(-1).to(value.dtype)
    delta = reward + gamma * going * next_value - value
    advantage = torch.empty_like(delta)
    trace = torch.zeros_like(delta[0])
    for t in range(len(delta) - 1, -1, -1):
        trace = delta[t] + gamma * lam * same_episode[t] * trace
        advantage[t] = trace
    return advantage, advantage + value
