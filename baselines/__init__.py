"""What an agent is held against: chance, learners per weight, evolution, tables, exact fronts; all lazy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from morl._lazy import attach

if TYPE_CHECKING:
    from morl.baselines import exact as exact
    from morl.baselines.evolution import Evolution as Evolution
    from morl.baselines.mo_q_learning import MOQLearning as MOQLearning
    from morl.baselines.pareto_q_learning import ParetoQLearning as ParetoQLearning
    from morl.baselines.random_policy import RandomPolicy as RandomPolicy
    from morl.baselines.single_objective import SingleObjective as SingleObjective
    from morl.baselines.sweep import Sweep as Sweep
    from morl.evaluation import evaluate_members as evaluate_members

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Evolution": "morl.baselines.evolution",
        "MOQLearning": "morl.baselines.mo_q_learning",
        "ParetoQLearning": "morl.baselines.pareto_q_learning",
        "RandomPolicy": "morl.baselines.random_policy",
        "SingleObjective": "morl.baselines.single_objective",
        "Sweep": "morl.baselines.sweep",
        "evaluate_members": "morl.evaluation",
    },
    submodules=("exact",),
)
