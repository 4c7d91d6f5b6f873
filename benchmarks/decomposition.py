"""Does decomposition reach its bars? Trains MORL/D and what it must beat at equal steps; prints Markdown tables.

Every seed trains in a fresh process, whose seconds run from before it started to the end of training. Afterwards each
policy that the agent holds plays fresh episodes of the original environment; utilities are those of the policies that
the agent answers a lattice of weights with. Raw fronts, configuration and versions go to benchmarks/results.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import common
from common import Bar, spread, table

from morl import recipes

FOLDER = common.FOLDER / "results"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An environment, under its default protocol, and how much of it is trained and evaluated."""

    env: str
    total_steps: int
    num_envs: int
    partitions: int
    """Of the lattice of weights."""
    episodes: int = 1
    """Of each policy; one is all where nothing is random."""
    backend: str = "auto"
    """What is trained on."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One agent on one problem, and what it must reach: medians over the seeds."""

    problem: Problem
    agent: str
    label: str
    """Of the agent with its settings."""
    settings: dict[str, Any] = field(default_factory=dict)
    bars: tuple[Bar, ...] = ()
    rivals: tuple[str, ...] = ("evolution", "random")
    """Agents that it must beat on the problem at equal steps; none for the rivals themselves."""

    @property
    def name(self) -> str:
        """What --case and files call it."""
        return f"{self.problem.env.rpartition('-v')[0]}-{self.label}"


def within(seconds: float) -> Bar:
    return Bar("seconds", seconds, at_least=False)


POINTS = Bar("points", 10)


def case(recipe: str, label: str, *bars: Bar, partitions: int, episodes: int = 1, **more: Any) -> Case:
    """A recipe with its bars; evaluated on a lattice of weights."""
    config = recipes.load(recipe)
    problem = Problem(
        env=config.env, total_steps=config.total_steps, num_envs=config.num_envs, backend=config.backend,
        partitions=partitions, episodes=episodes,
    )  # fmt: skip
    return Case(problem=problem, agent=config.agent, label=label, settings=config.settings, bars=bars, **more)


CASES = (
    case("deep-sea-treasure-morld", "ppo", POINTS, within(120), partitions=100),
    case("deep-sea-treasure-morld-dqn", "dqn", POINTS, within(120), partitions=100),
    case("deep-sea-treasure-concave-morld", "chebyshev", Bar("points", 9), within(180), partitions=100),
    case(
        "deep-sea-treasure-concave-pareto-q-learning", "pareto-q", POINTS, within(180), partitions=100, rivals=()
    ),
    case("fruit-tree-morld", "dqn", Bar("commanded", 97), within(300), partitions=4),
    case(
        "minecart-deterministic-morld", "ppo", Bar("commanded", 95), Bar("hypervolume", 680), within(600),
        partitions=18,
    ),
    case(
        "mo-hopper-2d-morld", "ppo", Bar("hypervolume", 1.20e5), Bar("expected", 234),
        partitions=100, episodes=10,
    ),
    case(
        "mo-hopper-morld", "ppo", Bar("hypervolume", 1.59e7), Bar("expected", 147), partitions=18, episodes=10
    ),
    case(
        "mo-halfcheetah-morld", "ppo", Bar("hypervolume", 4e4), partitions=100, episodes=10,
        rivals=("sweep", "evolution", "random"),
    ),
)  # fmt: skip


def rivals(cases: Sequence[Case]) -> list[Case]:
    """What the cases must beat, on the same problems with as many steps."""
    found: dict[str, Case] = {}
    for case in cases:
        for rival in case.rivals:
            problem, settings = case.problem, case.settings if rival == "sweep" else {}
            if rival == "evolution":  # no more environments than it has policies: the rest would stand idle
                problem = replace(problem, num_envs=min(problem.num_envs, 128))
                settings = {"episodes": 3} if problem.episodes > 1 else {}
            if rival == "random":  # what it earns is a mean, not the luck of an episode
                problem = replace(problem, episodes=max(20, problem.episodes))
            one = Case(problem=problem, agent=rival, label=rival, settings=settings, rivals=())
            found.setdefault(one.name, one)
    return list(found.values())


# --- measure -----------------------------------------------------------------------------------------


def train(case: Case, seed: int, started: float) -> dict[str, Any]:
    """Train with one seed, then let every policy play."""
    import numpy as np

    import morl
    from morl import registry
    from morl.baselines import evaluate_members

    problem = case.problem
    env = morl.make_vec(problem.env, num_envs=problem.num_envs, backend=problem.backend)
    agent: Any = registry.agent_class(case.agent)(env, seed=seed, **case.settings)
    callbacks = [] if problem.backend == "auto" else kept_safe(case, agent)
    began = agent.seconds
    agent.learn(problem.total_steps, callbacks=callbacks, progress=False)
    seconds = time.time() - started + began
    env.close()
    weights = morl.weights.lattice(agent.num_objectives, partitions=problem.partitions)
    if len(getattr(agent, "returns", ())):
        front = evaluate_members(agent, problem.env, episodes=problem.episodes, backend="original")
        chosen = (weights @ agent.returns.numpy().T).argmax(axis=1)
    else:
        front = morl.evaluate(
            agent, problem.env, weights=weights, episodes=problem.episodes, backend="original"
        )
        chosen = np.arange(len(weights))
    assert front.episode_lengths is not None
    return {
        "seed": seed,
        "seconds": seconds,
        "steps": agent.steps,
        "gamma": front.gamma,
        "objectives": front.objectives,
        "versions": versions(front.versions),
        "episode_returns": np.round(front.episode_returns, 6).tolist(),
        "episode_lengths": front.episode_lengths.tolist(),
        "chosen": chosen.tolist(),
    }


def kept_safe(case: Case, agent: Any) -> list[Any]:
    """Callbacks that log and checkpoint a long training; one that was killed before goes on where it was saved."""
    from morl.callbacks import Checkpointer, CsvMetrics
    from morl.runs import Run, RunConfig, is_run

    problem, path = case.problem, common.OUT / "decomposition" / f"{case.name}-seed{agent.seed}"
    config = RunConfig(
        env=problem.env, agent=case.agent, total_steps=problem.total_steps, seed=agent.seed,
        num_envs=problem.num_envs, backend=problem.backend, settings=case.settings,
    )  # fmt: skip
    run = Run.open(path) if is_run(path) else Run.create(path, config)
    run.adopt(config)
    run.restore(agent)
    return [CsvMetrics(path / "metrics.csv"), Checkpointer(run.save_checkpoint, seconds=180)]


def versions(known: Any) -> dict[str, str]:
    """Those of the front, and of the physics if it is installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = dict(known)
    with suppress(PackageNotFoundError):
        found["mujoco"] = version("mujoco")
    return found


def measures_of(case: Case, result: dict[str, Any]) -> dict[str, float]:
    """What a stored result is worth."""
    import numpy as np

    import morl
    from morl import registry
    from morl.indicators import ReferencePointWarning, expected_utility, hypervolume

    card = registry.get_card(case.problem.env)
    assert card is not None
    points = np.array(result["episode_returns"]).mean(axis=1)
    weights = morl.weights.lattice(points.shape[1], partitions=case.problem.partitions)
    commanded = float((points[result["chosen"]] * weights).sum(axis=1).mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReferencePointWarning)  # an untrained policy may earn anything
        volume = hypervolume(points, reference_point=card.protocol().reference_point)
    found = {
        "seconds": result["seconds"],
        "hypervolume": volume,
        "expected": expected_utility(points, weights=weights),
        "utility": commanded,
    }
    if card.front is not None:
        exact = card.front(result["gamma"])
        found["points"] = float(common.points_found(points, exact))
        found["commanded"] = 100 * commanded / expected_utility(exact, weights=weights)
    return found


def run(case: Case, seed: int) -> None:
    """Train in a fresh process, which writes the result."""
    print(f"{case.name} seed {seed}", flush=True)
    command = [sys.executable, __file__, "--run", case.name, str(seed), repr(time.time())]
    if subprocess.run(command).returncode:
        raise common.BenchmarkError(f"{case.name} seed {seed} failed")
    print(
        "  " + "; ".join(f"{k} {v:.6g}" for k, v in measures_of(case, load(case, seed)).items()), flush=True
    )


def path_of(case: Case, seed: int) -> Path:
    return FOLDER / f"{case.name}-seed{seed}.json.gz"


def save(case: Case, result: dict[str, Any]) -> None:
    """Write the result, compressed; the same result gives the same bytes."""
    from morl.store import atomic_write

    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"case": asdict(case), "hardware": common.hardware(), **result}, separators=(",", ":"))
    atomic_write(path_of(case, result["seed"]), gzip.compress(text.encode(), mtime=0))


def load(case: Case, seed: int) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(gzip.decompress(path_of(case, seed).read_bytes()))
    return result


# --- report ------------------------------------------------------------------------------------------

COLUMNS = {
    "points": ("exact points", "{:.0f}"),
    "commanded": ("commanded utility, %", "{:.2f}"),
    "expected": ("expected utility", "{:.4g}"),
    "hypervolume": ("hypervolume", "{:.6g}"),
    "seconds": ("seconds", "{:.0f}"),
}


def stored(case: Case) -> list[dict[str, Any]]:
    """The results of all seeds that there are."""
    return [load(case, seed) for seed in range(10) if path_of(case, seed).exists()]


def report(cases: Sequence[Case]) -> str:
    """A row for each case with results, and the machine."""
    rows, results = [], []
    everything = {case.name: case for case in (*cases, *rivals(cases))}
    for case in sorted(everything.values(), key=lambda case: list(everything).index(case.name)):
        found = stored(case)
        if not found:
            continue
        results += found
        measures = [measures_of(case, result) for result in found]
        cells = [
            spread([m[name] for m in measures], form) if name in measures[0] else "-"
            for name, (_, form) in COLUMNS.items()
        ]
        steps = f"{found[0]['case']['problem']['total_steps']:,}"
        rows.append(
            [
                case.problem.env,
                f"{case.agent} {case.label}",
                steps,
                len(found),
                *cells,
                verdict(case, measures),
            ]
        )
    titles = [title for title, _ in COLUMNS.values()]
    return common.block(
        results, table(["environment", "agent", "steps", "seeds", *titles, "bars of the medians"], rows)
    )


def verdict(case: Case, measures: Sequence[dict[str, float]]) -> str:
    """Every bar with how it came out, rivals included."""
    said = []
    for bar in case.bars:
        outcome = bar.verdict(median(m[bar.measure] for m in measures))
        said.append(f"{bar.measure} {'>=' if bar.at_least else '<='} {bar.limit:g} {outcome}")
    for rival in rivals([case]):
        found = [measures_of(rival, result) for result in stored(rival)]
        if found:
            pairs = [
                (median(m[name] for m in measures), median(m[name] for m in found))
                for name in ("hypervolume", "utility")
            ]
            equal = all(abs(mine - theirs) <= 1e-6 * abs(theirs) for mine, theirs in pairs)
            better = all(mine > theirs for mine, theirs in pairs)
            outcome = "EQUAL" if equal else common.PASS if better else common.SHORT
            said.append(f"above {rival.label} {outcome}")
    return "; ".join(said)


def main(argv: Sequence[str] | None = None) -> int:
    known = {case.name: case for case in (*CASES, *rivals(CASES))}
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--case", nargs="+", choices=known, metavar="CASE", help="only these; --list names them")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED", help="default: 0 1 2")
    add("--report", action="store_true", help="measure nothing, show the stored results")
    add("--write", action="store_true", help="put the table of all stored results into README.md")
    add("--list", action="store_true", help="list the cases, and stop")
    add("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.list:
        print("\n".join(known))
        return 0
    if options.run:
        case = known[options.run[0]]
        save(case, train(case, int(options.run[1]), float(options.run[2])))
        return 0
    if not options.report:
        for case in (known[name] for name in options.case or known):
            for seed in options.seeds:
                run(case, seed)
    content = report(CASES)
    print("\n" + content)
    if options.write:
        common.write_block("decomposition", content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
