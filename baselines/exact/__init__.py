"""Exact fronts of small environments: planned on tables made of an environment's own transition.

    from morl.baselines import exact

    front = exact.plan("deep-sea-treasure-v0")           # Pareto value iteration, milliseconds
    hull = exact.plan(MyEnv, kind="hull", size=3)        # convex-hull value iteration
    known = exact.load("four-room-v0", gamma=0.95)       # from a file of the package
    print(front.optimal_among)

`python -m morl.baselines.exact` lists the fronts on file; with `--check` or `--write` it finds them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morl._lazy import attach

if TYPE_CHECKING:
    from morl.baselines.exact.planner import load as load
    from morl.baselines.exact.planner import plan as plan
    from morl.envs.hull_induction import convex_hull as convex_hull
    from morl.envs.hull_induction import linear_optimum as linear_optimum
    from morl.envs.pareto_induction import pareto_front as pareto_front
    from morl.envs.pareto_induction import pareto_plans as pareto_plans
    from morl.envs.planning import Model as Model
    from morl.envs.planning import enumerate_model as enumerate_model

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Model": "morl.envs.planning",
        "convex_hull": "morl.envs.hull_induction",
        "enumerate_model": "morl.envs.planning",
        "linear_optimum": "morl.envs.hull_induction",
        "load": "morl.baselines.exact.planner",
        "pareto_front": "morl.envs.pareto_induction",
        "pareto_plans": "morl.envs.pareto_induction",
        "plan": "morl.baselines.exact.planner",
    },
)
