"""How well does `morl.elicit` serve a user after ten questions? Prints a Markdown table.

Simulated users have linear utilities, with swing weights drawn uniformly from the simplex, and give a share of wrong
answers whatever the question. What a user loses is the utility of the best point less that of the chosen one, as a
share of the range between best and worst point. Fronts have 50 points in the positive orthant; their shape says which
weights can tell how many of them apart. Everything follows from the seeds of fronts and users.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import common
import numpy as np
from common import Bar, spread, table
from numpy.typing import NDArray

from morl.elicitation import Elicitation, elicit

Array = NDArray[np.float64]

POINTS, QUESTIONS = 50, 10
BAR = Bar("loss, 90th percentile", 0.05, at_least=False)


def shell(rng: np.random.Generator, m: int, power: float) -> Array:
    """Points (50, m) of norm 1: a ball's shell for power 2, a plane for 1, dented towards the origin below."""
    directions = np.abs(rng.standard_normal((POINTS, m)))
    return directions / (directions**power).sum(axis=1, keepdims=True) ** (1 / power)


def rough(rng: np.random.Generator, m: int) -> Array:
    """A ball's shell with radii up to 10 % off, as front searches that are not done yet find; some are dominated."""
    return shell(rng, m, 2) * rng.uniform(0.9, 1.1, (POINTS, 1))


SHAPES: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "ball": partial(shell, power=2),
    "box": partial(shell, power=4),
    "plane": partial(shell, power=1),
    "dent": partial(shell, power=0.5),
    "rough ball": rough,
}


class Served(NamedTuple):
    """How one user fared."""

    loss: float
    questions: int


class User:
    """Answers questions about points by swing weights (m,), wrongly with probability `wrong`."""

    def __init__(self, points: Array, weights: Array, wrong: float, rng: np.random.Generator) -> None:
        self.low, self.span = points.min(axis=0), np.ptp(points, axis=0)
        self.weights, self.wrong, self.rng = weights, wrong, rng
        self.utilities = self.utility(points)

    def utility(self, returns: Array) -> Array:
        """Of returns (..., m)."""
        return (returns - self.low) / self.span @ self.weights

    def ask(self, first: Array, second: Array) -> int:
        """1 or 2."""
        right = self.utility(first) >= self.utility(second)
        return 1 if right != (self.rng.random() < self.wrong) else 2

    def served(self, session: Elicitation) -> Served:
        """What the choice of a finished session is to this user."""
        best, worst = self.utilities.max(), self.utilities.min()
        return Served(float((best - self.utilities[session.best()]) / (best - worst)), session.answered)


def with_random_questions(points: Array, user: User, seed: int) -> Elicitation:
    """The same model, asked about pairs drawn at random."""
    session, rng = elicit(points, seed=seed), np.random.default_rng(seed)
    for _ in range(QUESTIONS):
        i, j = rng.choice(len(points), size=2, replace=False).tolist()
        session.answer(i, j, preferred=i if user.ask(points[i], points[j]) == 1 else j)
    return session


def with_chosen_questions(points: Array, user: User, seed: int) -> Elicitation:
    """What users of `morl.elicit` get."""
    return elicit(points, ask=user.ask, questions=QUESTIONS, seed=seed)


def serve(
    way: Callable[[Array, User, int], Elicitation],
    points: Array,
    *,
    users: int,
    wrong: float,
    seed: int,
) -> list[Served]:
    """Every user in turn; user number u is the same for every way of asking."""
    results = []
    for number in range(users):
        rng = np.random.default_rng([seed, number])
        user = User(points, rng.dirichlet(np.ones(points.shape[1])), wrong, rng)
        results.append(user.served(way(points, user, number)))
    return results


def losses(results: Sequence[Served], level: float = 0.9) -> float:
    """A quantile of what the users lost."""
    return float(np.quantile([result.loss for result in results], level))


def measure(m: int, *, users: int, wrong: float, seeds: Sequence[int]) -> tuple[str, bool]:
    """The table for m objectives, and whether every front meets the bar. One front per shape and seed."""
    percent = "{:.1f} %"
    rows, good = [], True
    for name, shape in SHAPES.items():
        found: dict[str, list[float]] = {key: [] for key in ("none", "random", "median", "p90", "asked")}
        for seed in seeds:
            points = shape(np.random.default_rng(seed), m)
            same = {"users": users, "wrong": wrong, "seed": seed}
            chosen = serve(with_chosen_questions, points, **same)
            found["none"].append(100 * losses(serve(lambda p, u, s: elicit(p, seed=s), points, **same)))
            found["random"].append(100 * losses(serve(with_random_questions, points, **same)))
            found["median"].append(100 * losses(chosen, 0.5))
            found["p90"].append(100 * losses(chosen))
            found["asked"].append(float(np.mean([result.questions for result in chosen])))
        verdict = BAR.verdict(max(found["p90"]) / 100)
        good &= verdict == common.PASS
        cells = [spread(found[key], percent) for key in ("none", "random", "median", "p90")]
        rows.append([name, *cells, spread(found["asked"], "{:.1f}"), f"<= {100 * BAR.limit:g} %", verdict])
    headers = [
        "front",
        "nothing asked, 90th percentile",
        "random questions, 90th percentile",
        "median",
        "90th percentile",
        "questions",
        "bar",
        "verdict",
    ]
    return table(headers, rows), good


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--objectives", type=int, default=3, metavar="M", help="default: 3, which the bar is for")
    add("--users", type=int, default=200, metavar="N", help="for each front; default: 200")
    add("--wrong", type=float, default=0.1, metavar="P", help="share of wrong answers; default: 0.1")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="S", help="of the fronts; default: 0 1 2")
    add("--write", action="store_true", help="put the table into README.md")
    options = parser.parse_args(argv)
    standard = all(
        getattr(options, name) == parser.get_default(name) for name in ("objectives", "users", "wrong")
    )
    if options.write and not standard:
        parser.error("--write is for the bar's users and objectives; others are trials")
    content, good = measure(options.objectives, users=options.users, wrong=options.wrong, seeds=options.seeds)
    seeds = " ".join(map(str, options.seeds))
    content = (
        f"{options.users} users for each front, {100 * options.wrong:g} % wrong answers, at most {QUESTIONS} "
        f"questions, {options.objectives} objectives, fronts of seeds {seeds}; losses in percent of the range "
        f"of utility, median (range) over the fronts.\n\n{content}"
    )
    print(content)
    if options.write:
        common.write_block("elicitation", content)
    return 0 if good or not standard else 1


if __name__ == "__main__":
    sys.exit(main())
