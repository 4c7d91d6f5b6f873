"""Do the agents reach the bars with their defaults? Trains them, evaluates on the original environments.

Every seed trains in a fresh process; its seconds run from before that process started to the end of training,
so imports and environment creation count. Fronts and results go to benchmarks/out/quality.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import common
from common import Bar, BenchmarkError, spread, table

from morl import recipes

FOLDER = common.OUT / "quality"
TRIALS = common.OUT / "trials"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An environment under one of its protocols, and the preferences that are asked for."""

    env: str
    protocol: str
    partitions: int
    """Of the lattice of weights."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One agent on one problem, and what it must reach: medians over the seeds."""

    problem: Problem
    agent: str
    total_steps: int
    num_envs: int
    bars: tuple[Bar, ...] = ()
    episodes: int = 1
    """Per preference. One is all where environment and policy are deterministic."""
    settings: dict[str, Any] = field(default_factory=dict)
    """None for the cases below, which run with the agent's defaults."""
    label: str = ""

    @property
    def key(self) -> str:
        """What --case calls it."""
        return f"{self.problem.env.rpartition('-v')[0]}/{self.label or self.agent}"

    @property
    def name(self) -> str:
        """What files are called."""
        return self.key.replace("/", "-")


SEA = Problem(env="deep-sea-treasure-v0", protocol="standard", partitions=100)
MINECART = Problem(env="minecart-deterministic-v0", protocol="c-morl", partitions=18)
MEMORY = Bar("memory", 2.0, at_least=False)


def within(seconds: float) -> Bar:
    return Bar("seconds", seconds, at_least=False)


def case(problem: Problem, agent: str, *bars: Bar) -> Case:
    """The agent's recipe for the problem, with its bars."""
    config = recipes.load(f"{problem.env.rpartition('-v')[0]}-{agent}")
    return Case(
        problem=problem, agent=agent, total_steps=config.total_steps, num_envs=config.num_envs,
        settings=config.settings, bars=(*bars, MEMORY),
    )  # fmt: skip


CASES = (
    case(SEA, "envelope-dqn", Bar("points", 10), Bar("hypervolume", 854.85), Bar("commanded", 99.5), within(60)),
    case(SEA, "conditioned-ppo", Bar("commanded", 98), within(90)),
    case(
        MINECART, "envelope-dqn", Bar("commanded", 97), Bar("loss", 0.05, at_least=False),
        Bar("hypervolume", 690), within(300),
    ),
    case(MINECART, "conditioned-ppo", Bar("commanded", 90), within(600)),
)  # fmt: skip

MEASURES = {
    "points": ("points of the front found", "{:.0f}"),
    "hypervolume": ("hypervolume", "{:.2f}"),
    "commanded": ("commanded utility, % of the front's", "{:.2f}"),
    "loss": ("maximum utility loss", "{:.4f}"),
    "seconds": ("seconds of training", "{:.1f}"),
    "memory": ("peak memory, GB", "{:.2f}"),
}


def baselines(cases: Sequence[Case]) -> list[Case]:
    """What the cases must beat, with the same environment steps: chance, and one such agent per weight."""
    chosen = []
    for problem in dict.fromkeys(case.problem for case in cases):
        first = next(case for case in cases if case.problem == problem)
        chosen.append(replace(first, agent="random", bars=(), episodes=5))
    for case in cases:
        label, settings = f"single-objective-{case.agent}", {"learner": case.agent}
        chosen.append(replace(case, agent="single-objective", bars=(), settings=settings, label=label))
    return chosen


# --- measure ---------------------------------------------------------------------------------------


def run(case: Case, seeds: Sequence[int], threads: int | None, folder: Path) -> dict[str, Any]:
    """Train and evaluate the case with every seed; write the result after each."""
    from morl import registry

    card = registry.get_card(case.problem.env)
    assert card is not None
    gamma = card.protocol(case.problem.protocol).gamma
    result: dict[str, Any] = {"case": asdict(case), "hardware": common.hardware(threads), "seeds": []}
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        path = folder / f"{case.name}-seed{seed}.json"
        request = {
            "env": case.problem.env,
            "agent": case.agent,
            "total_steps": case.total_steps,
            "num_envs": case.num_envs,
            "settings": case.settings,
            "seed": seed,
            "partitions": case.problem.partitions,
            "episodes": case.episodes,
            "gamma": gamma,
            "front": str(path),
        }
        print(f"{case.key} seed {seed}: {case.total_steps:,} steps", flush=True)
        try:
            outcome = common.fresh_process("train", request, threads=threads)
        except BenchmarkError as error:
            print(f"  failed: {error}", flush=True)
            result["seeds"].append({"seed": seed, "failed": True})
        else:
            measures = {"seconds": outcome["seconds"], "memory": outcome["memory"] / 1e9}
            measures |= measures_of(path, case.problem)
            result["seeds"].append({"seed": seed, **outcome, "measures": measures, "front": path.name})
            texts = [f"{MEASURES[name][0]} {MEASURES[name][1].format(v)}" for name, v in measures.items()]
            print("  " + "; ".join(texts), flush=True)
        common.save_result(folder / f"{case.name}.json", result)
    return result


def measures_of(path: Path, problem: Problem) -> dict[str, float]:
    """What a stored front is worth against the known one."""
    import morl
    from morl import registry
    from morl.indicators import ReferencePointWarning, expected_utility

    front = morl.Front.load(path)
    card = registry.get_card(problem.env)
    assert card is not None
    protocol = card.protocol(problem.protocol)
    exact = card.linear_front(protocol.gamma)
    assert exact is not None, "every problem here has a known front"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReferencePointWarning)  # an untrained policy may earn anything
        hypervolume = front.hypervolume(protocol.reference_point)
    return {
        "points": float(common.points_found(front.returns, exact)),
        "hypervolume": hypervolume,
        "commanded": 100 * front.commanded_utility() / expected_utility(exact, weights=front.weights),
        "loss": front.maximum_utility_loss(exact),
    }


# --- report ----------------------------------------------------------------------------------------


def seeds_table(result: dict[str, Any]) -> str:
    """One row per seed."""
    rows = []
    for seed in result["seeds"]:
        values = seed.get("measures")
        cells = ["failed" if values is None else form.format(values[k]) for k, (_, form) in MEASURES.items()]
        rows.append([seed["seed"], *cells])
    return table(["seed", *(label for label, _ in MEASURES.values())], rows)


def values_of(result: dict[str, Any], measure: str) -> list[float]:
    """The measure for every seed that did not fail."""
    return [seed["measures"][measure] for seed in result["seeds"] if "measures" in seed]


def bars_table(results: Sequence[tuple[Case, dict[str, Any]]]) -> str:
    """One row per bar: median over seeds against what is asked."""
    rows = []
    for case, result in results:
        complete = not any(seed.get("failed") for seed in result["seeds"])
        for bar in case.bars:
            label, form = MEASURES[bar.measure]
            values = values_of(result, bar.measure)
            rows.append(
                [
                    case.problem.env,
                    case.agent,
                    f"{case.total_steps:,}",
                    label,
                    f"{'>=' if bar.at_least else '<='} {bar.limit:g}",
                    spread(values, form) if values else "failed",
                    len(values),
                    bar.verdict(median(values) if values and complete else None),
                ]
            )
    headers = ["environment", "agent", "steps", "measure", "bar", "median (range)", "seeds", "verdict"]
    return table(headers, rows)


def baselines_table(results: Sequence[tuple[Case, dict[str, Any]]]) -> str:
    """One row per agent and baseline: every measure."""
    rows = []
    for case, result in results:
        columns = [(values_of(result, name), form) for name, (_, form) in MEASURES.items()]
        cells = [spread(values, form) if values else "failed" for values, form in columns]
        rows.append([case.problem.env, case.label or case.agent, f"{case.total_steps:,}", *cells])
    return table(["environment", "agent", "steps", *(label for label, _ in MEASURES.values())], rows)


def report(folder: Path, write: bool) -> None:
    """Print what `folder` holds; with `write`, into the README too."""
    stored: list[tuple[Case, dict[str, Any]]] = []
    for case in (*CASES, *baselines(CASES)):
        result = common.load_result(folder / f"{case.name}.json")
        if result is not None:
            stored.append((replace(case, total_steps=result["case"]["total_steps"]), result))
    barred = [(case, result) for case, result in stored if case.bars]
    shown = {"quality-bars": (bars_table, barred), "quality-agents": (baselines_table, stored)}
    for name, (draw, chosen) in shown.items():
        if chosen:
            content = common.block([result for _, result in chosen], draw(chosen))
            print(f"\n{content}")
            if write:
                common.write_block(name, content)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    known = {case.key: case for case in (*CASES, *baselines(CASES))}
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--case", nargs="+", choices=known, metavar="CASE", help="only these; --list names them")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED", help="default: 0 1 2")
    add("--threads", type=int, metavar="N", help="threads of every training; default: torch's choice")
    add("--baselines", action="store_true", help="the baselines of the chosen cases too")
    add("--steps", type=int, metavar="N", help="another budget, for a trial: kept apart from the results")
    add("--report", action="store_true", help="measure nothing, show the stored results")
    add("--write", action="store_true", help="put the tables of all stored results into README.md")
    add("--list", action="store_true", help="list the cases with their bars, and stop")
    options = parser.parse_args(argv)
    if options.write and options.steps is not None:
        parser.error("--write takes results, and --steps makes trials")
    chosen = [known[key] for key in options.case or [case.key for case in CASES]]
    if options.baselines:
        chosen += [case for case in baselines([c for c in chosen if c.bars]) if case not in chosen]
    options.cases = chosen
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    if options.list:
        for case in (*CASES, *baselines(CASES)):
            bars = [f"{MEASURES[b.measure][0]} {'>=' if b.at_least else '<='} {b.limit:g}" for b in case.bars]
            print(f"{case.key}: {case.total_steps:,} steps; {', '.join(bars) or 'a baseline'}")
        return 0
    folder = FOLDER if options.steps is None else TRIALS
    for case in [] if options.report else options.cases:
        tried = case if options.steps is None else replace(case, total_steps=options.steps)
        print(f"\n{seeds_table(run(tried, options.seeds, options.threads, folder))}\n", flush=True)
    report(folder, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
