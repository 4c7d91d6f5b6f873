"""ParetoQLearning: sets of non-dominated returns for each state and action (Van Moffaert and Nowé 2014)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from morl import weights
from morl.accrual import Accrual
from morl.agent import Agent, Policy
from morl.agents.exploration import PersistentExploration
from morl.agents.settings import check_positive
from morl.baselines.tabular import (
    UNKNOWN,
    States,
    TableConfig,
    commonest,
    discrete_actions,
    grown,
    random_best,
    reference_point,
)
from morl.baselines.vector_sets import SetEvaluation, nondominated, packed, set_values
from morl.baselines.walker import Walker
from morl.errors import MorlError
from morl.pareto import ParetoArchive

END = -2
"""Where an action leads that ends the episode."""

ROUNDING = 1e-6
"""Returns that differ by less than this share of the largest are equal: rewards are float32."""

MOST_CUT = 200
"""The most returns of episodes cut off that are kept, to see whether any is better than what is known."""

TABLES = ("reward", "tried", "successor", "vectors", "counts", "starts", "value")
"""Attributes of the agent with a row for each state."""


@dataclass(frozen=True, kw_only=True)
class Config(TableConfig):
    """Settings of `ParetoQLearning`."""

    evaluation: SetEvaluation = "pareto"
    """How the behaviour ranks actions by their sets (section 4.3 of the paper): those with a vector that no other
    action's dominates; by how many such vectors they have; by the hypervolume of their set."""
    reference_point: tuple[float, ...] | None = None
    """Of the hypervolume; None takes that of the environment's default protocol."""
    max_vectors: int = 128
    """Most vectors in the set of a state; larger sets are thinned evenly."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "max_vectors")


class ParetoQLearning(Agent):
    """Learns, for each state, all returns that are not dominated, and which action leads to each.

    The set of an action is its mean reward plus the discounted vectors of the state it leads to (equations 5 and 6
    of Van Moffaert and Nowé 2014, "Multi-Objective Reinforcement Learning using Sets of Pareto Dominating Policies",
    JMLR 15). Where this deviates: the set of the next state is looked up as it is, not as it was at the last visit;
    an action never tried has no vector, so that every vector is the return of steps that were taken; steps are
    learned from backwards. Needs Discrete actions, observations that can be counted, transitions that are
    deterministic and episodes that end by themselves: what lies beyond a time limit counts for nothing until a way
    to an end is known. A training warns at its end where episodes that were cut off earned more than it knows of.

    The policy of a preference takes the best vector of the state in which the episode starts and tracks it, and
    `follow` tracks any of `returns`. Without memory, `act` takes the best vector of every state anew: for weights
    the same, as what is best in the whole is best in what remains.
    """

    name = "pareto-q-learning"
    Config: TypeAlias = Config
    config: Config
    default_num_envs = 128

    def __init__(self, env: Any, *, seed: int = 0, config: Config | None = None, **settings: Any) -> None:
        super().__init__(env, seed=seed, config=config, **settings)
        config, m, n = self.config, self.num_objectives, self.spec.num_envs
        if config.max_vectors < m:
            raise MorlError(f"expected max_vectors >= {m}, one for each objective, got {config.max_vectors}")
        self.actions = discrete_actions(self.spec, type(self).__name__)
        self.reference: Tensor | None = None
        if config.evaluation == "hypervolume":
            self.reference = reference_point(self.spec, config.reference_point)
        self.states = States(self.spec, resolution=config.resolution, max_states=config.max_states)
        real, whole = (
            partial(torch.zeros, dtype=kind, device=self.device) for kind in (torch.float64, torch.int64)
        )
        self.reward = real(0, self.actions, m)
        """(S, A, m) mean reward of each action."""
        self.tried = whole(0, self.actions)
        """(S, A) how often."""
        self.successor = whole(0, self.actions)
        """(S, A) where it leads, or `END`."""
        self.vectors = real(0, 1, m)
        """(S, K, m) the non-dominated returns of each state, padded with zeros."""
        self.counts = whole(0)
        """(S,) how many there are."""
        self.starts = whole(0)
        """(S,) how many episodes started there."""
        self.value = real(0, self.actions)
        """(S, A) what the behaviour ranks actions by."""
        self.cut = ParetoArchive(m, max_size=MOST_CUT)
        """What episodes earned that a time limit cut off, where no other of them earned more."""
        self.accrual = Accrual.start(n, m, self.device, torch.float64)
        """What running episodes have earned so far."""
        if self.env is not None:
            self.walker = Walker(self.env, self.states, seed=seed, gamma=self.gamma)
            self.exploration = PersistentExploration(
                self.actions, n, config.epsilon_max, config.epsilon_min, config.max_repeat, self.device
            )

    # --- collect and update ------------------------------------------------------------------------------

    def iterate(self, max_steps: int) -> dict[str, Any]:
        """A few steps of every environment, then the sets of the states visited, the last step's first."""
        length = min(self.config.rollout_length, max_steps // self.spec.num_envs)
        steps = self.walker(self._behave, length)
        self._grow()
        self.steps += length * self.spec.num_envs
        self.starts += torch.bincount(steps.state[steps.fresh & steps.valid], minlength=len(self.starts))
        following = torch.where(steps.terminated, END, steps.following)
        for t in range(length):
            rows = steps.valid[t]
            self._record(
                steps.state[t, rows], steps.action[t, rows], steps.reward[t, rows], following[t, rows]
            )
            self._account(steps.reward[t], steps.terminated[t], steps.truncated[t], rows)
        for t in reversed(range(length)):
            self._back_up(steps.state[t, steps.valid[t]].unique())
        if self.total_steps - self.steps < self.spec.num_envs:
            self._warn_of_cut_episodes()
        metrics: dict[str, Any] = self.walker.returns.report()
        return metrics | {
            "states": float(len(self.states)),
            "points": float(len(self.returns)),
            "largest_set": float(self.counts.max()),
        }

    def _account(self, reward: Tensor, terminated: Tensor, truncated: Tensor, valid: Tensor) -> None:
        """Add the rewards (N, m) of a step to what episodes earned; keep what was earned by those cut off here."""
        self.accrual = self.accrual.after(reward, self.gamma, valid)
        cut = truncated & ~terminated & valid
        if cut.any():
            self.cut.add(self.accrual.paid[cut].unique(dim=0).cpu().numpy())
        self.accrual = self.accrual.restarted((terminated | truncated) & valid)

    def _warn_of_cut_episodes(self) -> None:
        """Say so where the time limit hides what is best, or all there is."""
        if len(self.cut) == 0:
            return
        known = self.vectors[self.starts > 0], self.counts[self.starts > 0]
        present = torch.arange(known[0].shape[1], device=self.device) < known[1].unsqueeze(1)
        best, earned = known[0][present].cpu().numpy(), self.cut.points
        slack = ROUNDING * np.abs(earned).max(axis=0)
        missed = ~(best >= earned[:, None] - slack).all(axis=2).any(axis=1)
        if missed.any():
            what = (
                "knows no way to an end, and so no trade-off at all"
                if len(best) == 0
                else "knows nothing as good"
            )
            warnings.warn(
                f"a time limit cut off episodes of {self.env_id} that earned up to {earned[missed][0].tolist()}, and "
                f"{self.name} {what}: what lies beyond a limit counts for nothing. Let episodes end by themselves "
                "(terminated), with the time that is left in the observation, or use mo-q-learning",
                stacklevel=2,
            )

    def _behave(self, state: Tensor, fresh: Tensor) -> Tensor:
        self._grow()
        return self.exploration(random_best(self.value[state], self.generator), self.generator)

    def _grow(self) -> None:
        for name in TABLES:
            setattr(self, name, grown(getattr(self, name), len(self.states)))

    def _record(self, state: Tensor, action: Tensor, reward: Tensor, following: Tensor) -> None:
        """Take in the rewards (B, m) of actions (B,) and where they led."""
        pair, index = (state * self.actions + action).unique(return_inverse=True)
        at = pair // self.actions, pair % self.actions
        new, mean = self.tried[at] == 0, self.reward[at]
        self.tried[at] += torch.bincount(index, minlength=len(pair))
        sums = torch.zeros_like(mean).index_add_(0, index, reward - mean[index])
        self.reward[at] = mean + sums / self.tried[at].unsqueeze(1)
        latest = self.successor[at].index_put((index,), following)
        self.successor[at] = torch.where(new, latest, self.successor[at])
        if not torch.equal(self.successor[at][index], following):
            raise MorlError(
                f"expected transitions that are deterministic, got an action of {self.env_id} that led to two "
                "different observations, or ended the episode only sometimes; use mo-q-learning"
            )

    def sets(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of states (B,): each action's vectors (B, A, K, m), which are there, and what of each is still to come."""
        following = self.successor[state]
        ends = (following == END).unsqueeze(2)
        known = following.clamp(min=0)
        size = max(1, int(self.counts[known].max()))
        later = self.vectors[known][:, :, :size].masked_fill(ends.unsqueeze(3), 0.0)
        place = torch.arange(size, device=self.device)
        present = torch.where(ends, place == 0, place < self.counts[known].unsqueeze(2))
        present = present & (self.tried[state] > 0).unsqueeze(2)
        return self.reward[state].unsqueeze(2) + self.gamma * later, present, later

    def _back_up(self, state: Tensor) -> None:
        """Make the sets of states (B,) anew from those of the states that their actions lead to."""
        vectors, present, _ = self.sets(state)
        optimal = nondominated(vectors.flatten(1, 2), present.flatten(1))
        self.value[state] = set_values(
            self.config.evaluation, vectors, present, optimal.view_as(present), self.reference
        )
        chosen, self.counts[state] = packed(vectors.flatten(1, 2), optimal, self.config.max_vectors)
        lacking = chosen.shape[1] - self.vectors.shape[1]
        self.vectors = F.pad(self.vectors, (0, 0, 0, max(0, lacking)))
        self.vectors[state] = F.pad(chosen, (0, 0, 0, max(0, -lacking)))

    # --- act, save, load ---------------------------------------------------------------------------------

    @property
    def returns(self) -> Tensor:
        """The non-dominated returns (k, m) from where most episodes start, float64."""
        if len(self.starts) == 0:
            return self.vectors.new_empty(0, self.num_objectives)
        start = commonest(self.starts)
        return self.vectors[start, : int(self.counts[start])].squeeze(0)

    def follow(self, index: Tensor) -> Policy:
        """Policies that track the vectors `returns[index]`, for index (B,)."""
        return Tracking(self, target=self.returns[index])

    def answering(self, weights: Tensor) -> Tensor | None:
        """The numbers (W,) of the vectors that are best for preferences (W, m).

        None where episodes start in different states: a preference then takes the best vector of each.
        """
        if int((self.starts > 0).sum()) > 1:
            return None
        return (weights.double() @ self.returns.T).argmax(dim=1)

    def policy(self, preference: Any) -> Policy:
        """Policies that track, from the start of each episode, the vector that is best for a preference (B, m)."""
        checked = torch.as_tensor(weights.validate(preference, self.num_objectives), dtype=torch.float32)
        return Tracking(self, weights=checked.reshape(-1, self.num_objectives).to(self.device))

    @torch.no_grad()
    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        """The actions (B,) of each state's own best vector, for weights (B, m) or (m,)."""
        weights = torch.as_tensor(weights, dtype=torch.float32, device=self.device)
        return Tracking(self, weights=weights.expand(len(obs), -1)).act(obs)

    def parameters_state(self) -> dict[str, Any]:
        """All tables."""
        tables = {name: getattr(self, name)[: len(self.states)] for name in TABLES}
        return {"states": self.states.state(), **tables}

    def load_parameters(self, state: dict[str, Any]) -> None:
        """The inverse of `parameters_state`."""
        self.states.load_state(state["states"])
        for name in TABLES:
            setattr(self, name, state[name].to(self.device, copy=True))

    def training_state(self) -> dict[str, Any]:
        """Exploration, generator and environments."""
        return {
            "exploration": self.exploration.state(),
            "generator": self.generator.get_state(),
            "walker": self.walker.state(),
            "accrual": self.accrual._asdict(),
            "cut": torch.as_tensor(self.cut.points),
        }

    def load_training(self, state: dict[str, Any]) -> None:
        """The inverse of `training_state`."""
        self.exploration.load_state(state["exploration"])
        self.generator.set_state(state["generator"].cpu())
        self.walker.load_state(state["walker"], self.steps)
        if "cut" in state:  # older checkpoints have none
            self.cut.add(state["cut"].cpu().numpy())
            self.accrual = Accrual(**state["accrual"])
        if state["walker"]["transitions"]["env"] is None:
            self.accrual = self.accrual.restarted(torch.ones_like(self.walker.fresh))


class Tracking:
    """Follows B vectors, one per row, each from the start of an episode (algorithm 6 of the paper).

    Of all vectors of all actions, the one nearest to the target says which action to take, and its part that is still
    to come is the next target.

    Args:
        agent: whose sets these are.
        weights: (B, m) preferences, which choose the vector to track where an episode starts; or give `target`.
        target: (B, m) the vectors themselves.
    """

    def __init__(
        self, agent: ParetoQLearning, *, weights: Tensor | None = None, target: Tensor | None = None
    ) -> None:
        self.agent, self.weights, self.chosen = agent, weights, target
        self.reset()

    def reset(self, mask: Tensor | None = None) -> None:
        """Start anew, where `mask` (B,) holds."""
        wanted = self.weights if self.chosen is None else self.chosen
        assert wanted is not None
        if mask is None:
            mask = torch.ones(len(wanted), dtype=torch.bool, device=wanted.device)
            self.target = wanted.double()
            self.fresh = mask if self.chosen is None else ~mask
        elif self.chosen is None:
            self.fresh = self.fresh | mask
        else:
            self.target = torch.where(mask.unsqueeze(1), self.chosen, self.target)

    def act(self, obs: Tensor) -> Tensor:
        """Actions (B,); where the state is unknown, or no way to an end, the first."""
        agent = self.agent
        state = agent.states.find(agent.states.keys_of(torch.as_tensor(obs, device=agent.device)))
        if len(agent.states) == 0:
            self.later = self.target
            return torch.zeros_like(state)
        vectors, present, later = agent.sets(state.clamp(min=0))
        present = present & (state != UNKNOWN).view(-1, 1, 1)
        goal = self.target.view(len(state), 1, 1, -1)
        score = -torch.linalg.vector_norm(vectors - goal, dim=3)
        if self.weights is not None:
            utility = (vectors * self.weights.view_as(goal)).sum(dim=3)
            score = torch.where(self.fresh.view(-1, 1, 1), utility, score)
        best = score.masked_fill(~present, -torch.inf).flatten(1).argmax(dim=1)
        self.later = later.flatten(1, 2)[torch.arange(len(best), device=best.device), best]
        return best // vectors.shape[2]

    def observe(self, reward: Tensor, done: Tensor) -> None:
        """Go on to what is still to come; episodes that ended start anew."""
        self.target, self.fresh = self.later, torch.zeros_like(done)
        self.reset(done)
