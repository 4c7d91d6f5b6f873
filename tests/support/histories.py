"""Random sequences of steps, as a replay gives them, in which every state can be told from every other."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from morl.replay import Sequences

ACTIONS, M = 3, 2
STATES = 999
"""More than any history has."""


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Flags(NamedTuple):
    """How likely a step ends an episode in each way, and whether environments need a step to reset."""

    terminate: float
    truncate: float
    next_step: bool = False


def history(seed: int, length: int, batch: int, flags: Flags) -> Sequences:
    """Random sequences; an observation is the number of its state, never used twice."""
    g = generator(seed)
    terminated = torch.rand(length, batch, generator=g) < flags.terminate
    truncated = torch.rand(length, batch, generator=g) < flags.truncate
    valid = torch.ones(length, batch, dtype=torch.bool)
    obs, next_obs = (torch.zeros(length, batch, 1, dtype=torch.float64) for _ in range(2))
    number = 0
    for b in range(batch):
        here, over = number, False
        for t in range(length):
            if over and flags.next_step:  # this step only resets
                valid[t, b] = terminated[t, b] = truncated[t, b] = over = False
            elif over:
                here, over = (number := number + 1), False
            obs[t, b], here = here, (number := number + 1)
            next_obs[t, b] = here
            over = bool(terminated[t, b] | truncated[t, b])
        number += 1
    return Sequences(
        obs=obs,
        action=torch.randint(ACTIONS, (length, batch), generator=g),
        reward=torch.randn(length, batch, M, generator=g, dtype=torch.float64) * valid.unsqueeze(-1),
        terminated=terminated,
        truncated=truncated,
        next_obs=next_obs,
        weights=torch.full((length, batch, M), 0.5, dtype=torch.float64),
        valid=valid,
    )


def preferences(seed: int, *lead: int, dtype: torch.dtype = torch.float64) -> Tensor:
    share = torch.rand(*lead, 1, generator=generator(seed + 2), dtype=dtype)
    return torch.cat((share, 1 - share), dim=-1)
