"""MORL/D: multi-objective reinforcement learning based on decomposition (Felten, Talbi and Danoy, JAIR 79, 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from morl import budget
from morl import weights as preference_weights
from morl._arrays import Array, as_seeds
from morl.agent import Agent, Policy
from morl.agents import population
from morl.agents.decomposed import make_trainer
from morl.agents.diagnosis import mean_of
from morl.agents.morld_config import Config
from morl.agents.policy_set import FollowMembers, Policies
from morl.agents.settings import flat_observations
from morl.agents.team import Team
from morl.errors import MorlError
from morl.front import Front
from morl.known import facts_of
from morl.threads import Workload


class MORLD(Agent):
    """A population of policies for different scalarisations, trained as one network, that exchange what they learn.

    The common part of the paper (algorithm 1): while members train, their greedy policies are judged on selection
    episodes, the non-dominated ones are kept, weights adapt and neighbours cooperate. Asked for a preference, the
    agent answers with the kept policy whose selection returns are worth most; evaluations use other episodes.

    Deviations: all members of a round train at once on the same kernels; selection episodes are played in the
    training environments and count towards the budget; a Chebyshev scalarisation under SER is climbed along its
    smoothed gradient (`Scalarisation.direction`); parameters are taken over by members that stall (`Team.sources`),
    not once at the beginning.

    With several seeds it is as many agents, each with a team of its own, which train as one population: see `split`.
    """

    name = "morld"
    flattens = True
    Config: TypeAlias = Config
    config: Config
    default_num_envs = 512

    def __init__(
        self, env: Any, *, seed: int | Sequence[int] = 0, config: Config | None = None, **settings: Any
    ) -> None:
        given = as_seeds(seed)
        seeds = [s for s in (given if isinstance(given, list) else [given]) if s is not None]
        if len(set(seeds)) < max(1, len(given) if isinstance(given, list) else 1):
            raise MorlError(f"expected one seed or several different ones, got {seed}")
        super().__init__(env, seed=seeds[0], config=config, **settings)
        config, m = self.config, self.num_objectives
        self.teams = [Team(config, m, s, self.device) for s in seeds]
        slots = sum(team.slots for team in self.teams)
        if self.spec.num_envs % slots and self.env is not None:
            near = max(1, self.spec.num_envs // slots) * slots
            raise MorlError(
                f"expected a number of environments that {slots} members share evenly, got "
                f"{self.spec.num_envs}: take num_envs={near}, or another population"
            )
        self.settings = config.dqn if config.learns_by_dqn else config.ppo
        self.trainer = make_trainer(
            self.settings, self.spec, flat_observations(self.spec),
            [s for team in self.teams for s in team.seeds[: team.slots]],
            cooperation=config.cooperation, gamma=self.gamma, criterion=config.criterion,
            scalarisations=[team.scalarisation for team in self.teams], normalise=config.normalise_observations,
        )  # fmt: skip
        self.members = self.trainer.learner.fresh([s for team in self.teams for s in team.seeds])
        """What every member has learned; of those in training, as of the beginning of the round."""
        self.rollouts = 0
        self.horizon = config.longest_selection(self.gamma)
        self.longest = min(self.horizon, getattr(env, "max_episode_steps", None) or self.horizon)
        if self.env is not None:
            self.transitions = self.trainer.transitions(self.env)

    # --- learning ----------------------------------------------------------------------------------------

    def iterate(self, max_steps: int) -> dict[str, Any]:
        """One rollout of all members in training and its updates; every few, selection and exchange."""
        n = self.spec.num_envs
        if not self.teams[0].tasks:
            self._begin_round()
        length = min(self.rollout_length, max_steps // n)
        warming = self.steps < getattr(self.settings, "warmup", 0.0) * self.total_steps
        metrics = self.trainer.train(
            self.transitions, length, self.steps / max(1, self.total_steps), warming=warming
        )
        self.steps += length * n
        self.rollouts += 1
        left = max_steps // n - length
        last = left < self.rollout_length + self.longest
        averages: dict[str, Any] = {name: value.mean() for name, value in metrics.items()}
        averages |= self.trainer.returns.report()
        if left > 0 and (last or self.rollouts % self.config.round_length == 0) and not warming:
            averages |= self._exchange(left)
        return averages

    @classmethod
    def trained_together(cls, config: Config) -> int:
        """The members in training."""
        return config.slots or config.population

    @property
    def rollout_length(self) -> int:
        """Steps of each environment between two rounds of updates, with the budget as it is."""
        return self.settings.rollout_length or budget.rollout_length(self.total_steps, self.spec.num_envs)

    @property
    def round_steps(self) -> int:
        """Steps of all environments between two rounds of updates."""
        return self.rollout_length * self.spec.num_envs

    def _begin_round(self) -> None:
        """Put the members that are next into training, and start their episodes."""
        for team in self.teams:
            team.begin()
        if self._taking_turns:
            self.trainer.learner.members = population.take(self.members, self._in_training())
        self.trainer.assign(
            torch.cat([team.weights for team in self.teams]), torch.cat([team.returns for team in self.teams])
        )
        self.transitions.reset(self._episode_seeds(7))

    @property
    def _taking_turns(self) -> bool:
        return self.teams[0].slots < self.config.population

    def _in_training(self) -> Tensor:
        """The rows of `members` that train, (S,)."""
        size = self.config.population
        rows = [r * size + member for r, team in enumerate(self.teams) for member in team.in_training]
        return torch.tensor(rows, device=self.device)

    def _episode_seeds(self, purpose: int, time: int | None = None) -> Any:
        """What to start new episodes with: seeds that belong to the members, by default of this round."""
        seeds = [
            s
            for team in self.teams
            for s in team.episode_seeds(purpose, team.rounds if time is None else time)
        ]
        return population.env_seeds(self.env, seeds, self.spec.num_envs)

    def _exchange(self, most: int) -> dict[str, Any]:
        """Selection, then what members tell each other: kept policies, weights, parameters, turns."""
        numbers = torch.tensor([member for team in self.teams for member in team.in_training])
        conflict, episodes, metrics = self.trainer.conflict(), self._select(most), []
        policies = self.trainer.policies(numbers)
        for rows, team in zip(self._rows(), self.teams, strict=True):
            mine = None if conflict is None else conflict[rows]
            metrics.append(team.judge(policies.at(rows), episodes[rows], mine))
        learner = self.trainer.learner
        trained, averages = self._in_training(), mean_of(metrics)
        if self.config.cooperation == "transfer":
            parts = zip(self._rows(), self.teams, strict=True)
            source = torch.cat([team.sources() + rows.start for rows, team in parts])
            moved = source != torch.arange(len(source), device=self.device)
            averages["transferred"] = float(moved.sum()) / len(self.teams)
            learner.members = population.take(learner.members, source)
        if self._taking_turns:
            self.members = population.put(self.members, trained, learner.members)
        self._begin_round()
        return averages

    def _rows(self) -> list[slice]:
        """The members in training of each team."""
        slots = self.teams[0].slots
        return [slice(r * slots, (r + 1) * slots) for r in range(len(self.teams))]

    @torch.no_grad()
    def _select(self, most: int) -> Array:
        """Discounted returns (S, N, m) of one greedy episode in each environment, in at most `most` steps."""
        n = self.spec.num_envs
        self.transitions.reset(self._episode_seeds(8))
        total = torch.zeros(n, self.num_objectives, dtype=torch.float64, device=self.device)
        alive = torch.ones(n, dtype=torch.bool, device=self.device)
        steps = 0
        for steps in range(1, min(most, self.horizon) + 1):
            step = self.transitions.step(self.trainer.greedy(self.transitions.obs))
            total += self.gamma ** (steps - 1) * (step.reward.double() * alive.unsqueeze(1))
            alive &= ~(step.terminated | step.truncated)
            if steps % 8 == 0 and not alive.any():
                break
        self.steps += steps * n
        self.longest = max(self.longest if self.teams[0].rounds == 0 and alive.any() else 0, steps)
        return population.rows_of(total, self.trainer.size).cpu().numpy()

    def workload(self) -> Workload:
        """One minibatch of all members in training."""
        return self.trainer.learner.workload(self.rollout_length)

    # --- several seeds -----------------------------------------------------------------------------------

    @property
    def team(self) -> Team:
        """The only team.

        Raises:
            MorlError: there are several, which are different agents.
        """
        if len(self.teams) > 1:
            raise MorlError(
                f"expected one agent, this holds {len(self.teams)}, one for each seed: take them with split()"
            )
        return self.teams[0]

    def split(self) -> list[MORLD]:
        """An agent for each seed, which acts but does not go on training."""
        spec = replace(self.spec, num_envs=self.spec.num_envs // len(self.teams))
        agents = []
        for rows, team in zip(self._rows(), self.teams, strict=True):
            agent = type(self)(spec, seed=team.seed, config=self.config)
            agent.gamma, agent.steps, agent.seconds = self.gamma, self.steps // len(self.teams), self.seconds
            agent.load_parameters(self._parameters(rows, team))
            agents.append(agent)
        return agents

    # --- act, save, load ---------------------------------------------------------------------------------

    @property
    def returns(self) -> Tensor:
        """What each policy earned on its selection episodes, (k, m); of no use before the first selection."""
        return torch.as_tensor(self.team.found.points)

    def _policies(self) -> Policies:
        if self.team.found.policies is not None:
            return self.team.found.policies
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
        return self.follow(self.answering(checked.reshape(-1, self.num_objectives)))

    def answering(self, weights: Tensor) -> Tensor:
        """The numbers (W,) of the policies that answer preferences (W, m)."""
        if len(self.team.found):
            return (weights.double() @ self.returns.to(weights.device).T).argmax(dim=1)
        return torch.cdist(weights.double(), self._policies().weights.double()).argmin(dim=1)

    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        """Greedy actions (B, ...) for weights (B, m) or (m,); under ESR those of an episode's first step."""
        obs = torch.as_tensor(obs, device=self.device)
        asked = torch.as_tensor(weights, dtype=torch.float64, device=self.device).expand(len(obs), -1)
        return self.follow(self.answering(asked)).act(obs)

    def front(self) -> Front:
        """The selection returns of the policies found; evaluate on other episodes before reporting any."""
        if len(self.team.found) == 0:
            raise MorlError("expected a selection first: train for longer")
        problem = self.spec if self.env is None else self.env
        return Front(
            episode_returns=self.team.found.episodes,
            gamma=self.gamma,
            **facts_of(problem, self.num_objectives, self.gamma, known=False),
            role="selection",
            agent=self.name,
            training_seed=self.seed,
            training_steps=self.steps,
            training_seconds=self.seconds,
        )

    def parameters_state(self) -> dict[str, Any]:
        """The policies found, and the members in training as they act; of several seeds, for each of them."""
        states = [self._parameters(*pair) for pair in zip(self._rows(), self.teams, strict=True)]
        return states[0] if len(states) == 1 else {"seeds": states}

    def _parameters(self, rows: slice, team: Team) -> dict[str, Any]:
        trainer = self.trainer
        return {
            "found": team.found.state(),
            "theta": trainer.acting(trainer.learner.members)[rows],
            "normaliser": trainer.normalisers[self.teams.index(team)].state(),
            "weights": trainer.weights[rows],
            "directions": trainer.directions[rows],
        }

    def load_parameters(self, state: dict[str, Any]) -> None:
        """The inverse of `parameters_state`; training starts anew from the members."""
        trainer, states = self.trainer, state.get("seeds", [state])
        trainer.learner.network.layout.checked(states[0]["theta"][0])
        theta, trainer.weights, trainer.directions = (
            torch.cat([part[name] for part in states]).to(self.device)
            for name in ("theta", "weights", "directions")
        )
        trainer.learner.start_from(theta)
        for part, team, normaliser in zip(states, self.teams, trainer.normalisers, strict=True):
            normaliser.load_state(part["normaliser"])
            team.found.load_state(part["found"])

    def training_state(self) -> dict[str, Any]:
        """Members, learner, searches, scales, turns and environment."""
        return {
            "members": population.tensors_of(self.members),
            "learner": self.trainer.learner.state(),
            "learning": self.trainer.learning,
            "returns": self.trainer.returns.state(),
            "teams": [team.state() for team in self.teams],
            "counts": [self.rollouts, self.longest],
            "transitions": self.transitions.state(),
        }

    def load_training(self, state: dict[str, Any]) -> None:
        """The inverse of `training_state`, after `load_parameters`."""
        self.members = population.rebuilt(self.members, state["members"])
        self.trainer.learner.load_state(state["learner"])
        self.trainer.learning = state["learning"]
        self.trainer.returns.load_state(state["returns"])
        for team, part in zip(self.teams, state["teams"], strict=True):
            team.load_state(part)
        self.rollouts, self.longest = state["counts"]
        if self.teams[0].tasks:
            self.transitions.load_state(state["transitions"], seed=self._episode_seeds(9, self.steps))
