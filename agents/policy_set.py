"""A set of policies found by a population: stacked parameters, what each earned, and acting with many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morl._arrays import Array
from morl.accrual import Accrual
from morl.agents import population
from morl.agents.accrued import with_accrued
from morl.errors import CheckpointError
from morl.normalise import CLIP
from morl.pareto import ParetoArchive


class Policies(NamedTuple):
    """k policies, one row each."""

    theta: Tensor
    """(k, P) parameters that act."""
    shift: Tensor
    """(k, d) what observations are shifted by before they are scaled, as of when the policy was found."""
    scale: Tensor
    """(k, d)."""
    weights: Tensor
    """(k, m) of the member that found it."""
    direction: Tensor
    """(k, c) what its learner maximised."""
    member: Tensor
    """(k,) its number; -1 where unknown."""

    def at(self, rows: slice) -> Policies:
        """Some of them."""
        return Policies(*(part[rows] for part in self))


class PolicySet:
    """The non-dominated policies found so far, by their returns on selection episodes.

    Args:
        objectives: m.
        capacity: the most policies to keep; the most crowded go first.
        device: where parameters lie.
    """

    def __init__(self, objectives: int, capacity: int, device: torch.device | str = "cpu") -> None:
        self.objectives, self.capacity, self.device = objectives, capacity, torch.device(device)
        self.archive = ParetoArchive(objectives, max_size=capacity)
        self.policies: Policies | None = None
        self.episodes: Array = np.empty((0, 0, objectives))
        """(k, episodes, m) the selection returns behind each policy."""

    def __len__(self) -> int:
        return len(self.archive)

    @property
    def points(self) -> Array:
        """Selection returns (k, m)."""
        return self.archive.points

    def add(self, policies: Policies, episodes: Array) -> NDArray[np.bool_]:
        """Offer n policies with their episodes' returns (n, episodes, m); which were kept, (n,) bool."""
        held = len(self.archive)
        joined = policies if self.policies is None else population.join(self.policies, policies)
        both = episodes if held == 0 else np.concatenate((self.episodes, episodes))
        self.archive = self._renumbered()
        kept = self.archive.add(episodes.mean(axis=1), [held + i for i in range(len(episodes))])
        rows = self.archive.payloads
        self.policies = population.take(joined, torch.tensor(rows, dtype=torch.int64, device=self.device))
        self.episodes = both[rows]
        return kept

    def _renumbered(self) -> ParetoArchive:
        """The archive with the rows of `policies` as payloads."""
        fresh = ParetoArchive(self.objectives, max_size=self.capacity)
        if len(self.archive):
            fresh.add(self.archive.points, list(range(len(self.archive))))
        return fresh

    def state(self) -> dict[str, Any]:
        """Parameters and selection returns."""
        if self.policies is None:
            return {"size": 0}
        episodes = torch.as_tensor(self.episodes)
        return {"size": len(self), "episodes": episodes, **self.policies._asdict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`.

        Raises:
            CheckpointError: the returns are not those of a non-dominated set.
        """
        self.archive = ParetoArchive(self.objectives, max_size=self.capacity)
        self.policies, self.episodes = None, np.empty((0, 0, self.objectives))
        if state["size"] == 0:
            return
        policies = Policies(*(state[name].to(self.device) for name in Policies._fields))
        if not self.add(policies, state["episodes"].double().numpy()).all():
            raise CheckpointError("expected a set of non-dominated policies, found dominated or equal ones")


class FollowMembers:
    """B rows, each following one policy; with accrued rewards it remembers what its episode has paid.

    Made for one row, and without memory, it follows its policy in any number of rows.

    Args:
        head: `(theta (k, P), inputs (k, B, d), directions (k, c)) -> greedy actions (k, B, ...)`, a pure function.
        policies: k of them.
        index: (B,) which one each row follows.
        accrued: discount of the accrued rewards that the policies observe; None if they do not.
        conditioned: whether the policies observe their weights.
    """

    def __init__(
        self,
        head: Callable[[Tensor, Tensor, Tensor], Tensor],
        policies: Policies,
        index: Tensor,
        *,
        accrued: float | None,
        conditioned: bool,
    ) -> None:
        self.gamma, self.conditioned = accrued, conditioned
        self.memoryless = accrued is None
        chosen, place = index.unique(return_inverse=True)
        self.policies = population.take(policies, chosen)
        count = place.bincount(minlength=len(chosen))
        order = place.argsort(stable=True)
        column = torch.arange(len(index), device=index.device) - (count.cumsum(0) - count)[place[order]]
        # Rows side by side by policy, padded with row 0: one product of matrices per layer serves all.
        self.rows = torch.zeros(len(chosen), int(count.max()), dtype=torch.int64, device=index.device)
        self.rows[place[order], column] = order
        self.back = torch.empty_like(index)
        self.back[order] = place[order] * self.rows.shape[1] + column
        self.alone = self.memoryless and len(index) == 1
        self.head = head
        self.start = self.accrual = Accrual.start(len(index), policies.weights.shape[1], index.device)

    def reset(self, mask: Tensor | None = None) -> None:
        """New episodes where `mask` (B,) holds: nothing is accrued."""
        self.accrual = self.start if mask is None else self.accrual.restarted(mask)

    @torch.no_grad()
    def act(self, obs: Tensor) -> Tensor:
        """Greedy actions (B, ...)."""
        obs = torch.as_tensor(obs, device=self.rows.device).to(torch.float32)
        if self.gamma is not None:
            obs = with_accrued(obs, self.accrual)
        obs = (obs.unsqueeze(0) if self.alone else obs[self.rows]) - self.policies.shift.unsqueeze(1)
        inputs = (obs * self.policies.scale.unsqueeze(1)).clamp(-CLIP, CLIP)
        if self.conditioned:
            inputs = torch.cat(
                (inputs, self.policies.weights.unsqueeze(1).expand(-1, inputs.shape[1], -1)), -1
            )
        action = self.head(self.policies.theta, inputs, self.policies.direction)
        return action[0] if self.alone else action.flatten(0, 1)[self.back]

    def observe(self, reward: Tensor, done: Tensor) -> None:
        """Add the rewards (B, m) to what is accrued; start anew where `done` (B,)."""
        if self.gamma is not None:
            self.accrual = self.accrual.after(reward, self.gamma).restarted(done)
