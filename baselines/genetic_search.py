"""pymoo's evolutionary algorithms behind ask and tell, maximising, with a state that can be saved and put back.

pymoo's own way to save is to pickle its algorithm objects. Here what they need from one generation to the next is
taken out as tensors and JSON values, and a fresh object is filled with it, so that it goes on bit for bit:

| algorithm | beside population and generator |
|---|---|
| NSGA-II (Deb et al. 2002) | rank and crowding distance, which the tournaments read |
| NSGA-III (Deb and Jain 2014) | ideal, worst and extreme points of the normalisation |
| MOEA/D (Zhang and Li 2007) | the ideal point, and whose neighbourhood each offspring belongs to |
"""

from __future__ import annotations

import warnings
from typing import Any, Literal, TypeAlias

import numpy as np
import torch

from morl._arrays import Array
from morl.weights import finest_lattice

Algorithm: TypeAlias = Literal["nsga2", "nsga3", "moead"]


class GeneticSearch:
    """Asks for vectors of real numbers and is told what they are worth; maximises all objectives.

    Args:
        algorithm: which of pymoo's.
        first: (P, D) the first population.
        bound: entries lie in [-bound, bound].
        objectives: m.
        seed: of all that pymoo draws.
        crossover_eta, mutation_eta: distribution indices; children are the nearer to their parents the larger.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        first: Array,
        *,
        bound: float,
        objectives: int,
        seed: int,
        crossover_eta: float,
        mutation_eta: float,
    ) -> None:
        from pymoo.core.problem import Problem
        from pymoo.core.termination import NoTermination
        from pymoo.operators.crossover.sbx import SBX
        from pymoo.operators.mutation.pm import PM

        self.kind = algorithm
        operators = {"crossover": SBX(eta=crossover_eta, prob=0.9), "mutation": PM(eta=mutation_eta)}
        self.algorithm = _algorithm(algorithm, first, objectives, operators)
        problem = Problem(n_var=first.shape[1], n_obj=objectives, xl=-bound, xu=bound)
        self.algorithm.setup(problem, termination=NoTermination(), seed=seed)
        self.asked = self._ask()

    @property
    def candidates(self) -> Array:
        """The vectors (P, D) that are to be told about next."""
        asked: Array = self.asked.get("X")
        return asked

    def tell(self, returns: Array) -> None:
        """Take in the returns (P, m) of the candidates; `candidates` are then the next generation's."""
        self.asked.set("F", -returns)
        with warnings.catch_warnings():  # NSGA-III silences all warnings of the process where it normalises
            self.algorithm.tell(infills=self.asked)
        self.asked = self._ask()

    def _ask(self) -> Any:
        """The next generation. Parents that are all alike may have too few children that differ from them."""
        asked = self.algorithm.ask()
        if asked is None:
            asked = self.algorithm.pop
        return asked

    # --- files -------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Tensors and JSON values from which `load_state` goes on bit for bit."""
        algorithm = self.algorithm
        started = algorithm.is_initialized
        return {
            "candidates": torch.as_tensor(self.candidates),
            "generator": algorithm.random_state.bit_generator.state,
            "generation": algorithm.n_iter,
            "population": {name: _column(algorithm.pop, name) for name in self._columns} if started else None,
            "memory": {name: _tensor(value) for name, value in self._memory().items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`, for an object made with the same arguments."""
        from pymoo.core.population import Population

        algorithm = self.algorithm
        algorithm.random_state.bit_generator.state = state["generator"]
        algorithm.n_iter = state["generation"]
        self.asked = Population.new(X=state["candidates"].cpu().numpy())
        self.asked.set("n_gen", algorithm.n_iter, "n_iter", algorithm.n_iter)
        if state["population"] is not None:
            algorithm.is_initialized = True
            columns = {name: values.cpu().numpy() for name, values in state["population"].items()}
            algorithm.pop = Population.new(**columns)
        memory = {
            name: None if value is None else value.cpu().numpy() for name, value in state["memory"].items()
        }
        if self.kind == "nsga3":
            vars(algorithm.survival.norm).update(memory)
        else:
            vars(algorithm).update(memory)

    @property
    def _columns(self) -> tuple[str, ...]:
        """What of each individual the algorithm reads in the next generation."""
        return ("X", "F", "rank", "crowding") if self.kind == "nsga2" else ("X", "F")

    def _memory(self) -> dict[str, Array | None]:
        """What the algorithm remembers beside its population (module docstring)."""
        if self.kind == "nsga3":
            return dict(vars(self.algorithm.survival.norm))
        names = ("ideal", "indices") if self.kind == "moead" else ()
        return {name: getattr(self.algorithm, name, None) for name in names}


def population_size(algorithm: Algorithm, wanted: int, objectives: int) -> int:
    """How many members a population of at most `wanted` has: MOEA/D has one for each weight of a lattice."""
    return len(finest_lattice(objectives, wanted)) if algorithm == "moead" else wanted


def _algorithm(kind: Algorithm, first: Array, objectives: int, operators: dict[str, Any]) -> Any:
    from pymoo.algorithms.moo.moead import ParallelMOEAD
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.algorithms.moo.nsga3 import NSGA3

    if kind == "nsga2":
        return NSGA2(pop_size=len(first), sampling=first, **operators)
    directions = finest_lattice(objectives, len(first))
    if kind == "nsga3":
        return NSGA3(directions, pop_size=len(first), sampling=first, **operators)
    neighbours = min(20, len(directions))
    return ParallelMOEAD(directions, n_neighbors=neighbours, sampling=first, **operators)


def _column(population: Any, name: str) -> torch.Tensor:
    return torch.as_tensor(np.asarray(population.get(name)))


def _tensor(value: Array | None) -> torch.Tensor | None:
    return None if value is None else torch.as_tensor(value)
