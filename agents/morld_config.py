"""The settings of MORL/D: the taxonomy of Felten, Talbi and Danoy (JAIR 79, 2024) as a configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from morl.agents.decomposed import Cooperation, Criterion
from morl.agents.front_search import Schedule
from morl.agents.population_dqn import DQNSettings
from morl.agents.population_ppo import PPOSettings
from morl.agents.scalarisation import Kind
from morl.agents.settings import check_positive, check_types, check_unit
from morl.errors import MorlError

MOST_STEPS = 1000
"""Of a selection episode, unless a setting says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of `MORLD`: the taxonomy of the paper (its figure 4), one choice in each row."""

    gamma: float | None = None
    """Discount; None takes the environment's default protocol (0.99 without a card)."""
    population: int = 16
    """Policies trained side by side, each with weights of its own."""
    learner: Literal["auto", "ppo", "dqn"] = "auto"
    """How they learn; "auto" takes DQN where members share a replay or a trunk, else PPO, which finds more where
    rewards are rare."""
    scalarisation: Kind = "weighted-sum"
    """What they maximise. A Chebyshev utility reaches concave parts of the front, too."""
    criterion: Criterion = "ser"
    """The utility of the expected return (SER), or the expected utility of each return (ESR), for which policies
    observe what their episode has paid so far."""
    weight_method: Literal["energy", "lattice", "random"] = "energy"
    """How the weights are spread at the start."""
    adaptation: Literal["none", "psa"] = "psa"
    """Pareto simulated annealing moves weights away from those of the nearest returns."""
    adaptation_delta: float = 0.1
    """How far, as a share of a weight."""
    normalise_objectives: bool = True
    """Divide objectives by the range of the front known so far, so that evenly spread weights mean evenly spread
    policies whatever the units. A user's weights choose among the policies found, by raw returns."""
    cooperation: Cooperation = "transfer"
    """"transfer": a member that stalls goes on from the parameters of a neighbour that earns more for its weights;
    "shared-replay": all learn from what any did; "shared-trunk": common first layers; "conditioned": one network
    that observes the weights."""
    neighbours: int = 4
    """Members with the nearest weights, whose parameters may be taken over."""
    patience: int = 4
    """Selections without progress after which a member takes over a neighbour's parameters."""
    slots: int = 0
    """Members trained at a time; 0 for all."""
    schedule: Schedule = "round-robin"
    """Which members are next where slots are fewer than the population."""
    round_length: int = 8
    """Rollouts between two selections, after which weights, parameters and turns are exchanged."""
    selection_steps: int = 0
    """Longest selection episode; a longer one counts as far as it came. 0 for as many steps as matter: until the
    discount leaves a hundredth, at most 1,000."""
    archive: int = 200
    """Most policies kept."""
    normalise_observations: bool = True
    """Scale observations by running statistics of the whole population."""
    ppo: PPOSettings = field(default_factory=PPOSettings)
    """Of the learner "ppo"."""
    dqn: DQNSettings = field(default_factory=DQNSettings)
    """Of the learner "dqn"."""

    def __post_init__(self) -> None:
        for name, kind in (("ppo", PPOSettings), ("dqn", DQNSettings)):
            value = getattr(self, name)
            if isinstance(value, dict):  # as a file holds it
                object.__setattr__(self, name, kind(**value))
        check_types(self)
        check_positive(
            self, "population", "adaptation_delta", "neighbours", "patience", "round_length", "archive"
        )
        check_positive(self, "slots", "selection_steps", zero=True)
        check_unit(self, "adaptation_delta")
        if self.slots > self.population:
            raise MorlError(f"expected at most {self.population} slots, the population, got {self.slots}")
        if self.adaptation == "psa" and self.population == 1:
            raise MorlError('PSA needs two members or more: raise population, or take adaptation="none"')
        if self.cooperation in ("shared-trunk", "conditioned") and self.slots not in (0, self.population):
            raise MorlError(
                f'members that share parameters are trained together: take slots=0, or cooperation="none", '
                f"got slots={self.slots} and cooperation={self.cooperation!r}"
            )
        if self.cooperation == "shared-replay" and self.learner == "ppo":
            raise MorlError('PPO learns from its own steps only: take learner="dqn" for a shared replay')
        if self.cooperation == "shared-trunk" and self.learner == "ppo":
            raise MorlError(
                'policy and critic of PPO have no trunk: take learner="dqn", or cooperation="conditioned"'
            )

    def longest_selection(self, gamma: float) -> int:
        """How many steps a selection episode may take with this discount."""
        if self.selection_steps:
            return self.selection_steps
        return MOST_STEPS if gamma == 1 else min(MOST_STEPS, math.ceil(math.log(0.01) / math.log(gamma)))

    @property
    def learns_by_dqn(self) -> bool:
        """Whether members learn by DQN, not PPO."""
        return self.learner == "dqn" or self.cooperation in ("shared-replay", "shared-trunk")
