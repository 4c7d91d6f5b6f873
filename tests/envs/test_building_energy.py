"""Building-energy: its thermal network against independent solvers, and its rewards against sums by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from scipy.integrate import solve_ivp
from scipy.signal import cont2discrete
from torch import Tensor

from morl.envs.building_data import YEAR, Year, make_year
from morl.envs.building_energy import SPREAD, BuildingEnergy
from morl.envs.building_network import Network, discretise, office, state_space
from morl.errors import EnvError

CORE, RING = 984.0, (204.75, 128.25, 204.75, 128.25)
"""Floor areas in m², by hand: (50 - 9)(33 - 9), and 4.5 (50 - 4.5), 4.5 (33 - 4.5); 1650 in all."""
DAYLESS = np.zeros(YEAR)


def steady(outdoor: float = 5.0, ground: float = 10.0, occupancy: float = 0.0) -> Year:
    """A year in which nothing changes, without sun."""
    series = [np.full(YEAR, value) for value in (outdoor, ground)]
    return Year(*series, np.zeros((YEAR, 4)), DAYLESS, np.full(YEAR, occupancy), np.full(YEAR, 0.2))


def state_of(env: BuildingEnergy) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in env.get_state()["state"].items()}


def put(env: BuildingEnergy, **values: Tensor) -> None:
    """Set parts of the state, of all buildings."""
    snapshot = env.get_state()
    for name, value in values.items():
        snapshot["state"][name] = value.expand_as(snapshot["state"][name]).clone()
    env.set_state(snapshot)


def heat_flow(
    network: Network, year: Year, hour: int, temperature: np.ndarray, action: np.ndarray
) -> np.ndarray:
    """Watts into each zone, term by term, as the equation in `building_network` is printed."""
    flow = np.zeros(len(temperature))
    for i in range(len(temperature)):
        for j in range(len(temperature)):
            flow[i] += network.between[i, j] * (temperature[j] - temperature[i])
        flow[i] += network.outdoor[i] * (year.outdoor[hour] - temperature[i])
        flow[i] += network.ground[i] * (year.ground[hour] - temperature[i])
        flow[i] += sum(network.aperture[i, f] * year.irradiance[hour, f] for f in range(4))
        flow[i] += network.occupied[i] * year.occupancy[hour] + network.standby[i]
        flow[i] += network.power[i] * action[i]
    return flow


@pytest.mark.parametrize(("steps_per_hour", "floors"), [(1, 3), (4, 1)])
def test_temperatures_are_those_of_an_independent_solver(steps_per_hour: int, floors: int) -> None:
    options: dict[str, Any] = {"steps_per_hour": steps_per_hour, "floors": floors, "start_days": (200, 200)}
    env = BuildingEnergy(2, dtype=torch.float64, climate="mediterranean", **options)
    env.reset(seed=0)
    network, rng = env.network, np.random.default_rng(0)
    for step in range(14):
        before, action = state_of(env), rng.uniform(-1, 1, (2, env.zones))
        hour = 200 * 24 + step // steps_per_hour
        assert (before["clock"] == 200 * 24 * steps_per_hour + step).all()
        env.step(torch.from_numpy(action))
        for row, after in enumerate(state_of(env)["temperature"]):
            solved = solve_ivp(
                lambda t, x, a=action[row], h=hour: heat_flow(network, env.year, h, x, a) / network.capacity,
                (0.0, 3600.0 / steps_per_hour),
                before["temperature"][row],
                method="DOP853",
                rtol=1e-12,
                atol=1e-12,
            )
            np.testing.assert_allclose(after, solved.y[:, -1], rtol=0, atol=1e-9)


def test_the_discretisation_is_scipys_and_needs_no_inverse() -> None:
    a, heating, inputs = state_space(office(3))
    joint = np.hstack((heating, inputs))
    first, second = discretise(a, joint, 3600.0)
    outputs = np.zeros((1, len(a))), np.zeros((1, joint.shape[1]))
    theirs = cont2discrete((a, joint, *outputs), 3600.0, method="zoh")
    np.testing.assert_allclose(first, theirs[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(second, theirs[1], rtol=1e-10, atol=1e-13)
    # SustainGym's formula, A^-1 (e^(A h) - I) B.
    np.testing.assert_allclose(second, np.linalg.solve(a, (first - np.eye(len(a))) @ joint), atol=1e-10)
    np.testing.assert_allclose(discretise(np.zeros((2, 2)), np.eye(2), 60.0)[1], 60.0 * np.eye(2))


def test_the_networks_heat_flows_downhill() -> None:
    network = office(3)
    np.testing.assert_allclose(network.between, network.between.T)
    first = discretise(state_space(network)[0], np.zeros((15, 1)), 3600.0)[0]
    assert (first > 0).all() and (first.sum(axis=1) < 1).all()
    areas = np.tile([CORE, *RING], 3)
    np.testing.assert_allclose(network.capacity, 165e3 * areas)
    np.testing.assert_allclose(network.power, 60.0 * areas)
    # The south zone of the middle floor, by hand: facade 200 m², a third of it glass, 0.3 air changes an hour.
    facade = 200 * (0.33 * 2.4 + 0.67 * 0.45) + 0.3 * 1200 * 4 * 204.75 / 3600
    assert network.outdoor[5 + 3] == pytest.approx(facade)
    assert network.aperture[5 + 3].tolist() == pytest.approx([0, 0, 200 * 0.33 * 0.25, 0])
    assert network.between[5, 5 + 3] == pytest.approx(2.0 * (50 - 9) * 4)  # to the core
    assert network.between[3, 5 + 3] == pytest.approx(1.5 * 204.75)  # to the floor below
    assert network.between[8, 9] == network.between[8, 7] == pytest.approx(2.0 * 4.5 * 2**0.5 * 4)
    assert network.between[8, 6] == 0  # opposite sides
    assert network.outdoor[10] - network.outdoor[5] == pytest.approx(0.25 * CORE)  # the roof
    assert (network.ground[:5] > 0).all() and not network.ground[5:].any()


def test_in_a_steady_state_energy_balances() -> None:
    env = BuildingEnergy(1, year=steady(occupancy=0.5), dtype=torch.float64, max_episode_steps=None)
    env.reset(seed=0)
    action = torch.linspace(-0.2, 0.5, env.zones, dtype=torch.float64)[None]
    for _ in range(3000):
        env.step(action)
    network, temperature = env.network, state_of(env)["temperature"][0]
    heating = (network.power * action[0].numpy()).sum()
    people = (0.5 * network.occupied + network.standby).sum()
    losses = (network.outdoor * (temperature - 5.0) + network.ground * (temperature - 10.0)).sum()
    assert losses == pytest.approx(heating + people, rel=1e-9)
    flows = heat_flow(network, env.year, 0, temperature, action[0].numpy())
    np.testing.assert_allclose(flows, 0.0, atol=1e-6)


def test_one_temperature_everywhere_stays_without_gains() -> None:
    """Only people and devices move a building that is as warm as its surroundings."""
    env = BuildingEnergy(1, year=steady(22.0, 22.0), dtype=torch.float64)
    env.reset(seed=0)
    put(env, temperature=torch.tensor(22.0, dtype=torch.float64))
    standby = -torch.from_numpy(env.network.standby / env.network.power)[None]
    for _ in range(20):
        reward = env.step(standby)[1]  # cool away what the devices give off
    np.testing.assert_allclose(state_of(env)["temperature"], 22.0, atol=1e-12)
    # All zones at the target; 2 of 60 W/m² at the only price there is; unchanged.
    np.testing.assert_allclose(reward, [[15.0, 15.0 * (1 - 2 / 60), 15.0]], atol=1e-9)


def play(env: BuildingEnergy, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Rewards (steps, n, m) and temperatures (steps, n, zones) after each step."""
    rewards, temperatures = [], []
    for action in actions:
        rewards.append(env.step(action)[1])
        temperatures.append(torch.from_numpy(state_of(env)["temperature"]))
    return torch.stack(rewards), torch.stack(temperatures)


def test_rewards_are_the_sums_by_hand() -> None:
    env = BuildingEnergy(1, per_floor=True, start_days=(2, 2), dtype=torch.float64)
    env.reset(seed=0)
    actions = torch.zeros(3, 1, 15, dtype=torch.float64)
    actions[0, 0, 0] = 1.0  # heat the core of the ground floor
    actions[1, 0, 0], actions[1, 0, 6] = -0.5, 1.0  # cool it, and heat the north of the middle floor
    actions[2, 0, 14] = -3.0  # clipped to full cooling in the west of the top floor
    rewards, temperatures = play(env, actions)
    core, north, west = CORE / 330, RING[0] / 330, RING[3] / 330  # of a mean zone, 1650 m² / 5
    power = np.array([[core, 0, 0], [0.5 * core, north, 0], [0, 0, west]])
    ramps = np.array([[core, 0, 0], [0.5 * core, north, 0], [0.5 * core, north, west]])
    price = env.year.price[48:51, None] / env.year.price.max()
    errors = np.abs(temperatures.numpy()[:, 0] - 22.0).reshape(3, 3, 5).sum(axis=2)
    expected = np.hstack((5 - errors / 20, 5 - price * power, 5 - ramps))
    np.testing.assert_allclose(rewards[:, 0], expected, atol=1e-12)


def test_three_objectives_are_the_buildings_sums_but_for_ramps() -> None:
    whole, floors = (
        BuildingEnergy(4, dtype=torch.float64),
        BuildingEnergy(4, per_floor=True, dtype=torch.float64),
    )
    actions = torch.rand(50, 4, 15, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    whole.reset(seed=5)
    floors.reset(seed=5)
    three, nine = play(whole, actions)[0], play(floors, actions)[0]
    sums = nine.unflatten(2, (3, 3)).sum(dim=3)
    torch.testing.assert_close(three[..., :2], sums[..., :2])
    # Floors that change against each other leave the building's power as it is.
    assert (three[..., 2] >= sums[..., 2] - 1e-9).all() and (three[..., 2] > sums[..., 2] + 0.1).any()
    used = (actions.abs() * torch.tensor([CORE, *RING] * 3, dtype=torch.float64) / 330).sum(dim=2)
    torch.testing.assert_close(three[1:, :, 2], 15 - (used[1:] - used[:-1]).abs())
    torch.testing.assert_close(three[0, :, 2], 15 - used[0])


def test_comfort_and_cost_compete() -> None:
    """A thermostat is more comfortable than no heating and costs more; a stronger one costs evenness."""
    means = []
    for gain in (0.0, 1.0, 8.0):
        env = BuildingEnergy(32)
        obs, total = env.reset(seed=0)[0], torch.zeros(3)
        for _ in range(240):
            obs, reward, *_ = env.step(-gain * obs[:, :15])
            total += reward.mean(dim=0) / 240
        means.append(total)
    (idle, gentle, eager) = means
    assert idle[0] < gentle[0] < eager[0]
    assert idle[1] > gentle[1] > eager[1] and idle[2] > gentle[2] > eager[2]


def test_episodes_start_at_midnight_of_any_allowed_day_near_the_target() -> None:
    env = BuildingEnergy(4000, target=20.0, start_days=(10, 40))
    obs, _ = env.reset(seed=0)
    state = state_of(env)
    assert set(state["clock"] // 24) == set(range(10, 41)) and not (state["clock"] % 24).any()
    distance = state["temperature"] - 20.0
    assert (np.abs(distance) <= SPREAD).all() and distance.std() == pytest.approx(SPREAD / 3**0.5, rel=0.02)
    assert np.abs(np.corrcoef(distance[:, :5].T) - np.eye(5)).max() < 0.06
    assert not state["power"].any()
    np.testing.assert_allclose(obs[:, :15], distance / 10, atol=1e-5)


def test_the_hour_to_come_is_observed_and_the_year_repeats() -> None:
    env = BuildingEnergy(2, per_floor=True, start_days=(364, 364))
    obs, _ = env.reset(seed=0)
    year, action = env.year, torch.full((2, 15), 0.4)
    for step in range(30):
        hour = (364 * 24 + step) % YEAR
        outlook = [
            (year.outdoor[hour] - 22) / 20,
            (year.ground[hour] - 22) / 20,
            year.horizontal[hour] / 1000,
            year.occupancy[hour],
            year.price[hour] / year.price.max(),
            np.sin(2 * np.pi * hour / 24),
            np.cos(2 * np.pi * hour / 24),
            float(hour // 24 % 7 < 5),
        ]
        np.testing.assert_allclose(obs[0, 18:], outlook, atol=1e-6)
        np.testing.assert_allclose(obs[0, 15:18], 0.4 if step else 0.0, atol=1e-6)
        obs = env.step(action)[0]
    assert state_of(env)["clock"].max() == 6


@pytest.mark.parametrize("climate", ["temperate", "continental", "tropical"])
def test_no_action_leaves_the_declared_bounds(climate: str) -> None:
    env = BuildingEnergy(3, climate=climate, max_episode_steps=None, start_days=(170, 170))
    space = env.single_observation_space
    assert isinstance(space, Box)
    obs, _ = env.reset(seed=0)
    extreme = torch.tensor([-1.0, 0.0, 1.0])[:, None].expand(3, 15)
    reached = []
    for _ in range(900):
        assert env.observation_space.contains(obs.numpy())
        obs, reward, *_ = env.step(extreme)
        assert all(env.reward_space.contains(row) for row in reward.numpy())
        reached.append(obs[:, :15].numpy())
    # The bounds are for the worst hour forever; a summer of full power comes near to them.
    assert np.max(reached) > 0.6 * space.high[:15].max()


def test_from_outside_the_reach_of_the_plant_bounds_hold_too() -> None:
    """Starts around 60 °C, which full heating could not keep up: the bounds begin at the start."""
    env = BuildingEnergy(8, target=60.0, year=steady())
    obs, _ = env.reset(seed=0)
    for _ in range(5):
        assert env.observation_space.contains(obs.numpy())
        obs, *_ = env.step(torch.ones(8, 15))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"floors": 0}, "floors and steps_per_hour >= 1"),
        ({"steps_per_hour": 0}, "floors and steps_per_hour >= 1"),
        ({"start_days": (5, 365)}, "0 <= first <= last <= 364"),
        ({"start_days": (6, 5)}, "0 <= first <= last <= 364"),
        ({"target": float("nan")}, "target temperature"),
        ({"climate": "temprate"}, "Did you mean 'temperate'"),
        ({"year": make_year()._replace(price=np.zeros(YEAR))}, "positive prices"),
        (
            {"year": make_year()._replace(outdoor=np.zeros(24))},
            r"shape \(8760,\) for outdoor, got shape \(24,\)",
        ),
        ({"year": make_year()._replace(irradiance=np.full((YEAR, 4), np.nan))}, "finite numbers"),
    ],
)
def test_wrong_arguments_are_explained(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        BuildingEnergy(1, **arguments)
