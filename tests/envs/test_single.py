"""The single-environment view: Gymnasium's own rules, one time limit, the batch's dynamics."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from gymnasium.wrappers import TimeLimit

import morl.envs
from morl.envs.minecart import Minecart
from morl.envs.single import SingleEnv
from morl.errors import EnvError

IDS = sorted(env_id for env_id in gymnasium.registry if env_id.startswith("morl/"))


@pytest.mark.filterwarnings("ignore:.*reward returned by .step.*must be a float:UserWarning")
# The reservoir's space is the original's.
@pytest.mark.filterwarnings(
    "ignore:.*(maximum value is infinity|a symmetric and normalized space):UserWarning"
)
@pytest.mark.parametrize("env_id", IDS)
def test_gymnasiums_checker_objects_to_nothing_but_the_vector(env_id: str) -> None:
    gymnasium_check_env(gymnasium.make(env_id).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("env_id", IDS)
def test_plays_as_a_batch_of_one(env_id: str) -> None:
    single, batch = gymnasium.make(env_id), gymnasium.make_vec(env_id, num_envs=1)
    assert single.get_wrapper_attr("reward_space") == batch.reward_space  # type: ignore[attr-defined]
    obs, _ = single.reset(seed=4)
    expected, _ = batch.reset(seed=4)
    single.action_space.seed(0)
    for _ in range(150):
        np.testing.assert_array_equal(obs, expected[0].numpy())
        action = single.action_space.sample()
        obs, reward, terminated, truncated, _ = single.step(action)
        expected, payment, ended, cut, info = batch.step(torch.as_tensor(np.asarray(action)[None]))
        np.testing.assert_array_equal(reward, payment[0].numpy())
        assert (terminated, truncated) == (bool(ended[0]), bool(cut[0]))
        np.testing.assert_array_equal(obs, info["final_obs"][0].numpy())
        if terminated or truncated:
            obs, _ = single.reset()


def test_there_is_one_time_limit() -> None:
    env = gymnasium.make("morl/minecart-v0", max_episode_steps=7)
    layers, layer = [], env
    while isinstance(layer, gymnasium.Wrapper):
        layers.append(type(layer))
        layer = layer.env
    assert layers.count(TimeLimit) == 1 and layer.unwrapped.batch.max_episode_steps is None  # type: ignore
    env.reset(seed=0)
    flags = [env.step(5)[3] for _ in range(7)]
    assert flags == [False] * 6 + [True]


def test_without_gymnasiums_wrapper_it_may_have_its_own() -> None:
    env = SingleEnv(Minecart, max_episode_steps=2)
    env.reset(seed=0)
    assert [env.step(5)[3] for _ in range(2)] == [False, True]
    with pytest.raises(EnvError, match="also after an episode's end"):
        env.step(5)


def test_wrong_use_is_explained() -> None:
    env = SingleEnv(Minecart)
    with pytest.raises(EnvError, match=r"reset\(\) before step"):
        env.step(0)
    env.reset(seed=0)
    for action in (6, -1, 0.5):
        with pytest.raises(EnvError, match="an action in Discrete"):
            env.step(action)
    with pytest.raises(EnvError, match="do not render"):
        gymnasium.make("morl/minecart-v0", render_mode="human")


def test_seeds_make_episodes() -> None:
    env = morl.envs.SingleEnv(Minecart)

    def dig_once(seed: int) -> np.ndarray:
        env.reset(seed=seed)
        env.batch._carry = env.batch._carry._replace(  # type: ignore[union-attr]
            state=env.batch._carry.state._replace(x=torch.tensor([0.5]), y=torch.tensor([0.84]))  # type: ignore
        )
        return env.step(0)[0]

    assert (dig_once(1) == dig_once(1)).all() and (dig_once(1) != dig_once(2)).any()
