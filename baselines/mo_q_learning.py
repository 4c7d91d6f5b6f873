"""MOQLearning: one table of vector values for each of a lattice of weights (Van Moffaert et al. 2013)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from morl import weights
from morl.agent import Agent, Policy
from morl.agents.exploration import PersistentExploration
from morl.agents.settings import check_positive, check_unit, geometric
from morl.baselines.tabular import (
    UNKNOWN,
    States,
    TableConfig,
    commonest,
    discrete_actions,
    grown,
    random_best,
    restored,
)
from morl.baselines.walker import Histories, Ledger, Steps, Walker
from morl.utility import Chebyshev, UtilityFunction, linear


@dataclass(frozen=True, kw_only=True)
class Config(TableConfig):
    """Settings of `MOQLearning`."""

    scalarisation: Literal["chebyshev", "linear"] = "chebyshev"
    """How a table ranks actions: by the weighted distance to the ideal point in the worst objective, or by the
    weighted sum."""
    tables: int = 101
    """At most so many tables: their weights are the finest lattice that has no more."""
    tau: float = 0.1
    """The ideal point lies so far above the best values seen, in units of the rewards."""
    accrued: bool = False
    """Rank actions by what the episode has paid so far plus what is still to come, and let what was paid be part of
    the state. Chebyshev scalarisation then finds what it asks for in deterministic environments, with more states."""
    lr: float = 0.5
    """Learning rate at the start; it falls geometrically to `lr_end`. A pair of state and action that was met k
    times at once moves by 1 - (1 - lr)^k."""
    lr_end: float = 0.05
    """Learning rate at the end of the budget."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "tables", "lr", "lr_end")
        check_positive(self, "tau", zero=True)
        check_unit(self, "lr", "lr_end")


class MOQLearning(Agent):
    """Q-learning on vector rewards, once for each of a lattice of weights, from the same steps.

    Each weight's table holds vectors Q(s, a), updated towards r + gamma Q(s', a'), where a' is best for that weight
    (Van Moffaert, Drugan and Nowé 2013, "Scalarized Multi-Objective Reinforcement Learning: Novel Design
    Techniques"). Every environment follows one of the weights, drawn anew for each episode; all tables learn from all
    environments in one tensor operation, and steps are learned from backwards. Needs Discrete actions and
    observations that can be counted.

    Chebyshev scalarisation is not additive: what is best for the rest of an episode need not be best for the whole,
    so that the paper's tables miss trade-offs. `accrued` mends it by scalarising the whole, as Roijers et al. 2018
    ("Multi-objective reinforcement learning for the expected utility of the return") do.

    Asked for a preference, it follows the table whose values where most episodes start are best for it. With
    `accrued` a policy has memory; `act` has none, and takes every observation for the first of an episode.
    """

    name = "mo-q-learning"
    Config: TypeAlias = Config
    config: Config
    default_num_envs = 128

    def __init__(self, env: Any, *, seed: int = 0, config: Config | None = None, **settings: Any) -> None:
        super().__init__(env, seed=seed, config=config, **settings)
        config, m = self.config, self.num_objectives
        self.actions = discrete_actions(self.spec, type(self).__name__)
        self.states = States(self.spec, resolution=config.resolution, max_states=config.max_states)
        lattice = weights.finest_lattice(m, config.tables)
        self.lattice = torch.as_tensor(lattice, dtype=torch.float32, device=self.device)
        """(W, m) the weights."""
        self.q = torch.zeros(0, len(lattice), self.actions, m, device=self.device)
        """(S, W, A, m) the values."""
        self.starts = torch.zeros(0, dtype=torch.int64, device=self.device)
        """(S,) how many episodes started there."""
        self.ideal: Chebyshev | None = None
        """Where the Chebyshev distance is measured from: the best values seen; None before the first."""
        self.histories = Histories(config.max_states, self.env_id, self.device) if config.accrued else None
        if self.env is not None:
            n = self.spec.num_envs
            self.walker = Walker(self.env, self.states, seed=seed, gamma=self.gamma, histories=self.histories)
            self.exploration = PersistentExploration(
                self.actions, n, config.epsilon_max, config.epsilon_min, config.max_repeat, self.device
            )
            self.table = torch.zeros(n, dtype=torch.int64, device=self.device)
            """(N,) which table each environment follows."""

    @property
    def rows(self) -> int:
        """How many states there are, together with what was paid before where that counts."""
        return len(self.states if self.histories is None else self.histories.pairs)

    @property
    def scalarised(self) -> UtilityFunction:
        """Values (..., m) and weights (..., m) to numbers (...)."""
        return linear if self.ideal is None or self.config.scalarisation == "linear" else self.ideal

    # --- collect and update ------------------------------------------------------------------------------

    def iterate(self, max_steps: int) -> dict[str, Any]:
        """A few steps of every environment, then updates of all tables, the last step's first."""
        config = self.config
        length = min(config.rollout_length, max_steps // self.spec.num_envs)
        lr = geometric(config.lr, config.lr_end, self.steps / max(1, self.total_steps))
        steps = self.walker(self._behave, length)
        self._grow()
        self.steps += length * self.spec.num_envs
        self.starts += torch.bincount(steps.state[steps.fresh & steps.valid], minlength=len(self.starts))
        errors = [
            self.update(Steps(*(field[t, steps.valid[t]] for field in steps)), lr)
            for t in reversed(range(length))
        ]
        metrics: dict[str, Any] = self.walker.returns.report()
        return metrics | {"states": float(self.rows), "error": torch.stack(errors).mean()}

    def _behave(self, state: Tensor, fresh: Tensor) -> Tensor:
        self._grow()
        drawn = torch.randint(len(self.lattice), state.shape, generator=self.generator, device=self.device)
        self.table = torch.where(fresh, drawn, self.table)
        utility = self.utility(state, self.table, self.walker.ledger)
        return self.exploration(random_best(utility, self.generator), self.generator)

    def utility(self, state: Tensor, table: Tensor, ledger: Ledger) -> Tensor:
        """What actions (B, A) are worth to tables (B,), for the whole of an episode where `ledger` keeps account."""
        paid, factor = ledger.accrual
        whole = paid.unsqueeze(1) + factor.view(-1, 1, 1) * self.q[state, table]
        return self.scalarised(whole, self.lattice[table].unsqueeze(1))

    def _grow(self) -> None:
        self.q, self.starts = (grown(table, self.rows) for table in (self.q, self.starts))

    def update(self, step: Steps, lr: float) -> Tensor:
        """Move all tables towards the targets of B steps; returns the mean error."""
        later = self.q[step.following]
        whole = step.paid[:, None, None] + step.factor.view(-1, 1, 1, 1) * later
        greedy = self.scalarised(whole, self.lattice.unsqueeze(1)).argmax(dim=2)
        best = later.gather(2, greedy[:, :, None, None].expand(-1, -1, 1, later.shape[3])).squeeze(2)
        best = best.masked_fill(step.terminated.view(-1, 1, 1), 0.0)
        target = step.reward.float().unsqueeze(1) + self.gamma * best
        accounts = self.histories is not None
        self._raise_ideal(step.paid.unsqueeze(1) + step.factor.view(-1, 1, 1) * best if accounts else target)
        # Pairs met more than once move towards their mean target, as far as one by one they would.
        pair, index = (step.state * self.actions + step.action).unique(return_inverse=True)
        times = torch.bincount(index, minlength=len(pair)).view(-1, 1, 1)
        state, action = pair // self.actions, pair % self.actions
        error = (
            torch.zeros_like(target[: len(pair)]).index_add_(0, index, target) / times
            - self.q[state, :, action]
        )
        self.q[state, :, action] += (1 - (1 - lr) ** times) * error
        return error.abs().mean() if len(pair) else torch.zeros((), device=self.device)

    def _raise_ideal(self, values: Tensor) -> None:
        """Take in values (B, W, m) seen."""
        if len(values) == 0:
            return
        if self.ideal is None:
            self.ideal = Chebyshev(values[0, 0], tau=self.config.tau)
        self.ideal.update(values)

    # --- act, save, load ---------------------------------------------------------------------------------

    @property
    def returns(self) -> Tensor:
        """What each table promises (W, m) where most episodes start."""
        if len(self.starts) == 0:
            return torch.zeros_like(self.lattice)
        q = self.q[commonest(self.starts)].squeeze(0)
        greedy = self.scalarised(q, self.lattice.unsqueeze(1)).argmax(dim=1)
        return q[torch.arange(len(q), device=self.device), greedy]

    def follow(self, index: Tensor) -> Policy:
        """Policies that follow the tables with numbers `index` (B,)."""
        return TablePolicy(self, index)

    def policy(self, preference: Any) -> Policy:
        """Policies that follow the tables that promise most for preferences (B, m) or (m,)."""
        checked = torch.as_tensor(weights.validate(preference, self.num_objectives), dtype=torch.float32)
        return self.follow(self.answering(checked.reshape(-1, self.num_objectives).to(self.device)))

    @torch.no_grad()
    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        """Greedy actions (B,) of the table that promises most for weights (B, m) or (m,)."""
        weights = torch.as_tensor(weights, dtype=torch.float32, device=self.device)
        return self.follow(self.answering(weights.expand(len(obs), -1))).act(obs)

    def answering(self, weights: Tensor) -> Tensor:
        """The numbers (W,) of the tables that promise most for preferences (W, m)."""
        return (weights @ self.returns.T).argmax(dim=1)

    def parameters_state(self) -> dict[str, Any]:
        """The tables, and what they are ranked by."""
        return {
            "states": self.states.state(),
            "histories": None if self.histories is None else self.histories.state(),
            "q": self.q[: self.rows],
            "starts": self.starts[: self.rows],
            "ideal": None if self.ideal is None else self.ideal.state_dict(),
        }

    def load_parameters(self, state: dict[str, Any]) -> None:
        """The inverse of `parameters_state`."""
        self.states.load_state(state["states"])
        if self.histories is not None:
            self.histories.load_state(state["histories"])
        self.q, self.starts = (
            restored(table, state[name], self.rows)
            for name, table in (("q", self.q), ("starts", self.starts))
        )
        self.ideal = None
        if state["ideal"] is not None:
            self.ideal = Chebyshev(torch.zeros(self.num_objectives, device=self.device))
            self.ideal.load_state_dict(state["ideal"])

    def training_state(self) -> dict[str, Any]:
        """Exploration, generator and environments."""
        return {
            "table": self.table,
            "exploration": self.exploration.state(),
            "generator": self.generator.get_state(),
            "walker": self.walker.state(),
        }

    def load_training(self, state: dict[str, Any]) -> None:
        """The inverse of `training_state`."""
        self.table = state["table"]
        self.exploration.load_state(state["exploration"])
        self.generator.set_state(state["generator"].cpu())
        self.walker.load_state(state["walker"], self.steps)


class TablePolicy:
    """Follows B tables of an agent, one per row."""

    def __init__(self, agent: MOQLearning, table: Tensor) -> None:
        self.agent, self.table = agent, table
        self.reset()

    def reset(self, mask: Tensor | None = None) -> None:
        """Nothing has been paid where `mask` (B,) holds."""
        agent = self.agent
        if mask is None:
            rows, m = len(self.table), agent.num_objectives
            self.ledger = Ledger(agent.histories, rows, m, agent.gamma, agent.device)
        else:
            self.ledger.reset(mask)

    def act(self, obs: Tensor) -> Tensor:
        """Greedy actions (B,); in unknown states the first."""
        agent = self.agent
        observed = agent.states.find(agent.states.keys_of(torch.as_tensor(obs, device=agent.device)))
        state = self.ledger.number(observed)
        if agent.rows == 0:
            return torch.zeros_like(state)
        utility = agent.utility(state.clamp(min=0), self.table, self.ledger)
        return utility.argmax(dim=1) * (state != UNKNOWN)

    def observe(self, reward: Tensor, done: Tensor) -> None:
        """Take in what was paid."""
        self.ledger.enter(reward, torch.ones_like(done))
        self.ledger.reset(done)
