"""Episodes that do not end are met before a training's budget is spent, and never cost its result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toys import LENGTH, Corridor, CorridorWalker, Endless, Patient, PlainCorridor

import morl
from morl.callbacks import PeriodicEvaluation
from morl.errors import EnvError
from morl.playing import require_ends
from morl.runs import Run, RunConfig


class Stubborn(CorridorWalker):
    """Never stops."""

    name = "stubborn"

    def act(self, obs, weights):
        return super().act(obs * 0, weights * 0 + 1)


def config(env: str, **changes: Any) -> RunConfig:
    return RunConfig(
        **{"env": env, "agent": "toys:CorridorWalker", "total_steps": 40, "num_envs": 4, "env_kwargs": {}}
        | changes
    )


def test_endless_episodes_are_refused_before_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("morl.playing.RANDOM_STEPS", 300)
    with pytest.raises(EnvError, match=r"300.*time limit: --max-episode-steps"):
        Run.create(tmp_path / "a", config("toys:Endless")).train(progress=False)
    assert not (tmp_path / "a" / "metrics.csv").exists()
    limited = config("toys:Endless", env_kwargs={"max_episode_steps": 9})
    front = Run.create(tmp_path / "b", limited).train(progress=False)
    assert front.episode_lengths is not None and (front.episode_lengths == 9).all()
    assert front.env_kwargs == {"max_episode_steps": 9}


def test_a_slow_environment_is_only_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("morl.playing.RANDOM_SECONDS", 0.0)
    with pytest.warns(UserWarning, match="1 random steps.*time limit"):
        require_ends(Endless, device="cpu")
    monkeypatch.setattr("morl.playing.RANDOM_STEPS", 0)
    require_ends(Corridor, device="cpu")  # has a limit


def test_looks_go_on_where_policies_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("morl.callbacks.WITHOUT_LIMIT", 15)
    require_ends(Patient, device="cpu")  # random play ends
    agent = Stubborn(Corridor(4))
    look = PeriodicEvaluation(Patient, seconds=None, weights=[[0.5, 0.5]])
    with pytest.warns(UserWarning, match="cut off after 15 steps.*time limit"):
        agent.learn(8, callbacks=[look], progress=False)
    assert look.front is not None and look.front.episode_lengths is not None
    assert (look.front.episode_lengths == 15).all()


def test_any_environment_takes_a_time_limit() -> None:
    for env in (Endless, lambda: Endless(), "toys:Endless"):
        vec = morl.make_vec(env, num_envs=2, max_episode_steps=LENGTH)
        assert vec.max_episode_steps == LENGTH
    assert morl.make_vec(PlainCorridor).max_episode_steps is None
    assert morl.make_vec(Corridor, max_episode_steps=None).max_episode_steps is None
