"""EnvPool's physics with MO-Gymnasium's rewards, beside MO-Gymnasium on MuJoCo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pools import draw, watched

from morl.envs.envpool_backend import PHYSICS, EnvPoolAdapter
from morl.envs.envpool_rewards import Seen
from morl.envs.make import make_vec
from morl.envs.originals import make_original

mujoco = pytest.importorskip("mujoco")
pytest.importorskip("envpool")

COPIES = 3
SAME_MUJOCO = mujoco.__version__.startswith("3.6.")
"""EnvPool is built on this version; another one rounds otherwise, and legs on the ground are chaotic."""

VARIANTS: dict[str, dict[str, Any]] = {
    "mo-halfcheetah-v5": {"ctrl_cost_weight": 0.3, "frame_skip": 3},
    "mo-swimmer-v5": {"forward_reward_weight": 2.0, "reset_noise_scale": 0.2},
    "mo-walker2d-v5": {
        "healthy_reward": 0.25,
        "healthy_z_range": (1.1, 1.3),
        "healthy_angle_range": (-0.3, 0.3),
    },
    "mo-hopper-v5": {
        "terminate_when_unhealthy": False,
        "healthy_reward": 2.0,
        "healthy_z_range": (1.1, float("inf")),
        "healthy_state_range": (-5.0, 5.0),
        "forward_reward_weight": 0.5,
    },
    "mo-hopper-2obj-v5": {"cost_objective": True, "healthy_angle_range": (-0.1, 0.1)},
    "mo-ant-v5": {"cost_objective": False, "terminate_when_unhealthy": False, "healthy_z_range": (0.5, 0.7)},
    "mo-ant-2obj-v5": {"contact_cost_weight": 0.1, "contact_force_range": (-0.5, 2.0)},
    "mo-humanoid-v5": {"contact_cost_weight": 1e-3, "contact_cost_range": (-float("inf"), 3.0)},
}


def put(original: Any, state: np.ndarray) -> None:
    """Start an original where EnvPool started."""
    original.reset()
    positions = original.model.nq
    original.set_state(state[:positions], state[positions : positions + original.model.nv])


@pytest.mark.skipif(not SAME_MUJOCO, reason="bit for bit only with the version of MuJoCo inside EnvPool")
@pytest.mark.parametrize("varied", [False, True], ids=["defaults", "variant"])
@pytest.mark.parametrize("env_id", PHYSICS)
def test_it_runs_as_the_original_does(env_id: str, varied: bool) -> None:
    """Whole episodes, equal bit for bit: states, reward vectors, flags; through resets."""
    arguments = VARIANTS[env_id] if varied else {}
    steps = 240 if "ant" in env_id else 80  # an ant stands longer than the others
    env = watched(env_id, COPIES, max_episode_steps=steps // 2, **arguments)
    originals: list[Any] = [make_original(env_id, **arguments).unwrapped for _ in range(COPIES)]
    env.reset(seed=4)
    for original, state in zip(originals, env._pool.fresh, strict=True):
        put(original, state)
    generator = torch.Generator().manual_seed(0)
    falls = limits = bonuses = 0
    lengths = np.zeros(COPIES, dtype=int)
    for _ in range(steps):
        action = draw(env, generator)
        _, reward, terminated, truncated, _ = env.step(action)
        lengths += 1
        done = (terminated | truncated).numpy()
        restarts = iter(env._pool.fresh)
        for row, original in enumerate(originals):
            _, wanted, over, _, info = original.step(action[row].numpy())
            state = np.concatenate((original.data.qpos, original.data.qvel))
            if "hopper" in env_id or "walker2d" in env_id:
                state[original.model.nq :] = state[original.model.nq :].clip(-10, 10)
            np.testing.assert_array_equal(state, env._pool.stepped[row, : len(state)])
            # Sums over bodies round in another order, and arguments beside the defaults in another precision.
            slack = 1e-6 if varied else 0
            np.testing.assert_allclose(reward[row].numpy(), wanted, rtol=slack, atol=slack)
            assert (bool(terminated[row]), bool(truncated[row])) == (bool(over), lengths[row] >= steps // 2)
            bonuses += info.get("reward_survive", 0) > 0
            if done[row]:
                put(original, next(restarts))
        lengths[done] = 0
        falls, limits = falls + int(terminated.sum()), limits + int(truncated.sum())
    can_fall = "healthy_reward" in PHYSICS[env_id].names and arguments.get("terminate_when_unhealthy", True)
    assert bool(falls) == bool(can_fall) and falls + limits >= 4
    if varied and not can_fall and "healthy_reward" in PHYSICS[env_id].names:
        assert 0 < bonuses < steps * COPIES, "both healthy and not"


@pytest.mark.parametrize("env_id", PHYSICS)
def test_the_reward_of_one_step_under_any_version_of_mujoco(env_id: str) -> None:
    env = watched(env_id, 16)
    env.reset(seed=3)
    generator = torch.Generator().manual_seed(1)
    action = draw(env, generator)
    fresh = env._pool.fresh
    reward = env.step(action)[1]
    original: Any = make_original(env_id).unwrapped
    for row in range(16):
        put(original, fresh[row])
        wanted = original.step(action[row].numpy())[1]
        np.testing.assert_allclose(reward[row].numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize("env_id", PHYSICS)
def test_rewards_are_functions_of_what_is_shown(env_id: str) -> None:
    """Fed with what the original itself shows, under EnvPool's names, they are its rewards bit for bit."""
    env = make_original(env_id)
    original: Any = env.unwrapped
    adapter = EnvPoolAdapter(env_id, 1)
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(100):
        action = env.action_space.sample()
        obs, wanted, terminated, truncated, info = env.step(action)
        scalar = sum(
            float(info.get(name, 0.0))
            for name in ("reward_forward", "reward_ctrl", "reward_survive", "reward_contact")
        )
        shown = {name: np.array([value]) for name, value in info.items() if np.ndim(value) == 0}
        shown["reward_alive"] = shown.get("reward_survive", np.zeros(1))
        shown["reward_impact"] = shown.get("reward_contact", np.zeros(1))
        seen = Seen(obs[None], action[None], np.array([scalar], dtype=np.float32), shown)
        np.testing.assert_array_equal(adapter._reward(seen, adapter._terms)[0], wanted)
        if terminated or truncated:
            env.reset()
    assert original.reward_dim == adapter.num_objectives


def test_spaces_are_those_of_the_original() -> None:
    for env_id in PHYSICS:
        ours, theirs = make_vec(env_id, 2, backend="envpool"), make_vec(env_id, 2, backend="original")
        assert ours.env_id == theirs.env_id == env_id and ours.backend == "envpool"
        assert ours.single_observation_space == theirs.single_observation_space
        assert ours.single_action_space == theirs.single_action_space
        assert ours.reward_space == theirs.reward_space
