"""Water reservoir, batched: how much water a dam should release.

Castelletti, Pianosi and Restelli 2012, "Tree-based Fitted Q-iteration for Multi-Objective Markov Decision
problems", with the dynamics of MO-Gymnasium's `water-reservoir-v0`, equal to them step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.single import SingleEnv
from morl.errors import EnvError
from morl.streams import Streams

CAPACITY = 100.0
"""Water beyond this level must be released."""
FLOOD_UPSTREAM, FLOOD_DOWNSTREAM = 50.0, 30.0
"""The level, and the release, beyond which there is a flood."""
WATER_DEMAND, POWER_DEMAND = 50.0, 4.36
INFLOW_MEAN, INFLOW_DEVIATION = 40.0, 10.0
ENERGY = 9.81 * 1000.0 / 3.6e6
"""Power for each unit of level times release: gravity and the density of water, in the demand's unit."""

LEVELS = (
    96.855361,
    58.046026,
    116.15767,
    20.164311,
    79.191,
    140.13098,
    131.01816,
    44.351321,
    13.185943,
    73.508622,
)
"""Where an episode may start; MO-Gymnasium's, in float32."""
LEVELS_PENALISED = 160
"""With `penalize`, it starts at a whole number below this."""


class State(NamedTuple):
    """How full n reservoirs are."""

    level: Tensor
    """(n,) whatever the dtype, a float32 number: the original keeps no more of it."""


class WaterReservoir(BatchedEnv):
    """`num_envs` reservoirs behind a dam. Observation: the level, (1,) float32.

    Action: the release, (1,). At least what exceeds a level of 100 flows off, at most all the water.
    Objectives, of which the first `nO` are paid, each minus what it names: flood upstream (level above 50),
    water deficit (release below 50), power deficit (below 4.36), flood downstream (release above 30).

    Args:
        num_envs: how many reservoirs.
        time_limit: steps of an episode; a shorter `max_episode_steps` overrules it.
        nO: number of objectives, 2 to 4.
        penalize: charge every objective for the part of an action that is out of bounds, and start at a
            whole level below 160 instead of one of ten levels. A normalized action is never charged.
        normalized_action: actions are shares in [0, 1] of what may be released.
        initial_state: a level, or an array (1,) of one, at which all episodes start; None draws it.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        time_limit: int = 100,
        nO: int = 2,
        penalize: bool = False,
        normalized_action: bool = False,
        initial_state: float | Sequence[float] | NDArray[Any] | None = None,
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        if nO not in (2, 3, 4):
            raise EnvError(f"expected nO of 2, 3 or 4 objectives, got {nO}")
        if time_limit < 1:
            raise EnvError(f"expected time_limit >= 1, got {time_limit}")
        self.start = None if initial_state is None else level_of(initial_state)
        super().__init__(
            num_envs,
            observation_space=Box(0.0, np.inf, (1,), dtype=np.float32),
            action_space=Box(0.0, 1.0 if normalized_action else np.inf, (1,), dtype=np.float32),
            reward_space=Box(-np.inf, 0.0, (nO,), dtype=np.float32),
            max_episode_steps=time_limit if max_episode_steps is None else min(time_limit, max_episode_steps),
            **options,
        )
        self.charges = penalize and not normalized_action
        self.normalized_action = normalized_action
        levels = np.arange(LEVELS_PENALISED) if penalize else np.array(LEVELS)
        self.levels = self.constant(levels.astype(np.float32))

    def draw_reset_noise(self, n: int, streams: Streams) -> Tensor | None:
        """Which of the possible levels (n,), int64; None where the first level is given."""
        return streams.integers(len(self.levels)) if self.start is None else None

    def draw_step_noise(self, n: int, streams: Streams) -> Tensor:
        """Standard normal numbers (n,), of the inflow."""
        return streams.normal().to(self.dtype)

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        """At the given level, or at a drawn one."""
        if self.start is not None:
            return State(torch.full((n,), self.start, dtype=self.dtype, device=self.device))
        assert noise is not None
        return State(self.levels[noise])

    def observe(self, state: State) -> Tensor:
        """Levels (n, 1)."""
        return state.level.to(torch.float32).unsqueeze(1)

    def transition(self, state: State, action: Tensor, noise: Tensor | None) -> Step:
        """Release water, let it rain, and compare with what was wanted."""
        assert noise is not None
        level, wanted = state.level, action[:, 0].to(self.dtype)
        least = self._round(level - CAPACITY).clamp(min=0.0)
        if self.normalized_action:
            release = self._round(self._round(wanted * self._round(level - least)) + least)
        else:
            release = wanted.clamp(least, level)
        inflow = INFLOW_MEAN + INFLOW_DEVIATION * noise
        level = self._round((level + inflow - release).clamp(min=0.0))
        power = ENERGY * level * release.clamp(min=0.0)
        costs = (
            level - FLOOD_UPSTREAM,
            WATER_DEMAND - release,
            POWER_DEMAND - power,
            release - FLOOD_DOWNSTREAM,
        )
        reward = -torch.stack(costs[: self.num_objectives], dim=1).clamp(min=0.0)
        if self.charges:
            reward = reward - (release - wanted).abs().unsqueeze(1)
        return Step(State(level), reward, torch.zeros_like(level, dtype=torch.bool))

    def _round(self, values: Tensor) -> Tensor:
        """To the nearest float32, as the original's arrays are."""
        return values.to(torch.float32).to(self.dtype)


def level_of(initial_state: float | Sequence[float] | NDArray[Any]) -> float:
    """The one level in `initial_state`, rounded to float32.

    Raises:
        EnvError: it is not one number that is finite and not negative.
    """
    level = np.asarray(initial_state, dtype=np.float32).reshape(-1)
    if level.size != 1 or not np.isfinite(level).all() or level[0] < 0:
        raise EnvError(f"expected one level >= 0 as initial_state, got {initial_state!r}")
    return float(level[0])


def make_single(**options: Any) -> SingleEnv:
    """One reservoir as a `gymnasium.Env`; takes the arguments of `WaterReservoir`."""
    return SingleEnv(WaterReservoir, **options)
