from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pymoo.algorithms.moo.moead import ParallelMOEAD
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.optimize import minimize

from morl import store
from morl.baselines.genetic_search import GeneticSearch, population_size
from morl.pareto import is_nondominated
from morl.weights import finest_lattice

KINDS = ("nsga2", "nsga3", "moead")
D, P = 6, 28
Floats = NDArray[np.float64]


def returns_of(x: Floats, m: int) -> Floats:
    """Minus the squared distance from each of m corners: what lies between them is optimal."""
    return np.stack([-((x - np.eye(m, D)[i]) ** 2).sum(axis=1) for i in range(m)], axis=1)


def first(m: int) -> Floats:
    size = population_size("moead", P, m)
    return np.random.default_rng(0).uniform(-2, 2, (size, D))


def search(kind: Any, m: int, **options: Any) -> GeneticSearch:
    settings = {"bound": 2.0, "objectives": m, "seed": 5, "crossover_eta": 15.0, "mutation_eta": 20.0}
    return GeneticSearch(kind, first(m), **{**settings, **options})


def advance(found: GeneticSearch, m: int, generations: int) -> GeneticSearch:
    for _ in range(generations):
        found.tell(returns_of(found.candidates, m))
    return found


class Corners(Problem):
    """The same for pymoo to minimise by itself."""

    def _evaluate(self, x: Floats, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        out["F"] = -returns_of(x, self.n_obj)


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_pymoo_does_by_itself(kind: str, m: int) -> None:
    operators = {"crossover": SBX(eta=15.0, prob=0.9), "mutation": PM(eta=20.0)}
    lattice = finest_lattice(m, P)
    theirs = {
        "nsga2": lambda: NSGA2(pop_size=len(first(m)), sampling=first(m), **operators),
        "nsga3": lambda: NSGA3(lattice, sampling=first(m), **operators),
        "moead": lambda: ParallelMOEAD(lattice, n_neighbors=20, sampling=first(m), **operators),
    }[kind]()
    with warnings.catch_warnings():
        result = minimize(Corners(n_var=D, n_obj=m, xl=-2.0, xu=2.0), theirs, ("n_gen", 12), seed=5)
    ours = advance(search(kind, m), m, 12).algorithm.pop
    np.testing.assert_array_equal(ours.get("X"), result.pop.get("X"))


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_a_restored_search_goes_on_bit_for_bit(kind: str, m: int, stop: int, tmp_path: Path) -> None:
    whole = advance(search(kind, m), m, 15)
    store.save(tmp_path, advance(search(kind, m), m, stop).state(), format="test", version=1)
    again = search(kind, m)
    again.load_state(store.load(tmp_path, format="test", version=1))
    advance(again, m, 15 - stop)
    np.testing.assert_array_equal(again.candidates, whole.candidates)
    states = [found.state() for found in (whole, again)]
    assert states[0]["generator"] == states[1]["generator"]
    assert states[0]["generation"] == states[1]["generation"]
    for part in ("population", "memory"):
        assert states[0][part].keys() == states[1][part].keys()
        for name, values in states[0][part].items():
            assert torch.equal(values, states[1][part][name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_it_maximises(kind: str) -> None:
    found = advance(search(kind, 2), 2, 60)
    points = -found.algorithm.pop.get("F")
    ends = np.array([[0.0, -2.0], [-2.0, 0.0]])
    for end in ends:
        assert np.abs(points - end).sum(axis=1).min() < 0.8
    # On the front, the square roots of the two distances add up to that between the corners.
    assert np.median(np.sqrt(-points).sum(axis=1)) == pytest.approx(np.sqrt(2), abs=0.05)
    assert is_nondominated(points).sum() > len(points) / 3


@pytest.mark.parametrize("kind", KINDS)
def test_entries_stay_within_their_bound(kind: str) -> None:
    found = search(kind, 2, bound=2.0)
    for _ in range(5):
        assert (np.abs(found.candidates) <= 2.0).all()
        found.tell(np.stack((found.candidates.sum(axis=1), found.candidates[:, 0]), axis=1))


def test_seeds_decide() -> None:
    runs = [advance(search("nsga2", 2, seed=seed), 2, 3).candidates for seed in (1, 1, 2)]
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2])


@pytest.mark.parametrize("kind", KINDS)
def test_it_leaves_the_process_alone(kind: str) -> None:
    """NSGA-III silences warnings where it normalises."""
    filters, state = list(warnings.filters), np.random.get_state()[1]
    advance(search(kind, 3), 3, 5)
    assert warnings.filters == filters
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize(("kind", "m", "size"), [("nsga2", 3, 128), ("nsga3", 3, 128), ("moead", 3, 120)])
def test_population_sizes(kind: Any, m: int, size: int) -> None:
    assert population_size(kind, 128, m) == size


@pytest.mark.parametrize("kind", KINDS)
def test_parents_that_are_all_alike_do_not_end_the_search(kind: str) -> None:
    alike = np.zeros((4, 1))
    found = GeneticSearch(kind, alike, bound=1.0, objectives=2, seed=0, crossover_eta=15.0, mutation_eta=20.0)
    for _ in range(4):
        assert len(found.candidates) >= 1
        found.tell(np.zeros((len(found.candidates), 2)))
