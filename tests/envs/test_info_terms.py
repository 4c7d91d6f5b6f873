"""Terms of `info` as objectives: from single and vector environments, in every autoreset mode, by every name."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space
from toys import Corridor

import morl
from morl.envs.check import check_env
from morl.envs.info_terms import InfoTermsEnv, Term, from_info_terms
from morl.envs.make import make_vec
from morl.errors import EnvError

TERMS = ["forward", "-effort", "inner/luck", "reward"]


class Walk(gymnasium.Env):
    """Pays forward - effort, a scalar, and tells its terms; the info of a reset must never be read as terms.

    Episodes end after `length` steps, every other one by truncation. The first seed moves `forward`.
    """

    def __init__(self, length: int = 3) -> None:
        self.observation_space = Box(-np.inf, np.inf, (2,), dtype=np.float32)
        self.action_space = Discrete(2)
        self.length, self.episode, self.steps, self.base = length, -1, 0, 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        if seed is not None:
            self.base, self.episode = float(self.np_random.random()), -1
        self.episode, self.steps = self.episode + 1, 0
        return self.observe(), {"forward": -100.0, "effort": 100, "inner": {"luck": 100.0}, "once": 1.0}

    def step(self, action: Any) -> Any:
        self.steps += 1
        forward, effort = self.base + self.steps, float(action)
        over, odd = self.steps >= self.length, self.episode % 2 == 1
        info = {
            "forward": forward,
            "effort": np.float32(effort),
            "inner": {"luck": 10.0 * self.episode + self.steps},
            "text": "walking",
            "position": np.zeros(2),
            "won": over,
        }
        if over:
            info["bonus"] = 5.0
        return self.observe(), forward - effort, over and not odd, over and odd, info

    def observe(self) -> Any:
        return np.array([self.episode, self.steps], dtype=np.float32)


def history(env: Any, steps: int = 14) -> list[list[Any]]:
    """For each row what happened in it, steps that only reset left out: (reward, ends, final observation)."""
    env.reset(seed=[7, 8])
    rows: list[list[Any]] = [[], []]
    for step in range(steps):
        actions = torch.tensor([step % 2, 1])
        _, reward, terminated, truncated, info = env.step(actions)
        valid = info.get("valid", torch.ones(2, dtype=torch.bool))
        for i in range(2):
            if valid[i]:
                ends = bool(terminated[i]), bool(truncated[i])
                rows[i].append(
                    (reward[i].tolist()[:1] + reward[i].tolist()[2:3], ends, info["final_obs"][i].tolist())
                )
    env.close()
    return rows


def test_terms_are_read_signed_and_named() -> None:
    env = from_info_terms(Walk(), TERMS, names=["speed", "ease", "luck", "all"])
    assert isinstance(env, InfoTermsEnv) and env.reward_space.shape == (4,)
    env.reset(seed=0)
    obs, reward, *_, info = env.step(1)
    base = env.unwrapped.base  # type: ignore[attr-defined]
    np.testing.assert_allclose(reward, [base + 1, -1, 1, base])
    assert reward.shape == (4,) and obs.shape == (2,) and info["text"] == "walking"
    assert [o.name for o in env.objectives] == ["speed", "ease", "luck", "all"]
    assert [o.cost for o in env.objectives] == [False, True, False, False]
    assert env.env_id == f"{Walk.__module__}:Walk[speed=forward,ease=-effort,luck=inner/luck,all=reward]"
    signed = from_info_terms(Walk(), ["forward", "effort", "won"], signs=[-1, 1, 1])
    signed.reset(seed=0)
    np.testing.assert_allclose(signed.step(1)[1], [-base - 1, 1, 0])


@pytest.mark.parametrize("backend", ["auto", "original", "async"])
@pytest.mark.parametrize("given", ["factory", "class", "id", "twice"])
def test_make_vec_takes_factories_and_ids(given: str, backend: str) -> None:
    env: Any = {
        "factory": from_info_terms(Walk, ["forward", "-effort"], length=5),
        "class": pickle.loads(pickle.dumps(from_info_terms(Walk, ["forward", "-effort"], length=5))),
        "id": partial(Walk, 5),
        "twice": from_info_terms(partial(Walk, length=5), ["forward", "effort"], signs=[1, -1]),
    }[given]
    env = from_info_terms(env, ["forward", "-effort"]) if given == "id" else env
    made = make_vec(env, 2, backend=backend)
    made.reset(seed=[3, 4])
    lengths = [made.step(torch.tensor([0, 1]))[4]["episode"]["length"].tolist() for _ in range(6)]
    assert lengths == [[i, i] for i in (1, 2, 3, 4, 5, 1)]
    assert made.env_id.endswith(":Walk[forward,-effort]") and made.backend == {"auto": "sync"}.get(
        backend, backend
    )
    assert made.objectives is not None and made.objectives[1].cost
    made.close()


def test_an_id_names_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = gymnasium.envs.registration.EnvSpec("lab/walk-v0", entry_point=Walk, max_episode_steps=2)
    monkeypatch.setitem(gymnasium.registry, "lab/walk-v0", spec)
    env = make_vec("lab/walk-v0[forward,ease=-effort]", 2, length=9)
    assert (env.env_id, env.num_objectives) == ("lab/walk-v0[forward,ease=-effort]", 2)
    env.reset(seed=0)
    env.step(torch.tensor([1, 1]))
    assert bool(env.step(torch.tensor([1, 1]))[3].all())  # the time limit of the registered id
    assert make_vec(env.env_id).env_id == env.env_id


MODES = [(kind, mode) for kind in (SyncVectorEnv, AsyncVectorEnv) for mode in AutoresetMode]


@pytest.mark.parametrize(("kind", "mode"), MODES, ids=lambda value: getattr(value, "name", str(value)[-20:]))
def test_vector_environments_tell_what_single_ones_do(kind: Any, mode: AutoresetMode) -> None:
    makers = [partial(Walk, 2), partial(Walk, 4)]
    expected = history(make_vec_of([from_info_terms(make, TERMS) for make in makers]))
    vector = from_info_terms(kind(makers, autoreset_mode=mode), TERMS)
    assert vector.reward_space.shape == (4,)
    env = make_vec(vector)
    assert env.num_objectives == 4 and env.objectives is not None
    found = history(env, 20 if mode is AutoresetMode.NEXT_STEP else 14)
    for ours, theirs in zip(found, expected, strict=True):
        assert len(ours) >= 12
        for (reward, *rest), (true_reward, *true_rest) in zip(ours, theirs, strict=False):
            np.testing.assert_allclose(reward, true_reward, rtol=1e-6)
            assert rest == true_rest


def make_vec_of(factories: list[Any]) -> Any:
    from morl.envs.adapters import SyncAdapter

    return SyncAdapter(factories)


@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_terms_of_the_last_step_only(kind: Any, mode: AutoresetMode) -> None:
    make = [partial(Walk, 2)] * 2
    vector = kind(make, autoreset_mode=mode)
    env = make_vec(from_info_terms(vector, ["bonus", "forward"], default=-1.0))
    env.reset(seed=0)
    paid = []
    for _ in range(6):
        _, reward, *_, info = env.step(torch.zeros(2, dtype=torch.int64))
        paid += reward[:, 0][info.get("valid", torch.ones(2, dtype=torch.bool))].tolist()
    assert paid[:8] == [-1, -1, 5, 5, -1, -1, 5, 5]
    env.close()
    other = kind(make, autoreset_mode=mode)
    with pytest.raises(EnvError, match=r"'bonus' in info of .*, found forward, effort.*default=0\.0"):
        make_vec(from_info_terms(other, ["bonus", "forward"]))
    other.close()


class Tensors(VectorEnv):
    """A vector environment with tensors in its info and no masks."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int = 3) -> None:
        self.num_envs, self.device = num_envs, torch.device("cpu")
        self.single_observation_space, self.single_action_space = Box(-1, 1, (1,)), Box(-1, 1, (1,))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return torch.zeros(self.num_envs, 1), {}

    def step(self, actions: Any) -> Any:
        ends = torch.zeros(self.num_envs, dtype=torch.bool)
        info = {"terms": {"speed": actions, "won": ends, "wide": torch.zeros(self.num_envs, 2)}}
        return torch.zeros(self.num_envs, 1), actions[:, 0] * 2, ends, ends, info


def test_tensors_stay_tensors() -> None:
    vector = from_info_terms(Tensors(), ["terms/speed", "-reward", "terms/won"])
    vector.reset()
    actions = torch.tensor([[0.5], [-1.0], [0.0]])
    reward = vector.step(actions)[1]
    assert isinstance(reward, torch.Tensor) and reward.tolist() == [[0.5, -1, 0], [-1, 2, 0], [0, 0, 0]]
    assert make_vec(vector).step(actions)[1].tolist() == reward.tolist()
    with pytest.raises(EnvError, match=r"expected 3 numbers in .*terms/wide"):
        make_vec(from_info_terms(Tensors(), ["terms/wide"]))
    by_class = make_vec(from_info_terms(Tensors, ["terms/speed"]), 5)
    assert by_class.num_envs == 5 and by_class.env_id.endswith(":Tensors[terms/speed]")


def test_extras_of_a_batched_environment_are_terms() -> None:
    class Told(Corridor):
        def transition(self, state: Any, action: Any, noise: Any) -> Any:
            step = super().transition(state, action, noise)
            return step._replace(extras={"cost": step.reward[:, 1] * 3})

    env = make_vec(from_info_terms(Told(4), ["extras/cost"]))
    env.reset(seed=0)
    assert env.step(torch.ones(4, dtype=torch.int64))[1].tolist() == [[-3.0]] * 4


@pytest.mark.parametrize(
    ("terms", "options", "message"),
    [
        (
            ["foward"],
            {},
            r"'foward' in info of .*found forward, effort, inner/luck, won, reward\. Did you mean 'forward'",
        ),
        (["text"], {}, r"a number in info\['text'\] .*got 'walking'; choose among: forward"),
        (["position"], {}, r"a number in info\['position'\]"),
        (["inner"], {}, r"a number in info\['inner'\]"),
        (["once"], {}, "'once'"),
        ([], {}, "at least one term, got 0"),
        (["forward", "effort"], {"names": ["a"]}, "2 terms, 1 names, 2 signs"),
        (["forward", "forward"], {}, "different names"),
        (["forward"], {"signs": [2]}, "signs that are 1 or -1"),
        (["a=b=c"], {}, r"as \[NAME=\]\[-\]KEY, got 'a=b=c'"),
        ([""], {}, r"got ''"),
        ([3], {}, r"got 3"),
    ],
)
def test_wrong_terms_are_explained(terms: Any, options: Any, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        make_vec(from_info_terms(Walk, terms, **options))


def test_what_is_no_single_environment_is_explained() -> None:
    with pytest.raises(EnvError, match=r"no arguments for an existing environment, got \['length'\]"):
        from_info_terms(Walk(), ["forward"], length=3)
    with pytest.raises(EnvError, match=r"to make a gymnasium.Env, got int"):
        make_vec(from_info_terms(int, ["forward"]))
    with pytest.raises(EnvError, match="name terms of its info as objectives"):
        make_vec(Walk)
    with pytest.raises(EnvError, match="unknown id 'CartPole-v9'"):
        make_vec("CartPole-v9[x]")


def test_terms_are_written_as_they_are_read() -> None:
    for text in ("forward", "-effort", "speed=forward", "ease=-effort", "a=b/c"):
        assert str(Term.parse(text)) == text
    assert Term.parse(" x = +y ") == Term("y", "x", 1.0)


def test_the_checker_and_evaluation_know_the_names() -> None:
    report = check_env(from_info_terms(Walk, ["forward", "ease=-effort"]), steps=40)
    assert report.ok and report.facts["objectives"] == ["forward", "ease"]
    assert report.facts["backends"] == ["auto", "original", "sync", "async"]
    agent = morl.baselines.RandomPolicy(make_vec(from_info_terms(Walk, ["forward", "ease=-effort"]), 2))
    front = morl.evaluate(agent, from_info_terms(Walk, ["forward", "ease=-effort"]), episodes=2)
    assert front.objectives == ("forward", "ease") and front.env_id.endswith(":Walk[forward,ease=-effort]")


def test_halfcheetah_without_code() -> None:
    pytest.importorskip("mujoco")
    env = make_vec("HalfCheetah-v5[reward_forward,reward_ctrl,reward]", 2)
    env.reset(seed=[1, 2])
    plain = [gymnasium.make("HalfCheetah-v5") for _ in range(2)]
    for i, single in enumerate(plain):
        single.reset(seed=i + 1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        actions = torch.rand(2, 6, generator=generator) * 2 - 1
        reward = env.step(actions)[1].double().numpy()
        for i, single in enumerate(plain):
            _, scalar, *_, info = single.step(actions[i].numpy())
            terms = [info["reward_forward"], info["reward_ctrl"], scalar]
            np.testing.assert_allclose(reward[i], terms, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(reward[:, 0] + reward[:, 1], reward[:, 2], atol=1e-5)
