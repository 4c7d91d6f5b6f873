"""Studies as trainings would leave them, without any training: runs whose fronts near the known ones."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from morl import registry
from morl.comparison import best_for
from morl.evaluation import default_weights
from morl.front import Front
from morl.history import FILE, append_evaluation
from morl.runs import FORMAT, SCHEMA_VERSION, RunConfig
from morl.study import Evaluation

AGENTS = ("envelope-dqn", "conditioned-ppo", "single-objective", "random")
ENVIRONMENTS = (
    "deep-sea-treasure-v0",
    "deep-sea-treasure-concave-v0",
    "fruit-tree-v0",
    "resource-gathering-v0",
    "breakable-bottles-v0",
    "hypergrid-3d-v0",
)


def write_study(
    folder: Path,
    *,
    environments: Sequence[str] = ENVIRONMENTS,
    agents: Sequence[str] = AGENTS,
    seeds: int = 10,
    evaluations: int = 20,
    episodes: int = 5,
) -> Path:
    """Write runs as `folder/ENVIRONMENT/AGENT/SEED`; later agents are worse, and seeds differ a little."""
    for env_id in environments:
        known = known_points(env_id)
        for rank, agent in enumerate(agents):
            for seed in range(seeds):
                rng = np.random.default_rng([seed, rank, len(env_id)])
                write_run(
                    folder / env_id / agent / str(seed),
                    env_id,
                    agent,
                    seed,
                    known=known,
                    shortfall=0.02 + 0.12 * rank + 0.02 * rng.random(),
                    evaluations=evaluations,
                    episodes=episodes,
                    rng=rng,
                )
    return folder


def known_points(env_id: str) -> np.ndarray:
    """The known front, or two points where there is none."""
    card = registry.get_card(env_id)
    if card is None or card.front is None:
        return np.array([[8.0, -9.0], [0.0, -1.0]])
    return card.front(card.protocol().gamma)


def write_run(
    path: Path,
    env_id: str,
    agent: str,
    seed: int,
    *,
    known: np.ndarray,
    shortfall: float,
    evaluations: int,
    episodes: int,
    rng: np.random.Generator,
) -> Path:
    """One finished run, without its checkpoint: returns fall short of the known front's by a part of its range."""
    card = registry.get_card(env_id)
    m = known.shape[1]
    weights = default_weights(m)
    best = known[best_for(known, weights)]
    span = np.ptp(known, axis=0) + 1e-9

    def returns(missing: float, count: int) -> np.ndarray:
        noise = np.abs(rng.normal(0, 0.02, (len(best), count, m)))
        return best[:, None] - span * (missing * rng.random((len(best), 1, m)) + noise)

    path.mkdir(parents=True)
    config = RunConfig(env=env_id, agent=agent, total_steps=100_000, seed=seed, num_envs=64)
    document = {
        "format": FORMAT,
        "version": SCHEMA_VERSION,
        "config": asdict(config),
        "created": time.time(),
        "threads": 1,
        "versions": {"morl": "0"},
    }
    (path / "config.json").write_text(json.dumps(document))
    for look in range(evaluations):
        points = returns(shortfall + (1 - shortfall) * np.exp(-4 * look / evaluations), 1)[:, 0]
        steps = 100_000 * (look + 1) // evaluations
        values = {
            "expected_utility": float((weights @ points.T).max(axis=1).mean()),
            "commanded_utility": float((weights * points).sum(axis=1).mean()),
        }
        append_evaluation(
            path / FILE, Evaluation(steps=steps, seconds=steps / 1000, returns=points, values=values)
        )
    Front(
        episode_returns=returns(shortfall, episodes),
        env_id=env_id,
        gamma=0.99 if card is None else card.protocol().gamma,
        objectives=tuple(f"objective_{i}" for i in range(m))
        if card is None
        else tuple(objective.name for objective in card.objectives),
        role="report",
        weights=weights,
        reference_point=None if card is None else card.protocol().reference_point,
        backend="original",
        agent=agent,
        training_seed=seed,
        training_steps=100_000,
        training_seconds=100.0,
    ).save(path / "front.json")
    return path
