"""The batched breakable bottles against MO-Gymnasium's, step by step, with the same noise; and its best plans."""

from __future__ import annotations

from typing import Any

import gymnasium
import mo_gymnasium
import numpy as np
import pytest
import torch
from beside import record, run_freely, take_each_step
from gymnasium.wrappers import FlattenObservation

from morl.envs.breakable_bottles import LEFT, PICK_UP, RIGHT, BreakableBottles, front
from morl.envs.make import make_vec
from morl.envs.originals import make_original
from morl.envs.planning import Model, enumerate_model
from morl.errors import EnvError

ROWS, STEPS = 48, 220
CASES: list[dict[str, Any]] = [
    {},
    {"unbreakable_bottles": True, "prob_drop": 0.5},
    {"size": 3, "prob_drop": 1.0, "time_penalty": -0.3, "max_episode_steps": 23},
    {
        "size": 8,
        "prob_drop": 0.25,
        "bottle_reward": 0.7,
        "unbreakable_bottles": True,
        "max_episode_steps": 70,
    },
    {"size": 6, "prob_drop": 0, "time_penalty": 2, "bottle_reward": 3},
]


def act(row: int, original: Any, rng: np.random.Generator) -> int:
    """A sixth of the rows each: see the scripts."""
    place, carrying, lies = original.location, original.carrying_now, original.lies_here
    end = original.size - 1
    fetch = PICK_UP if place == 0 else LEFT
    return (
        int(rng.integers(3)),  # anything
        fetch if carrying == 0 else RIGHT,  # one by one
        fetch if carrying < 2 and (place == 0 or carrying == 0) else RIGHT,  # both, and on
        # Both, back for another after each drop, never home: bottles pile up.
        fetch if carrying < 2 else RIGHT if place < end - 1 else LEFT,
        PICK_UP if lies and carrying < 2 else fetch if carrying == 0 else RIGHT,  # takes what it finds
        (LEFT, RIGHT, PICK_UP)[int(rng.choice(3, p=[0.3, 0.5, 0.2]))],
    )[row % 6]


class Seen:
    """An original as the scripts see it."""

    def __init__(self, original: Any) -> None:
        self.location, self.size = original.location, original.size
        self.carrying_now = original.bottles_carrying
        between = 0 < self.location < self.size - 1
        self.lies_here = between and original.bottles_dropped[self.location - 1] > 0


def flat_original(**arguments: Any) -> gymnasium.Env:
    return FlattenObservation(make_original("breakable-bottles-v0", **arguments))


@pytest.mark.parametrize("arguments", CASES)
def test_equals_the_original(arguments: dict[str, Any]) -> None:
    recording = record(
        lambda: flat_original(**arguments),
        lambda o: [
            (o.location * 3 + o.bottles_carrying) * 3 + o.bottles_delivered,
            *o.bottles_dropped,
        ],
        lambda row, original, rng: act(row, Seen(original), rng),
        noise=np.random.default_rng(4).random((STEPS, ROWS)),
        starts=np.zeros((STEPS + 1, ROWS)),
    )
    assert recording.action.size >= 10_000
    # Guards the comparison: one and two delivered, the time limit, piles, and litter picked up.
    reward = arguments.get("bottle_reward", 25)
    paid = {round(float(value / reward)) for value in np.unique(recording.reward[..., 1])}
    assert paid == ({0, 1} if arguments.get("prob_drop") == 1 else {0, 1, 2})
    assert recording.terminated.any() and recording.truncated.any()
    assert (recording.after[..., 1:].max() > 1) == (arguments.get("prob_drop") != 0)
    assert (recording.reward[..., 2] > 0).any() == arguments.get("unbreakable_bottles", False)
    env = BreakableBottles(ROWS, dtype=torch.float64, **arguments)
    assert run_freely(env, recording, atol=0, reward_rtol=0) == 0
    take_each_step(lambda n: BreakableBottles(n, **arguments), recording, atol=1e-6)


@pytest.mark.parametrize("arguments", CASES)
def test_the_spaces_are_gymnasiums_and_both_backends_the_same(arguments: dict[str, Any]) -> None:
    env, original = BreakableBottles(1, **arguments), flat_original(**arguments)
    assert env.single_observation_space == original.observation_space
    assert env.single_action_space == original.action_space
    for backend in ("batched", "original"):
        made = make_vec("breakable-bottles-v0", 3, backend=backend, **arguments)
        assert made.single_observation_space == env.single_observation_space
        assert made.reward_space == env.reward_space
        made.reset(seed=0)
        made.step(torch.tensor([0, 1, 2]))
    bare: Any = mo_gymnasium.make("breakable-bottles-v0", **arguments).unwrapped
    mended = arguments.get("unbreakable_bottles", False) or arguments.get("time_penalty", -1) > 0
    assert (bare.reward_space == env.reward_space) != mended


def test_the_original_leaves_its_spaces() -> None:
    """Two drops at one place; and the last dropped bottle picked up, by whom it cannot break."""
    arguments = {"prob_drop": 1.0, "size": 4, "unbreakable_bottles": True}
    bare: Any = mo_gymnasium.make("breakable-bottles-v0", disable_env_checker=True, **arguments).unwrapped
    env = BreakableBottles(1, dtype=torch.float64, **arguments)
    bare.reset(seed=0)
    env.reset(seed=0)
    fetch = [LEFT] * 3 + [PICK_UP] * 2 + [RIGHT] * 2
    regain, drop_again, drop_beside_it = [LEFT, PICK_UP], [RIGHT], [LEFT, LEFT, PICK_UP, RIGHT, RIGHT]
    seen, paid = [], []
    for action in fetch + regain + drop_again + drop_beside_it:
        obs, reward, *_ = bare.step(action)
        final, ours, *_ = env.step(torch.tensor([action]))
        seen.append(bare.observation_space.contains(obs))
        paid.append(bare.reward_space.contains(np.array(reward, dtype=np.float32)))
        assert ours[0].tolist() == reward
        assert env.single_observation_space.contains(final[0].numpy())
        assert env.reward_space.contains(ours[0].float().numpy())
    assert [place for place, inside in enumerate(seen) if not inside] == [len(seen) - 1]
    assert [place for place, inside in enumerate(paid) if not inside] == [len(fetch) + 1]


def best_for(model: Model, weights: np.ndarray, gamma: float) -> float:
    """What the best policy is worth for these weights, by value iteration over 100 steps."""
    worth = np.zeros(len(model.states))
    for _ in range(100):
        ahead = (model.chance * worth[model.successor]).sum(axis=2)
        worth = (model.reward @ weights + gamma * ahead).max(axis=1)
    return float(worth[model.starts[0]])


class AnyLitter(BreakableBottles):
    """The same, planned with another merging of states: some bottles lie everywhere, or none anywhere."""

    def canonical(self, state: Any) -> Any:
        lies = (state.dropped > 0).any(dim=1, keepdim=True).to(state.dropped.dtype)
        return state._replace(dropped=lies.expand(-1, 3))


@pytest.mark.parametrize(("gamma", "size"), [(0.9, 4), (0.99, 3), (1.0, 2)])
def test_no_policy_is_worth_more_for_any_weights(gamma: float, size: int) -> None:
    model = enumerate_model(AnyLitter(1, dtype=torch.float64))
    points = front(gamma)
    assert len(points) == size
    for weights in np.random.default_rng(0).dirichlet(np.full(3, 0.5), 100):
        assert (points @ weights).max() == pytest.approx(best_for(model, weights, gamma), abs=1e-9)


def test_the_undiscounted_plans_by_hand() -> None:
    alone, both = sorted(front(1.0).tolist())
    assert alone == [-18, 50, 0]
    assert both[1:] == pytest.approx([50, -(1 - 0.9**3)])


@pytest.mark.parametrize("backend", ["batched", "original"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 2}, "at least 3 locations"),
        ({"prob_drop": 1.5}, r"probability in \[0, 1\] as prob_drop, got 1.5"),
        ({"bottle_reward": -1}, "bottle_reward of at least 0"),
    ],
)
def test_wrong_arguments_are_refused(backend: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        make_vec("breakable-bottles-v0", backend=backend, **arguments)
