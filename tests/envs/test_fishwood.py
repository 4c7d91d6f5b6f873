"""The batched FishWood against MO-Gymnasium's, step by step, with the same noise."""

from __future__ import annotations

from typing import Any

import mo_gymnasium
import numpy as np
import pytest
import torch
from beside import record, run_freely, take_each_step

from morl.envs.fishwood import RIVER, WOODS, FishWood, front
from morl.envs.make import make_vec
from morl.envs.originals import make_original
from morl.errors import EnvError

ROWS, STEPS = 32, 420
CASES: list[dict[str, Any]] = [
    {},
    {"fishproba": 0.5, "woodproba": 0.25, "max_episode_steps": 37},
    {"fishproba": 1, "woodproba": 0},
]


def act(row: int, original: Any, rng: np.random.Generator) -> int:
    """A quarter of the rows each: anywhere, always fishing, always in the woods, to and fro."""
    place = int(original._state[0])
    return (int(rng.integers(2)), RIVER, WOODS, 1 - place)[row % 4]


@pytest.mark.parametrize("arguments", CASES)
def test_equals_the_original(arguments: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    recording = record(
        lambda: make_original("fishwood-v0", **arguments),
        lambda original: [float(original._state[0])],
        act,
        noise=rng.random((STEPS, ROWS)),
        starts=np.zeros((STEPS + 1, ROWS)),
    )
    assert recording.action.size >= 10_000
    assert recording.truncated.sum() >= ROWS * 2 and not recording.terminated.any()
    found = recording.reward.sum(axis=(0, 1))
    assert (found > 0).tolist() == [True, arguments.get("woodproba", 0.9) > 0]
    assert run_freely(FishWood(ROWS, dtype=torch.float64, **arguments), recording, atol=0, reward_rtol=0) == 0
    take_each_step(lambda n: FishWood(n, **arguments), recording, atol=0)


def test_the_spaces_are_the_originals() -> None:
    env, original = FishWood(1), make_original("fishwood-v0")
    assert env.single_observation_space == original.observation_space
    assert env.single_action_space == original.action_space
    assert env.reward_space == original.get_wrapper_attr("reward_space")


@pytest.mark.parametrize("backend", ["batched", "original"])
def test_the_time_limit_truncates_and_does_not_terminate(backend: str) -> None:
    env = make_vec("fishwood-v0", 2, backend=backend)
    env.reset(seed=0)
    for step in range(200):
        *_, terminated, truncated, _ = env.step(torch.zeros(2, dtype=torch.int64))
        assert not terminated.any() and bool(truncated.all()) == (step == 199)
    bare = mo_gymnasium.make("fishwood-v0")
    bare.reset(seed=0)
    assert [bare.step(0)[2:4] for _ in range(200)][-1] == (True, True)  # the defect


@pytest.mark.parametrize("gamma", [0.9, 0.99, 1.0])
def test_the_front_is_what_plans_are_worth(gamma: float) -> None:
    """Each point by summing chances along its plan; none of many random plans is off the line through them."""
    points, chances = front(gamma), np.array([0.1, 0.9])
    rng = np.random.default_rng(0)

    def worth(places: np.ndarray) -> np.ndarray:
        return np.array(
            [sum(gamma**t * chances[p] for t, p in enumerate(places) if p == k) for k in (RIVER, WOODS)]
        )

    for hours in (0, 1, 50, 199):
        plan = np.array([WOODS] * (200 - hours) + [RIVER] * hours)
        np.testing.assert_allclose(points[hours], worth(plan), rtol=1e-12)
    for _ in range(50):
        fish, wood = worth(np.concatenate(([WOODS], rng.integers(2, size=199))))
        assert np.interp(fish, *points.T) == pytest.approx(wood, rel=1e-9)


def test_wrong_chances_are_refused() -> None:
    with pytest.raises(EnvError, match=r"probability in \[0, 1\] as woodproba, got 1.5"):
        FishWood(1, woodproba=1.5)
