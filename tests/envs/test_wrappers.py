"""Wrappers agree with Gymnasium's step by step on every backend, keep episodes apart, and stay tensor programs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import wrappers as theirs
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.wrappers.utils import RunningMeanStd
from mo_gymnasium.wrappers.vector import MOSyncVectorEnv
from toys import Corridor, CorridorWalker

import morl
from morl import store
from morl.cli import main
from morl.envs.check import check_env
from morl.envs.make import make_vec
from morl.envs.purity import check_pure
from morl.envs.vector_adapter import VectorAdapter
from morl.envs.wrapper import TensorWrapper
from morl.envs.wrappers import (
    ActionRepeat,
    FlattenObservation,
    FrameStackObservation,
    NormalizeObservation,
    ScaleReward,
    Statistics,
    TimeAwareObservation,
)
from morl.errors import EnvError, MorlError

N, STEPS, LIMIT = 3, 60, 9
SEA = "deep-sea-treasure-v0"
BACKENDS = ("batched", "sync", "async", "next step", "same step", "disabled")
WRAPPED: dict[str, Callable[[Any], TensorWrapper]] = {
    "scale": partial(ScaleReward, scale=(2.0, -1.0)),
    "stack": partial(FrameStackObservation, stack_size=3),
    "zeros": partial(FrameStackObservation, stack_size=2, padding_type="zero"),
    "time": TimeAwareObservation,
    "share": partial(TimeAwareObservation, normalize_time=True),
    "normal": NormalizeObservation,
    "repeat": partial(ActionRepeat, repeats=3),
    "all": lambda env: NormalizeObservation(
        FrameStackObservation(TimeAwareObservation(ScaleReward(ActionRepeat(env, 2), (1, -3))), 2)
    ),
}


def sea() -> gymnasium.Env:
    """One submarine; its episodes end by treasure and by the time limit."""
    return gymnasium.make(f"morl/{SEA}", max_episode_steps=LIMIT)


def make(backend: str, num_envs: int = N) -> Any:
    if backend in ("batched", "sync", "async"):
        return make_vec(SEA, num_envs, backend=backend, max_episode_steps=LIMIT)
    if backend == "next step":
        return make_vec(MOSyncVectorEnv([sea] * num_envs))
    mode = AutoresetMode.SAME_STEP if backend == "same step" else AutoresetMode.DISABLED
    return make_vec(AsyncVectorEnv([sea] * num_envs, autoreset_mode=mode))


ACTIONS = np.random.default_rng(0).choice(4, p=(0.1, 0.4, 0.1, 0.4), size=(N, STEPS))


def follow(env: Any) -> list[list[tuple[Any, ...]]]:
    """Per row (obs, reward, terminated, truncated, next obs) of each step; every row has its own actions."""
    obs, _ = env.reset(seed=0)
    taken = np.zeros(env.num_envs, dtype=np.int64)
    rows: list[list[tuple[Any, ...]]] = [[] for _ in range(env.num_envs)]
    for _ in range(STEPS):
        assert env.observation_space.contains(obs.numpy())
        before = obs
        actions = ACTIONS[np.arange(env.num_envs), taken]
        obs, reward, terminated, truncated, info = env.step(torch.from_numpy(actions))
        going_on = ~(terminated | truncated)
        assert torch.equal(obs[going_on], info["final_obs"][going_on])
        valid = info.get("valid", torch.ones(env.num_envs, dtype=torch.bool)).numpy()
        for i in np.flatnonzero(valid):
            parts = before, reward, terminated, truncated, info["final_obs"]
            rows[i].append(tuple(part[i].numpy().copy() for part in parts))
        taken += valid
    env.close()
    return rows


def follow_alone(env: gymnasium.Env, row: int) -> list[tuple[Any, ...]]:
    """The same of one of Gymnasium's environments."""
    obs, _ = env.reset(seed=0)
    steps = []
    for action in ACTIONS[row]:
        before = obs
        obs, reward, terminated, truncated, _ = env.step(int(action))
        steps.append((before, reward, terminated, truncated, obs))
        if terminated or truncated:
            obs, _ = env.reset()
    return steps


def assert_alike(rows: Any, reference: Any, rtol: float = 0.0, atol: float = 0.0) -> None:
    ends = set()
    for ours, true in zip(rows, reference, strict=True):
        assert len(ours) >= 40
        for mine, other in zip(ours, true, strict=False):
            for a, b in zip(mine, other, strict=True):
                np.testing.assert_allclose(a, np.asarray(b), rtol=rtol, atol=atol)
            ends.add((bool(mine[2]), bool(mine[3])))
    assert {(True, False), (False, True)} <= ends


def flat_frames(env: gymnasium.Env) -> gymnasium.Env:
    return theirs.FlattenObservation(theirs.FrameStackObservation(env, 3))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("ours", "reference"),
    [
        (WRAPPED["stack"], partial(theirs.FrameStackObservation, stack_size=3)),
        (lambda env: FlattenObservation(WRAPPED["stack"](env)), flat_frames),
        (WRAPPED["zeros"], partial(theirs.FrameStackObservation, stack_size=2, padding_type="zero")),
        (TimeAwareObservation, theirs.TimeAwareObservation),
        (WRAPPED["share"], partial(theirs.TimeAwareObservation, normalize_time=True)),
    ],
)
def test_frames_and_time_are_gymnasiums(ours: Any, reference: Any, backend: str) -> None:
    env = make(backend)
    if isinstance(env, VectorAdapter):  # somebody else's does not tell its time limit
        env.max_episode_steps = LIMIT
    assert_alike(follow(ours(env)), [follow_alone(reference(sea()), row) for row in range(N)], rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_normalisation_is_gymnasiums(backend: str) -> None:
    ours = follow(NormalizeObservation(make(backend, 1)))
    assert_alike(ours, [follow_alone(theirs.NormalizeObservation(sea()), 0)], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_statistics_count_every_observation_once(backend: str) -> None:
    wrapped, plain = NormalizeObservation(make(backend)), make(backend)
    reference = RunningMeanStd(shape=(2,))
    wrapped.reset(seed=0)
    reference.update(plain.reset(seed=0)[0].double().numpy())
    for step in range(40):
        actions = torch.from_numpy(ACTIONS[:, step])
        wrapped.step(actions)
        seen, _, terminated, truncated, info = plain.step(actions)
        reference.update(info["final_obs"].double().numpy())
        begun = (terminated | truncated).numpy()
        if begun.any() and "valid" not in info:
            reference.update(seen.double().numpy()[begun])
        np.testing.assert_allclose(wrapped.statistics.mean.numpy(), reference.mean, rtol=1e-9)
        np.testing.assert_allclose(wrapped.statistics.variance.numpy(), reference.var, rtol=1e-9)
        assert wrapped.statistics.count.item() == pytest.approx(reference.count)
    wrapped.close()
    plain.close()


def test_frozen_statistics_stand_still() -> None:
    train = NormalizeObservation(make("batched"))
    follow(train)
    fixed = NormalizeObservation(make("batched"), statistics=train.statistics)
    before = {name: value.clone() for name, value in train.statistics.state().items()}
    follow(fixed)
    assert all(torch.equal(value, before[name]) for name, value in fixed.statistics.state().items())
    assert (train.moving, fixed.moving, FrameStackObservation(train, 2).moving) == (True, False, True)
    with pytest.raises(EnvError, match=r"statistics of observations \(2,\), got \(3,\)"):
        NormalizeObservation(make("batched"), statistics=Statistics((3,)))
    train.update_running_mean = False
    assert not train.moving


@pytest.mark.parametrize("backend", BACKENDS)
def test_rewards_and_returns_are_scaled(backend: str) -> None:
    env, plain = WRAPPED["scale"](make(backend)), make(backend)
    env.reset(seed=0), plain.reset(seed=0)
    scale = torch.tensor([2.0, -1.0])
    for step in range(30):
        actions = torch.from_numpy(ACTIONS[:, step])
        obs, reward, *_, info = env.step(actions)
        raw_obs, raw, *_, raw_info = plain.step(actions)
        assert torch.equal(obs, raw_obs) and torch.equal(reward, raw * scale)
        assert torch.equal(info["episode"]["return"], raw_info["episode"]["return"] * scale)
    assert env.reward_space.high[1] == 1.0 or np.isinf(env.reward_space.high[1])
    env.close(), plain.close()


def test_scaled_rewards_are_another_problem() -> None:
    env = ScaleReward(make_vec(SEA, 4), (0.5, -1))
    assert (env.env_id, env.problem_id) == (SEA, f"{SEA}*(0.5,-1)")
    assert FrameStackObservation(env, 2).problem_id == env.problem_id
    assert TimeAwareObservation(make_vec(SEA)).problem_id == SEA
    agent = morl.baselines.RandomPolicy(env)
    front = morl.evaluate(agent, ScaleReward(make_vec(SEA, 4), (0.5, -1)), weights=[[0.5, 0.5]])
    assert front.env_id == env.problem_id and front.reference_point is None and front.gamma == agent.gamma
    assert (np.asarray(front.returns)[:, 1] > 0).all()  # time has become a reward
    for scale in ((1.0,), (1.0, 0.0), (1.0, np.nan)):
        with pytest.raises(EnvError, match="2 finite numbers other than zero"):
            ScaleReward(env, scale)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapped_rollout_never_waits_for_the_device(name: str, device: str) -> None:
    check_pure(WRAPPED[name](Corridor(8, slip=0.3, device=device)), steps=10)


@pytest.mark.parametrize("name", WRAPPED)
def test_a_snapshot_has_one_future(name: str) -> None:
    env, other = (WRAPPED[name](Corridor(5, slip=0.3, max_episode_steps=6)) for _ in range(2))
    actions = torch.from_numpy(np.random.default_rng(1).choice(2, p=(0.2, 0.8), size=(40, 5)))
    env.reset(seed=0)
    for action in actions[:20]:
        before, *_ = env.step(action)
    snapshot = env.get_state()
    future = [part for action in actions[20:] for part in env.step(action)[:4]]
    assert torch.equal(other.set_state(snapshot), before)  # never reset before
    again = [part for action in actions[20:] for part in other.step(action)[:4]]
    assert all(torch.equal(a, b) for a, b in zip(future, again, strict=True))
    with pytest.raises(EnvError, match="belongs to another environment"):
        other.set_state({"env": {}})


def test_snapshots_are_there_where_the_environment_has_them() -> None:
    assert not hasattr(FrameStackObservation(make("sync"), 2), "get_state")
    assert hasattr(FrameStackObservation(make("batched"), 2), "get_state")


def test_training_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    """What wrappers remember is part of a checkpoint."""

    def make() -> Any:
        env = FlattenObservation(FrameStackObservation(TimeAwareObservation(Corridor(4, slip=0.3)), 3))
        settings: dict[str, Any] = {"hidden": (8,), "rollout_length": 7, "minibatch": 28, "epochs": 1}
        return morl.agents.ConditionedPPO(env, **settings)

    first, second = make(), make()
    first.learn(56, progress=False)
    state = {"parameters": first.parameters_state(), "training": first.training_state()}
    store.save(tmp_path / "saved", state, format="test", version=1)
    state = store.load(tmp_path / "saved", format="test", version=1)
    second.load_parameters(state["parameters"])
    second.load_training(state["training"])
    second.steps = first.steps
    for agent in (first, second):
        agent.learn(112, progress=False)
    assert torch.equal(first.theta, second.theta)


class Stacked(FlattenObservation):
    """A wrapped environment with a name, as a run needs it."""

    def __init__(self, num_envs: int, *, limit: int = LIMIT, **options: Any) -> None:
        env = FrameStackObservation(make_vec(SEA, num_envs, max_episode_steps=limit, **options), 2)
        super().__init__(env)


class Moving(NormalizeObservation):
    """Has statistics of its own in every copy."""

    def __init__(self, num_envs: int, **options: Any) -> None:
        super().__init__(Corridor(num_envs, **{k: v for k, v in options.items() if k == "device"}))


@pytest.mark.parametrize("backend", ["auto", "batched", "original", "sync", "async"])
def test_a_class_of_wrapped_environments_is_an_environment(backend: str) -> None:
    env = make_vec(Stacked, 4, backend=backend, limit=5)
    assert isinstance(env, Stacked) and env.env_id == f"{Stacked.__module__}:Stacked" == env.problem_id
    assert env.backend == {"auto": "batched"}.get(backend, backend)
    assert env.reset(seed=0)[0].shape == (4, 4)
    assert make_vec(env) is env
    env.close()


def test_the_checker_and_an_agent_take_wrapped_environments() -> None:
    report = check_env(Stacked, steps=40)
    assert report.ok and report.facts["backends"] == ["auto", "batched", "original", "sync", "async"]
    passed = [finding.title for finding in report.findings if finding.level == "passed"]
    assert "set_state() continues where get_state() was" in passed
    assert "the step is a pure tensor program" in passed
    agent = morl.agents.ConditionedPPO(make_vec(Stacked, 4), hidden=(8,), rollout_length=4, minibatch=16)
    agent.learn(64, progress=False)
    front = morl.evaluate(agent, Stacked, weights=[[1.0, 0.0]], episodes=2)
    assert front.backend == "original" and front.env_id.endswith(":Stacked")


def test_statistics_that_move_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent = CorridorWalker(NormalizeObservation(Corridor(4)))
    with pytest.raises(
        MorlError, match=r"statistics that every step moves.*statistics=train_env\.statistics"
    ):
        morl.evaluate(agent, NormalizeObservation(Corridor(4)))
    words = [f"{Moving.__module__}:Moving", "--agent", "toys:CorridorWalker", "--steps", "40", "--quiet"]
    assert main(["train", *words, "--out", str(tmp_path / "run")]) == 2
    assert "let the agent normalise observations" in capsys.readouterr().err
    levels = {finding.title: finding.level for finding in check_env(Moving, steps=30).findings}
    assert levels["reset(seed=...) makes episodes reproducible"] == "note"


def test_wrong_use_is_explained() -> None:
    env = make("batched")
    with pytest.raises(EnvError, match=r"a tensor environment, got TimeLimit.*morl\.make_vec"):
        FrameStackObservation(sea(), 2)
    with pytest.raises(EnvError, match="stack_size"):
        FrameStackObservation(env, 0)
    with pytest.raises(EnvError, match="'reset' or 'zero'"):
        FrameStackObservation(env, 2, padding_type="edge")  # type: ignore[arg-type]
    with pytest.raises(EnvError, match=r"a time limit to normalise time by.*max_episode_steps"):
        TimeAwareObservation(Corridor(2, max_episode_steps=None), normalize_time=True)
    with pytest.raises(EnvError, match=r"reset\(\) before step"):
        FrameStackObservation(env, 2).step(torch.zeros(N, dtype=torch.int64))
