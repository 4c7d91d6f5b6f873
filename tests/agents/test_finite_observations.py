"""A batched environment whose observations turn NaN stops every training and evaluation, and says where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from tiny import small_agent
from toys import Corridor, State

import morl
from morl.cli import main
from morl.envs.wrappers import TimeAwareObservation
from morl.errors import NonFiniteError


class Breaking(Corridor):
    """A corridor in which the position is lost where an episode is `after` steps old, in odd copies only."""

    env_id = "breaking"
    after = 3

    def __init__(self, num_envs: int, **options: Any) -> None:
        super().__init__(num_envs, slip=1.0, **options)
        self.single_observation_space = Box(0, 8, (2,), np.float32)
        self.odd = self.constant(np.arange(num_envs) % 2 == 1)

    def transition(self, state: State, action: Any, noise: Any) -> Any:
        step = super().transition(state, torch.ones_like(action), noise)
        return step._replace(state=State(state.position + 0.5))

    def observe(self, state: State) -> Any:
        lost = self.odd & (state.position >= self.after / 2)
        return torch.stack((state.position * 0, torch.where(lost, torch.nan, state.position)), 1)


PLACE = "reaking.*nan in entry 1 in sub-environment 1 at step 3 "


@pytest.mark.parametrize(
    "name", ["conditioned-ppo", "envelope-dqn", "evolution", "single-objective", "morld"]
)
def test_every_agent_stops(name: str) -> None:
    agent = small_agent(name, Breaking(4))
    with pytest.raises(NonFiniteError, match=PLACE):
        agent.learn(2000, progress=False)
    assert agent.midway, "so that nobody saves what was learned from it"


def test_evaluations_stop_too() -> None:
    with pytest.raises(NonFiniteError, match=PLACE):
        morl.evaluate(small_agent("random", Breaking(4)), Breaking, backend="batched", episodes=2)
    watched = small_agent("conditioned-ppo", TimeAwareObservation(Breaking(4)))
    with pytest.raises(NonFiniteError, match=r"entry 1 .*sub-environment 1 at step 3 "):
        watched.learn(2000, progress=False)


@pytest.mark.parametrize("agent", ["random", "conditioned-ppo"])
def test_the_command_says_so(agent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--agent",
        agent,
        "--steps",
        "4000",
        "--num-envs",
        "4",
        "--quiet",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(["train", f"{Breaking.__module__}:Breaking", *words]) == 2
    said = capsys.readouterr().err
    assert "nan in entry 1" in said and "learning rate" not in said
    assert not (tmp_path / "run" / "agent").exists() and not (tmp_path / "run" / "front.json").exists()
