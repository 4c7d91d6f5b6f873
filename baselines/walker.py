"""Steps of a tabular agent's environments, with states by number and with what the episodes have paid so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from morl.accrual import Accrual
from morl.baselines.tabular import UNKNOWN, Numbering, States
from morl.rollout import EpisodeReturns
from morl.streams import derive_seed
from morl.transitions import Transitions

HALF = 32
"""Bits of a key that the second half of a pair takes."""


class Histories:
    """Numbers what episodes have paid, and the pairs of state and history that stand in for states.

    Rewards that were paid one after the other are one history: number 0 when nothing was paid, else a path in a tree
    whose branches are the bits of the rewards.

    Args:
        max_states: most pairs, and most histories.
        env_id: for messages.
        device: where everything lies.
    """

    def __init__(self, max_states: int, env_id: str, device: torch.device) -> None:
        self.tree = Numbering(max_states, f"histories of rewards of {env_id}", device)
        self.pairs = Numbering(max_states, f"pairs of an observation and a history of {env_id}", device)

    def enter(self, history: Tensor, reward: Tensor, *, new: bool) -> Tensor:
        """The histories (B,) of `history` (B,) and then `reward` (B, m), numbered if they may be new."""
        bits = (reward.to(torch.float32) + 0.0).view(torch.int32).to(torch.int64) & (2**HALF - 1)  # -0 is 0
        for entry in bits.unbind(dim=1):
            found = self._look(self.tree, history, entry, new=new)
            history = torch.where(found == UNKNOWN, UNKNOWN, found + 1)
        return history

    def pair(self, state: Tensor, history: Tensor, *, new: bool) -> Tensor:
        """The numbers (B,) of states (B,) after histories (B,), `UNKNOWN` where one is."""
        return self._look(self.pairs, state, history, new=new)

    @staticmethod
    def _look(numbering: Numbering, first: Tensor, second: Tensor, *, new: bool) -> Tensor:
        known = (first >= 0) & (second >= 0)
        keys = torch.where(known, (first << HALF) | second, UNKNOWN)
        return numbering.add(keys) if new else numbering.find(keys)

    def state(self) -> dict[str, Any]:
        """All keys."""
        return {"tree": self.tree.keys, "pairs": self.pairs.keys}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.tree.load(state["tree"])
        self.pairs.load(state["pairs"])


class Ledger:
    """What the running episodes of B rows have paid so far.

    Args:
        histories: numbers what was paid; None keeps no account, and nothing was ever paid.
        rows: B.
        objectives: m.
        gamma: discount.
        device: where everything lies.
    """

    def __init__(
        self, histories: Histories | None, rows: int, objectives: int, gamma: float, device: torch.device
    ) -> None:
        self.histories, self.gamma = histories, gamma
        self.history = torch.zeros(rows, dtype=torch.int64, device=device)
        """(B,)."""
        self.accrual = Accrual.start(rows, objectives, device)

    def number(self, state: Tensor, *, new: bool = False) -> Tensor:
        """Numbers (B,) for states (B,) at this point of their episodes; the states' own without histories."""
        return state if self.histories is None else self.histories.pair(state, self.history, new=new)

    def enter(self, reward: Tensor, valid: Tensor, *, new: bool = False) -> None:
        """Take in rewards (B, m) of the rows where `valid` (B,) holds."""
        if self.histories is None:
            return
        entered = self.histories.enter(self.history[valid], reward[valid], new=new)
        self.history = self.history.index_put((valid,), entered)
        self.accrual = self.accrual.after(reward, self.gamma, valid)

    def reset(self, mask: Tensor) -> None:
        """Episodes start where `mask` (B,) holds."""
        self.history = self.history.masked_fill(mask, 0)
        self.accrual = self.accrual.restarted(mask)

    def state(self) -> dict[str, Any]:
        """What was paid."""
        return {"history": self.history, "accrual": self.accrual._asdict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.history, self.accrual = state["history"], Accrual(**state["accrual"])


class Steps(NamedTuple):
    """T steps of N environments, all [T, N, ...]."""

    state: Tensor
    """Numbers of the states."""
    action: Tensor
    reward: Tensor
    """[T, N, m] float64."""
    following: Tensor
    """Numbers of the states that the steps led to, before any reset."""
    paid: Tensor
    """[T, N, m] what the episode has paid when it gets there (see `Ledger`)."""
    factor: Tensor
    """[T, N] the discount of the reward that comes next there."""
    terminated: Tensor
    truncated: Tensor
    valid: Tensor
    """False for steps that only reset an environment."""
    fresh: Tensor
    """True where an episode starts with this step."""


class Walker:
    """Steps the environments of a tabular agent.

    Args:
        env: the environments.
        states: numbers the observations.
        histories: numbers what was paid, where that belongs to the state.
        gamma: discount.
        seed: the agent's.
    """

    def __init__(
        self, env: Any, states: States, *, seed: int, gamma: float, histories: Histories | None = None
    ) -> None:
        self.transitions, self.states, self.seed = Transitions(env), states, seed
        device = self.transitions.device
        self.ledger = Ledger(histories, env.num_envs, env.num_objectives, gamma, device)
        self.returns = EpisodeReturns(env.num_objectives, device)
        self.fresh = torch.empty(0, dtype=torch.bool, device=device)
        """(N,) whether the next step is an episode's first; empty before the first reset."""

    def __call__(self, behave: Callable[[Tensor, Tensor], Tensor], length: int) -> Steps:
        """`length` steps of all environments; `behave(state (N,), fresh (N,))` gives their actions (N,)."""
        if len(self.fresh) == 0:
            self._begin(self.transitions.reset(derive_seed(self.seed, 0)))
        ledger, rows = self.ledger, []
        for _ in range(length):
            state, fresh = ledger.number(self.states.seen(self.transitions.obs), new=True), self.fresh
            step = self.transitions.step(behave(state, fresh))
            done = step.terminated | step.truncated
            valid = torch.ones_like(done) if step.valid is None else step.valid
            ledger.enter(step.reward, valid, new=True)
            following = ledger.number(self.states.seen(step.next_obs), new=True)
            reward = step.reward.double()
            ends = step.terminated, step.truncated
            rows.append((state, step.action, reward, following, *ledger.accrual, *ends, valid, fresh))
            self.returns.add(self.transitions.info, done)
            self.fresh = done if step.valid is None else ~valid
            ledger.reset(self.fresh)
        return Steps(*(torch.stack(field) for field in zip(*rows, strict=True)))

    def state(self) -> dict[str, Any]:
        """Environments, and what is reported of them."""
        return {
            "fresh": self.fresh,
            "ledger": self.ledger.state(),
            "transitions": self.transitions.state(),
            "returns": self.returns.state(),
        }

    def load_state(self, state: dict[str, Any], steps: int) -> None:
        """The inverse of `state`; environments that cannot be put back start new episodes."""
        self.fresh = state["fresh"]
        self.ledger.load_state(state["ledger"])
        self.returns.load_state(state["returns"])
        obs = self.transitions.load_state(state["transitions"], seed=derive_seed(self.seed, 0, steps))
        if state["transitions"]["env"] is None:
            self._begin(obs)

    def _begin(self, obs: Tensor) -> None:
        self.fresh = torch.ones(len(obs), dtype=torch.bool, device=obs.device)
        self.ledger.reset(self.fresh)
