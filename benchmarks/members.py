"""How good are the baselines that are sets of policies? Prints a Markdown table, medians over the seeds.

Points count as found when a policy that the agent holds earns them: forty looks during training, on the batched
environment, follow every policy. Utilities are those of the policies chosen for a lattice of preferences; they and
the hypervolume are measured at the end, on the original environment. Seconds are those of training alone.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import common
from common import spread, table

FOLDER = common.OUT / "members"
SEA, CONCAVE, MINECART = "deep-sea-treasure-v0", "deep-sea-treasure-concave-v0", "minecart-deterministic-v0"
LOOKS = 40


@dataclass(frozen=True, kw_only=True)
class Case:
    """One agent on one environment, under its default protocol."""

    env: str
    agent: str
    total_steps: int
    settings: dict[str, Any] = field(default_factory=dict)
    partitions: int = 100
    """Of the lattice of preferences."""

    @property
    def label(self) -> str:
        """The agent with its settings."""
        return " ".join([self.agent, *(f"{name}={value}" for name, value in self.settings.items())])

    @property
    def name(self) -> str:
        """What --case and files call it."""
        settings = [str(value) if isinstance(value, str) else name for name, value in self.settings.items()]
        return "-".join([self.env.removesuffix("-v0"), self.agent, *settings, f"{self.total_steps:.0e}"])


LINEAR, ACCRUED = {"scalarisation": "linear"}, {"accrued": True}
CASES = (
    *(Case(env=env, agent="pareto-q-learning", total_steps=200_000) for env in (SEA, CONCAVE)),
    Case(env=SEA, agent="mo-q-learning", total_steps=1_000_000, settings=LINEAR),
    *(Case(env=env, agent="mo-q-learning", total_steps=1_000_000) for env in (SEA, CONCAVE)),
    *(
        Case(env=env, agent="mo-q-learning", total_steps=2_000_000, settings=ACCRUED)
        for env in (SEA, CONCAVE)
    ),
    *(
        Case(env=env, agent="evolution", total_steps=2_000_000, settings={"algorithm": algorithm})
        for env in (SEA, CONCAVE)
        for algorithm in ("nsga2", "nsga3", "moead")
    ),
    *(
        Case(
            env=MINECART,
            agent="evolution",
            total_steps=steps,
            settings={"algorithm": algorithm},
            partitions=18,
        )
        for steps in (2_000_000, 10_000_000)
        for algorithm in ("nsga2", "nsga3", "moead")
        if steps == 2_000_000 or algorithm == "nsga2"
    ),
    Case(env=SEA, agent="random", total_steps=2_000_000),
    Case(env=MINECART, agent="random", total_steps=2_000_000, partitions=18),
)


def run(case: Case, seed: int) -> dict[str, Any]:
    """Train with one seed; measure on the way and at the end."""
    import morl
    from morl import registry
    from morl.agent import Callback
    from morl.baselines import evaluate_members
    from morl.indicators import ReferencePointWarning, expected_utility, hypervolume

    card = registry.get_card(case.env)
    assert card is not None
    protocol = card.protocol()
    exact = card.linear_front(protocol.gamma) if card.front is None else card.front(protocol.gamma)
    assert exact is not None, "every environment here has a known front"
    weights = morl.weights.lattice(card.num_objectives, partitions=case.partitions)
    kind = registry.agent_class(case.agent)
    history: list[tuple[int, float, int]] = []

    def everything(agent: Any, backend: str) -> morl.Front:
        """What all policies that the agent holds earn; for any other agent, those of the preferences."""
        if len(getattr(agent, "returns", ())):
            return evaluate_members(agent, case.env, episodes=1, backend=backend)
        return morl.evaluate(agent, case.env, weights=weights, episodes=1, backend=backend)

    class Look(Callback):
        def on_iteration(self, agent: Any, metrics: dict[str, Any]) -> None:
            if agent.steps * LOOKS >= len(history) * case.total_steps:
                history.append(
                    (
                        agent.steps,
                        agent.seconds,
                        common.points_found(everything(agent, "batched").returns, exact),
                    )
                )

    env = morl.make_vec(case.env, num_envs=kind.default_num_envs)
    agent = kind(env, seed=seed, **case.settings)
    agent.learn(case.total_steps, callbacks=[Look()], progress=False)
    asked = morl.evaluate(agent, case.env, weights=weights, episodes=1, members=False)
    held = everything(agent, "original")
    history.append((agent.steps, agent.seconds, common.points_found(held.returns, exact)))
    most = max(points for _, _, points in history)
    first = next(entry for entry in history if entry[2] == most)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReferencePointWarning)  # an untrained policy may earn anything
        volumes = [
            hypervolume(points, reference_point=protocol.reference_point) for points in (held.returns, exact)
        ]
    return {
        "points": common.points_found(held.returns, exact),
        "first_steps": first[0] if most else None,
        "first_seconds": first[1] if most else None,
        "seconds": agent.seconds,
        "commanded": asked.commanded_utility(),
        "expected": asked.expected_utility(),
        "hypervolume": volumes[0],
        "best": {
            "points": len(exact),
            "commanded": expected_utility(exact, weights=weights),
            "hypervolume": volumes[1],
        },
        "history": history,
    }


COLUMNS = (
    ("points", "points", "{:.0f}"),
    ("first_steps", "reached after steps", "{:,.0f}"),
    ("first_seconds", "and seconds", "{:.1f}"),
    ("seconds", "seconds in all", "{:.0f}"),
    ("commanded", "commanded utility", "{:.3f}"),
    ("expected", "expected utility", "{:.3f}"),
    ("hypervolume", "hypervolume of all policies", "{:.1f}"),
)


def report(results: Sequence[tuple[Case, list[dict[str, Any]]]]) -> str:
    """A row for each case."""
    rows = []
    for case, seeds in results:
        cells = []
        for name, _, form in COLUMNS:
            best = seeds[0]["best"].get(name)
            limit = "" if best is None else f" of {form.format(best)}"
            values = [float(seed[name]) for seed in seeds if seed[name] is not None]
            cells.append(spread(values, form) + limit if values else "-")
        rows.append([case.env, case.label, f"{case.total_steps:,}", *cells])
    return table(["environment", "agent", "steps", *(title for _, title, _ in COLUMNS)], rows)


def main(argv: Sequence[str] | None = None) -> int:
    known = {case.name: case for case in CASES}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--case", nargs="+", choices=known, metavar="CASE", help="only these; --list names them"
    )
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED", help="default: 0 1 2"
    )
    parser.add_argument("--list", action="store_true", help="list the cases, and stop")
    options = parser.parse_args(argv)
    if options.list:
        print("\n".join(known))
        return 0
    results = []
    for case in (known[name] for name in options.case or known):
        seeds = []
        for seed in options.seeds:
            print(f"{case.name} seed {seed}", file=sys.stderr, flush=True)
            seeds.append(run(case, seed))
            common.save_result(FOLDER / f"{case.name}.json", {"hardware": common.hardware(), "seeds": seeds})
        results.append((case, seeds))
        print(report([results[-1]]), file=sys.stderr, flush=True)
    print(f"Measured on {common.hardware()}.\n\n{report(results)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
