"""MuJoCo and Box2D through the asynchronous adapter, and what their cards say of them."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings

import gymnasium
import mo_gymnasium  # noqa: F401 - registers its environments
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from morl import registry
from morl.envs.make import make_vec
from morl.envs.originals import make_original

CARDS = {env_id: card for env_id, card in registry.cards().items() if card.extra in ("mujoco", "box2d")}
MODULES = {"mujoco": "mujoco", "box2d": "Box2D"}


def need(env_id: str) -> None:
    pytest.importorskip(MODULES[CARDS[env_id].extra or ""])


def actions_for(env, seed: int) -> torch.Tensor:
    space = env.single_action_space
    generator = torch.Generator().manual_seed(seed)
    if isinstance(space, Discrete):
        return torch.randint(int(space.n), (env.num_envs,), generator=generator)
    low, high = torch.from_numpy(space.low), torch.from_numpy(space.high)
    return low + (high - low) * torch.rand((env.num_envs, *space.shape), generator=generator)


def test_every_id_has_a_card() -> None:
    entry = re.compile(r"mo_gymnasium\.envs\.(mujoco|lunar_lander)\.")
    ids = {env_id for env_id, spec in gymnasium.registry.items() if entry.match(str(spec.entry_point))}
    assert ids == CARDS.keys() and len(ids) == 20


@pytest.mark.parametrize("env_id", CARDS)
def test_every_id_runs_in_processes(env_id: str) -> None:
    need(env_id)
    env = make_vec(env_id, num_envs=2, backend="async")
    card = CARDS[env_id]
    try:
        obs, _ = env.reset(seed=0)
        total = torch.zeros(2, card.num_objectives)
        for step in range(4):
            assert obs.dtype == torch.float32 and env.observation_space.contains(obs.numpy())
            obs, reward, terminated, truncated, _ = env.step(actions_for(env, step))
            assert reward.shape == (2, card.num_objectives) and not (terminated | truncated).any()
            total += reward
        assert (total[0] != total[1]).any(), "each copy has its own seed"
    finally:
        env.close()
    # "17 floats: ..." and "6 torques in ...", "9 choices: ..." are the sizes of the spaces.
    assert int(card.observation.split()[0]) == env.single_observation_space.shape[0]
    size = env.single_action_space.n if isinstance(env.single_action_space, Discrete) else None
    assert int(card.action.split()[0]) == (size or env.single_action_space.shape[0])
    limits = re.search(r"in \[(.*), (.*)\]", card.action)
    if limits is not None:
        assert isinstance(env.single_action_space, Box)
        np.testing.assert_allclose(env.single_action_space.low, float(limits[1]), rtol=1e-6)
        np.testing.assert_allclose(env.single_action_space.high, float(limits[2]), rtol=1e-6)


@pytest.mark.parametrize("env_id", ["mo-hopper-v5", "mo-lunar-lander-v3"])
def test_processes_and_the_loop_tell_one_history(env_id: str) -> None:
    need(env_id)
    loop, processes = (make_vec(env_id, num_envs=2, backend=backend) for backend in ("sync", "async"))
    first, second = loop.reset(seed=1)[0], processes.reset(seed=1)[0]
    ends = 0
    for step in range(120):
        assert torch.equal(first, second)
        (first, *ours), (second, *theirs) = (env.step(actions_for(loop, step)) for env in (loop, processes))
        assert all(torch.equal(a, b) for a, b in zip(ours[:3], theirs[:3], strict=True))
        assert torch.equal(ours[3]["final_obs"], theirs[3]["final_obs"])
        ends += int((ours[1] | ours[2]).sum())
    assert ends >= 2
    processes.close()


@pytest.mark.parametrize(
    ("name", "bonus"), [("hopper", 1.0), ("walker2d", 1.0), ("ant", 1.0), ("humanoid", 5.0)]
)
def test_version_four_still_pays_in_the_step_that_falls(name: str, bonus: float) -> None:
    """As the cards' descriptions have it; the last objective is energy."""
    need(f"mo-{name}-v5")
    for version, last in ((4, bonus), (5, 0.0)):
        env = make_original(f"mo-{name}-v{version}")
        env.reset(seed=1)
        env.action_space.seed(1)
        terminated, contact, step = False, 0.0, 0
        while not terminated:
            action = env.action_space.sample()
            _, reward, terminated, truncated, info = env.step(action)
            contact = info.get("reward_contact", 0.0) if version == 5 else 0.0
            energy = reward[-1] - contact + np.square(action).sum()
            assert energy == pytest.approx(last if terminated else bonus, abs=2e-3)
            step += 1
            assert not truncated, "it should have fallen"
        env.close()


def test_the_less_of_the_two_objective_forms() -> None:
    need("mo-ant-v5")
    for env_id, two, weight in (
        ("mo-hopper-v4", "mo-hopper-2d-v4", 0.001),
        ("mo-hopper-v5", "mo-hopper-2obj-v5", 0.001),
        ("mo-ant-v4", "mo-ant-2d-v4", 0.5),
        ("mo-ant-v5", "mo-ant-2obj-v5", 0.5),
    ):
        rewards = []
        for name in (env_id, two):
            env = make_original(name)
            env.reset(seed=0)
            action = np.full(env.action_space.shape, 0.5, dtype=np.float32)
            rewards.append(env.step(action)[1])
        np.testing.assert_allclose(rewards[0][:2] - rewards[1], weight * np.square(action).sum(), rtol=1e-3)
        assert f"{weight:g} x the energy" in CARDS[two].description


def test_an_older_version_is_made_without_a_warning() -> None:
    need("mo-hopper-v4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_original("mo-hopper-v4").close()


WITHOUT = """
import sys
sys.modules.update({"mujoco": None, "Box2D": None, "envpool": None})
from morl.envs.make import make_vec
for env_id, backend in (("mo-hopper-v5", "auto"), ("mo-lunar-lander-v3", "async"), ("mo-hopper-v5", "envpool")):
    try:
        make_vec(env_id, backend=backend)
    except ValueError as error:
        print(type(error).__name__, str(error).replace("\\n", " "))
"""


def test_what_is_missing_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    for line, extra in zip(done.stdout.splitlines(), ("mujoco", "box2d", "envpool"), strict=True):
        assert line.startswith("EnvError expected") and f"pip install 'morl[{extra}]'" in line
