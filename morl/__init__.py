"""Multi-objective reinforcement learning: vector rewards in, Pareto fronts out.

    import morl

    env = morl.make_vec("deep-sea-treasure-v0", num_envs=512)
    agent = morl.agents.EnvelopeDQN(env, seed=0)
    agent.learn(total_steps=1_000_000)
    weights = morl.weights.lattice(2, partitions=100)
    front = morl.evaluate(agent, "deep-sea-treasure-v0", weights=weights)
    front.hypervolume()

Objectives are maximised, always. Everything here is imported when first used, so `import morl` does not
import torch; it does register the batched environments with Gymnasium, as `morl/...`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morl._lazy import attach
from morl.signals import end_command_quietly

if TYPE_CHECKING:  # Only the core: names from above it (`make_vec`, `envs`, ...) resolve at run time.
    from morl import attainment as attainment
    from morl import choosing as choosing
    from morl import elicitation as elicitation
    from morl import errors as errors
    from morl import indicators as indicators
    from morl import pareto as pareto
    from morl import pictures as pictures
    from morl import recipes as recipes
    from morl import registry as registry
    from morl import statistics as statistics
    from morl import utility as utility
    from morl import weights as weights
    from morl.agent import load as load
    from morl.artefact import load_policy as load_policy
    from morl.choosing import choose as choose
    from morl.comparison import compare as compare
    from morl.elicitation import elicit as elicit
    from morl.evaluation import evaluate as evaluate
    from morl.front import Front as Front

__version__ = "0.1.0"

end_command_quietly()

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Front": "morl.front",
        "compare": "morl.comparison",
        "choose": "morl.choosing",
        "elicit": "morl.elicitation",
        "evaluate": "morl.evaluation",
        "load": "morl.agent",
        "load_policy": "morl.artefact",
        "make_vec": "morl.envs.make",
    },
    submodules=(
        "agents",
        "attainment",
        "baselines",
        "choosing",
        "elicitation",
        "envs",
        "errors",
        "indicators",
        "pareto",
        "pictures",
        "recipes",
        "registry",
        "statistics",
        "utility",
        "weights",
    ),
)

# As with `import mo_gymnasium`: the ids are there for gymnasium.make and gymnasium.make_vec from now on.
__getattr__("registry").register_environments()
