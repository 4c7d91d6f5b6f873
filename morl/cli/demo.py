"""`morl demo`: the main job in miniature.

Trains the agents and baselines of `ENTRIES` on deep-sea-treasure, evaluates them on the original environment,
and compares their fronts with the exact one: a table, a picture, and a report to explore. The picture is there after
the first training, and drawn anew after every other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from morl.cli.options import Demo
from morl.cli.output import say
from morl.cli.tables import console, print_tables
from morl.cli.train import file_name
from morl.comparison import compare
from morl.comparison_tables import tables_of
from morl.runs import Run, RunConfig

ENV = "deep-sea-treasure-v0"

LOOK_SECONDS = 1.0
"""Between two evaluations during a training, so that its learning curve has some points."""


@dataclass(frozen=True)
class Entry:
    """One training of the demo."""

    agent: str
    steps: int
    num_envs: int | None = None
    """Environments in parallel; None for as many as suit agent and budget."""
    settings: dict[str, Any] = field(default_factory=dict)


# Together they take less than 20 seconds on two cores: agents that find most of the front, and what they must beat.
ENTRIES = (
    Entry("conditioned-ppo", 250_000, num_envs=256),
    Entry("morld", 300_000, num_envs=176, settings={"population": 11}),
    Entry("sweep", 150_000, num_envs=96, settings={"population": 6, "weight_method": "lattice"}),
    Entry("random", 10_000),
)


def run(options: Demo) -> None:
    """Train, evaluate, compare, draw."""
    start = time.monotonic()
    out = make_room(options.out)
    screen, picture = console(), out / "fronts.png"
    for number, entry in enumerate(ENTRIES, 1):
        screen.print(f"[bold]{number}/{len(ENTRIES)}[/] {entry.agent}: {entry.steps:,} steps on {ENV}")
        train(entry, out / file_name(entry.agent), options.seed)
        found = compare(out)
        found.save(picture)
        if number == 1:
            say(
                f"picture: {picture}, after {time.monotonic() - start:.0f} seconds; others will be added to it"
            )
    screen.print()
    print_tables(tables_of(found))
    say(f"picture: {picture}")
    say(f"report: {found.save(out / 'report.html')[0]}; open it in a browser")
    say(f"runs: {out}; look at the trainings with: tensorboard --logdir {out}")
    screen.print(f"{time.monotonic() - start:.0f} seconds in all")


def train(entry: Entry, path: Path, seed: int) -> None:
    """One run."""
    config = RunConfig(
        env=ENV,
        agent=entry.agent,
        total_steps=entry.steps,
        seed=seed,
        num_envs=entry.num_envs,
        settings=entry.settings,
    )
    Run.create(path, config).train(evaluation_seconds=LOOK_SECONDS)


def make_room(out: Path) -> Path:
    """`out` itself, free: what stood there is moved aside to the next free name, so nothing is lost."""
    if out.exists():
        number = 1
        while (aside := out.with_name(f"{out.name}-{number}")).exists():
            number += 1
        out.rename(aside)
        say(f"moved what was in {out} to {aside}")
    return out
