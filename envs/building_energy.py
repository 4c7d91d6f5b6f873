"""Building-energy: heat and cool the zones of an office, comfortably, cheaply and evenly.

After the three- and nine-objective buildings of C-MORL (Liu et al., "Efficient discovery of Pareto front for
multi-objective reinforcement learning", ICLR 2025, arXiv 2410.02236), which extend SustainGym's BuildingEnv (Yeh et
al. 2023). With zones z, temperatures T, actions a in [-1, 1], relative price p = price / highest price, and the
power in use u_t = sum_z w_z |a_z| (w_z: a zone's full power over that of the mean zone), one step pays

    comfort   sum_z (1 - |T_z - target| / 20 K)
    cost      sum_z w_z - p_t u_t
    ramping   sum_z w_z - |u_t - u_{t-1}|

over all zones, or over those of each floor: C-MORL's nine objectives are the three of three floors. Numbers are
not comparable with those of C-MORL, whose building and weather come from EnergyPlus files: ours are made
(`building_network`, `building_data`). Deviations from its code: the ramp is that of the step's own action, where
C-MORL's lags by one step and pays nothing in the first two; power counts by the size of a zone's unit, where
C-MORL gives all zones the same; the floors' energy is charged at its price and not divided by 20; the power in
use, the time and the weather of the step to come are observed; prices do not turn negative.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from morl.envs.base import BatchedEnv, Step
from morl.envs.building_data import DAY, YEAR, Year, check_year, make_year
from morl.envs.building_network import (
    discretise,
    disturbances,
    office,
    state_space,
    temperature_bounds,
)
from morl.envs.single import SingleEnv
from morl.errors import EnvError
from morl.streams import Streams

HOUR = 3600.0
"""Seconds."""
COMFORT_SCALE = 20.0
"""Kelvin off the target at which a zone is worth nothing; C-MORL's."""
SPREAD = 3.0
"""Kelvin around the target, the same for every zone, in which a first temperature lies."""
DEGREES, OUTSIDE, SUNSHINE = 10.0, 20.0, 1000.0
"""Units of observed zone temperatures, of outdoor and ground temperatures (K), and of irradiance (W/m²)."""
MARGIN = 1e-4
"""Room for rounding in declared bounds."""


class State(NamedTuple):
    """Of n buildings."""

    temperature: Tensor
    """(n, zones) °C."""
    power: Tensor
    """(n, groups) power in use in the last step, in mean zones at full power; nothing before the first."""
    clock: Tensor
    """(n,) int64, steps since the year began."""


class BuildingEnergy(BatchedEnv):
    """`num_envs` offices of five zones a floor, over 480 steps of an hour (C-MORL's horizon).

    Observation, float32: zone temperatures less the target, /10 K; power in use, as a share, for each group;
    for the step to come: outdoor and ground temperature less the target, /20 K, global horizontal irradiance
    /1000 W/m², share of occupants, relative price, sine and cosine of the time of day, weekday (0 or 1).
    Actions: (zones,) in [-1, 1], from full cooling to full heating; others are clipped. Objectives: comfort,
    cost, ramping (module docstring), each for the building or for every floor, ground floor first.

    An episode starts at midnight of a random day with random temperatures within 3 K of the target; after that
    nothing is random. Weather and prices repeat after a year.

    Args:
        num_envs: how many buildings.
        per_floor: give each floor its own three objectives.
        floors: how many floors.
        target: °C.
        climate: a name in `building_data.CLIMATES`.
        data_seed: chooses the noise of weather and prices.
        year: your own hourly series, in place of `climate` and `data_seed`.
        start_days: first and last day of the year, 0 to 364, on which an episode may start.
        steps_per_hour: the hourly series are held within the hour. SustainGym's is 12.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        per_floor: bool = False,
        floors: int = 3,
        target: float = 22.0,
        climate: str = "temperate",
        data_seed: int = 0,
        year: Year | None = None,
        start_days: tuple[int, int] = (0, 364),
        steps_per_hour: int = 1,
        max_episode_steps: int | None = 480,
        **options: Any,
    ) -> None:
        if floors < 1 or steps_per_hour < 1:
            raise EnvError(f"expected floors and steps_per_hour >= 1, got {floors} and {steps_per_hour}")
        if not 0 <= start_days[0] <= start_days[1] < YEAR // DAY:
            raise EnvError(
                f"expected start_days (first, last) with 0 <= first <= last <= 364, got {start_days}"
            )
        if not np.isfinite(target):
            raise EnvError(f"expected a target temperature in °C, got {target}")
        self.network = network = office(floors)
        self.year = series = make_year(climate, data_seed) if year is None else check_year(year)
        self.target, self.start_days, self.steps_per_hour = float(target), start_days, steps_per_hour
        a, heating, inputs = state_space(network)
        step, held = discretise(a, np.hstack((heating, inputs)), HOUR / steps_per_hour)
        zones = len(a)
        drive = disturbances(series) @ held[:, zones:].T
        groups = np.eye(floors)[network.floor] if per_floor else np.ones((zones, 1))
        weights = groups * (network.power / network.power.mean())[:, None]
        outlook = _outlook(series, self.target)
        extremes = temperature_bounds(step, held[:, :zones], drive, (target - SPREAD, target + SPREAD))
        super().__init__(
            num_envs,
            observation_space=_observation_space(extremes, self.target, groups.shape[1], outlook),
            action_space=Box(-1.0, 1.0, (zones,), dtype=np.float32),
            reward_space=_reward_space(extremes, self.target, groups, weights),
            max_episode_steps=max_episode_steps,
            **options,
        )
        self.zones, self.parts = zones, groups.shape[1]
        # One product moves all buildings: next temperature = [temperature, action] @ step + drive[hour].
        self.dynamics = self.constant(np.hstack((step, held[:, :zones])).T)
        self.drive = self.constant(drive)
        self.price = self.constant(series.price / series.price.max())
        self.outlook = self.constant(outlook, dtype=torch.float32)
        # Another sums up comfort lost and power used: [|error|, |action|] @ totals, (n, 2 groups).
        empty = np.zeros_like(groups)
        self.totals = self.constant(np.block([[groups / COMFORT_SCALE, empty], [empty, weights]]))
        self.most = self.constant(np.concatenate((groups.sum(axis=0), np.tile(weights.sum(axis=0), 2))))
        self.full_power = self.constant(weights.sum(axis=0))

    def draw_reset_noise(self, n: int, streams: Streams) -> Tensor:
        """Uniform numbers (n, 1 + zones): the day, and the zones' temperatures."""
        return streams.uniform(1 + self.zones)

    def initial_state(self, n: int, noise: Tensor | None) -> State:
        """Midnight of a day, all zones near the target, heating and cooling off."""
        assert noise is not None
        first, last = self.start_days
        day = first + (noise[:, 0] * (last - first + 1)).to(torch.int64)
        return State(
            temperature=self.target + SPREAD * (2.0 * noise[:, 1:].to(self.dtype) - 1.0),
            power=torch.zeros(n, self.parts, dtype=self.dtype, device=self.device),
            clock=day * (DAY * self.steps_per_hour),
        )

    def observe(self, state: State) -> Tensor:
        """Zones, power in use and the hour to come, (n, zones + groups + 8)."""
        zones = (state.temperature - self.target) / DEGREES
        inside = torch.cat((zones, state.power / self.full_power), dim=1)
        return torch.cat((inside.to(torch.float32), self.outlook.index_select(0, self._hour(state))), dim=1)

    def transition(self, state: State, action: Tensor, noise: Tensor | None) -> Step:
        """One step of the network, exact for inputs held over it."""
        hour = self._hour(state)
        action = action.to(self.dtype).clamp(-1.0, 1.0)
        temperature = torch.addmm(
            self.drive.index_select(0, hour), torch.cat((state.temperature, action), dim=1), self.dynamics
        )
        totals = torch.cat((temperature - self.target, action), dim=1).abs() @ self.totals
        power = totals[:, self.parts :]
        # Comfort lost and power, then the bill in place of the power, and how much the power changed.
        bill = self.price.index_select(0, hour).unsqueeze(1) * power
        lost = torch.cat((totals[:, : self.parts], bill, (power - state.power).abs()), dim=1)
        clock = torch.remainder(state.clock + 1, YEAR * self.steps_per_hour)
        never = torch.zeros_like(clock, dtype=torch.bool)
        return Step(State(temperature, power, clock), self.most - lost, never)

    def _hour(self, state: State) -> Tensor:
        """The hour of the year, (n,), that the step to come belongs to."""
        if self.steps_per_hour == 1:
            return state.clock
        return torch.div(state.clock, self.steps_per_hour, rounding_mode="floor")


def _outlook(year: Year, target: float) -> np.ndarray:
    """What is observed of each hour of the year, (8760, 8)."""
    hour = np.arange(YEAR)
    angle = 2 * np.pi * (hour % DAY) / DAY
    return np.column_stack(
        (
            (year.outdoor - target) / OUTSIDE,
            (year.ground - target) / OUTSIDE,
            year.horizontal / SUNSHINE,
            year.occupancy,
            year.price / year.price.max(),
            np.sin(angle),
            np.cos(angle),
            hour // DAY % 7 < 5,
        )
    )


def _observation_space(
    extremes: tuple[np.ndarray, np.ndarray], target: float, groups: int, outlook: np.ndarray
) -> Box:
    low, high = ((bound - target) / DEGREES for bound in extremes)
    return Box(
        np.concatenate((low, np.zeros(groups), outlook.min(axis=0))).astype(np.float32) - MARGIN,
        np.concatenate((high, np.ones(groups), outlook.max(axis=0))).astype(np.float32) + MARGIN,
        dtype=np.float32,
    )


def _reward_space(
    extremes: tuple[np.ndarray, np.ndarray], target: float, groups: np.ndarray, weights: np.ndarray
) -> Box:
    low, high = extremes
    worst = groups.T @ (1.0 - np.maximum(target - low, high - target) / COMFORT_SCALE)
    power = np.tile(weights.sum(axis=0), 2)
    return Box(
        np.concatenate((worst, 0.0 * power)).astype(np.float32) - MARGIN,
        np.concatenate((groups.sum(axis=0), power)).astype(np.float32) + MARGIN,
        dtype=np.float32,
    )


def make_single(**options: Any) -> SingleEnv:
    """One building as a `gymnasium.Env`; takes the arguments of `BuildingEnergy`."""
    return SingleEnv(BuildingEnergy, **options)
