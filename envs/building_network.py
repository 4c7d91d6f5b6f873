"""The thermal network of `building-energy`: an office of several floors, one temperature for each zone.

Zone i has a capacity C_i and exchanges heat with its neighbours, the outdoor air and the ground through constant
conductances; sun, people and the heating or cooling add to it:

    C_i dT_i/dt = sum_j G_ij (T_j - T_i) + O_i (T_out - T_i) + E_i (T_ground - T_i)
                  + sum_f S_if I_f + Q_i occupancy + B_i + P_i a_i

the resistance-capacitance model of BEAR (Zhang, Shi and Chen 2023, "BEAR: Physics-principled building environment
for control and reinforcement learning", arXiv 2211.14744), which SustainGym's BuildingEnv took over (Yeh et al.
2023, "SustainGym: Reinforcement learning environments for sustainable energy systems"). Theirs has one horizontal
irradiance for all zones and a polynomial for people's heat; here facades see the sun by their direction, and
people's heat is linear. The building is ours: floors of a core and four perimeter zones, the usual division of
an office, with parameters chosen to be typical.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from morl.envs.building_data import FACADES, Year

Matrix = NDArray[np.float64]

ZONES = ("core", *FACADES)
"""Of each floor."""
WIDTH, LENGTH, PERIMETER, HEIGHT = 50.0, 33.0, 4.5, 4.0
"""Metres: the south and the east facade, the perimeter zones' depth, one floor's height."""
GLAZING = 0.33
"""The windows' share of a facade."""
U_WALL, U_WINDOW, U_ROOF, U_GROUND, U_SLAB, U_PARTITION = 0.45, 2.4, 0.25, 0.3, 1.5, 2.0
"""W/(m² K); slabs lie between floors, partitions between zones of a floor."""
INFILTRATION = 0.3
"""Air changes per hour."""
AIR = 1200.0
"""J/(m³ K), volumetric heat capacity of air."""
CAPACITY = 165e3
"""J/(K m²) of floor area: class "medium" of EN ISO 13790:2008, table 12."""
SOLAR_GAIN = 0.25
"""The share of the irradiance on a window that heats the zone behind it."""
PEOPLE, EQUIPMENT, STANDBY = 3.75, 10.0, 2.0
"""W/m²: a person of 75 W sensible heat for 20 m², light and devices in use, and devices always on."""
POWER = 60.0
"""W/m² of floor area, heating or cooling."""


class Network(NamedTuple):
    """z zones and what heats them."""

    capacity: Matrix
    """(z,) J/K."""
    between: Matrix
    """(z, z) W/K, symmetric, zero on the diagonal."""
    outdoor: Matrix
    """(z,) W/K to the outdoor air."""
    ground: Matrix
    """(z,) W/K to the ground."""
    aperture: Matrix
    """(z, 4) m²: heat per irradiance on the facades north, east, south, west."""
    occupied: Matrix
    """(z,) W when everybody is in."""
    standby: Matrix
    """(z,) W always."""
    power: Matrix
    """(z,) W of heating at action 1, of cooling at action -1."""
    floor: NDArray[np.int64]
    """(z,) the floor, 0 at the ground."""


def office(floors: int) -> Network:
    """The office with this many floors; zone 5 k + j is `ZONES[j]` of floor k."""
    facade = np.array([0.0, WIDTH, LENGTH, WIDTH, LENGTH]) * HEIGHT
    side = np.array([WIDTH, LENGTH, WIDTH, LENGTH])
    ring = PERIMETER * (side - PERIMETER)  # trapezoids, mitred at the corners
    area = np.concatenate(([WIDTH * LENGTH - ring.sum()], ring))
    inner = np.zeros((5, 5))
    inner[0, 1:] = (side - 2 * PERIMETER) * HEIGHT
    for zone in range(4):
        inner[1 + zone, 1 + (zone + 1) % 4] = np.sqrt(2.0) * PERIMETER * HEIGHT
    one_floor = U_PARTITION * (inner + inner.T)
    stack = np.eye(floors, k=1) + np.eye(floors, k=-1)
    between = np.kron(np.eye(floors), one_floor) + np.kron(stack, np.diag(U_SLAB * area))
    envelope = (
        facade * (GLAZING * U_WINDOW + (1 - GLAZING) * U_WALL) + INFILTRATION * AIR * HEIGHT * area / 3600
    )
    windows = np.vstack((np.zeros(4), np.diag(facade[1:] * GLAZING * SOLAR_GAIN)))
    bottom, top = np.eye(floors)[0], np.eye(floors)[-1]
    everywhere = np.tile(area, floors)
    return Network(
        capacity=CAPACITY * everywhere,
        between=between,
        outdoor=np.tile(envelope, floors) + np.kron(top, U_ROOF * area),
        ground=np.kron(bottom, U_GROUND * area),
        aperture=np.tile(windows, (floors, 1)),
        occupied=(PEOPLE + EQUIPMENT) * everywhere,
        standby=STANDBY * everywhere,
        power=POWER * everywhere,
        floor=np.repeat(np.arange(floors), len(ZONES)),
    )


def state_space(network: Network) -> tuple[Matrix, Matrix, Matrix]:
    """A (z, z), B (z, z), D (z, 8) of dT/dt = A T + B a + D w, per second; w as in `disturbances`."""
    per_heat = 1.0 / network.capacity[:, None]
    losses = network.between.sum(axis=1) + network.outdoor + network.ground
    inputs = np.column_stack(
        (network.outdoor, network.ground, network.aperture, network.occupied, network.standby)
    )
    return (
        (network.between - np.diag(losses)) * per_heat,
        np.diag(network.power) * per_heat,
        inputs * per_heat,
    )


def disturbances(year: Year) -> Matrix:
    """w, (8760, 8): outdoor and ground temperature, irradiance on four facades, occupancy, and 1."""
    return np.column_stack(
        (year.outdoor, year.ground, year.irradiance, year.occupancy, np.ones(len(year.price)))
    )


def discretise(a: Matrix, inputs: Matrix, seconds: float) -> tuple[Matrix, Matrix]:
    """Exact step of dx/dt = a x + inputs u with u held: x' = first x + second u.

    The exponential of the joint matrix gives both (Van Loan 1978, "Computing integrals involving the matrix
    exponential"), also where `a` has no inverse.
    """
    states, columns = inputs.shape
    joint = np.zeros((states + columns, states + columns))
    joint[:states, :states], joint[:states, states:] = a, inputs
    step = expm(joint * seconds)
    return step[:states, :states], step[:states, states:]


def temperature_bounds(
    step: Matrix, heating: Matrix, drive: Matrix, first: tuple[float, float]
) -> tuple[Matrix, Matrix]:
    """Temperatures (z,) that no action and no hour lead below or above, from starts within `first`.

    `step` has no negative entry and rows that sum to less than one (heat flows downhill, and out). So with
    u = step u + heating 1 + max over hours of drive, which is what full power in the worst hour forever leads
    to, T <= u + s stays true for the number s >= 0 that makes it true at the start; likewise below.
    """
    away = np.eye(len(step)) - step
    power = heating.sum(axis=1)
    high = np.linalg.solve(away, power + drive.max(axis=0))
    low = np.linalg.solve(away, drive.min(axis=0) - power)
    return low - max(0.0, (low - first[0]).max()), high + max(0.0, (first[1] - high).max())
