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

from morl.accrual import Accrual
from morl.finite import ObservationWatch
from morl.transitions import Transition, Transitions


class AccruedTransitions:
    """`Transitions` whose observations (N, d + m + 1) end in the return so far and the discount it has come to.

    Args:
        transitions: of an environment with vector observations (N, d).
        gamma: discount of the return.
    """

    def __init__(self, transitions: Transitions, gamma: float) -> None:
        self.inner, self.gamma = transitions, gamma
        self.accrual = Accrual(torch.empty(0), torch.empty(0))

    @property
    def info(self) -> dict[str, Any]:
        """The last info dictionary of the environment."""
        return self.inner.info

    @property
    def watch(self) -> ObservationWatch:
        """Looks for observations that are NaN or infinite."""
        return self.inner.watch

    @property
    def obs(self) -> Tensor:
        """The observations that the next actions answer to."""
        return with_accrued(self.inner.obs, self.accrual)

    def reset(self, seed: Any = None) -> Tensor:
        """Start all episodes; nothing is accrued."""
        self.inner.reset(seed)
        env = self.inner.env
        self.accrual = Accrual.start(env.num_envs, env.num_objectives, self.inner.device)  # type: ignore[attr-defined]
        return self.obs

    def step(self, action: Any) -> Transition:
        """Advance all environments; rewards are the environment's own."""
        before = self.obs
        step = self.inner.step(action)
        after = self.accrual.after(step.reward, self.gamma, step.valid)
        self.accrual = after.restarted(step.terminated | step.truncated)
        return step._replace(obs=before, next_obs=with_accrued(step.next_obs, after))

    def state(self) -> dict[str, Any]:
        """What `load_state` takes."""
        return {**self.inner.state(), "accrual": self.accrual._asdict()}

    def load_state(self, state: dict[str, Any], *, seed: int) -> Tensor:
        """Continue the episodes of `state`; environments without snapshots start new ones with `seed`."""
        if state["env"] is None:
            return self.reset(seed)
        self.inner.load_state(state, seed=seed)
        self.accrual = Accrual(
            **{name: part.to(self.inner.device) for name, part in state["accrual"].items()}
        )
        return self.obs


def with_accrued(obs: Tensor, accrual: Accrual) -> Tensor:
    """Observations (B, d + m + 1): those given (B, d), the return so far and the discount."""
    return torch.cat((obs.to(torch.float32), accrual.paid, accrual.factor.unsqueeze(1)), dim=1)


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
