"""How a budget of environment steps is divided: environments side by side, rollouts, minibatches.

On-policy agents learn from each rollout once. A small budget in the portions that suit a large one is over after a
few updates, so the defaults follow the budget: some `ROLLOUTS` of it at least, each of `SHORTEST` steps or more.
"""

from __future__ import annotations

import math
import warnings

from morl.errors import BudgetWarning

ROLLOUTS = 150
"""How many rollouts a budget should hold."""

FEWEST_ROUNDS = 30
"""With fewer rounds of updates the user is warned."""

SHORTEST, LONGEST = 16, 64
"""Steps of each environment in one rollout."""

EPISODES = 10
"""How many whole episodes each environment should play."""

SINGLE = 64
"""Most environments side by side where each is stepped by itself: more make no step cheaper."""

FEWEST = 8
"""Environments side by side, so that neighbouring steps of one episode do not make up a whole minibatch."""


def num_envs(
    total_steps: int, *, most: int, batched: bool, horizon: int | None = None, share: int = 1
) -> int:
    """Environments to run side by side: the power of two nearest to what the budget feeds.

    Args:
        total_steps: the budget.
        most: what the agent asks for where steps abound.
        batched: whether all are stepped as one tensor program.
        horizon: longest episode in steps, where it is known.
        share: the result is a multiple of this number, such as the size of a population.
    """
    feeds = total_steps / (ROLLOUTS * SHORTEST)
    if horizon is not None:
        feeds = min(feeds, total_steps / (EPISODES * horizon))
    bounded = min(max(feeds, FEWEST), most if batched else min(most, SINGLE))
    return max(1, round(2 ** round(math.log2(bounded)) / share)) * share


def rollout_length(total_steps: int, num_envs: int) -> int:
    """Steps of each of the environments between two rounds of updates."""
    return min(max(total_steps // (ROLLOUTS * num_envs), SHORTEST), LONGEST)


def minibatch(steps: int, *, parts: int, most: int) -> int:
    """Steps in one update, from 64 to `most`, of a rollout of `steps` steps in all that is divided into `parts`."""
    return min(max(steps // parts, 64), most)


def check_rounds(name: str, steps: int, round_steps: int) -> None:
    """Warn where `steps` hold too few rounds of updates, of `round_steps` each, to learn much."""
    least = FEWEST_ROUNDS * round_steps
    if steps < least:
        warnings.warn(
            f"{steps:,} steps are {steps / round_steps:.0f} rounds of updates for {name}, which needs "
            f"{FEWEST_ROUNDS} or more to learn much; take {least:,} steps, or fewer environments",
            BudgetWarning,
            stacklevel=3,
        )
