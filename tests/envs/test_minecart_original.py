"""The batched minecart against MO-Gymnasium's, step by step, with the same noise.

The originals are driven once per configuration and recorded; half of the actions are random, the others come
from a pilot that makes round trips to every mine. The batched environment then has to run through the same
history: freely in float64, and in float32 from each recorded state.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from morl.envs.minecart import HEADING_UNIT, Minecart, State
from morl.envs.originals import make_original

ROWS, STEPS, LIMIT = 64, 160, 75
MINE, LEFT, RIGHT, ACCELERATE, BRAKE = range(5)

THREE_ORES = {
    "ore_cnt": 3,
    "mine_cnt": 4,
    "capacity": 0.8,
    "mines": [
        {"x": 0.5, "y": 0.5, "distributions": [[0.05, 0.02], [0.1, 0.0], [0.02, 0.1]]},
        {"x": 1.0, "y": 0.3, "distributions": [[0.0, 0.1], [0.3, 0.1], [0.01, 0.0]]},
        {"x": 0.3, "y": 1.0, "distributions": [[0.1, 0.0], [0.0, 0.0], [0.2, 0.0]]},
        {"x": 0.35, "y": 0.1, "distributions": [[0.01, 0.3], [0.01, 0.3], [0.05, 0.0]]},
    ],
}

CASES: dict[str, dict[str, Any]] = {
    "stochastic": {},
    "deterministic": {"config": "mine_config_det.json"},
    "every frame": {"frame_skip": 1},
    "seven frames": {"frame_skip": 7, "config": "mine_config_det.json"},
    "scaled, not repeated": {"frame_skip": 3, "incremental_frame_skip": False},
    "three ores": {"config": THREE_ORES},
}


@dataclass
class Recording:
    """What happened in the originals: (STEPS, ROWS, ...) arrays."""

    arguments: dict[str, Any]
    capacity: float
    before: np.ndarray
    action: np.ndarray
    noise: np.ndarray
    after: np.ndarray
    obs: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    first_obs: np.ndarray


class Original:
    """One of MO-Gymnasium's minecarts, with a time limit, whose ore comes from given normal numbers."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.env = make_original("minecart-v0", max_episode_steps=LIMIT, **arguments)
        self.cart_env: Any = self.env.unwrapped
        self.noise = np.zeros((0, 0))
        self.attempt = -1
        dig = self.cart_env.mine

        def attempt_to_dig() -> bool:
            self.attempt += 1  # once per frame, whether or not the cart can dig
            return dig()

        self.cart_env.mine = attempt_to_dig
        for mine in self.cart_env.mines:
            normals = [distribution.args for distribution in mine.distributions]
            mine.mine = lambda normals=normals: [
                max(0.0, mean + deviation * z)
                for (mean, deviation), z in zip(normals, self.noise[self.attempt], strict=True)
            ]

    def state(self) -> list[float]:
        cart = self.cart_env.cart
        return [*cart.pos, cart.speed, cart.angle / HEADING_UNIT, *cart.content, float(cart.departed)]

    def step(self, action: int, noise: np.ndarray) -> tuple:
        self.noise, self.attempt = noise, -1
        return self.env.step(action)[:4]


class Pilot:
    """Drives to a place, digs `digs` times (or until full) and comes back."""

    def __init__(self, original: Original, place: tuple[float, float], digs: int) -> None:
        self.original, self.place, self.digs = original, place, digs
        self.left = digs

    def begin(self) -> None:
        self.left = self.digs

    def action(self) -> int:
        env = self.original.cart_env
        cart = env.cart
        full = env.capacity - cart.content.sum() < 1e-9
        homeward = cart.departed and (self.left == 0 or full)
        x, y = (-0.05, -0.05) if homeward else self.place
        dx, dy = x - cart.pos[0], y - cart.pos[1]
        if not homeward and math.hypot(dx, dy) < 0.12 and self.left:
            if cart.speed > 0:
                return BRAKE
            self.left -= 1
            return MINE
        error = (math.degrees(math.atan2(dy, dx)) - cart.angle + 180) % 360 - 180
        if abs(error) > 5 * env.frame_skip:
            if cart.speed > 0.05:
                return BRAKE
            return RIGHT if error > 0 else LEFT
        return ACCELERATE if cart.speed < 0.06 else 5


@cache
def record(case: str, path: str) -> Recording:
    """Drive the originals of one case; `path` is where a custom configuration is."""
    arguments = dict(CASES[case])
    if isinstance(arguments.get("config"), dict):
        arguments["config"] = path
    rng = np.random.default_rng(0)
    originals = [Original(arguments) for _ in range(ROWS)]
    cart_env = originals[0].cart_env
    noise = rng.standard_normal((STEPS, ROWS, cart_env.frame_skip, cart_env.ore_cnt))
    # Pilots go to every mine, and to a place just outside the base, from where they return at once.
    places = [(tuple(mine.pos), digs) for mine in cart_env.mines for digs in (1, 3, 100)]
    places += [((0.13, 0.13), 0)] * 3
    pilots = [
        Pilot(original, *places[row % len(places)]) if row % 2 else None
        for row, original in enumerate(originals)
    ]
    first_obs = np.stack([original.env.reset(seed=row)[0] for row, original in enumerate(originals)])
    columns: dict[str, list] = {
        name: [] for name in ("before", "action", "after", "obs", "reward", "terminated", "truncated")
    }
    action = 0
    for step in range(STEPS):
        rows: dict[str, list] = {name: [] for name in columns}
        for row, (original, pilot) in enumerate(zip(originals, pilots, strict=True)):
            # Random actions are held for a while, or the cart never gets anywhere.
            held = rng.random() < 0.6 and step > 0
            action = int(columns["action"][-1][row]) if held else int(rng.integers(6))
            action = action if pilot is None else pilot.action()
            rows["before"].append(original.state())
            obs, reward, terminated, truncated = original.step(action, noise[step, row])
            rows["after"].append(original.state())
            for name, value in (("action", action), ("obs", obs), ("reward", reward)):
                rows[name].append(value)
            rows["terminated"].append(terminated)
            rows["truncated"].append(truncated)
            if terminated or truncated:
                original.env.reset()
                if pilot is not None:
                    pilot.begin()
        for name, values in rows.items():
            columns[name].append(np.array(values))
    stacked = {name: np.stack(steps) for name, steps in columns.items()}
    return Recording(arguments, cart_env.capacity, noise=noise, first_obs=first_obs, **stacked)


@pytest.fixture(params=list(CASES))
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.getbasetemp() / "three_ores.json"
    path.write_text(json.dumps(THREE_ORES))
    return record(request.param, str(path))


def as_state(states: np.ndarray, ores: int, dtype: torch.dtype) -> State:
    """Recorded states (n, 5 + ores) as a State."""
    x, y, speed, heading = (torch.tensor(states[:, k]) for k in range(4))
    return State(
        x.to(dtype),
        y.to(dtype),
        speed.to(dtype),
        heading.round().to(torch.int64),
        torch.tensor(states[:, 4 : 4 + ores]).to(dtype),
        torch.tensor(states[:, -1]) > 0.5,
    )


def assert_same_state(state: State, states: np.ndarray, tolerance: float) -> None:
    expected = as_state(states, state.content.shape[1], torch.float64)
    for name, value in state._asdict().items():
        wanted = getattr(expected, name)
        if value.is_floating_point():
            error = (value.double() - wanted).abs().max().item()
            assert error <= tolerance, f"{name} is off by {error}"
        else:
            assert torch.equal(value, wanted), name


def test_float64_runs_freely(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    env = Minecart(ROWS, dtype=torch.float64, max_episode_steps=LIMIT, **recording.arguments)
    pending = iter(torch.tensor(recording.noise))
    monkeypatch.setattr(env, "draw_step_noise", lambda n, streams: next(pending))
    obs, _ = env.reset(seed=0)
    np.testing.assert_array_equal(obs.numpy(), recording.first_obs)
    for step in range(STEPS):
        assert env._carry is not None
        assert_same_state(env._carry.state, recording.before[step], 1e-9)
        obs, reward, terminated, truncated, info = env.step(torch.tensor(recording.action[step]))
        np.testing.assert_allclose(info["final_obs"].numpy(), recording.obs[step], atol=1e-6, rtol=0)
        np.testing.assert_allclose(reward.numpy(), recording.reward[step], atol=1e-6, rtol=0)
        np.testing.assert_array_equal(terminated.numpy(), recording.terminated[step])
        # Gymnasium's limit sets its flag where the task ends in the same step, too.
        np.testing.assert_array_equal(truncated.numpy(), recording.truncated[step])


def flat(array: np.ndarray) -> np.ndarray:
    """(STEPS, ROWS, ...) as (STEPS * ROWS, ...)."""
    return array.reshape(STEPS * ROWS, *array.shape[2:])


def well_conditioned(recording: Recording) -> np.ndarray:
    """The recorded steps that a change of the state in its last float32 digit leaves where they are.

    The walls make the dynamics discontinuous: a cart whose path returns to within rounding of a wall slides
    along it, or does not.
    """
    single, after = flat(recording.before).astype(np.float32), flat(recording.after)
    env = Minecart(len(single), dtype=torch.float64, max_episode_steps=None, **recording.arguments)
    action, noise = torch.tensor(flat(recording.action)), torch.tensor(flat(recording.noise))
    kept = np.ones(len(single), dtype=bool)
    for towards in (single, -np.inf, np.inf):
        # A cart at a wall is exactly there, and stays.
        nudged = np.where(np.isin(single, (0, 1)), single, np.nextafter(single, towards))
        step = env.transition(as_state(nudged, env.ores, torch.float64), action, noise)
        x, y, speed, heading, *_ = step.state
        for value, column in ((x, 0), (y, 1), (speed, 2), (heading, 3)):
            kept &= np.abs(value.numpy() - after[:, column]) < 1e-5
    return np.flatnonzero(kept)


def test_float32_takes_each_recorded_step(recording: Recording) -> None:
    before = flat(recording.before)
    env = Minecart(len(before), dtype=torch.float32, max_episode_steps=None, **recording.arguments)
    state = as_state(before, env.ores, torch.float32)
    noise = torch.tensor(flat(recording.noise), dtype=torch.float32)
    step = env.transition(state, torch.tensor(flat(recording.action)), noise)
    kept = well_conditioned(recording)
    assert len(kept) > 0.999 * len(before)
    assert_same_state(State(*(part[kept] for part in step.state)), flat(recording.after)[kept], 1e-5)
    np.testing.assert_allclose(step.reward[kept].numpy(), flat(recording.reward)[kept], atol=1e-5, rtol=0)
    np.testing.assert_array_equal(step.terminated[kept].numpy(), flat(recording.terminated)[kept])


def test_recordings_hold_what_matters(recording: Recording) -> None:
    """Guards the tests above: without these events they would say little."""
    content = recording.after[..., 4:-1].sum(axis=-1)
    sold = recording.reward[..., :-1].sum(axis=-1)
    assert recording.action.size >= 10_000
    assert content.max() == pytest.approx(recording.capacity), "a cart was filled, and no more"
    assert (recording.terminated & (sold > 0)).any(), "came home with ore"
    assert (recording.terminated & (sold == 0)).any(), "came home empty"
    assert recording.truncated.any() and set(range(6)) == set(recording.action.ravel().tolist())
    still = np.isin(recording.action, [ACCELERATE, BRAKE, 5])
    slid = recording.after[..., 3] != recording.before[..., 3]
    assert (still & slid & ~recording.terminated).sum() >= 10, "slid along a wall"
