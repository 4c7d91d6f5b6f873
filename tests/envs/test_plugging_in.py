"""Every way to give an environment works everywhere: `make_vec`, learning, evaluation, checks, commands."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Dict, Discrete, MultiDiscrete
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from mo_gymnasium.wrappers.vector import MOSyncVectorEnv
from tiny import small_agent
from toys import Corridor, FailingCorridor, PlainCorridor

import morl
from morl.cli import main
from morl.envs.check import check_env
from morl.envs.info_terms import from_info_terms
from morl.envs.make import make_vec
from morl.envs.wrappers import ScaleReward
from morl.errors import EnvError
from morl.front import Front

LAB = "lab/corridor-v0"


class Telling(PlainCorridor):
    """A corridor with one reward, whose parts are in `info`; a dictionary to observe, and two choices to make."""

    def __init__(self) -> None:
        super().__init__()
        del self.reward_space
        self.inner, self.observation_space = (
            self.observation_space,
            Dict(here=self.observation_space, flag=Discrete(2)),
        )
        self.action_space = MultiDiscrete([2, 2])

    def step(self, action: Any) -> Any:
        obs, reward, terminated, truncated, _ = super().step(int(action[0]))
        info = {"gain": float(reward[0]), "time": 1.0, "second": int(action[1])}
        return obs, float(reward.sum()), terminated, truncated, info

    def _obs(self) -> Any:
        return {"here": super()._obs(), "flag": self.elapsed % 2}


class Several(MOSyncVectorEnv):
    """A vector environment by its class."""

    def __init__(self, num_envs: int) -> None:
        super().__init__([PlainCorridor] * num_envs)


class Scaled(ScaleReward):
    """A wrapped environment by its class."""

    def __init__(self, num_envs: int, **options: Any) -> None:
        super().__init__(make_vec("toys:PlainCorridor", num_envs, **options), (1, 0.5))


def here(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


NAMES: dict[str, str] = {
    "id": LAB,
    "module and id": f"toys:{LAB}",
    "path": "toys:PlainCorridor",
    "batched path": "toys:Corridor",
    "vector path": here(Several),
    "wrapper path": here(Scaled),
    "terms": f"{here(Telling)}[gain,-time]",
}
THINGS: dict[str, Callable[[], Any]] = {
    "class": lambda: PlainCorridor,
    "factory": lambda: partial(PlainCorridor, limit=9),
    "function": lambda: lambda: PlainCorridor(limit=9),
    "terms factory": lambda: from_info_terms(Telling, ["gain", "-time", "second"]),
    "instance": PlainCorridor,
    "instance with terms": lambda: from_info_terms(Telling(), ["gain", "-time"]),
    "vector instance": lambda: Several(2),
    "batched class": lambda: Corridor,
    "batched instance": lambda: Corridor(2),
    "wrapped instance": lambda: ScaleReward(Corridor(2), (1, 2)),
}
WAYS: dict[str, Callable[[], Any]] = {**{name: partial(str, text) for name, text in NAMES.items()}, **THINGS}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """One environment in Gymnasium's registry."""
    spec = gymnasium.envs.registration.EnvSpec(LAB, entry_point="toys:PlainCorridor", max_episode_steps=7)
    monkeypatch.setitem(gymnasium.registry, LAB, spec)


@pytest.mark.parametrize("way", WAYS)
def test_it_trains_is_evaluated_and_checked(way: str) -> None:
    make = WAYS[way]
    env = make_vec(make(), 1 if "instance" in way else 2)
    agent = small_agent("conditioned-ppo", env)
    agent.learn(64, progress=False)
    backend = "batched" if "batched" in way else "original"
    front = morl.evaluate(agent, make(), weights=np.eye(env.num_objectives), episodes=2, backend=backend)
    assert front.episode_returns.shape == (env.num_objectives, 2, env.num_objectives)
    assert front.env_id.split("*")[0] == env.env_id
    report = check_env(make(), steps=30)
    assert report.ok, report.findings
    assert report.env_id == env.env_id and report.facts["num_objectives"] == env.num_objectives


@pytest.mark.filterwarnings("ignore:.*evaluated on its batched twin")
@pytest.mark.parametrize("way", ["module and id", "vector path", "wrapper path", "terms"])
def test_commands_take_every_name(way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    words = ["--agent", "random", "--steps", "8", "--num-envs", "2", "--quiet", "--out", out]
    assert main(["train", NAMES[way], *words]) == 0, capsys.readouterr().err
    front = Front.load(tmp_path / "run" / "front.json")
    assert front.env_id == (LAB if "id" in way else NAMES[way])
    assert main(["evaluate", f"{out}/agent", "--partitions", "1", "--episodes", "1"]) == 0  # by that id
    assert NAMES[way].startswith("toys") or front.env_id in capsys.readouterr().out


@pytest.mark.parametrize("how", ["raise", "SIGKILL"])
def test_somebody_elses_processes(how: str) -> None:
    vector = AsyncVectorEnv(
        [PlainCorridor, partial(FailingCorridor, "step", how)], autoreset_mode=AutoresetMode.SAME_STEP
    )
    with (
        warnings.catch_warnings(),
        pytest.raises(EnvError, match=r"expected step\(\) of .* (Zero|EOF)") as failed,
    ):
        warnings.simplefilter("ignore")  # Gymnasium shows the traceback itself
        make_vec(vector)
    assert failed.value.__cause__ is not None and not any(p.is_alive() for p in vector.processes)
