"""A small run and what it comes to."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from toys import Corridor, CorridorWalker

from morl.front import Front
from morl.runs import Run, RunConfig

CONFIG = RunConfig(env="toys:Corridor", agent="toys:CorridorWalker", total_steps=40, num_envs=4, seed=5)


def train(run: Run, **options: Any) -> Front:
    """`Run.train`, in silence."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*evaluated on its batched twin.*")
        return run.train(progress=False, **options)


def config(**changes: Any) -> RunConfig:
    """`CONFIG` with changes."""
    return replace(CONFIG, **changes)


def final_state(path: Path) -> tuple[Any, ...]:
    """What a run's checkpoint holds, to compare with `==`."""
    agent = CorridorWalker(Corridor(4, slip=0.3))
    Run.open(path).restore(agent)
    state = agent.training_state()
    return (
        agent.steps,
        agent.parameters.tolist(),
        state["generator"].tolist(),
        state["env"]["streams"].tolist(),
    )
