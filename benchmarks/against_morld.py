"""MORL/D against MORL-Baselines' MORL/D with discrete SAC, on minecart: how long until the peer's best is reached?

Both hold 16 policies and are judged by the commanded utility over the same lattice of weights on the original
environment, with the clock stopped. A time is only known to lie between two looks: of ours the later counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import common
from common import Bar, table
from decomposition import CASES, Case

FOLDER = common.OUT / "against_morld"
BAR = Bar("ratio", 50)
SETTINGS = {"population": 16, "weight_method": "energy"}
"""In place of the case's: no lattice has 16 weights."""
ENVS = 480


def the_case() -> Case:
    """MORL/D on minecart, as decomposition.py runs it."""
    return next(case for case in CASES if case.name == "minecart-deterministic-ppo")


def ours(seed: int, enough: float, started: float) -> list[dict[str, float]]:
    """Our commanded utility against seconds since `started`, the looks left out, until it is `enough`."""
    import morl
    from morl.agent import Callback

    problem = the_case().problem
    env = morl.make_vec(problem.env, num_envs=ENVS)
    agent = morl.agents.MORLD(env, seed=seed, **the_case().settings | SETTINGS)
    weights = morl.weights.lattice(agent.num_objectives, partitions=problem.partitions)
    points: list[dict[str, float]] = []

    class Watch(Callback):
        out = 0.0

        def on_iteration(self, agent: Any, metrics: dict[str, Any]) -> bool:
            begin = time.time()
            seconds = begin - started - self.out
            if len(agent.returns):
                front = morl.evaluate(agent, problem.env, weights=weights, episodes=1, backend="original")
                utility = front.commanded_utility()
                points.append({"seconds": seconds, "steps": agent.steps, "commanded_utility": utility})
                self.out += time.time() - begin
                return utility < enough
            return True

    agent.learn(problem.total_steps, callbacks=[Watch()], progress=False)
    return points


def theirs(python: str, seed: int, seconds: float) -> list[dict[str, float]]:
    """What peer_morld.py prints, shown as it comes."""
    import morl
    from morl import registry

    problem = the_case().problem
    card = registry.get_card(problem.env)
    assert card is not None
    protocol = card.protocol()
    request = {
        "env": problem.env,
        "gamma": protocol.gamma,
        "reference_point": list(protocol.reference_point),
        "weights": morl.weights.lattice(card.num_objectives, partitions=problem.partitions).tolist(),
        "seed": seed,
        "population": SETTINGS["population"],
        "seconds": seconds,
    }
    return common.run_peer("peer_morld.py", python, request)


def show(result: dict[str, Any]) -> str:
    """When the peer was at its best, and when each of our seeds was as good."""
    best = max(result["peer"], key=lambda point: point["commanded_utility"])
    rows = [
        ["MORL-Baselines", f"{best['commanded_utility']:.3f}", f"{best['seconds']:,.0f}",
         f"{result['peer'][-1]['seconds']:,.0f}", "", "", ""]
    ]  # fmt: skip
    for seed, points in result["ours"].items():
        when = next(
            (p["seconds"] for p in points if p["commanded_utility"] >= best["commanded_utility"]), None
        )
        ratio = None if when is None else best["seconds"] / when
        top = max(point["commanded_utility"] for point in points)
        rows.append(
            [f"morl, seed {seed}", f"{top:.3f}", "never" if when is None else f"{when:,.1f}",
             f"{points[-1]['seconds']:,.0f}", "-" if ratio is None else f"{ratio:.3g}", ">= 50", BAR.verdict(ratio)]
        )  # fmt: skip
    titles = [
        "agent",
        "best commanded utility",
        "seconds to the peer's best",
        "trained, s",
        "ratio",
        "bar",
        "",
    ]
    return common.block([result], table(titles, rows))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--peer-python", default=".venv/peers/bin/python", metavar="PATH", help="has morl-baselines")
    add("--peer-seconds", type=float, default=3600, metavar="S", help="the most to train it; default: 3600")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED", help="of ours; default: 0 1 2")
    add("--write", action="store_true", help="put the table into README.md")
    add("--report", action="store_true", help="measure nothing, show the stored result")
    add("--ours", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.ours:
        seed, enough, started = options.ours
        print(json.dumps(ours(int(seed), float(enough), float(started))))
        return 0
    path = FOLDER / "result.json"
    result = common.load_result(path) if options.report else None
    if result is None:
        peer = theirs(options.peer_python, 0, options.peer_seconds)
        best = max(point["commanded_utility"] for point in peer)
        found = {str(seed): _fresh(seed, best) for seed in options.seeds}
        result = {"hardware": common.hardware(), "peer": peer, "ours": found}
        common.save_result(path, result)
    content = show(result)
    print(content)
    if options.write:
        common.write_block("against-morld", content)
    return 0


def _fresh(seed: int, enough: float) -> list[dict[str, float]]:
    """Our points, from a fresh process."""
    command = [sys.executable, __file__, "--ours", str(seed), repr(enough), repr(time.time())]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    points: list[dict[str, float]] = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"  seed {seed}: {points[-1]}", file=sys.stderr, flush=True)
    return points


if __name__ == "__main__":
    sys.exit(main())
