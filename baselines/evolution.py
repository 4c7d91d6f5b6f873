"""Evolution: genetic search over the parameters of policies, a generation evaluated as one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from morl.accrual import Accrual
from morl.agent import Agent, Policy
from morl.agents.distributions import distribution_for
from morl.agents.networks import MLP, Network
from morl.agents.settings import check_positive, check_types, flat_observations
from morl.baselines.genetic_search import Algorithm, GeneticSearch, population_size
from morl.errors import CheckpointError, MorlError
from morl.pareto import ParetoArchive
from morl.rollout import EpisodeReturns
from morl.streams import derive_seed, make_generator
from morl.transitions import Transition, Transitions

NO_BOUND = 1e6
"""Observation spaces with larger bounds than this mean that there are none."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of `Evolution`."""

    gamma: float | None = None
    """Discount; None takes the environment's default protocol (0.99 without a card)."""
    algorithm: Algorithm = "nsga2"
    """pymoo's NSGA-II, NSGA-III or MOEA/D."""
    population: int = 128
    """Policies in a generation; MOEA/D takes at most so many, one for each weight of a lattice."""
    episodes: int = 1
    """Episodes that each policy is judged by. One is enough where environment and start are deterministic; elsewhere
    few episodes favour the lucky, and the archive's returns promise too much."""
    hidden: tuple[int, ...] = (32,)
    """Widths of the hidden layers of a policy."""
    bound: float = 5.0
    """Parameters lie between -bound and bound."""
    crossover_eta: float = 15.0
    """Distribution index of simulated binary crossover (Deb and Agrawal 1995): larger, nearer to the parents."""
    mutation_eta: float = 20.0
    """Distribution index of polynomial mutation."""
    archive: int = 500
    """Most policies kept; above, those in the most crowded places leave."""

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, "episodes", "bound", "crossover_eta", "mutation_eta", "archive")
        if self.population < 4:
            raise MorlError(f"expected population >= 4, two pairs of parents, got {self.population}")


class Trials(NamedTuple):
    """The J episodes of a generation, played by N rows: each takes the next one when it has finished one."""

    job: Tensor
    """(N,) int64 which episode a row plays; J where it has nothing left to do."""
    started: Tensor
    """() int64 how many have been handed out."""
    accrual: Accrual
    """What the running episodes have paid, float64."""
    returns: Tensor
    """(J + 1, m) float64 of finished episodes; the last row is for rows with nothing to do."""

    @classmethod
    def begin(cls, jobs: int, rows: int, m: int, device: torch.device) -> Trials:
        """All rows at the start of an episode."""
        job = torch.arange(rows, device=device).clamp(max=jobs)
        returns = torch.zeros(jobs + 1, m, dtype=torch.float64, device=device)
        accrual = Accrual.start(rows, m, device, torch.float64)
        return cls(job, torch.tensor(rows, device=device), accrual, returns)

    def advance(self, step: Transition, gamma: float) -> Trials:
        """Take in one step of all rows."""
        valid = torch.ones_like(step.terminated) if step.valid is None else step.valid
        done = (step.terminated | step.truncated) & valid
        accrual = self.accrual.after(step.reward, gamma, valid)
        jobs = len(self.returns) - 1
        returns = self.returns.index_put((torch.where(done, self.job, jobs),), accrual.paid)
        following = (self.started + done.cumsum(dim=0) - 1).clamp(max=jobs)
        job = torch.where(done & (self.job < jobs), following, self.job)
        return Trials(job, self.started + done.sum(), accrual.restarted(done), returns)

    def restarted(self) -> Trials:
        """The same with all running episodes at their start."""
        return self._replace(accrual=self.accrual.restarted(torch.ones_like(self.job, dtype=torch.bool)))

    def state(self) -> dict[str, Any]:
        """What `of_state` takes."""
        return {**self._asdict(), "accrual": self.accrual._asdict()}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Trials:
        """The inverse of `state`."""
        return cls(**{**state, "accrual": Accrual(**state["accrual"])})


class Evolution(Agent):
    """Policies bred by a multi-objective genetic algorithm, judged by their returns alone.

    Every policy is a small network; its parameters are one individual of pymoo's NSGA-II, NSGA-III or MOEA/D. All
    policies of a generation play at once: rows of the environment take the next episode of the next policy as they
    become free, each row with its own policy's parameters. An iteration is one generation. What nothing dominates is
    kept in an archive, with the returns by which it was judged; asked for a preference, the agent follows the policy
    of the archive that is best for it. Observations are scaled to -1 .. 1 where their space is bounded, and left as
    they are elsewhere. Needs Discrete or bounded Box actions, and episodes that end.
    """

    name = "evolution"
    flattens = True
    Config: TypeAlias = Config
    config: Config
    default_num_envs = 128

    def __init__(self, env: Any, *, seed: int = 0, config: Config | None = None, **settings: Any) -> None:
        super().__init__(env, seed=seed, config=config, **settings)
        config, space = self.config, self.spec.single_action_space
        obs_dim = flat_observations(self.spec)
        self.distribution = distribution_for(space, self.device)
        outputs = int(np.prod(space.shape)) if isinstance(space, Box) else self.distribution.head_width
        self.network = Network(policy=MLP((obs_dim, *config.hidden, outputs), activation="tanh"))
        bounds = self.spec.single_observation_space
        assert isinstance(bounds, Box)  # as flat_observations made sure
        low, high = (
            torch.as_tensor(x.astype(np.float32), device=self.device) for x in (bounds.low, bounds.high)
        )
        bounded = (low.abs() < NO_BOUND) & (high.abs() < NO_BOUND) & (high > low)
        self.centre = torch.where(bounded, (low + high) / 2, 0.0)
        self.scale = torch.where(bounded, (high - low) / 2, 1.0)
        self.archive = ParetoArchive(self.num_objectives, max_size=config.archive)
        """Payloads are parameter vectors (P,)."""
        size = population_size(config.algorithm, config.population, self.num_objectives)
        initial = make_generator("cpu", derive_seed(seed, 2))
        first = torch.stack([self.network.init(initial) for _ in range(size)])
        self.first = first.clamp(-config.bound, config.bound)
        """(population, P) the policies to begin with."""
        self.trials: Trials | None = None
        self._known: tuple[Tensor, Tensor] | None = None
        if self.env is not None:
            self.search = self._search()
            self.transitions = Transitions(self.env)
            self.started = False
            """Whether the environments have been seeded."""
            self.report = EpisodeReturns(self.num_objectives, self.device)

    def _search(self) -> GeneticSearch:
        config = self.config
        return GeneticSearch(
            config.algorithm,
            self.first.double().numpy(),
            bound=config.bound,
            objectives=self.num_objectives,
            seed=derive_seed(self.seed, 5),
            crossover_eta=config.crossover_eta,
            mutation_eta=config.mutation_eta,
        )

    # --- a generation ------------------------------------------------------------------------------------

    @torch.no_grad()
    def iterate(self, max_steps: int) -> dict[str, Any]:
        """One generation; as much of it as the budget allows, if that is less."""
        n, episodes = self.spec.num_envs, self.config.episodes
        theta = torch.as_tensor(self.search.candidates, dtype=torch.float32, device=self.device)
        trials = self.trials
        if trials is None:
            # From the second on the environments' own streams go on: every generation meets fresh episodes.
            self.transitions.reset(None if self.started else derive_seed(self.seed, 0))
            self.started = True
            trials = Trials.begin(len(theta) * episodes, n, self.num_objectives, self.device)
        idle, over = len(theta) * episodes, False
        own = theta[(trials.job // episodes).clamp(max=len(theta) - 1)]
        for _ in range(max_steps // n):
            step = self.transitions.step(self.actions_of(own, self.transitions.obs))
            done = step.terminated | step.truncated
            self.report.add(self.transitions.info, done)
            trials = trials.advance(step, self.gamma)
            self.steps += n
            if bool(done.any()):
                own = theta[(trials.job // episodes).clamp(max=len(theta) - 1)]
                if over := bool((trials.job == idle).all()):
                    break
        self.trials = None if over else trials
        metrics: dict[str, Any] = self.report.report()
        if over:
            self._end_generation(theta, trials.returns[:-1].view(len(theta), episodes, -1).mean(dim=1))
        return metrics | {"archive": float(len(self.archive))}

    def _end_generation(self, theta: Tensor, returns: Tensor) -> None:
        points = returns.cpu().numpy()
        self.archive.add(points, list(theta))
        self.search.tell(points)
        self._known = None

    def actions_of(self, theta: Tensor, obs: Tensor) -> Tensor:
        """Actions (B, ...) of B policies with parameters (B, P), each for its own observation (B, obs)."""
        scaled = (obs.to(torch.float32) - self.centre) / self.scale
        head = self.network.apply(theta.expand(obs.shape[0], -1))["policy"](scaled.unsqueeze(1)).squeeze(1)
        if isinstance(self.spec.single_action_space, Box):
            return self.distribution.to_env(torch.tanh(head))
        return self.distribution.to_env(head.argmax(dim=-1))

    # --- act, save, load ---------------------------------------------------------------------------------

    @property
    def members(self) -> tuple[Tensor, Tensor]:
        """Parameters (k, P) and returns (k, m) of the archive; before the first generation one policy, not judged."""
        if self._known is None:
            theta, points = self.first[:1].to(self.device), np.zeros((1, self.num_objectives))
            if len(self.archive):
                theta, points = torch.stack(self.archive.payloads), self.archive.points
            self._known = theta, torch.as_tensor(points, device=self.device)
        return self._known

    @property
    def returns(self) -> Tensor:
        """The returns (k, m) by which the policies of the archive were judged, float64."""
        return self.members[1]

    def follow(self, index: Tensor) -> Policy:
        """The policies that earned `returns[index]`, for index (B,)."""
        return MemberPolicy(self, self.members[0][index])

    @torch.no_grad()
    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        """Actions (B, ...) of the archive's best policy for weights (B, m) or (m,)."""
        obs = torch.as_tensor(obs, device=self.device)
        weights = torch.as_tensor(weights, dtype=torch.float32, device=self.device).expand(len(obs), -1)
        return self.actions_of(self.members[0][self.answering(weights)], obs)

    def answering(self, weights: Tensor) -> Tensor:
        """The numbers (W,) of the archive's best policies for preferences (W, m)."""
        return (weights.double() @ self.returns.T).argmax(dim=1)

    def parameters_state(self) -> dict[str, Any]:
        """The archive."""
        theta = torch.stack(self.archive.payloads) if len(self.archive) else self.first[:0]
        return {"theta": theta, "returns": torch.as_tensor(self.archive.points)}

    def load_parameters(self, state: dict[str, Any]) -> None:
        """The inverse of `parameters_state`; training starts anew, with the archive in its first generation."""
        theta, wanted = state["theta"].to(self.device), self.network.layout.total
        if theta.shape[1:] != (wanted,):
            raise CheckpointError(
                f"expected {wanted} parameters in each policy, got shape {tuple(theta.shape)}; "
                "the file was saved with other network widths or another environment"
            )
        self.archive = ParetoArchive(self.num_objectives, max_size=self.config.archive)
        self.archive.add(state["returns"].cpu().numpy(), list(theta))
        kept = theta[: len(self.first)].cpu()
        self.first = torch.cat((kept, self.first[len(kept) :]))
        self._known = None
        if self.env is not None:
            self.search = self._search()

    def training_state(self) -> dict[str, Any]:
        """The genetic algorithm, the generation in progress and the environments."""
        return {
            "search": self.search.state(),
            "trials": None if self.trials is None else self.trials.state(),
            "transitions": self.transitions.state(),
            "report": self.report.state(),
        }

    def load_training(self, state: dict[str, Any]) -> None:
        """The inverse of `training_state`; environments that cannot be put back restart their episodes."""
        self.started = True
        self.search.load_state(state["search"])
        self.trials = None if state["trials"] is None else Trials.of_state(state["trials"])
        self.report.load_state(state["report"])
        self.transitions.load_state(state["transitions"], seed=derive_seed(self.seed, 0, self.steps))
        if state["transitions"]["env"] is None and self.trials is not None:
            self.trials = self.trials.restarted()


class MemberPolicy:
    """Follows B policies with parameters (B, P), one per row; or one (1, P) in any number of rows."""

    memoryless = True

    def __init__(self, agent: Evolution, theta: Tensor) -> None:
        self.agent, self.theta = agent, theta

    def reset(self, mask: Tensor | None = None) -> None:
        """Nothing to forget."""

    @torch.no_grad()
    def act(self, obs: Tensor) -> Tensor:
        """Actions (B, ...)."""
        return self.agent.actions_of(self.theta, obs)

    def observe(self, reward: Tensor, done: Tensor) -> None:
        """Nothing to remember."""
