"""What an agent is held against: chance, one learner per weight, exact fronts; imported when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from morl._lazy import attach

if TYPE_CHECKING:
    from morl.baselines import exact as exact
    from morl.baselines.random_policy import RandomPolicy as RandomPolicy
    from morl.baselines.single_objective import SingleObjective as SingleObjective

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "RandomPolicy": "morl.baselines.random_policy",
        "SingleObjective": "morl.baselines.single_objective",
    },
    submodules=("exact",),
)
