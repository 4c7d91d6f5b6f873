"""Accrued rewards: what lets a policy maximise the expected utility of its returns (ESR) under any utility.

Under ESR (Roijers et al. 2013, section 4.3; Hayes et al. 2022) the utility is taken of each episode's return, so the
best action depends on what the episode has paid so far. Here that stands in the observation, and the reward is how
much the utility of the return so far rises: over an episode those rises add up to the utility of its return.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from morl.transitions import Transition, Transitions


class AccruedTransitions:
    """`Transitions` whose observations (N, d + m + 1) end in the return so far and the discount it has come to.

    Args:
        transitions: of an environment with vector observations (N, d).
        gamma: discount of the return.
    """

    def __init__(self, transitions: Transitions, gamma: float) -> None:
        self.inner, self.gamma = transitions, gamma
        self.accrued, self.factor = torch.empty(0), torch.empty(0)

    @property
    def info(self) -> dict[str, Any]:
        """The last info dictionary of the environment."""
        return self.inner.info

    @property
    def obs(self) -> Tensor:
        """The observations that the next actions answer to."""
        return with_accrued(self.inner.obs, self.accrued, self.factor)

    def reset(self, seed: Any = None) -> Tensor:
        """Start all episodes; nothing is accrued."""
        self.inner.reset(seed)
        n, m = self.inner.env.num_envs, self.inner.env.num_objectives  # type: ignore[attr-defined]
        self.accrued = torch.zeros(n, m, device=self.inner.device)
        self.factor = torch.ones(n, 1, device=self.inner.device)
        return self.obs

    def step(self, action: Any) -> Transition:
        """Advance all environments; rewards are the environment's own."""
        before, accrued, factor = self.obs, self.accrued, self.factor
        step = self.inner.step(action)
        accrued, factor = accrued + factor * step.reward, factor * self.gamma
        done = (step.terminated | step.truncated).unsqueeze(1)
        self.accrued, self.factor = accrued.masked_fill(done, 0.0), factor.masked_fill(done, 1.0)
        if step.valid is not None:  # a step that only reset began an episode
            self.factor = torch.where(step.valid.unsqueeze(1), self.factor, 1.0)
        return step._replace(obs=before, next_obs=with_accrued(step.next_obs, accrued, factor))

    def state(self) -> dict[str, Any]:
        """What `load_state` takes."""
        return {**self.inner.state(), "accrued": self.accrued, "factor": self.factor}

    def load_state(self, state: dict[str, Any], *, seed: int) -> Tensor:
        """Continue the episodes of `state`; environments without snapshots start new ones with `seed`."""
        if state["env"] is None:
            return self.reset(seed)
        self.inner.load_state(state, seed=seed)
        self.accrued, self.factor = (state[name].to(self.inner.device) for name in ("accrued", "factor"))
        return self.obs


def with_accrued(obs: Tensor, accrued: Tensor, factor: Tensor) -> Tensor:
    """Observations (..., d) with the return so far (..., m) and the discount (..., 1) at the end."""
    return torch.cat((obs.to(torch.float32), accrued, factor), dim=-1)


def utility_rises(
    obs: Tensor, reward: Tensor, weights: Tensor, utility: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """How much each step raises the utility of the return so far, (..., 1).

    Args:
        obs: (..., d + m + 1), as `AccruedTransitions` gives them.
        reward: (..., m).
        weights: (..., m) what the utility takes.
        utility: `(returns (..., m), weights (..., m)) -> (...)`.
    """
    m = reward.shape[-1]
    accrued, factor = obs[..., -m - 1 : -1], obs[..., -1:]
    return (utility(accrued + factor * reward, weights) - utility(accrued, weights)).unsqueeze(-1)
