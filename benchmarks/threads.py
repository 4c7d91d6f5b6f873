"""Is the default number of threads right, and do two trainings side by side get on? Prints Markdown tables.

Every agent trains with one thread, with two, and with the number that it chooses itself, in turns, each in a fresh
Python: first on the machine as it is, then beside one busy process of the lowest priority. Then one training alone
and two side by side, in turns. Meant for an otherwise idle machine with two cores or more.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

import common
from common import Bar, spread, table

DEFAULT = Bar("default over the better of one and two threads", 1.1, at_least=False)
PAIR = Bar("two side by side over one alone", 1.4, at_least=False)
SITUATIONS = ("idle", "beside a busy process")
QUICK = 20
"""With `--quick`, budgets are so many times smaller."""


class Learner(NamedTuple):
    """An agent with settings."""

    name: str
    agent: str
    steps: int
    """A training of some seconds."""
    num_envs: int = 512
    settings: dict[str, Any] = {}  # noqa: RUF012 - never changed
    discrete: bool = False
    """Whether it needs discrete actions."""


POPULATION = {"population": 16}
LEARNERS = (
    Learner("conditioned-ppo", "conditioned-ppo", 600_000),
    Learner("envelope-dqn", "envelope-dqn", 300_000, discrete=True),
    Learner("morld, PPO", "morld", 300_000, settings={**POPULATION, "learner": "ppo"}),
    Learner("morld, DQN", "morld", 200_000, settings={**POPULATION, "learner": "dqn"}, discrete=True),
    Learner("sweep", "sweep", 300_000, settings=POPULATION),
    Learner("single-objective", "single-objective", 300_000),
)
PROBLEMS = {
    "deep-sea-treasure-v0": True,
    "minecart-deterministic-v0": True,
    "mo-mountaincarcontinuous-v0": False,
}
"""Whether actions are discrete."""


@contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """Beside a process that computes without end, if one is wanted."""
    if not wanted:
        yield
        return
    program = "import os; os.nice(19)\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def training(learner: Learner, problem: str, quick: bool, threads: int | None = None) -> dict[str, Any]:
    """Seconds and threads of one training."""
    request = {
        "env": problem,
        "agent": learner.agent,
        "settings": learner.settings,
        "num_envs": learner.num_envs,
        "total_steps": learner.steps // QUICK if quick else learner.steps,
        "seed": 0,
    }
    return common.fresh_process("learn", request, threads=threads)


def alternated(learner: Learner, problem: str, options: argparse.Namespace) -> list[list[str]]:
    """Rows for one learner on one problem, one for each situation."""
    rows = []
    for situation in SITUATIONS:
        found: dict[int | None, list[dict[str, Any]]] = {1: [], 2: [], None: []}
        for _ in range(options.repeats):
            for threads, results in found.items():
                with busy(situation != "idle"):
                    results.append(training(learner, problem, options.quick, threads))
        one, two, default = ([result["seconds"] for result in results] for results in found.values())
        ratio = median(default) / min(median(one), median(two))
        chosen = sorted({result["threads"] for result in found[None]})
        rows.append(
            [
                learner.name,
                problem,
                situation,
                *(spread(seconds, "{:.1f}") for seconds in (one, two, default)),
                " or ".join(map(str, chosen)),
                f"{ratio:.2f}",
                DEFAULT.verdict(ratio),
            ]
        )
        print(f"  {' | '.join(rows[-1])}", file=sys.stderr, flush=True)
    return rows


def side_by_side(learner: Learner, problem: str, options: argparse.Namespace) -> list[str]:
    """A row for one learner on one problem."""
    alone, pairs = [], []
    for _ in range(options.repeats):
        alone.append(training(learner, problem, options.quick)["seconds"])
        with ThreadPoolExecutor(2) as pool:
            both = pool.map(lambda _: training(learner, problem, options.quick)["seconds"], range(2))
            pairs.append(max(both))
    ratio = median(pairs) / median(alone)
    row = [learner.name, problem, spread(alone, "{:.1f}"), spread(pairs, "{:.1f}")]
    row += [f"{ratio:.2f}", PAIR.verdict(ratio)]
    print(f"  {' | '.join(row)}", file=sys.stderr, flush=True)
    return row


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", nargs="+", metavar="NAME", choices=[learner.name for learner in LEARNERS])
    parser.add_argument(
        "--problems", nargs="+", metavar="ENV", choices=list(PROBLEMS), default=list(PROBLEMS)
    )
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="rounds; default: 3")
    parser.add_argument("--quick", action="store_true", help=f"budgets of 1/{QUICK}: does the script work?")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    options = parser.parse_args(argv)
    if options.quick and options.write:
        parser.error("--quick makes trials, which are no results to write")
    os.environ.pop("OMP_NUM_THREADS", None)  # which the default would obey
    cases = [
        (learner, problem)
        for learner in LEARNERS
        for problem in options.problems
        if options.agents is None or learner.name in options.agents
        if PROBLEMS[problem] or not learner.discrete
    ]
    rows = [row for case in cases for row in alternated(*case, options)]
    pairs = [side_by_side(*case, options) for case in cases]
    content = (
        f"Measured on {common.hardware()}. Seconds of a training, median (range) of {options.repeats}.\n\n"
        + table(
            [
                "agent",
                "environment",
                "",
                "1 thread",
                "2 threads",
                "default",
                "chosen",
                "ratio",
                f"<= {DEFAULT.limit:g}",
            ],
            rows,
        )
        + "\n\n"
        + table(["agent", "environment", "alone", "two side by side", "ratio", f"<= {PAIR.limit:g}"], pairs)
    )
    print(content)
    if options.write:
        common.write_block("threads", content)
    return 0 if all(row[-1] == common.PASS for row in (*rows, *pairs)) else 1


if __name__ == "__main__":
    sys.exit(main())
