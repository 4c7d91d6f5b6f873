"""How the members of a decomposition learn: PPO or DQN populations under SER or ESR, behind one interface.

Under SER (scalarised expected return) a member maximises `u(E[R])`: its learner follows the gradient of the utility
at what the member earns, which for a weighted sum are the weights. Under ESR (expected scalarised return) it
maximises `E[u(R)]` on observations that tell what is accrued (`accrued`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from morl.agents.accrued import AccruedTransitions, utility_rises
from morl.agents.policy_set import Policies
from morl.agents.population_dqn import DQNPopulation, DQNSettings, Storage
from morl.agents.population_ppo import PPOPopulation, PPOSettings
from morl.agents.scalarisation import Scalarisation
from morl.normalise import CLIP, ObservationNormaliser
from morl.replay import Sequences
from morl.rollout import EpisodeReturns, Rollout, Source, collect
from morl.spec import EnvSpec
from morl.transitions import Transitions

Criterion = Literal["ser", "esr"]
Batch = TypeVar("Batch", Rollout, Sequences)
Cooperation = Literal["none", "transfer", "shared-replay", "shared-trunk", "conditioned"]


class MemberTrainer(ABC):
    """S members in training, each in its block of N environments.

    Args:
        spec: of the environments, S * N of them.
        obs_dim: length of the environment's observations.
        seeds: one for each member in training.
        gamma: discount.
        criterion: "ser" or "esr".
        scalarisations: what members maximise, given their weights; one for each team of equally many members.
        conditioned: whether members observe their weights.
        normalise: whether observations are scaled by statistics that a team shares.
    """

    def __init__(
        self,
        spec: EnvSpec,
        obs_dim: int,
        seeds: Sequence[int],
        *,
        gamma: float,
        criterion: Criterion,
        scalarisations: Sequence[Scalarisation],
        conditioned: bool,
        normalise: bool,
    ) -> None:
        self.spec, self.size, self.gamma = spec, len(seeds), gamma
        self.each = spec.num_envs // self.size
        self.criterion, self.scalarisations, self.conditioned = criterion, scalarisations, conditioned
        self.teams = len(scalarisations)
        m = spec.num_objectives
        self.observed = obs_dim + (m + 1 if criterion == "esr" else 0)
        """Length of what the transitions observe."""
        self.inputs = self.observed + (m if conditioned else 0)
        """Length of what the networks are given."""
        self.channels = m if criterion == "ser" else 1
        self.normalise = normalise
        self.normalisers = [
            ObservationNormaliser((self.observed,), device=spec.device) for _ in scalarisations
        ]
        self.weights = torch.full((self.size, m), 1 / m, device=spec.device)
        """(S, m) of the members in training."""
        self.directions = self.weights
        """(S, c) what their learners maximise."""
        self.returns = EpisodeReturns(m, spec.device)

    learner: Any
    learning = False
    """Whether updates have begun."""

    def transitions(self, env: Any) -> Transitions | AccruedTransitions:
        """The environment as members observe it."""
        plain = Transitions(env)
        return plain if self.criterion == "ser" else AccruedTransitions(plain, self.gamma)

    def assign(self, weights: Tensor, returns: Tensor) -> None:
        """New weights (S, m), for members that earn `returns` (S, m); NaN where that is not known yet."""
        self.weights = weights
        if self.criterion == "esr":
            self.directions = weights.new_ones(self.size, 1)
            return
        parts = zip(self.scalarisations, returns.chunk(self.teams), weights.chunk(self.teams), strict=True)
        self.directions = torch.cat([self._climbed(*part) for part in parts])

    def _climbed(self, scalarisation: Scalarisation, returns: Tensor, weights: Tensor) -> Tensor:
        """Directions (n, m) of one team, which sum to one."""
        known = torch.isfinite(returns).all(dim=1, keepdim=True) & scalarisation.known
        climbed = scalarisation.direction(torch.where(known, returns, 0.0), weights)
        climbed = torch.where(known, climbed, weights)
        return climbed / climbed.sum(dim=1, keepdim=True)

    def rises(self, obs: Tensor, reward: Tensor, weights: Tensor) -> Tensor:
        """How much steps [T, rows of all members, ...] raise the utility of the return so far (`utility_rises`)."""
        parts = zip(
            obs.chunk(self.teams, dim=1), reward.chunk(self.teams, dim=1), weights.chunk(self.teams, dim=1),
            self.scalarisations, strict=True,
        )  # fmt: skip
        return torch.cat([utility_rises(*part) for part in parts], dim=1)

    def learned_from(self, batch: Batch) -> Batch:
        """Steps [T, rows of all members, ...] under their members' weights, as the learners are given them."""
        views = [self.scaled(obs) for obs in (batch.obs, batch.next_obs)]
        reward = batch.reward
        if self.criterion == "esr":
            reward = self.rises(batch.obs, reward, batch.weights)
        if self.conditioned:
            views = [torch.cat((view, batch.weights), dim=-1) for view in views]
        return batch._replace(obs=views[0], next_obs=views[1], reward=reward)

    def scaled(self, obs: Tensor) -> Tensor:
        """Observations (..., rows of all members, observed) as the networks are given them, without weights."""
        if not self.normalise:
            return obs.to(torch.float32).clamp(-CLIP, CLIP)
        parts = zip(self.normalisers, obs.chunk(self.teams, dim=-2), strict=True)
        return torch.cat([normaliser(part) for normaliser, part in parts], dim=-2)

    def watch(self, obs: Tensor) -> None:
        """Take observations (..., rows of all members, observed) into the statistics."""
        for normaliser, part in zip(self.normalisers, obs.chunk(self.teams, dim=-2), strict=True):
            normaliser.update(part)

    def networks_see(self, obs: Tensor) -> Tensor:
        """Observations (S * B, observed) of all members, one block after another, as the networks are given them."""
        scaled = self.scaled(obs)
        if not self.conditioned:
            return scaled
        return torch.cat((scaled, self.weights.repeat_interleave(len(obs) // self.size, 0)), dim=-1)

    def policies(self, numbers: Tensor) -> Policies:
        """The members in training as they would act now, with the statistics of observations as they are."""
        theta = self.acting(self.learner.members)
        shift, scale = (
            torch.stack([getattr(normaliser, name) for normaliser in self.normalisers]).to(theta)
            for name in ("mean", "scale")
        )
        if not self.normalise:
            shift, scale = torch.zeros_like(shift), torch.ones_like(scale)
        shift, scale = (row.repeat_interleave(len(theta) // self.teams, 0) for row in (shift, scale))
        return Policies(theta, shift, scale, self.weights, self.directions, numbers.to(theta.device))

    @abstractmethod
    def train(self, source: Source, length: int, progress: float, *, warming: bool) -> dict[str, Any]:
        """Collect `length` steps of each environment and learn; metrics of each member (S,)."""

    @abstractmethod
    def greedy(self, obs: Tensor) -> Tensor:
        """What members do in their environments (S * N, ...) when they are judged."""

    @abstractmethod
    def head(self, theta: Tensor, inputs: Tensor, directions: Tensor) -> Tensor:
        """Greedy actions (k, B, ...) of policies with parameters (k, P) that maximise `directions` (k, c)."""

    def conflict(self) -> Tensor | None:
        """Cosines (S, c, c) between the gradients of the objectives; None where there is only a utility."""
        return None

    @abstractmethod
    def acting(self, members: Any) -> Tensor:
        """The parameters (K, P) that act when members are judged."""


class PPOTrainer(MemberTrainer):
    """Members learn by PPO."""

    def __init__(self, *args: Any, settings: PPOSettings, shared: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.settings = settings
        self.learner: PPOPopulation = PPOPopulation(
            obs_dim=self.inputs, channels=self.channels, action_space=self.spec.single_action_space,
            num_envs=self.spec.num_envs, seeds=args[2], settings=settings, shared=shared, teams=self.teams,
            device=self.spec.device,
            gamma=self.gamma if self.criterion == "ser" else 1.0,
        )  # fmt: skip
        self.batch: Any = None

    def train(self, source: Source, length: int, progress: float, *, warming: bool) -> dict[str, Any]:
        """One rollout and its epochs of updates."""
        rows = self.weights.repeat_interleave(self.each, 0)
        self.learner.ahead = self.settings.rollout_length or length
        with torch.no_grad():
            rollout, _ = collect(
                source, lambda obs, _: self.learner.behave(self.networks_see(obs)), rows, length,
                lambda n: rows, self.returns,
            )  # fmt: skip
            raw, rollout = rollout.obs, self.learned_from(rollout)
        metrics, self.batch = self.learner.update(rollout, self.directions, progress)
        self.watch(raw)  # last: the updates must see what the behaviour saw
        return metrics

    def greedy(self, obs: Tensor) -> Tensor:
        """The most probable actions."""
        return self.learner.greedy(self.networks_see(obs))

    def head(self, theta: Tensor, inputs: Tensor, directions: Tensor) -> Tensor:
        """The most probable actions of each policy."""
        learner = self.learner
        return learner.distribution.to_env(
            learner.distribution.mode(learner.network.head(theta, inputs, inputs))
        )

    def acting(self, members: Any) -> Tensor:
        """The parameters themselves."""
        return members.theta

    def conflict(self) -> Tensor | None:
        """Cosines (S, c, c) between the objectives' policy gradients on the last rollout."""
        return self.learner.conflict(self.batch) if self.channels > 1 and self.batch is not None else None


class DQNTrainer(MemberTrainer):
    """Members learn by DQN; observation statistics stand still once learning begins."""

    def __init__(
        self, *args: Any, settings: DQNSettings, shared: Sequence[str], shared_replay: bool, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.settings = settings
        self.learner: DQNPopulation = DQNPopulation(
            obs_dim=self.inputs, channels=self.channels, action_space=self.spec.single_action_space,
            num_envs=self.spec.num_envs, seeds=args[2], settings=settings, shared=shared, teams=self.teams,
            shared_replay=shared_replay,
            storage=Storage(self.observed, self.spec.num_objectives, self._prepare), device=self.spec.device,
            gamma=self.gamma if self.criterion == "ser" else 1.0,
        )  # fmt: skip

    def _prepare(self, batch: Sequences) -> Sequences:
        """What is stored, observations and rewards as the environment gave them, as it is learned from."""
        weights = self.weights.repeat_interleave(batch.obs.shape[1] // self.size, 0)
        asked = batch._replace(weights=weights.expand(*batch.reward.shape))
        # Its learner goes on with the directions that came as weights.
        return self.learned_from(asked)._replace(weights=batch.weights)

    def train(self, source: Source, length: int, progress: float, *, warming: bool) -> dict[str, Any]:
        """A few steps, at random while warming; then the updates that they owe."""
        with torch.no_grad():
            for _ in range(length):
                action = self.learner.behave(self.networks_see(source.obs), self.directions, warming=warming)
                step = source.step(action)
                if not self.learning:
                    self.watch(step.obs)
                # A utility's rises are of the order of one already.
                self.learner.add(step, learning=self.learning or self.criterion == "esr")
                self.returns.add(source.info, step.terminated | step.truncated)
        if warming or len(self.learner.replay) < self.settings.n_steps:
            return {}
        self.learning = True
        return self.learner.update(length, self.directions, progress)

    def greedy(self, obs: Tensor) -> Tensor:
        """Greedy actions of the averaged parameters."""
        return self.learner.greedy(self.networks_see(obs), self.directions)

    def head(self, theta: Tensor, inputs: Tensor, directions: Tensor) -> Tensor:
        """Greedy actions of each policy."""
        q = self.learner.network(theta, inputs, inputs)
        return (q * directions[:, None, None]).sum(dim=-1).argmax(dim=-1)

    def acting(self, members: Any) -> Tensor:
        """The averaged parameters."""
        return members.learner.average

    def conflict(self) -> Tensor | None:
        """Cosines (S, c, c) between the gradients of the objectives' value errors."""
        return self.learner.conflict(self.directions) if self.channels > 1 and self.learning else None


def make_trainer(
    settings: PPOSettings | DQNSettings,
    spec: EnvSpec,
    obs_dim: int,
    seeds: Sequence[int],
    *,
    cooperation: Cooperation,
    **options: Any,
) -> PPOTrainer | DQNTrainer:
    """Members that learn by what the settings belong to, and share what their cooperation says."""
    options["conditioned"] = cooperation == "conditioned"
    if isinstance(settings, DQNSettings):
        trunk = {"conditioned": ("trunk", "value", "advantage"), "shared-trunk": ("trunk",)}
        return DQNTrainer(
            spec, obs_dim, seeds, settings=settings, shared=trunk.get(cooperation, ()),
            shared_replay=cooperation == "shared-replay", **options,
        )  # fmt: skip
    shared = ("policy", "critic") if cooperation == "conditioned" else ()
    return PPOTrainer(spec, obs_dim, seeds, settings=settings, shared=shared, **options)
