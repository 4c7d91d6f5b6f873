"""Scalarisation: what a member of a decomposition maximises, given its weights and what is known of the front."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from morl.errors import MorlError

Kind = Literal["weighted-sum", "chebyshev", "augmented-chebyshev"]


class Scalarisation:
    """Utilities of vector returns for weights, larger is better; ideal and nadir point follow the returns seen.

    "weighted-sum" is `w . r`. "chebyshev" is `-max_i w_i (z_i - r_i)`, with the ideal point z a margin above the best
    return seen per objective (Van Moffaert et al. 2013); it reaches the concave parts of a front, too.
    "augmented-chebyshev" takes off `rho sum_i (z_i - r_i)` more, so that ties go to the undominated (Steuer and Choo
    1983). Where `normalise` holds, objectives are divided by the range of the non-dominated returns, so that evenly
    spread weights lead to evenly spread points whatever the units.

    Args:
        kind: which of the three.
        objectives: m.
        normalise: whether objectives are divided by their range.
        rho: the weight of the sum in "augmented-chebyshev".
        margin: how far the ideal point lies above the best, as a share of the range.
        device: where everything lies.
    """

    def __init__(
        self,
        kind: Kind,
        objectives: int,
        *,
        normalise: bool = True,
        rho: float = 0.05,
        margin: float = 0.05,
        device: torch.device | str = "cpu",
    ) -> None:
        self.kind, self.normalise, self.rho, self.margin = kind, normalise, rho, margin
        self.ideal = torch.full((objectives,), -torch.inf, device=device)
        self.nadir = torch.zeros(objectives, device=device)

    @property
    def known(self) -> bool:
        """Whether any returns have been seen, which a Chebyshev utility needs."""
        return bool(torch.isfinite(self.ideal).all())

    @property
    def scale(self) -> Tensor:
        """What objectives are divided by, (m,)."""
        span = self.ideal - self.nadir
        usable = torch.isfinite(span) & (span > 0)
        return torch.where(usable & self.normalise, span, 1.0)

    @property
    def reference(self) -> Tensor:
        """The ideal point z with its margin, (m,); zero before any returns."""
        best = torch.where(torch.isfinite(self.ideal), self.ideal, 0.0)
        return best + self.margin * self.scale

    def observe(self, points: Tensor) -> None:
        """Take in the non-dominated returns (k, m) known so far: ideal and nadir move to theirs."""
        if points.shape[-1] != len(self.ideal) or len(points) == 0:
            raise MorlError(
                f"expected points (k, {len(self.ideal)}) with k >= 1, got shape {tuple(points.shape)}"
            )
        points = points.to(self.ideal)
        self.ideal, self.nadir = points.amax(dim=0), points.amin(dim=0)

    def __call__(self, returns: Tensor, weights: Tensor) -> Tensor:
        """Utilities (...) of returns (..., m) for weights (..., m)."""
        if self.kind == "weighted-sum":
            return (returns / self.scale * weights).sum(dim=-1)
        gaps = (self.reference - returns) / self.scale
        worst = -(weights * gaps).amax(dim=-1)
        return worst if self.kind == "chebyshev" else worst - self.rho * gaps.sum(dim=-1)

    def direction(self, returns: Tensor, weights: Tensor) -> Tensor:
        """The gradient (..., m) of the utility at returns (..., m): the weights of a linear learner that climbs it.

        Of a Chebyshev utility, which has corners, that of a smooth one: the maximum becomes a soft maximum over the
        weighted gaps, of a tenth of the range.
        """
        if self.kind == "weighted-sum":
            return weights / self.scale
        gaps = (self.reference - returns) / self.scale
        direction = torch.softmax(10.0 * weights * gaps, dim=-1) * weights
        if self.kind == "augmented-chebyshev":
            direction = direction + self.rho
        return direction / self.scale

    def state(self) -> dict[str, Any]:
        """Ideal and nadir point."""
        return {"ideal": self.ideal, "nadir": self.nadir}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.ideal, self.nadir = (state[name].to(self.ideal) for name in ("ideal", "nadir"))
