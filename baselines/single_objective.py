"""SingleObjective: an ordinary agent for each of a few preferences, trained one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from gymnasium.spaces import Discrete
from torch import Tensor

from morl import registry, weights
from morl.agent import Agent, make_config, restore_tuples
from morl.agents.settings import check_positive, check_types
from morl.errors import MorlError
from morl.streams import derive_seed
from morl.threads import Workload


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of `SingleObjective`."""

    gamma: float | None = None
    """Discount; None takes the environment's default protocol (0.99 without a card)."""
    learner: str = "auto"
    """The agent trained for each preference, by registered name; "auto" takes envelope-dqn for discrete
    actions and conditioned-ppo for continuous ones."""
    partitions: int = 5
    """The preferences are the lattice with so many partitions: C(partitions + m - 1, m - 1) learners."""
    learner_settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the learners."""

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, "partitions")


class SingleObjective(Agent):
    """One learner per preference: the budget is shared out evenly, and nothing is shared between them.

    The outer-loop baseline of the field (Roijers et al. 2013, section 4.1). Asked for a preference, it acts
    with the learner whose own is nearest (L1), under that learner's own preference. The budget of the first
    `learn` is what is shared out, so training cannot be extended afterwards.
    """

    name = "single-objective"
    flattens = True
    Config: TypeAlias = Config
    config: Config

    def __init__(self, env: Any, *, seed: int = 0, config: Config | None = None, **settings: Any) -> None:
        super().__init__(env, seed=seed, config=config, **settings)
        discrete = isinstance(self.spec.single_action_space, Discrete)
        auto = "envelope-dqn" if discrete else "conditioned-ppo"
        self.kind = registry.agent_class(auto if self.config.learner == "auto" else self.config.learner)
        if issubclass(self.kind, SingleObjective):
            raise MorlError("expected a learner such as envelope-dqn, got single-objective itself")
        lattice = weights.lattice(self.num_objectives, partitions=self.config.partitions)
        self.lattice = torch.as_tensor(lattice, dtype=torch.float32, device=self.device)
        self.done: list[dict[str, Any]] = []
        """Parameters of the learners that are trained or, last, in training."""
        self.learner: Agent | None = None
        self.budget = 0
        """Steps shared out, once training has begun."""
        self._players: list[Agent] | None = None
        self._learner(self.spec, 0)  # refuses settings and spaces that do not fit, before any training

    def _learner(self, env: Any, index: int) -> Agent:
        settings = {"gamma": self.gamma, **restore_tuples(self.config.learner_settings)}
        config = make_config(self.kind, None, settings)
        learner: Agent = self.kind(env, seed=derive_seed(self.seed, 4, index), config=config)
        row = self.lattice[index]
        learner.preferences = lambda n, generator, device: row.expand(n, -1)
        return learner

    def iterate(self, max_steps: int) -> dict[str, Any]:
        """One iteration of the learner whose turn it is."""
        n = self.spec.num_envs
        share = self._share()
        if self.learner is None or self.learner.total_steps - self.learner.steps < n:
            self.learner = self._learner(self.env, len(self.done))
            self.done.append({})
            # The last learner takes what the division left over.
            self.learner.total_steps = share if len(self.done) < len(self.lattice) else max_steps
        before = self.learner.steps
        metrics = self.learner.iterate(min(max_steps, self.learner.total_steps - before))
        self.steps += self.learner.steps - before
        self.done[-1] = self.learner.parameters_state()
        self._players = None
        return {**metrics, "learner": float(len(self.done) - 1)}

    def check_observed(self) -> None:
        """What the learner in training observed."""
        if self.learner is not None:
            self.learner.check_observed()

    def _share(self) -> int:
        """Steps of each learner; refuses a budget that is too small, or another than training began with."""
        n, count = self.spec.num_envs, len(self.lattice)
        if self.learner is None and self.done:
            raise MorlError(
                "expected a new single-objective agent, or a run to resume: one loaded from a file can act, "
                "but does not hold what its learners need to go on"
            )
        if self.budget not in (0, self.total_steps):
            raise MorlError(
                f"expected the budget of {self.budget} steps, which was shared out among {count} learners at "
                f"the start, got {self.total_steps}; train a new agent for another budget"
            )
        share = self.total_steps // n // count * n
        if share == 0:
            raise MorlError(
                f"expected a budget of at least {count * n} steps, one of each environment for each of the "
                f"{count} learners, got {self.total_steps}; raise it or use fewer partitions"
            )
        self.budget = self.total_steps
        return share

    def workload(self) -> Workload | None:
        """That of a learner."""
        learner = self._learner(self.spec, 0)
        learner.total_steps = self.total_steps // len(self.lattice)
        return learner.workload()

    @torch.no_grad()
    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        """Actions (B, ...) of the nearest trained learner, for weights (B, m) or (m,)."""
        if self._players is None:
            trained = [self._player(index) for index in range(len(self.done))]
            self._players = trained or [self._learner(self.spec, 0)]
        obs = torch.as_tensor(obs, device=self.device)
        asked = torch.as_tensor(weights, dtype=torch.float32, device=self.device).expand(obs.shape[0], -1)
        own = self.lattice[: len(self._players)]
        nearest = (asked.unsqueeze(1) - own).abs().sum(dim=-1).argmin(dim=1)
        answers = torch.stack([p.act_on_tensors(obs, row) for p, row in zip(self._players, own, strict=True)])
        return answers[nearest, torch.arange(len(obs), device=self.device)]

    def _player(self, index: int) -> Agent:
        player = self._learner(self.spec, index)
        player.load_parameters(self.done[index])
        return player

    def parameters_state(self) -> dict[str, Any]:
        """The parameters of every learner so far."""
        return {"learners": list(self.done)}

    def load_parameters(self, state: dict[str, Any]) -> None:
        """The inverse of `parameters_state`."""
        self.done, self._players = list(state["learners"]), None

    def training_state(self) -> dict[str, Any]:
        """The learner in training."""
        learner = self.learner
        if learner is None:
            return {"learner": None}
        return {
            "learner": learner.training_state(),
            "steps": learner.steps,
            "total_steps": learner.total_steps,
            "budget": self.budget,
        }

    def load_training(self, state: dict[str, Any]) -> None:
        """The inverse of `training_state`, after `load_parameters`."""
        if state["learner"] is None:
            return
        self.budget = state["budget"]
        self.learner = self._learner(self.env, len(self.done) - 1)
        self.learner.load_parameters(self.done[-1])
        self.learner.steps, self.learner.total_steps = state["steps"], state["total_steps"]
        self.learner.load_training(state["learner"])
