"""A team of MORL/D: who trains next and for which weights, what is kept, and who goes on from whom.

It holds no learner and plays no environment, so that several teams, one for each seed, can train as one population
without knowing of each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morl._arrays import Array
from morl.agents.diagnosis import diagnose
from morl.agents.front_search import Decomposition, Task, rows_from_json, rows_to_json, spread_weights
from morl.agents.morld_config import Config
from morl.agents.policy_set import Policies, PolicySet
from morl.agents.scalarisation import Scalarisation
from morl.streams import derive_seed


class Team:
    """K members, of which `slots` train at a time.

    Args:
        config: of the agent.
        objectives: m.
        seed: all that is random here, and the members' seeds, derive from it.
        device: where tensors lie.
    """

    def __init__(self, config: Config, objectives: int, seed: int, device: torch.device) -> None:
        self.config, self.seed, self.device = config, seed, device
        self.slots = config.slots or config.population
        self.seeds = [derive_seed(seed, 4, k) for k in range(config.population)]
        """One for each member."""
        self.scalarisation = Scalarisation(
            config.scalarisation, objectives, normalise=config.normalise_objectives, device=device
        )
        first = spread_weights(
            objectives, config.population, config.weight_method, derive_seed(seed, 5) % 2**31
        )
        self.search = Decomposition(
            first, slots=self.slots, schedule=config.schedule, adapt=config.adaptation == "psa",
            delta=config.adaptation_delta, rng=np.random.default_rng(derive_seed(seed, 6)),
        )  # fmt: skip
        self.found = PolicySet(objectives, config.archive, device)
        self.tasks: list[Task] = []
        """What the members in training train for, in the order of their slots."""
        self.rounds = 0
        self.best = np.full((config.population, objectives), np.nan)
        """(K, m) the returns that were worth most to each member since it last took over parameters."""
        self.stalled = np.zeros(config.population, dtype=np.int64)
        """(K,) for how many selections it has not earned more."""

    def begin(self) -> None:
        """Decide on the next round."""
        self.tasks = self.search.ask()

    @property
    def in_training(self) -> list[int]:
        """The numbers of the members in training (slots,)."""
        return [task.member for task in self.tasks]

    @property
    def weights(self) -> Tensor:
        """What the members in training train for, (slots, m)."""
        return torch.tensor([task.weights for task in self.tasks], dtype=torch.float32, device=self.device)

    @property
    def returns(self) -> Tensor:
        """What the members in training earned when they were last judged, (slots, m); NaN before that."""
        return torch.as_tensor(self.search.returns[self.in_training], dtype=torch.float32, device=self.device)

    def episode_seeds(self, purpose: int, time: int) -> list[int]:
        """A seed for each member in training (slots,), of the episodes that begin now."""
        return [derive_seed(self.seeds[member], purpose, time) for member in self.in_training]

    def judge(self, policies: Policies, episodes: Array, conflict: Tensor | None) -> dict[str, float]:
        """Keep the policies that nothing dominates, adapt scales and weights; metrics of the selection.

        Args:
            policies: of the members in training.
            episodes: their discounted returns, (slots, episodes, m).
            conflict: cosines (slots, m, m) between the gradients of their objectives.
        """
        points = episodes.mean(axis=1)
        kept = self.found.add(policies, episodes)
        self.scalarisation.observe(torch.as_tensor(self.found.points))
        self.search.tell(self.tasks, points, kept.astype(float))
        self.rounds += 1
        return diagnose(self.tasks, points, self.found, self.config.population, conflict)

    def sources(self) -> Tensor:
        """Whose parameters each member in training goes on from, as slots (slots,) int64.

        A neighbour's, where these earn more for the member's own weights, once it has stalled for `patience`
        selections; else its own. Without patience, members take over the first policies that earn anything, which
        explore no more, and end where these end.
        """
        members = np.array(self.in_training)
        weights = torch.tensor(self.search.weights[members], device=self.device)
        worth = self.scalarisation(self.returns, weights.float().unsqueeze(1))
        distance = torch.cdist(weights, weights)
        reach = distance.kthvalue(min(len(members), self.config.neighbours + 1), dim=1).values
        own = worth.diagonal()
        worth = worth.masked_fill(distance > reach.unsqueeze(1), -torch.inf)
        better = worth.amax(dim=1) > own + 1e-6 * own.abs()
        best = torch.as_tensor(self.best[members], dtype=torch.float32, device=self.device)
        before = self.scalarisation(best, weights.float())
        rose = ~(own <= before + 1e-3 * before.abs())  # so it is where nothing was earned before
        self._remember(members, rose.cpu().numpy())
        waited = torch.as_tensor(self.stalled[members] >= self.config.patience, device=self.device)
        source = torch.where(better & waited, worth.argmax(dim=1), self._slots())
        moved = members[(source != self._slots()).cpu().numpy()]
        self.best[moved], self.stalled[moved] = np.nan, 0
        return source

    def _remember(self, members: NDArray[np.int64], rose: NDArray[np.bool_]) -> None:
        self.best[members[rose]] = self.search.returns[members[rose]]
        self.stalled[members] = np.where(rose, 0, self.stalled[members] + 1)

    def _slots(self) -> Tensor:
        return torch.arange(len(self.tasks), device=self.device)

    def state(self) -> dict[str, Any]:
        """Everything that changes, except the policies found."""
        return {
            "search": self.search.state(),
            "scalarisation": self.scalarisation.state(),
            "members in training": self.in_training,
            "weights in training": [list(task.weights) for task in self.tasks],
            "rounds": self.rounds,
            "best": rows_to_json(self.best),
            "stalled": self.stalled.tolist(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.search.load_state(state["search"])
        self.scalarisation.load_state(state["scalarisation"])
        pairs = zip(state["members in training"], state["weights in training"], strict=True)
        self.tasks = [Task(member, tuple(weights)) for member, weights in pairs]
        self.rounds, self.stalled = state["rounds"], np.array(state["stalled"])
        self.best = rows_from_json(state["best"], self.best.shape[1])
