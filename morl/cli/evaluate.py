"""`morl evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from morl import weights as preference_weights
from morl.agent import Agent, load
from morl.cli.options import Evaluate, Trained
from morl.cli.tables import print_comparison
from morl.comparison import compare
from morl.devices import check_device
from morl.errors import MorlError
from morl.evaluation import evaluate
from morl.runs import Run, is_run


def run(options: Evaluate) -> None:
    """Evaluate, print, write the front."""
    check_device(options.device)
    agent, env, env_kwargs = subject(options)
    out = free_name(options.path) if options.out is None else options.out
    front = evaluate(
        agent,
        env,
        weights=preferences(options, agent.num_objectives),
        episodes=options.episodes,
        seed=options.seed,
        backend=options.backend,
        gamma=options.gamma,
        device=options.device,
        env_kwargs=env_kwargs,
    )
    front.save(out)
    print_comparison(compare({str(options.path): front}))
    print(f"front: {out}")


def preferences(options: Evaluate, m: int) -> Any:
    """The preferences (k, m) that the flags ask for; None for the default ones."""
    if options.weights and options.partitions is not None:
        raise MorlError("expected --weights or --partitions, got both")
    if options.partitions is not None:
        return preference_weights.lattice(m, partitions=options.partitions)
    if not options.weights:
        return None
    try:
        rows = [[float(number) for number in word.split(",")] for word in options.weights]
    except ValueError:
        given = " ".join(options.weights)
        raise MorlError(
            f"expected --weights as numbers with commas, such as 0.5,0.5 0.9,0.1; got {given}"
        ) from None
    for row in rows:
        preference_weights.validate(row, m)
    return rows


def free_name(folder: Path, stem: str = "front", suffix: str = ".json") -> Path:
    """`front.json` in the folder, or `front-2.json` and so on where that is taken."""
    name, number = folder / f"{stem}{suffix}", 2
    while name.exists():
        name, number = folder / f"{stem}-{number}{suffix}", number + 1
    return name


def subject(options: Trained) -> tuple[Agent, str, dict[str, Any]]:
    """The agent, its environment and that environment's keyword arguments."""
    if is_run(options.path):
        found = Run.open(options.path)
        env = found.config.env if options.env is None else options.env
        kwargs = found.config.env_kwargs if options.env is None else {}
        return found.load_agent(options.device), env, {**kwargs, **options.env_kwargs}
    agent = load(options.path, device=options.device)
    return agent, agent.env_id if options.env is None else options.env, options.env_kwargs
