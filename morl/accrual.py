"""What running episodes have paid so far, which agents condition on and returns are added up from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Accrual(NamedTuple):
    """The accounts of B rows, each in an episode of its own."""

    paid: Tensor
    """(B, m) discounted rewards of the episode so far."""
    factor: Tensor
    """(B,) discount of the next reward."""

    @classmethod
    def start(
        cls, rows: int, objectives: int, device: torch.device | str, dtype: torch.dtype = torch.float32
    ) -> Accrual:
        """All rows at the start of an episode."""
        return cls(
            torch.zeros(rows, objectives, dtype=dtype, device=device),
            torch.ones(rows, dtype=dtype, device=device),
        )

    def after(self, reward: Tensor, gamma: float, valid: Tensor | None = None) -> Accrual:
        """One step later, which paid `reward` (B, m).

        Where `valid` (B,) does not hold, the step only reset an environment, and changes nothing.
        """
        paid = self.paid + self.factor.unsqueeze(1) * reward.to(self.paid.dtype)
        factor = self.factor * gamma
        if valid is None:
            return Accrual(paid, factor)
        return Accrual(
            torch.where(valid.unsqueeze(1), paid, self.paid), torch.where(valid, factor, self.factor)
        )

    def restarted(self, mask: Tensor) -> Accrual:
        """New episodes where `mask` (B,) holds."""
        return Accrual(self.paid.masked_fill(mask.unsqueeze(1), 0.0), self.factor.masked_fill(mask, 1.0))
