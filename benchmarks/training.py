"""The section `training` of speed.py: EnvelopeDQN against MORL-Baselines' Envelope, on minecart.

Both are looked at now and then on the original environment, with the clock stopped. A time is only known to
lie between two looks: of ours the later counts, of the peer's the earlier.
"""

from __future__ import annotations

import argparse
import subprocess
from math import inf
from statistics import median
from typing import Any

import common
from common import Bar, BenchmarkError, spread, table
from quality import CASES, MINECART, Case

STEPS_BAR, TIME_BAR = Bar("ratio", 100), Bar("ratio", 50)
ENOUGH = 0.8
"""Of the front's commanded utility: what both are timed to."""
ASK_VERSION = "import morl_baselines, importlib.metadata as m; print(m.version('morl-baselines'))"

Points = list[dict[str, float]]
Result = dict[str, Any]


def the_case() -> Case:
    """EnvelopeDQN on minecart, as quality.py runs it."""
    return next(case for case in CASES if (case.problem, case.agent) == (MINECART, "envelope-dqn"))


def measure(options: argparse.Namespace) -> Result:
    """Both agents' commanded utility against their own seconds of training."""
    import morl
    from morl import registry
    from morl.indicators import expected_utility

    case = the_case()
    card = registry.get_card(MINECART.env)
    assert card is not None
    gamma = card.protocol(MINECART.protocol).gamma
    weights = morl.weights.lattice(card.num_objectives, partitions=MINECART.partitions)
    best = expected_utility(card.linear_front(gamma), weights=weights)
    request = {
        "env": MINECART.env,
        "gamma": gamma,
        "agent": case.agent,
        "num_envs": case.num_envs,
        "total_steps": options.steps or case.total_steps,
        "partitions": MINECART.partitions,
        "every": options.every,
    }
    ours = []
    for seed in options.seeds:
        print(f"training: {case.agent}, seed {seed}, {request['total_steps']:,} steps", flush=True)
        outcome = common.fresh_process("curve", {**request, "seed": seed}, threads=options.threads)
        ours.append(outcome["points"])
    found = peer_version(options.peer_python)
    result: Result = {"front": best, "ours": ours, "peer": None, "peer_version": found}
    if found is None:
        print(f"training: {options.peer_python} has no morl-baselines: its half is left out", flush=True)
        return result
    print(f"training: MORL-Baselines {found}, Envelope, at most {options.peer_seconds:g} s", flush=True)
    asked = {
        "weights": weights.tolist(),
        "seed": options.seeds[0],
        "seconds": options.peer_seconds,
        "every": options.peer_every,
        "enough": ENOUGH * best,
    }
    try:
        result["peer"] = common.run_peer(
            "peer_envelope.py", options.peer_python, {**request, **asked}, options.threads
        )
    except BenchmarkError as error:
        print(f"training: {error}", flush=True)
    return result


def peer_version(python: str) -> str | None:
    """The version of morl-baselines that this interpreter can import; None where it cannot."""
    try:
        done = subprocess.run([python, "-c", ASK_VERSION], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def reached(points: Points, enough: float) -> float:
    """Seconds at the first look that found `enough`; infinite where none did."""
    return next((p["seconds"] for p in points if p["commanded_utility"] >= enough), inf)


def not_before(points: Points, enough: float) -> float:
    """Seconds at the last look before `enough` was found: it cannot have taken less."""
    seconds = 0.0
    for point in points:
        if point["commanded_utility"] >= enough:
            break
        seconds = point["seconds"]
    return seconds


def show(result: Result) -> str:
    """Steps and updates per second over whole trainings, and seconds to 80 % of the front's utility."""
    ours, peer, front = result["ours"], result["peer"], result["front"]
    rows = []
    for name, bar, form in (("steps", STEPS_BAR, "{:,.0f}"), ("updates", None, "{:,.1f}")):
        mine, theirs = [rate(points, name) for points in ours], rate(peer, name) if peer else None
        ratio = theirs and median(mine) / theirs
        rows.append(
            [f"{name}/s", spread(mine, form), _or_missing(theirs, form), *_judge(ratio, bar, "{:.3g}")]
        )
    mine = [reached(points, ENOUGH * front) for points in ours]
    theirs = not_before(peer, ENOUGH * front) if peer else None
    ratio = None if theirs is None else theirs / median(mine)
    label = f"seconds to {ENOUGH:.0%} of the front's commanded utility"
    cells = [spread(mine, "{:.0f}").replace("inf", "never"), _or_missing(theirs, "more than {:.0f}")]
    rows.append([label, *cells, *_judge(ratio, TIME_BAR, "more than {:.3g}")])
    shares = [100 * points[-1]["commanded_utility"] / front for points in ours]
    theirs = 100 * peer[-1]["commanded_utility"] / front if peer else None
    cells = [spread(shares, "{:.1f}"), _or_missing(theirs, "{:.1f}")]
    rows.append(["% of that utility at the end", *cells, "", "", ""])
    seconds = spread([points[-1]["seconds"] for points in ours], "{:,.0f}")
    cells = [seconds, _or_missing(peer[-1]["seconds"] if peer else None, "{:,.0f}")]
    rows.append(["seconds at the end", *cells, "", "", ""])
    name = f"MORL-Baselines {result['peer_version'] or ''}".strip() + ", Envelope"
    return table([MINECART.env, "EnvelopeDQN", name, "ratio", "bar", "verdict"], rows)


def rate(points: Points, name: str) -> float:
    """Steps or updates per second, over all of a training."""
    return points[-1][name] / points[-1]["seconds"]


def _or_missing(value: float | None, form: str) -> str:
    return "not measured" if value is None else form.format(value)


def _judge(ratio: float | None, bar: Bar | None, form: str) -> list[str]:
    """The cells for ratio, bar and verdict."""
    shown = "" if ratio is None else form.format(ratio)
    if bar is None:
        return [shown, "", "reported"]
    return [shown, f">= {bar.limit:g}", "not measured" if ratio is None else bar.verdict(ratio)]
