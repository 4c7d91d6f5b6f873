"""EnvPool under the contract of every tensor environment: episodes, seeds, evaluation, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pools import draw, watched
from torch import Tensor

import morl
from morl.envs.envpool_backend import PHYSICS
from morl.envs.make import make_vec
from morl.envs.originals import make_original
from morl.envs.physics_cards import NOT_ON_ENVPOOL
from morl.errors import EnvError
from morl.transitions import Transitions

pytest.importorskip("mujoco")
pytest.importorskip("envpool")


def test_episodes_restart_in_the_same_step() -> None:
    """What a learner stores: no step that only resets, the last observation of each episode, its statistics."""
    env = watched("mo-hopper-v5", 8, max_episode_steps=25)
    transitions = Transitions(env)
    transitions.reset(seed=0)
    generator = torch.Generator().manual_seed(0)
    lengths, returns = np.zeros(8, dtype=int), np.zeros((8, 3))
    ends = np.zeros(2, dtype=int)
    for _ in range(120):
        step = transitions.step(draw(env, generator))
        assert step.valid is None, "every row is a step"
        np.testing.assert_array_equal(step.next_obs.numpy(), env._pool.stepped.astype(np.float32))
        done = (step.terminated | step.truncated).numpy()
        lengths, returns = lengths + 1, returns + step.reward.numpy()
        episode = transitions.info["episode"]
        np.testing.assert_array_equal(episode["length"], lengths)
        np.testing.assert_allclose(episode["return"], returns, rtol=1e-5)
        assert (step.truncated.numpy() == (lengths == 25)).all()
        after = transitions.obs.numpy()
        np.testing.assert_array_equal(after[~done], step.next_obs.numpy()[~done])
        if done.any():
            np.testing.assert_array_equal(after[done], env._pool.fresh.astype(np.float32))
            assert (np.abs(after[done][:, 1] - 1.25) <= 0.006).all(), "they stand again"
            assert (step.next_obs.numpy()[step.terminated.numpy()][:, 1] < 1.25).all()
        lengths[done], returns[done] = 0, 0
        ends += step.terminated.sum().item(), step.truncated.sum().item()
    assert (ends > 4).all()


def test_a_fall_at_the_time_limit_is_both() -> None:
    def fall(limit: int) -> tuple[int, bool, bool]:
        env = make_vec("mo-hopper-v5", backend="envpool", max_episode_steps=limit)
        env.reset(seed=0)
        for step in range(1, limit + 1):
            _, _, terminated, truncated, info = env.step(torch.full((1, 3), 0.8))
            if terminated or truncated:
                assert info["episode"]["length"].item() == step
                return step, bool(terminated), bool(truncated)
        raise AssertionError("neither fell nor ran out of time")

    step, terminated, truncated = fall(1000)
    assert (terminated, truncated) == (True, False)
    assert fall(step) == (step, True, True)
    assert fall(step - 1) == (step - 1, False, True)


def follow(env: Any, steps: int = 40) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    history = []
    for _ in range(steps):
        *parts, info = env.step(draw(env, generator))
        history += [*parts, info["final_obs"], info["episode"]["return"]]
    return history


def test_a_seed_makes_a_history() -> None:
    env, other = (make_vec("mo-walker2d-v5", 3, backend="envpool", num_threads=threads) for threads in (0, 1))
    first, _ = env.reset(seed=7)
    history = follow(env)
    assert any(bool(part.any()) for part in history if part.dtype == torch.bool), "through resets"
    assert torch.equal(first, other.reset(seed=7)[0])
    assert all(torch.equal(a, b) for a, b in zip(history, follow(other), strict=True))
    assert len(first.unique(dim=0)) == 3, "each copy has its own"
    again, _ = env.reset()
    assert not torch.equal(again, first), "None goes on with the streams"
    assert not torch.equal(env.reset(seed=8)[0], first) and torch.equal(env.reset(seed=7)[0], first)


def test_a_row_depends_on_its_own_seed_alone() -> None:
    env, alone = make_vec("mo-ant-v5", 3, backend="envpool"), make_vec("mo-ant-v5", backend="envpool")
    several, _ = env.reset(seed=[5, 6, 5])
    one, _ = alone.reset(seed=[6])
    assert torch.equal(several[0], several[2]) and torch.equal(several[1], one[0])
    actions = torch.rand((30, 1, 8), generator=torch.Generator().manual_seed(0))
    for action in actions:
        together, single = env.step(action.expand(3, 8)), alone.step(action)
        for a, b in zip(together[:4], single[:4], strict=True):
            assert torch.equal(a[1], b[0])
    env.reset(seed=[1, None, 2])
    with pytest.raises(EnvError, match="expected 3 seeds"):
        env.reset(seed=[1])


def test_evaluation_says_whose_physics_it_was() -> None:
    class Still:
        def __init__(self, preferences: Tensor) -> None:
            self.size = len(preferences)

        def reset(self, mask: Tensor | None = None) -> None: ...

        def act(self, obs: Tensor) -> Tensor:
            return torch.zeros(self.size, 3)

        def observe(self, reward: Tensor, done: Tensor) -> None: ...

    options: dict[str, Any] = {"weights": [[1, 0], [0, 1]], "episodes": 2, "seed": 3, "max_steps": 120}
    fronts = [morl.evaluate(Still, "mo-hopper-2obj-v5", backend="envpool", **options) for _ in range(2)]
    assert fronts[0].backend == "envpool" and fronts[0].objectives == ("velocity", "height")
    np.testing.assert_array_equal(fronts[0].episode_returns, fronts[1].episode_returns)
    assert fronts[0].episode_seeds is not None and len(np.unique(fronts[0].episode_seeds)) == 4
    assert len(np.unique(fronts[0].episode_returns[..., 0])) == 4


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        ("mo-reacher-v5", {}, "got 'mo-reacher-v5' .*four.*backend='async'"),
        ("mo-lunar-lander-v3", {}, "float32"),
        ("mo-hopper-v4", {}, "one of mo-halfcheetah-v5, .*, got 'mo-hopper-v4'"),
        ("minecart-v0", {}, "got 'minecart-v0'"),
        ("mo-hoper-v5", {}, "Did you mean 'mo-hopper-v5'"),
        (lambda: None, {}, "expected for backend 'envpool' one of"),
        (
            "mo-hopper-v5",
            {"xml_file": "my.xml"},
            r"knows \(cost_objective, .*\), got xml_file; use backend='async'",
        ),
        ("mo-hopper-v5", {"healthy_z_range": (0.7, 2.0)}, "an infinite bound in healthy_z_range"),
        ("mo-hopper-v5", {"healthy_angle_range": 0.2}, "a pair of numbers as healthy_angle_range"),
        ("mo-hopper-v5", {"frame_skip": "four"}, "arguments that mo-hopper-v5 takes"),
        ("mo-halfcheetah-v5", {"cost_objective": False}, "mo-halfcheetah-v5 takes, got cost_objective"),
        ("mo-hopper-v5", {"max_episode_steps": 0}, "max_episode_steps"),
        ("mo-hopper-v5", {"num_envs": 0}, "num_envs"),
    ],
)
def test_what_cannot_be_made_is_explained(env: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        make_vec(env, backend="envpool", **options)


def test_wrong_use_is_explained() -> None:
    env = make_vec("mo-hopper-v5", 2, backend="envpool")
    with pytest.raises(EnvError, match=r"reset\(\) before step"):
        env.step(torch.zeros(2, 3))
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"actions of shape \(2, 3\)"):
        env.step(torch.zeros(2, 2))
    with pytest.raises(EnvError, match="got 'envpool'"):
        make_vec(make_original("mo-hopper-v5"), backend="envpool")
    env.close()
    with pytest.raises(EnvError, match=r"reset\(\) before step"):
        env.step(torch.zeros(2, 3))


def test_cards_say_what_runs_on_it() -> None:
    cards = {env_id: card for env_id, card in morl.registry.cards().items() if card.extra is not None}
    assert {
        env_id for env_id, card in cards.items() if "also on EnvPool" in card.description
    } == PHYSICS.keys()
    assert {
        env_id for env_id, card in cards.items() if "not on EnvPool" in card.description
    } == NOT_ON_ENVPOOL.keys()
