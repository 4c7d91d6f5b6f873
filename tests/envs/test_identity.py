"""Which environments are the same problem, however they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import gymnasium
import mo_gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.wrappers import ClipAction, RecordEpisodeStatistics, TimeLimit, TransformReward
from mo_gymnasium.envs.deep_sea_treasure.deep_sea_treasure import CONCAVE_MAP, DEFAULT_MAP
from mo_gymnasium.wrappers import MORecordEpisodeStatistics
from mo_gymnasium.wrappers.vector import MOSyncVectorEnv
from toys import Corridor, PlainCorridor

import morl
from morl.baselines import RandomPolicy
from morl.envs.deep_sea_treasure import DeepSeaTreasure
from morl.envs.wrappers import ActionRepeat, NormalizeObservation
from morl.errors import MorlError
from morl.problem import canonical, problem_name

SEA = "deep-sea-treasure-v0"
PLAIN = "toys:PlainCorridor"


class Steps(gymnasium.Env):
    """Keeps its argument under another name, and says what is known of its default."""

    observation_space, action_space = Box(0, 1, (1,), np.float32), Discrete(2)
    known_front: ClassVar[Any] = [[2.0, -1.0]]

    def __init__(self, n: int = 2) -> None:
        self.left = n

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[Any, Any, bool, bool, dict]:
        return np.zeros(1, np.float32), np.array([1.0, -0.5]), True, False, {}


class Halved(gymnasium.RewardWrapper):
    """A wrapper of one's own."""

    def __init__(self, env: gymnasium.Env, by: float = 2) -> None:
        super().__init__(env)
        self.by = by

    def reward(self, reward: Any) -> Any:
        return reward / self.by


STEPS = f"{Steps.__module__}:Steps"


def name(env: Any, num_envs: int = 1, **options: Any) -> str:
    made = morl.make_vec(env, num_envs, **options)
    made.close()
    return problem_name(made.env_id, *made.identity)


def made_with(slip: float) -> Callable[[], Any]:
    return lambda: PlainCorridor(slip)


@pytest.mark.parametrize(
    ("wanted", "env", "options"),
    [
        # By id: the defaults of the twin and of the original, under either's names.
        ("", SEA, {"sea_map": "convex", "float_state": False, "max_episode_steps": 100}),
        ("", SEA, {"dst_map": DEFAULT_MAP, "backend": "original", "max_episode_steps": None}),
        (" (sea_map=concave)", SEA, {"sea_map": "concave"}),
        (" (sea_map=concave)", SEA, {"dst_map": CONCAVE_MAP, "backend": "original"}),
        (" (max_episode_steps=3)", SEA, {"max_episode_steps": 3}),
        (" (max_episode_steps=3)", SEA, {"max_episode_steps": np.int64(3), "backend": "original"}),
        (" (max_episode_steps=None)", SEA, {"max_episode_steps": None}),
        # Instances and factories of what is registered.
        ("", lambda: mo_gymnasium.make(SEA), {}),
        ("", lambda: TimeLimit(gymnasium.make(SEA, disable_env_checker=True), 1000), {}),
        (" (max_episode_steps=3)", lambda: TimeLimit(mo_gymnasium.make(SEA), 3), {}),
        (" (max_episode_steps=3)", partial(mo_gymnasium.make, SEA, max_episode_steps=3), {}),
        (" (sea_map=concave)", lambda: mo_gymnasium.make(SEA, dst_map=CONCAVE_MAP), {}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*precision lowered")
def test_registered_problems(wanted: str, env: Any, options: dict[str, Any]) -> None:
    assert name(env, **options) == SEA + wanted


def test_the_twin_and_the_original_of_another_id() -> None:
    concave = "deep-sea-treasure-concave-v0"
    assert name(concave, sea_map="concave") == name(concave, dst_map=CONCAVE_MAP, backend="sync") == concave
    cart = {"incremental_frane_skip": False, "backend": "original"}  # sic
    assert name("minecart-v0", incremental_frame_skip=False) == name("minecart-v0", **cart)


@pytest.mark.parametrize(
    ("wanted", "env", "options"),
    [
        ("", PlainCorridor, {"slip": 0, "limit": np.int32(20)}),
        (" (slip=0.5)", PLAIN, {"slip": 0.5}),
        (" (slip=0.5)", PlainCorridor, {"slip": np.float32(0.5), "num_envs": 2, "backend": "async"}),
        (" (slip=0.5)", partial(PlainCorridor, 0.5), {}),
        (" (slip=0.5)", partial(PlainCorridor, slip=0.25), {"slip": 0.5}),
        (" (slip=0.5)", made_with(0.5), {}),
        (" (slip=0.5)", PlainCorridor(0.5), {}),
        (" (slip=0.5)", MOSyncVectorEnv([made_with(0.5)] * 2), {}),
        ("", lambda: MORecordEpisodeStatistics(PlainCorridor()), {}),
        ("", lambda: RecordEpisodeStatistics(PlainCorridor()), {}),
        (" (limit=9, max_episode_steps=4)", lambda: TimeLimit(PlainCorridor(limit=9), 4), {}),
        (f" + {Halved.__module__}:Halved()", lambda: Halved(PlainCorridor()), {}),
        (f" + {Halved.__module__}:Halved(by=4)", lambda: Halved(PlainCorridor(), 4), {}),
    ],
)
def test_problems_of_ones_own(wanted: str, env: Any, options: dict[str, Any]) -> None:
    assert name(env, **options) == PLAIN + wanted


def test_what_cannot_be_looked_into() -> None:
    """An argument that no attribute tells: what makes the environment tells it apart."""
    assert name(Steps) == STEPS and name(Steps, n=3) == name(partial(Steps, n=3)) == f"{STEPS} (n=3)"
    made = [
        lambda: Steps(3),
        lambda: Steps(4),
        partial(lambda n: Steps(n), 3),
        partial(lambda n: Steps(n), 4),
    ]
    names = [name(factory) for factory in made]
    assert len(set(names)) == 4 and all(text.startswith(f"{STEPS} (n=?) + made by ") for text in names)
    assert name(Steps(3)) == f"{STEPS} (n=?)"
    asynchronous = [
        AsyncVectorEnv([partial(Steps, n)], autoreset_mode=AutoresetMode.SAME_STEP) for n in (3, 4)
    ]
    assert len({name(env) for env in asynchronous}) == 2


def test_rewards_that_functions_change() -> None:
    def by(factor: float) -> Callable[[], Any]:
        return lambda: TransformReward(PlainCorridor(), lambda reward: factor * reward)

    assert name(by(2)) == name(by(2)) != name(by(3))
    assert name(by(2)).startswith(f"{PLAIN} + TransformReward(func=")
    assert "ClipAction" in name(lambda: ClipAction(Continuous()))


class Continuous(Steps):
    """Takes numbers."""

    action_space = Box(-1, 1, (1,), np.float32)


def test_batched_problems() -> None:
    corridor = f"{Corridor.__module__}:Corridor"
    assert name(Corridor, 3, slip=0.5) == name(partial(Corridor, slip=0.5), 3) == f"{corridor} (slip=0.5)"
    assert name(Corridor(3, 0.5, device="cpu")) == f"{corridor} (slip=0.5)"
    assert name(gymnasium.make_vec(f"morl/{SEA}", 2, sea_map="concave")) == f"{SEA} (sea_map=concave)"
    assert name(DeepSeaTreasure(2)).endswith(":DeepSeaTreasure")
    assert name(NormalizeObservation(morl.make_vec(SEA, sea_map="concave"))) == f"{SEA} (sea_map=concave)"
    assert name(ActionRepeat(morl.make_vec(SEA), 3)) == f"{SEA} + ActionRepeat(repeats=3)"


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ((1, 2.0), [1, 2]),
        (np.array([1.0, 2.0]), [1, 2]),
        (np.bool_(True), True),
        ({"b": (1,), "a": np.int8(2)}, {"a": 2, "b": [1]}),
        (float("inf"), "inf"),
        ({3, 1}, [1, 3]),
    ],
)
def test_values_that_mean_the_same(value: Any, same: Any) -> None:
    assert canonical(value) == same


def test_values_that_do_not() -> None:
    many = np.zeros(2000)
    values = [
        many,
        many.astype(np.float32),
        many + 1,
        int,
        len,
        made_with,
        made_with(1),
        made_with(2),
        b"1",
        b"2",
    ]
    found = [canonical(value) for value in [*values, object(), Steps(1), Steps(2)]]
    assert len({str(value) for value in found}) == len(found)


def of(env: Any, **env_kwargs: Any) -> Any:
    agent = RandomPolicy(morl.make_vec(env, **env_kwargs))
    return morl.evaluate(agent, env, weights=[[0.5, 0.5], [1, 0]], episodes=1, env_kwargs=env_kwargs)


def test_fronts_know_their_problem() -> None:
    fronts = [of(SEA), of(SEA, sea_map="concave"), of(SEA, sea_map="convex")]
    assert [front.env_kwargs for front in fronts] == [{}, {"sea_map": "concave"}, {}]
    assert [front.reference_point is None for front in fronts] == [False, True, False]
    assert morl.compare({"a": fronts[0], "b": fronts[2]}).known is not None
    alone = morl.compare({"a": fronts[1]})
    assert alone.known is None and alone.derived
    with pytest.raises(MorlError, match=r"a has deep-sea-treasure-v0, b has deep-sea-treasure-v0 \(sea_map="):
        morl.compare({"a": fronts[0], "b": fronts[1]})


class Told(Corridor):
    """A batched environment that says what is known of it."""

    reference_point = (-1, -30)

    def known_front(self, gamma: float) -> Any:
        return [[8 - self.slip, -9 * gamma]]


def test_what_a_batched_environment_says_of_itself() -> None:
    plain, slippery = of(Told), of(Told, slip=0.5)
    assert plain.reference_point.tolist() == [-1, -30] and slippery.reference_point is None
    assert slippery.known_points.tolist() == [[7.5, -9 * plain.gamma]]


def test_what_an_environment_says_of_itself_holds_for_its_defaults() -> None:
    assert morl.compare({"a": of(Steps)}).known_label == "known front"
    assert of(Steps).known_points.tolist() == [[2, -1]]
    assert of(Steps, n=3).known_points is None
    assert of(lambda: Halved(Steps())).known_points is None


class Grouped(Steps):
    """Its groups are not those of the random generators of batched environments."""

    def __init__(self, groups: int = 1) -> None:
        super().__init__()


def test_an_argument_of_a_familiar_name_is_ones_own() -> None:
    for env in (
        morl.make_vec(Grouped, groups=2),
        morl.make_vec(lambda: Grouped(groups=2)),
        morl.make_vec(partial(Grouped, 2)),
    ):
        assert env.identity.env_kwargs["groups"] in (2, "?")
    assert morl.make_vec(Grouped, groups=1).identity.env_kwargs == {}
    assert morl.make_vec("deep-sea-treasure-v0", groups=2, num_envs=2).identity.env_kwargs == {}
