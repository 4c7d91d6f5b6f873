"""MORL/D: multi-objective reinforcement learning based on decomposition (Felten, Talbi and Danoy, JAIR 79, 2024)."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from gymnasium.spaces import Discrete
from torch import Tensor

from morl import weights as preference_weights
from morl._arrays import Array
from morl.agent import Agent, Policy
from morl.agents import population
from morl.agents.decomposed import make_trainer
from morl.agents.diagnosis import diagnose
from morl.agents.front_search import Decomposition, Task, spread_weights
from morl.agents.morld_config import Config
from morl.agents.policy_set import FollowMembers, Policies, PolicySet
from morl.agents.scalarisation import Scalarisation
from morl.agents.settings import flat_observations
from morl.errors import MorlError
from morl.front import Front
from morl.spec import objectives_of
from morl.streams import derive_seed


class MORLD(Agent):
    """A population of policies for different scalarisations, trained as one network, that exchange what they learn.

    The common part of the paper (algorithm 1): while members train, their greedy policies are judged on selection
    episodes, the non-dominated ones are kept, weights adapt and neighbours cooperate. Asked for a preference, the
    agent answers with the kept policy whose selection returns are worth most; evaluations use other episodes.

    Deviations: all members of a round train at once on the same kernels; selection episodes are played in the
    training environments and count towards the budget; a Chebyshev scalarisation under SER is climbed along its
    smoothed gradient (`Scalarisation.direction`).
    """

    name = "morld"
    Config: TypeAlias = Config
    config: Config
    default_num_envs = 512

    def __init__(self, env: Any, *, seed: int = 0, config: Config | None = None, **settings: Any) -> None:
        super().__init__(env, seed=seed, config=config, **settings)
        config, m = self.config, self.num_objectives
        slots = config.slots or config.population
        discrete = isinstance(self.spec.single_action_space, Discrete)
        dqn = discrete and config.criterion == "ser" if config.learner == "auto" else config.learner == "dqn"
        if self.spec.num_envs % slots and self.env is not None:
            near = max(1, self.spec.num_envs // slots) * slots
            raise MorlError(
                f"expected a number of environments that {slots} members share evenly, got "
                f"{self.spec.num_envs}: take num_envs={near}, or another population"
            )
        self.scalarisation = Scalarisation(
            config.scalarisation, m, normalise=config.normalise_objectives, device=self.device
        )
        self.search = Decomposition(
            spread_weights(m, config.population, config.weight_method, derive_seed(seed, 5) % 2**31),
            slots=slots, schedule=config.schedule, adapt=config.adaptation == "psa",
            delta=config.adaptation_delta, rng=np.random.default_rng(derive_seed(seed, 6)),
        )  # fmt: skip
        self.seeds = [derive_seed(seed, 4, k) for k in range(config.population)]
        self.settings = config.dqn if dqn else config.ppo
        self.trainer = make_trainer(
            self.settings, self.spec, flat_observations(self.spec), self.seeds[:slots],
            cooperation=config.cooperation, gamma=self.gamma, criterion=config.criterion,
            scalarisation=self.scalarisation, normalise=config.normalise_observations,
        )  # fmt: skip
        self.members = self.trainer.learner.fresh(self.seeds)
        """What every member has learned; of those in training, as of the beginning of the round."""
        self.found = PolicySet(m, config.archive, self.device)
        self.tasks: list[Task] = []
        self.rollouts = self.rounds = 0
        self.longest = min(
            config.selection_steps, getattr(env, "max_episode_steps", None) or config.selection_steps
        )
        if self.env is not None:
            self.transitions = self.trainer.transitions(self.env)

    # --- learning ----------------------------------------------------------------------------------------

    def iterate(self, max_steps: int) -> dict[str, Any]:
        """One rollout of all members in training and its updates; every few, selection and exchange."""
        n = self.spec.num_envs
        if not self.tasks:
            self._begin_round()
        length = min(self.settings.rollout_length, max_steps // n)
        warming = self.steps < getattr(self.settings, "warmup", 0.0) * self.total_steps
        metrics = self.trainer.train(
            self.transitions, length, self.steps / max(1, self.total_steps), warming=warming
        )
        self.steps += length * n
        self.rollouts += 1
        left = max_steps // n - length
        last = left < self.settings.rollout_length + self.longest
        averages: dict[str, Any] = {name: value.mean() for name, value in metrics.items()}
        averages |= self.trainer.returns.report()
        if left > 0 and (last or self.rollouts % self.config.round_length == 0) and not warming:
            averages |= self._exchange(left)
        return averages

    def _begin_round(self) -> None:
        """Put the members that are next into training, and start their episodes."""
        self.tasks = self.search.ask()
        index = torch.tensor([task.member for task in self.tasks], device=self.device)
        if len(self.tasks) < self.config.population:
            self.trainer.learner.members = population.take(self.members, index)
        self._assign()
        seeds = [derive_seed(self.seeds[task.member], 7, self.rounds) for task in self.tasks]
        self.transitions.reset(population.env_seeds(self.env, seeds, self.spec.num_envs))

    def _assign(self) -> None:
        weights = torch.tensor([task.weights for task in self.tasks], dtype=torch.float32, device=self.device)
        rows = [task.member for task in self.tasks]
        returns = torch.as_tensor(self.search.returns[rows], dtype=torch.float32, device=self.device)
        self.trainer.assign(weights, returns)

    def _exchange(self, most: int) -> dict[str, Any]:
        """Selection, then what members tell each other: kept policies, weights, parameters, turns."""
        episodes = self._select(most)
        points = episodes.mean(axis=1)
        numbers = torch.tensor([task.member for task in self.tasks])
        kept = self.found.add(self.trainer.policies(numbers), episodes)
        self.scalarisation.observe(torch.as_tensor(self.found.points))
        learned = self.trainer.learner.members
        if len(self.tasks) < self.config.population:
            self.members = population.put(self.members, numbers.to(self.device), learned)
        self.search.tell(self.tasks, points, kept.astype(float))
        moved = self._transfer(points) if self.config.cooperation == "transfer" else 0
        self.rounds += 1
        metrics = diagnose(self.tasks, points, self.found, self.config.population, self.trainer.conflict())
        self._begin_round()
        return {**metrics, "transferred": float(moved), "archive": float(len(self.found))}

    @torch.no_grad()
    def _select(self, most: int) -> Array:
        """Discounted returns (slots, N, m) of one greedy episode in each environment, in at most `most` steps."""
        n, slots = self.spec.num_envs, len(self.tasks)
        seeds = [derive_seed(self.seeds[task.member], 8, self.rounds) for task in self.tasks]
        self.transitions.reset(population.env_seeds(self.env, seeds, n))
        total = torch.zeros(n, self.num_objectives, dtype=torch.float64, device=self.device)
        alive = torch.ones(n, dtype=torch.bool, device=self.device)
        steps = 0
        for steps in range(1, min(most, self.config.selection_steps) + 1):
            step = self.transitions.step(self.trainer.greedy(self.transitions.obs))
            total += self.gamma ** (steps - 1) * (step.reward.double() * alive.unsqueeze(1))
            alive &= ~(step.terminated | step.truncated)
            if steps % 8 == 0 and not alive.any():
                break
        self.steps += steps * n
        self.longest = max(self.longest if self.rounds == 0 and alive.any() else 0, steps)
        return population.rows_of(total, slots).cpu().numpy()

    def _transfer(self, points: Array) -> int:
        """Let members go on from a neighbour's parameters where these earn more for their own weights."""
        weights = torch.tensor(self.search.weights[[task.member for task in self.tasks]], device=self.device)
        worth = self.scalarisation(
            torch.as_tensor(points, device=self.device).to(torch.float32), weights.float().unsqueeze(1)
        )
        distance = torch.cdist(weights, weights)
        near = (
            distance
            <= distance.kthvalue(min(len(weights), self.config.neighbours + 1), dim=1).values[:, None]
        )
        own = worth.diagonal()
        worth = worth.masked_fill(~near, -torch.inf)
        best = worth.argmax(dim=1)
        better = worth.amax(dim=1) > own + 1e-6 * own.abs()
        source = torch.where(better, best, torch.arange(len(own), device=self.device))
        self.trainer.learner.members = population.take(self.trainer.learner.members, source)
        if len(self.tasks) < self.config.population:
            rows = torch.tensor([task.member for task in self.tasks], device=self.device)
            self.members = population.put(self.members, rows, self.trainer.learner.members)
        return int(better.sum())

    # --- act, save, load ---------------------------------------------------------------------------------

    @property
    def returns(self) -> Tensor:
        """What each policy earned on its selection episodes, (k, m); of no use before the first selection."""
        return torch.as_tensor(self.found.points)

    def _policies(self) -> Policies:
        if self.found.policies is not None:
            return self.found.policies
        return self.trainer.policies(torch.arange(self.trainer.size))

    def follow(self, index: Tensor) -> Policy:
        """The policies with numbers `index` (B,), one per row."""
        accrued = self.gamma if self.config.criterion == "esr" else None
        conditioned = self.config.cooperation == "conditioned"
        return FollowMembers(
            self.trainer.head,
            self._policies(),
            index.to(self.device),
            accrued=accrued,
            conditioned=conditioned,
        )

    def policy(self, preference: Any) -> Policy:
        """The policies worth most for preferences (B, m) or (m,), by their selection returns."""
        checked = torch.as_tensor(preference_weights.validate(preference, self.num_objectives))
        return self.follow(self._best(checked.reshape(-1, self.num_objectives)))

    def _best(self, weights: Tensor) -> Tensor:
        if len(self.found):
            return (weights.double() @ self.returns.to(weights.device).T).argmax(dim=1)
        return torch.cdist(weights.double(), self._policies().weights.double()).argmin(dim=1)

    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        """Greedy actions (B, ...) for weights (B, m) or (m,); under ESR those of an episode's first step."""
        obs = torch.as_tensor(obs, device=self.device)
        asked = torch.as_tensor(weights, dtype=torch.float64, device=self.device).expand(len(obs), -1)
        return self.follow(self._best(asked)).act(obs)

    def front(self) -> Front:
        """The selection returns of the policies found; evaluate on other episodes before reporting any."""
        if len(self.found) == 0:
            raise MorlError("expected a selection first: train for longer")
        known = objectives_of(self.spec)
        names = (f"objective_{i}" if known is None else known[i].name for i in range(self.num_objectives))
        return Front(
            episode_returns=self.found.episodes,
            env_id=self.env_id,
            gamma=self.gamma,
            objectives=tuple(names),
            role="selection",
            agent=self.name,
            training_seed=self.seed,
            training_steps=self.steps,
            training_seconds=self.seconds,
        )

    def parameters_state(self) -> dict[str, Any]:
        """The policies found, and the members in training as they act."""
        trainer = self.trainer
        return {
            "found": self.found.state(),
            "theta": trainer.acting(trainer.learner.members),
            "normaliser": trainer.normaliser.state(),
            "weights": trainer.weights,
            "directions": trainer.directions,
        }

    def load_parameters(self, state: dict[str, Any]) -> None:
        """The inverse of `parameters_state`; training starts anew from the members."""
        trainer = self.trainer
        trainer.learner.network.layout.checked(state["theta"][0])
        trainer.learner.start_from(state["theta"].to(self.device))
        trainer.normaliser.load_state(state["normaliser"])
        trainer.weights, trainer.directions = (state[k].to(self.device) for k in ("weights", "directions"))
        self.found.load_state(state["found"])

    def training_state(self) -> dict[str, Any]:
        """Members, learner, search, scales, turns and environment."""
        return {
            "members": population.tensors_of(self.members),
            "learner": self.trainer.learner.state(),
            "learning": self.trainer.learning,
            "returns": self.trainer.returns.state(),
            "search": self.search.state(),
            "scalarisation": self.scalarisation.state(),
            "members in training": [task.member for task in self.tasks],
            "weights in training": [list(task.weights) for task in self.tasks],
            "counts": [self.rollouts, self.rounds, self.longest],
            "transitions": self.transitions.state(),
        }

    def load_training(self, state: dict[str, Any]) -> None:
        """The inverse of `training_state`, after `load_parameters`."""
        self.members = population.rebuilt(self.members, state["members"])
        self.trainer.learner.load_state(state["learner"])
        self.trainer.learning = state["learning"]
        self.trainer.returns.load_state(state["returns"])
        self.search.load_state(state["search"])
        self.scalarisation.load_state(state["scalarisation"])
        pairs = zip(state["members in training"], state["weights in training"], strict=True)
        self.tasks = [Task(member, tuple(weights)) for member, weights in pairs]
        self.rollouts, self.rounds, self.longest = state["counts"]
        if self.tasks:
            seeds = [derive_seed(self.seeds[task.member], 9, self.steps) for task in self.tasks]
            restart = population.env_seeds(self.env, seeds, self.spec.num_envs)
            self.transitions.load_state(state["transitions"], seed=restart)
