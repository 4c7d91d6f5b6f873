"""What does training K policies as one stacked network save? Prints Markdown tables, and may draw a picture.

The peer trains the same members one after another with `ConditionedPPO`, whose updates run without `torch.vmap`,
each with its preference fixed: the faster of one process with two threads, and two processes with one thread that
share the members. Environments, rollouts, epochs, minibatches, widths and steps are the same. Every figure is of a
fresh process and leaves its start and its first iteration out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common
from common import Bar, spread, table

ENV, EACH, LENGTH, EPOCHS = "deep-sea-treasure-v0", 8, 64, 4
BAR = Bar("times less wall-clock", 4)
CASES = ((64, (64, 64)), (256, (64, 64)), (1024, (64, 64)), (64, (256, 256)))
"""Minibatch per member, and widths. A rollout has as many steps as the minibatch, or 512."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


def settings(minibatch: int, hidden: Sequence[int]) -> dict[str, Any]:
    return {
        "rollout_length": max(LENGTH, minibatch // EACH),
        "epochs": EPOCHS,
        "minibatch": minibatch,
        "hidden": tuple(hidden),
    }


def weights_of(member: int, members: int) -> list[float]:
    share = member / max(1, members - 1)
    return [share, 1 - share]


def stacked(members: int, minibatch: int, hidden: Sequence[int], iterations: int) -> float:
    """Seconds of `iterations` of a population, after the first."""
    import torch

    import morl
    from morl.agents.population import env_seeds
    from morl.agents.population_ppo import PPOPopulation, PPOSettings
    from morl.rollout import EpisodeReturns, collect
    from morl.transitions import Transitions

    chosen = PPOSettings(**settings(minibatch, hidden))
    env = morl.make_vec(ENV, members * EACH, groups=members)
    source = Transitions(env)
    seeds = list(range(members))
    source.reset(env_seeds(env, seeds, members * EACH))
    weights = torch.tensor([weights_of(k, members) for k in seeds])
    rows = weights.repeat_interleave(EACH, 0)
    learner = PPOPopulation(
        obs_dim=env.single_observation_space.shape[0], channels=2, action_space=env.single_action_space,
        num_envs=members * EACH, seeds=seeds, settings=chosen, gamma=0.99,
    )  # fmt: skip
    returns = EpisodeReturns(2)
    start = 0.0
    for iteration in range(iterations + 1):
        if iteration == 1:
            start = time.perf_counter()
        with torch.no_grad():
            rollout, _ = collect(
                source, lambda obs, _: learner.behave(obs.float()), rows, chosen.rollout_length,
                lambda n: rows, returns,
            )  # fmt: skip
        rollout = rollout._replace(obs=rollout.obs.float(), next_obs=rollout.next_obs.float())
        learner.update(rollout, weights, iteration / (iterations + 1))
    return time.perf_counter() - start


def one_by_one(
    first: int, last: int, members: int, minibatch: int, hidden: Sequence[int], iterations: int
) -> float:
    """Seconds of members `first` to `last` - 1, each for as many iterations, after its first."""
    import torch

    import morl

    total = 0.0
    for k in range(first, last):
        chosen = settings(minibatch, hidden)
        agent = morl.agents.ConditionedPPO(
            morl.make_vec(ENV, EACH), seed=k, normalise_observations=False, **chosen
        )
        row = torch.tensor(weights_of(k, members))
        agent.preferences = lambda n, generator, device, row=row: row.expand(n, -1)
        steps = EACH * chosen["rollout_length"]
        agent.total_steps = steps * (iterations + 1)
        agent.iterate(steps)
        start = time.perf_counter()
        for _ in range(iterations):
            agent.iterate(steps)
        total += time.perf_counter() - start
    return total


def start(function: str, threads: int, *arguments: Any) -> subprocess.Popen[str]:
    """Begin a measurement in a fresh process."""
    command = [sys.executable, __file__, "--run", function, json.dumps(arguments)]
    env = common.environment(threads)
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> float:
    out, _ = process.communicate()
    if process.returncode:
        raise common.BenchmarkError(f"a measurement ended with status {process.returncode}")
    return float(out)


def compare(members: int, minibatch: int, hidden: Sequence[int], iterations: int) -> dict[str, float]:
    """Seconds of the same work in three ways."""
    case = (minibatch, list(hidden), iterations)
    together = result(start("stacked", 2, members, *case))
    one = result(start("one_by_one", 2, 0, members, members, *case))
    half = members // 2
    halves = [start("one_by_one", 1, a, b, members, *case) for a, b in ((0, half), (half, members))]
    two = max(result(process) for process in halves)
    return {"stacked": together, "one process": one, "two processes": two}


def draw(rates: dict[int, float], path: Path) -> None:
    """Environment steps per second against the number of members."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    sizes = list(rates)
    axes.plot(sizes, [rates[k] / 1000 for k in sizes], marker="o", color="#0072B2", label="stacked")
    axes.plot(
        sizes,
        [rates[sizes[0]] * k / 1000 for k in sizes],
        color="#999999",
        linestyle=":",
        label="in proportion",
    )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(sizes, [str(k) for k in sizes])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(top=2 * max(rates.values()) / 1000)
    axes.set_xlabel("members")
    axes.set_ylabel("1000 environment steps per second")
    axes.set_title(f"PPO members of 2 x 64 units, minibatch 64, {EACH} environments each", fontsize=10)
    axes.legend(frameon=False)
    axes.grid(color="#E6E6E6")
    figure.savefig(path, dpi=150)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=32, metavar="K", help="default: 32")
    parser.add_argument("--iterations", type=int, default=8, metavar="N", help="of each member; default: 8")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--draw", type=Path, metavar="PNG", help="draw the steps per second of 1 to 128 members"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.run:
        function, arguments = options.run
        print({"stacked": stacked, "one_by_one": one_by_one}[function](*json.loads(arguments)))
        return 0
    rows = []
    for minibatch, hidden in CASES:
        found = [
            compare(options.members, minibatch, hidden, options.iterations) for _ in range(options.repeats)
        ]
        ratios = [min(f["one process"], f["two processes"]) / f["stacked"] for f in found]
        judged = (minibatch, hidden) == CASES[0]
        middle = sorted(ratios)[len(ratios) // 2]
        rows.append(
            (
                minibatch,
                f"2 x {hidden[0]}",
                *(spread([f[name] for f in found], "{:.1f}") for name in found[0]),
                spread(ratios, "{:.1f}"),
                *((">= 4", BAR.verdict(middle)) if judged else ("", "")),
            )
        )
    names = ("stacked, s", "one process, 2 threads, s", "two processes, s")
    content = table(("minibatch", "network", *names, "ratio to the faster", "bar", ""), rows)
    print(content, flush=True)
    if options.draw:
        rates = {}
        for members in SIZES:
            seconds = min(
                result(start("stacked", 2, members, 64, [64, 64], options.iterations)) for _ in range(2)
            )
            rates[members] = members * EACH * LENGTH * options.iterations / seconds
        content += "\n\n" + table(
            ("members", *map(str, rates)), [("steps/s", *(f"{rate:,.0f}" for rate in rates.values()))]
        )
        draw(rates, options.draw)
    content = common.block([{"hardware": common.hardware(2)}], content)
    print("\n" + content)
    if options.write:
        common.write_block("population", content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
