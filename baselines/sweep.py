"""Sweep: one learner per preference, all trained side by side as one population that shares nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from morl.agents import morld_config
from morl.agents.decomposed import Cooperation
from morl.agents.morld import MORLD
from morl.errors import MorlError


@dataclass(frozen=True, kw_only=True)
class Config(morld_config.Config):
    """Settings of `Sweep`: those of MORL/D, but for what makes it more than a sweep."""

    adaptation: Literal["none", "psa"] = "none"
    """None: every learner keeps its weights."""
    normalise_objectives: bool = False
    """Not by default: learners maximise exactly what users with their weights do."""
    cooperation: Cooperation = "none"
    """None: no learner hears of another."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.adaptation, self.cooperation) != ("none", "none"):
            raise MorlError(
                "learners of a sweep keep their weights and share nothing: leave adaptation and cooperation at "
                '"none", or take the agent morld'
            )


class Sweep(MORLD):
    """The outer loop of the field (Roijers et al. 2013, section 4.1), its learners trained as one population.

    What MORL/D must beat: the same learners, stacked network and selection, without adaptation and cooperation.
    `SingleObjective` trains any other agent for one preference after another.
    """

    name = "sweep"
    Config: TypeAlias = Config
    config: Config
