"""Do the defaults serve a problem that nobody tuned for? Small budgets, two problems whose best returns are known.

The number of environments is what a run takes for the budget; every other setting is the agent's default.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import common
import gymnasium
import numpy as np
from common import Bar, spread, table
from gymnasium.spaces import Box, Dict, Discrete
from numpy.typing import NDArray

import morl
from morl import budget, registry

STEPS = 150_000
GAMMA = registry.DEFAULT_GAMMA
WEIGHTS = morl.weights.lattice(2, partitions=100)


class Press(gymnasium.Env):
    """In ten shifts a press works or rests. Work makes a part and costs the wear, which it raises; rest mends."""

    SHIFTS = 10
    objectives = ("parts", "repairs")
    reward_space = Box(np.float32([0, -SHIFTS]), np.float32([1, 0]))
    observation_space = Dict(wear=Discrete(SHIFTS + 1), done=Box(0, 1, (1,), np.float32))
    action_space = Discrete(2)

    def _obs(self) -> dict[str, Any]:
        return {"wear": self.wear, "done": np.float32([self.shift / self.SHIFTS])}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.wear = self.shift = 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        reward = np.float32([1, -self.wear]) if action else np.zeros(2, np.float32)
        self.wear = max(0, self.wear + (1 if action else -1))
        self.shift += 1
        return self._obs(), reward, self.shift == self.SHIFTS, False, {}


def press_returns() -> NDArray[np.float64]:
    """The returns of every sequence of actions (1024, 2)."""
    press, found = Press(), []
    for actions in itertools.product((0, 1), repeat=Press.SHIFTS):
        press.reset()
        found.append(sum(GAMMA**t * press.step(action)[1].astype(float) for t, action in enumerate(actions)))
    return np.array(found)


class Pipe(gymnasium.Env):
    """A scalar reward, the flow less the energy that it takes, whose terms are in `info`; twelve steps."""

    STEPS = 12
    observation_space = Box(0, 1, (1,), np.float32)
    action_space = Discrete(5)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.time += 1
        flow, energy = float(action), float(action) ** 2 / 4
        obs = np.float32([self.time / self.STEPS])
        return obs, flow - energy, False, self.time == self.STEPS, {"terms": {"flow": flow, "energy": energy}}


def pipe_returns() -> NDArray[np.float64]:
    """The returns of the same action in every step (5, 2): no mixture is better for any weights."""
    flow = np.arange(5.0)
    return (1 - GAMMA**Pipe.STEPS) / (1 - GAMMA) * np.stack([flow, -(flow**2) / 4], axis=1)


@dataclass(frozen=True)
class Problem:
    """An environment, and what can be earned in it."""

    make: Any
    returns: Callable[[], NDArray[np.float64]]


PROBLEMS = {
    "press": Problem(Press, press_returns),
    "pipe": Problem(morl.envs.from_info_terms(Pipe, ["terms/flow", "-terms/energy"]), pipe_returns),
}
BARS = {
    "conditioned-ppo": Bar("commanded utility", 98.0),
    "morld": Bar("commanded utility", 99.0),
}
"""In percent of the best; medians over the seeds."""


def percent(name: str, problem: Problem, seed: int, steps: int) -> float:
    """Commanded utility after training with defaults, in percent of the best."""
    kind: Any = registry.agent_class(name)
    count = budget.num_envs(
        steps, most=kind.default_num_envs, batched=False, share=kind.trained_together(kind.Config())
    )
    agent = kind(morl.make_vec(problem.make, num_envs=count), seed=seed)
    agent.learn(steps, progress=False)
    front = morl.evaluate(agent, problem.make, weights=WEIGHTS, seed=1)
    best = (WEIGHTS @ problem.returns().T).max(axis=1).mean()
    return float(100 * front.commanded_utility() / best)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="S", help="default: 0 1 2")
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help=f"default: {STEPS:,}")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    options = parser.parse_args(argv)
    rows = []
    for (agent, bar), (name, problem) in itertools.product(BARS.items(), PROBLEMS.items()):
        found = [percent(agent, problem, seed, options.steps) for seed in options.seeds]
        verdict = bar.verdict(median(found))
        rows.append(
            [name, agent, f"{options.steps:,}", f">= {bar.limit:g}", spread(found, "{:.2f}"), verdict]
        )
        print(*rows[-1], flush=True)
    content = table(
        ["problem", "agent", "steps", "bar, %", "commanded utility, % of the best", "verdict"], rows
    )
    if options.write:
        common.write_block("defaults", content)
    return 0 if all(row[-1] == common.PASS for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
