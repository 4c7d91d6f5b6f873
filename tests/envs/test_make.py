"""`make_vec` takes anything, and says clearly what it cannot take."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from mo_gymnasium.wrappers.vector import MOSyncVectorEnv

import morl
from morl.envs.adapters import AsyncAdapter, SyncAdapter
from morl.envs.base import BatchedEnv
from morl.envs.deep_sea_treasure import DeepSeaTreasure
from morl.envs.make import BACKENDS, make_vec
from morl.envs.minecart import Minecart
from morl.envs.vector_adapter import VectorAdapter
from morl.errors import EnvError, MorlError
from morl.spec import EnvSpec

SEA_CLASS = "mo_gymnasium.envs.deep_sea_treasure.deep_sea_treasure:DeepSeaTreasure"


def follow(env: Any, steps: int = 30) -> list[torch.Tensor]:
    """The history of one seed and fixed actions."""
    obs, _ = env.reset(seed=0)
    history = [obs]
    for step in range(steps):
        actions = torch.full((env.num_envs,), (0, 3, 1)[step % 3], dtype=torch.int64)
        *parts, info = env.step(actions)
        history += [*parts, info["final_obs"], info["episode"]["return"], info["episode"]["length"]]
    return history


@pytest.mark.parametrize("env_id", ["deep-sea-treasure-mirrored-v0", "minecart-deterministic-v0"])
def test_every_backend_tells_one_history(env_id: str) -> None:
    reference = follow(make_vec(env_id, 2))
    for backend in BACKENDS:
        if backend == "envpool":  # has MuJoCo's environments only
            continue
        env = make_vec(env_id, 2, backend=backend)
        assert env.env_id == env_id and env.backend == {"auto": "batched"}.get(backend, backend)
        for ours, theirs in zip(reference, follow(env), strict=True):
            assert ours.dtype == theirs.dtype
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
        env.close()


def test_backends_make_what_they_say() -> None:
    kinds = {"auto": BatchedEnv, "batched": BatchedEnv, "original": SyncAdapter, "sync": SyncAdapter}
    for backend, kind in kinds.items():
        assert isinstance(make_vec("minecart-v0", backend=backend), kind)
    env = make_vec("morl/minecart-v0", backend="async")
    assert isinstance(env, AsyncAdapter) and env.env_id == "minecart-v0"
    env.close()


def test_without_a_twin_it_is_a_loop(counter: type[gymnasium.Env], monkeypatch: pytest.MonkeyPatch) -> None:
    spec = gymnasium.envs.registration.EnvSpec("twinless-v0", entry_point=counter)
    monkeypatch.setitem(gymnasium.registry, "twinless-v0", spec)
    env = make_vec("twinless-v0", 3)
    assert isinstance(env, SyncAdapter) and env.backend == "sync" and env.num_objectives == 2


@pytest.mark.parametrize(
    ("env", "env_id", "kind"),
    [
        ("morl.envs.minecart:Minecart", "morl.envs.minecart:Minecart", Minecart),
        (Minecart, "morl.envs.minecart:Minecart", Minecart),
        (SEA_CLASS, SEA_CLASS, SyncAdapter),
        ("mo_gymnasium:deep-sea-treasure-v0", "deep-sea-treasure-v0", DeepSeaTreasure),
        (partial(gymnasium.make, "morl/minecart-v0"), "minecart-v0", SyncAdapter),
        (lambda: gymnasium.make("morl/minecart-v0"), "minecart-v0", SyncAdapter),
        ("gymnasium:make_vec", None, None),
    ],
)
def test_paths_classes_and_factories(env: Any, env_id: str | None, kind: type | None) -> None:
    if kind is None:
        with pytest.raises(EnvError, match="arguments that gymnasium:make_vec takes"):
            make_vec(env, 2)
    else:
        made = make_vec(env, 2)
        assert isinstance(made, kind) and (made.env_id, made.num_envs) == (env_id, 2)


def test_an_unregistered_class_is_named_by_its_path(counter: type[gymnasium.Env]) -> None:
    by_class, by_factory = make_vec(counter, 2, length=4), make_vec(lambda: counter(), 2)
    assert by_class.env_id == by_factory.env_id == f"{counter.__module__}:Counter"
    assert by_class.reward_space.high[0] == 4


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = gymnasium.envs.registration.EnvSpec("lab/more-v0", entry_point="package_that_is_not_there:Env")
    monkeypatch.setitem(gymnasium.registry, "lab/more-v0", missing)
    with pytest.raises(EnvError, match=r"needs to be installed, got .*package_that_is_not_there"):
        make_vec("lab/more-v0")


def test_an_instance_serves_one(counter: type[gymnasium.Env]) -> None:
    assert make_vec(counter()).reset(seed=0)[0].shape == (1, 2)
    with pytest.raises(EnvError, match="pass a factory"):
        make_vec(counter(), 2)
    with pytest.raises(EnvError, match="no arguments for an existing environment"):
        make_vec(counter(), length=3)
    with pytest.raises(EnvError, match="got 'async'"):
        make_vec(counter(), backend="async")


def test_a_vector_environment_keeps_its_number(counter: type[gymnasium.Env]) -> None:
    vector = MOSyncVectorEnv([counter] * 3)
    env = make_vec(vector)
    assert isinstance(env, VectorAdapter) and (env.num_envs, env.num_objectives) == (3, 2)
    with pytest.raises(EnvError, match="expected num_envs=3"):
        make_vec(vector, 2)
    batched = make_vec("minecart-v0", 4)
    assert make_vec(batched) is batched and make_vec(env, 3) is env
    with pytest.raises(EnvError, match="got 'original'"):
        make_vec(batched, backend="original")


@pytest.mark.parametrize("env", ["toys:Corridor", "hypergrid-2d-v0"])
def test_what_has_only_a_batched_form_is_its_own_original(env: Any) -> None:
    assert make_vec(env, 2, backend="original").backend == "batched"
    with pytest.raises(EnvError):
        make_vec(env, 2, backend="sync")


def test_a_vector_class_is_given_the_number() -> None:
    class Vector(MOSyncVectorEnv):
        def __init__(self, num_envs: int) -> None:
            super().__init__([lambda: gymnasium.make("morl/deep-sea-treasure-v0")] * num_envs)

    assert make_vec(Vector, 3).num_envs == 3


def test_gymnasiums_own_vectorisers_are_explained(counter: type[gymnasium.Env]) -> None:
    with pytest.raises(EnvError, match="SyncVectorEnv, which stores scalars; pass one factory"):
        make_vec(SyncVectorEnv([counter]))
    processes = AsyncVectorEnv([counter])
    with pytest.raises(EnvError, match="NEXT_STEP mode, whose resets pay a scalar"):
        make_vec(processes)
    processes.close()
    processes = AsyncVectorEnv([counter], autoreset_mode=AutoresetMode.SAME_STEP)
    assert make_vec(processes).num_objectives == 2
    processes.close()
    with pytest.raises(EnvError, match=r"shape \(2, m\) from CartPole-v1, got \(2,\)"):
        make_vec(gymnasium.make_vec("CartPole-v1", 2))


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        ("minecrat-v0", {}, r"unknown id 'minecrat-v0'. Did you mean 'minecart-v0'\?"),
        ("minecart-v0", {"backend": "orginal"}, "Did you mean 'original'"),
        ("minecart-v0", {"num_envs": 0}, "num_envs"),
        ("minecart-v0", {"frame_skp": 2}, "minecart-v0 takes.*'frame_skp'"),
        ("minecart-v0", {"frame_skp": 2, "backend": "original"}, "minecart-v0 takes.*'frame_skp'"),
        ("mo-lunar-lander-v3", {"backend": "batched"}, "a batched twin of mo-lunar-lander-v3, found none"),
        (SEA_CLASS, {"backend": "batched"}, "a subclass of"),
        (Minecart, {"backend": "sync"}, "which is batched, got 'sync'"),
        ("CartPole-v1", {}, "the scalar 1.0"),
        ("nowhere:Env", {}, "no 'nowhere'"),
        ("nowhere:env-v0", {}, "no 'nowhere'"),
        ("os:sep", {}, "got a str: 'os:sep'"),
        (3, {}, "got a int: 3"),
    ],
)
def test_what_cannot_be_made_is_explained(env: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(MorlError, match=message):
        make_vec(env, **options)


def test_it_is_morl_make_vec_and_has_a_spec() -> None:
    env = morl.make_vec("minecart-v0", num_envs=2)
    spec = EnvSpec.of(env)
    assert EnvSpec.from_dict(spec.to_dict()).single_observation_space == env.single_observation_space


def test_arguments_have_the_names_of_the_twin(tmp_path: Path) -> None:
    arguments = {"frame_skip": 3, "incremental_frame_skip": False, "config": "mine_config_det.json"}
    twin, original = (
        make_vec("minecart-v0", backend=backend, **arguments) for backend in ("auto", "original")
    )
    for ours, theirs in zip(follow(twin), follow(original), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    with pytest.raises(EnvError, match="layout_seed, which only its twin takes"):
        make_vec("minecart-v0", backend="original", layout_seed=1)
    for backend in ("auto", "original"):
        with pytest.raises(EnvError, match="found none at"):
            make_vec("minecart-v0", backend=backend, config=str(tmp_path / "missing.json"))


def test_a_changed_configuration_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    capacities = []
    for capacity in (1.0, 2.0):
        path.write_text(json.dumps({"ore_cnt": 1, "mine_cnt": 1, "capacity": capacity}))
        env = make_vec("minecart-v0", backend="original", config=path)
        capacities.append(float(env.reward_space.high[0]))
    assert capacities == [1.0, 2.0]


def test_originals_do_not_share_their_carts() -> None:
    env = make_vec("minecart-deterministic-v0", 2, backend="original")
    env.reset(seed=0)
    for _ in range(4):
        obs = env.step(torch.tensor([3, 5]))[0]
    assert obs[0, 0] > 0.1 and (obs[1, :3] == 0).all()


def test_a_time_limit_reaches_every_backend() -> None:
    for backend in ("auto", "original"):
        env = make_vec("deep-sea-treasure-v0", backend=backend, max_episode_steps=3)
        env.reset(seed=0)
        flags = [bool(env.step(torch.tensor([0]))[3]) for _ in range(4)]
        assert flags == [False, False, True, False]


def test_the_original_minecart_is_reproducible() -> None:
    """MO-Gymnasium draws its ore from SciPy's global state, which no seed reaches."""

    def dig(seed: int) -> np.ndarray:
        env = make_vec("minecart-v0", backend="original")
        assert isinstance(env, SyncAdapter)
        env.reset(seed=seed)
        env.envs[0].unwrapped.cart.pos = np.array([0.5, 0.84])  # type: ignore[attr-defined]
        return env.step(torch.tensor([0]))[0].numpy()

    assert (dig(1) == dig(1)).all() and (dig(1) != dig(2)).any()
