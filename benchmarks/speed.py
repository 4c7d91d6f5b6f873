"""How fast, and how small? Ratios to MO-Gymnasium and MORL-Baselines, measured in one run on one machine.

Results go to benchmarks/out/speed. The section `training` runs EnvelopeDQN with exactly the settings of
quality.py. What it is compared with needs a Python that has morl-baselines (this one, or --peer-python);
where there is none, that half is left out with a line that says so.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import adapters
import common
import training
from common import Bar, BenchmarkError, spread, table
from quality import MINECART

FOLDER = common.OUT / "speed"
TRIALS = common.OUT / "trials"
ENVS = (
    "deep-sea-treasure-v0",
    "minecart-v0",
    "minecart-deterministic-v0",
    "resource-gathering-v0",
    "breakable-bottles-v0",
    "fruit-tree-v0",
    "four-room-v0",
    "fishwood-v0",
    "water-reservoir-v0",
    "mo-mountaincar-v0",
    "mo-mountaincar-3d-v0",
    "mo-mountaincar-timemove-v0",
    "mo-mountaincar-timespeed-v0",
    "mo-mountaincarcontinuous-v0",
)
"""The batched environments that MO-Gymnasium has, too, except minecart's pictures."""
SIZES = (4096, 16384, 65536)
MANY = {"building-energy-9-v0": Bar("steps", 200_000), "building-energy-3-v0": None, "hypergrid-10d-v0": None}
"""Environments that only exist batched, and what 1,024 of them must do in a second."""
AGENTS = ("envelope-dqn", "conditioned-ppo")
RATIO_BARS = {"eager": Bar("ratio", 25), "compiled": Bar("ratio", 100)}
RESIDENT_BAR = Bar("memory", 1.0, at_least=False)
EVALUATION_BAR = Bar("seconds", 5, at_least=False)
STARTUP_BARS = {"import morl": Bar("seconds", 1.5, False), "morl --help": Bar("seconds", 2, False)}

Result = dict[str, Any]


# --- environments ------------------------------------------------------------------------------------


def measure_environments(options: argparse.Namespace) -> Result:
    """Steps per second of every environment, each in a fresh process."""
    found = {}
    for env_id in ENVS:
        print(f"environments: {env_id}", flush=True)
        request = {"env": env_id, "sizes": options.sizes, "original": True}
        request.update(repeats=options.repeats, seconds=options.seconds)
        found[env_id] = common.fresh_process("throughput", request, threads=options.threads)
    return {"found": found}


def show_environments(result: Result) -> str:
    """The best batch size of each mode, and its ratio to the original in the same round."""
    rows = []
    for env_id, found in result["found"].items():
        for mode, bar in RATIO_BARS.items():
            mine = {name: rates for name, rates in found["batched"].items() if name.startswith(mode)}
            best = max(mine, key=lambda name: median(mine[name]))
            ratios = {
                name: [ours / theirs for ours, theirs in zip(mine[best], found[name], strict=True)]
                for name in ("original", "bare")
            }
            rows.append(
                [
                    env_id,
                    _thousands(found["original"]),
                    mode,
                    f"{int(best.split()[1]):,}",
                    f"{found['first_seconds'][best]:.1f}",
                    _thousands(mine[best]),
                    spread(ratios["original"], "{:.0f}"),
                    f">= {bar.limit:g}",
                    bar.verdict(median(ratios["original"])),
                    spread(ratios["bare"], "{:.0f}"),
                ]
            )
    headers = ["environment", "MO-Gymnasium, 1000 steps/s", "batched", "at size", "first 5 steps, s"]
    headers += ["1000 steps/s", "ratio", "bar", "verdict", "ratio to the bare loop"]
    return table(headers, rows)


def measure_many(options: argparse.Namespace) -> Result:
    """Steps per second of 1,024 environments with many objectives."""
    found = {}
    for env_id in MANY:
        print(f"many: {env_id}", flush=True)
        request = {"env": env_id, "sizes": [1024], "original": False}
        request.update(repeats=options.repeats, seconds=options.seconds)
        found[env_id] = common.fresh_process("throughput", request, threads=options.threads)
    return {"found": found}


def show_many(result: Result) -> str:
    rows = []
    for env_id, found in result["found"].items():
        bar = MANY[env_id]
        for name, rates in found["batched"].items():
            judged = [f">= {bar.limit:,.0f}", bar.verdict(median(rates))] if bar else ["", "reported"]
            rows.append([env_id, name.split()[0], spread(rates, "{:,.0f}"), *judged])
    return table(["1,024 x environment", "mode", "steps/s in all", "bar", "verdict"], rows)


def _thousands(rates: Sequence[float]) -> str:
    return spread([rate / 1000 for rate in rates], "{:,.0f}")


# --- memory, evaluation, start-up --------------------------------------------------------------------


def measure_memory(options: argparse.Namespace) -> Result:
    """Peak memory of batched minecarts, compilation apart."""
    request = {"env": "minecart-v0", "num_envs": 65536, "steps": 50}
    print(f"memory: {request['num_envs']:,} minecarts", flush=True)
    return {**request, **common.fresh_process("resident", request, threads=options.threads)}


def show_memory(result: Result) -> str:
    memory = result["memory"] / 1e9
    row = [f"{result['num_envs']:,} x {result['env']}, {result['steps']} steps", f"{memory:.2f}"]
    bar = [f"<= {RESIDENT_BAR.limit:g}", RESIDENT_BAR.verdict(memory)]
    return table(["process", "peak memory, GB", "bar", "verdict"], [row + bar])


def measure_evaluation(options: argparse.Namespace) -> Result:
    """Seconds of an evaluation on the batched minecart; untrained agents idle, so episodes are long."""
    found = {}
    for agent in AGENTS:
        print(f"evaluation: {agent}", flush=True)
        request = {"env": "minecart-v0", "agent": agent, "partitions": MINECART.partitions, "episodes": 5}
        request["repeats"] = options.repeats
        found[agent] = common.fresh_process("evaluate", request, threads=options.threads)
    return {"found": found}


def show_evaluation(result: Result) -> str:
    rows = []
    for agent, found in result["found"].items():
        seconds, bar = found["seconds"], EVALUATION_BAR
        verdict = bar.verdict(median(seconds))
        rows.append([agent, max(found["longest"]), spread(seconds, "{:.2f}"), f"<= {bar.limit:g}", verdict])
    headers = ["190 weights x 5 episodes, minecart-v0", "longest episode", "seconds", "bar", "verdict"]
    return table(headers, rows)


def measure_startup(options: argparse.Namespace) -> Result:
    """Seconds of whole processes; one before them fills the disk cache."""
    commands = {
        "import morl": [sys.executable, "-c", "import morl"],
        "morl --help": [sys.executable, "-m", "morl", "--help"],
    }
    found = {}
    for name, command in commands.items():
        print(f"startup: {name}", flush=True)
        seconds = []
        for _ in range(1 + options.repeats):
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds.append(time.perf_counter() - start)
        found[name] = seconds[1:]
    return {"found": found}


def show_startup(result: Result) -> str:
    rows = [
        [name, spread(seconds, "{:.2f}"), f"<= {bar.limit:g}", bar.verdict(median(seconds))]
        for name, seconds in result["found"].items()
        for bar in [STARTUP_BARS[name]]
    ]
    return table(["command", "seconds", "bar", "verdict"], rows)


# --- command line ------------------------------------------------------------------------------------

Measure = Callable[[argparse.Namespace], Result]
Show = Callable[[Result], str]
SECTIONS: dict[str, tuple[Measure, Show]] = {
    "environments": (measure_environments, show_environments),
    "many": (measure_many, show_many),
    "adapters": (adapters.measure, adapters.show),
    "memory": (measure_memory, show_memory),
    "evaluation": (measure_evaluation, show_evaluation),
    "startup": (measure_startup, show_startup),
    "training": (training.measure, training.show),
}


def report(folder: Path, write: bool) -> None:
    """Print what `folder` holds; with `write`, into the README too."""
    for name, (_, show) in SECTIONS.items():
        result = common.load_result(folder / f"{name}.json")
        if result is not None:
            content = common.block([result], show(result))
            print(f"\n{content}")
            if write:
                common.write_block(f"speed-{name}", content)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--section", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="only these")
    add("--threads", type=int, metavar="N", help="threads of every measurement; default: torch's choice")
    add("--repeats", type=int, default=5, metavar="N", help="of each measurement; default: 5")
    add("--seconds", type=float, default=2, metavar="S", help="of one throughput measurement; default: 2")
    add("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="batch sizes to choose the best of")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED", help="of training; default: 0 1 2")
    add("--every", type=float, default=10, metavar="S", help="seconds of training between looks; default: 10")
    add("--peer-python", default=sys.executable, metavar="PATH", help="a Python that has morl-baselines")
    add("--peer-seconds", type=float, default=3600, metavar="S", help="the peer's most; default: 3600")
    add("--peer-every", type=float, default=60, metavar="S", help="seconds between its looks; default: 60")
    add("--steps", type=int, metavar="N", help="another budget, for a trial: kept apart from the results")
    add("--report", action="store_true", help="measure nothing, show the stored results")
    add("--write", action="store_true", help="put the tables of all stored results into README.md")
    add("--list", action="store_true", help="list the sections, and stop")
    options = parser.parse_args(argv)
    if options.write and options.steps is not None:
        parser.error("--write takes results, and --steps makes trials")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    if options.list:
        for name, (measure, _) in SECTIONS.items():
            print(f"{name}: {(measure.__doc__ or '').splitlines()[0]}")
        return 0
    folder = FOLDER if options.steps is None else TRIALS
    for name in [] if options.report else options.section:
        try:
            result = SECTIONS[name][0](options)
        except BenchmarkError as error:
            print(f"{name} failed: {error}", flush=True)
        else:
            common.save_result(
                folder / f"{name}.json", {**result, "hardware": common.hardware(options.threads)}
            )
    report(folder, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
