"""DQN for a population: K vector-valued Q networks, each for its own preference, trained as one stacked network.

The targets, loss and update are those of `dqn`, of all members at once, without the envelope: double Q-learning (van
Hasselt et al. 2016) with returns over several steps. Every member has its own replay, or all share one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from gymnasium.spaces import Discrete, Space
from torch import Tensor

from morl.agents import dqn, population
from morl.agents.exploration import PersistentExploration
from morl.agents.networks import QNetwork
from morl.agents.optim import AdamState, adam_init
from morl.agents.population import rows_of
from morl.agents.settings import check_positive, check_types, check_unit, geometric
from morl.errors import MorlError
from morl.replay import Replay, Sequences
from morl.streams import Streams, derive_seed
from morl.threads import Workload
from morl.transitions import Transition


@dataclass(frozen=True, kw_only=True)
class DQNSettings:
    """Settings of a DQN learner in a population; steps and minibatches are counted per member."""

    rollout_length: int = 16
    """Steps of each environment between two rounds of updates."""
    replay: int = 200_000
    """Environment steps kept in each member's replay."""
    recency: float = 3.0
    """The newest steps are sampled more often (`Replay.sample`; 1: all alike)."""
    n_steps: int = 16
    """Length of the sequences sampled from the replay; targets reach over at most so many steps (1: one-step)."""
    minibatch: int = 64
    """Steps in one update of a member."""
    replay_ratio: float = 8.0
    """Steps learned from for each step collected."""
    tolerance: float = 0.001
    """How much less than the greedy action an action may promise and count as greedy, in units of the largest
    reward."""
    action_gap: float = 0.6
    """How far differences between actions are stretched, by 1 / (1 - action_gap) (Bellemare et al. 2016)."""
    optimism: float = 0.25
    """Fraction of the budget during which the better of return and value is the target."""
    warmup: float = 0.05
    """Fraction of the budget spent on random play before learning begins."""
    lr: float = 1e-3
    """Adam's learning rate at the start; it falls geometrically to `lr_end`."""
    lr_end: float = 1e-4
    """Learning rate at the end of the budget."""
    tau: float = 0.01
    """Step of the target parameters' exponential average towards the online ones."""
    average_tau: float = 0.003
    """Step of the slower average whose greedy policy is selected."""
    epsilon_max: float = 0.9
    """Probability of exploring in a member's environment that explores most."""
    epsilon_min: float = 0.01
    """In the one that explores least; the others lie between, evenly in the logarithm."""
    max_repeat: int = 1
    """A random action is held for a heavy-tailed number of steps, at most this many (1: no repetition)."""
    max_grad_norm: float = 10.0
    """Each member's gradient is scaled down to this norm."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, "rollout_length", "replay", "recency", "n_steps", "minibatch", "replay_ratio")
        check_positive(self, "lr", "lr_end", "max_repeat", "max_grad_norm", "epsilon_max", "epsilon_min")
        check_positive(self, "tolerance", zero=True)
        check_unit(
            self, "optimism", "warmup", "action_gap", "epsilon_max", "epsilon_min", "tau", "average_tau"
        )
        if self.epsilon_min > self.epsilon_max or self.action_gap == 1:
            raise MorlError("expected epsilon_min <= epsilon_max and action_gap < 1")


class Members(NamedTuple):
    """What K members have learned, one row each."""

    learner: dqn.Learner
    """Parameters and averages (K, P)."""
    unit: Tensor
    """(K,) the largest reward before learning began, in which values are learned; 0 before any."""

    @property
    def theta(self) -> Tensor:
        """Online parameters (K, P)."""
        return self.learner.theta


class Storage(NamedTuple):
    """What a replay holds, and how it becomes what is learned from."""

    obs_dim: int
    """Length of an observation."""
    objectives: int
    """Length of a reward."""
    prepare: Callable[[Sequences], Sequences] = lambda batch: batch
    """Of sequences of all members, one block after another."""


class DQNPopulation:
    """K members, each on a contiguous block of N environments. For the arguments see `PPOPopulation`.

    Args:
        shared: parts of the network that a team has in common, of "trunk", "value" and "advantage".
        shared_replay: whether members learn from what all of their team did.
        storage: what the replay holds, where that is not what is learned from.
    """

    def __init__(
        self,
        *,
        obs_dim: int,
        channels: int,
        action_space: Space,
        num_envs: int,
        seeds: Sequence[int],
        settings: DQNSettings,
        gamma: float,
        shared: Sequence[str] = (),
        teams: int = 1,
        shared_replay: bool = False,
        storage: Storage | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if not isinstance(action_space, Discrete) or action_space.start != 0:
            raise MorlError(f"a DQN needs Discrete actions from 0, got {action_space}; use the learner ppo")
        self.settings, self.gamma, self.size, self.channels = settings, gamma, len(seeds), channels
        self.teams, self.shared_replay, self.device = teams, shared_replay, torch.device(device)
        self.obs_dim = obs_dim
        self.storage = Storage(obs_dim, channels) if storage is None else storage
        self.network = QNetwork(obs_dim, int(action_space.n), channels, settings.hidden, preference_dim=0)
        self.shared = self.network.layout.mask(shared).to(device) if shared else None
        population.hold_memory()
        self.members = self.fresh(seeds)
        self.streams = Streams([derive_seed(s, 1) for s in seeds], num_envs, groups=self.size, device=device)
        self.each = num_envs // self.size
        """N."""
        self.replay = Replay(
            max(2 * settings.n_steps, settings.replay // self.each), num_envs,
            obs_shape=(self.storage.obs_dim,), objectives=self.storage.objectives, device=device,
        )  # fmt: skip
        self.exploration = PersistentExploration(
            int(action_space.n), num_envs, settings.epsilon_max, settings.epsilon_min, settings.max_repeat,
            device, ladders=self.size,
        )  # fmt: skip
        self.owed = 0.0

    def fresh(self, seeds: Sequence[int]) -> Members:
        """New members, one for each seed."""
        theta = population.init_theta(self.network, seeds, self.device)
        return _begin(population.alike(theta, self.shared, self.teams))

    def start_from(self, theta: Tensor) -> None:
        """Train anew from parameters (K, P)."""
        self.members = _begin(theta)

    def behave(self, obs: Tensor, weights: Tensor, *, warming: bool) -> Tensor:
        """Exploring actions (K * N,) for weights (K, c); random ones where `warming`."""
        greedy = self._best(self.members.theta, obs, weights)
        luck = self.streams.uniform(3)
        random = (luck[:, 2] * self.exploration.actions).to(torch.int64)
        return self.exploration.explore(greedy, luck[:, :2].T, random, always=warming)

    def greedy(self, obs: Tensor, weights: Tensor) -> Tensor:
        """Greedy actions (K * N,) of each member's averaged parameters."""
        return self._best(self.members.learner.average, obs, weights)

    def _best(self, theta: Tensor, obs: Tensor, weights: Tensor) -> Tensor:
        parted = rows_of(obs, self.size)
        q = self.network(theta, parted, parted)
        return (q * weights.view(self.size, 1, 1, -1)).sum(dim=-1).argmax(dim=-1).flatten()

    def add(self, step: Transition, *, learning: bool) -> None:
        """Store a step of all environments."""
        self.replay.add(step, step.reward)  # whatever stands for weights: members have their own
        if not learning:  # afterwards it stands still, since the values learned depend on it
            largest = rows_of(step.reward.abs(), self.size).amax(dim=(1, 2))
            self.members = self.members._replace(unit=torch.maximum(self.members.unit, largest))

    def update(
        self, steps: int, weights: Tensor, progress: float, active: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Learn what `steps` more steps of each environment owe; metrics of each member (K,).

        Args:
            steps: collected since the last call.
            weights: (K, c) what each member maximises.
            progress: share of the budget that is used up.
            active: (K,) bool, members that learn; all by default.
        """
        settings = self.settings
        self.owed += settings.replay_ratio * self.each * steps / settings.minibatch
        updates = int(self.owed)
        self.owed -= updates
        if updates == 0:
            return {}
        data = self._prepare(updates * settings.minibatch, weights, progress)
        everyone = torch.arange(self.size, device=self.device).unsqueeze(1)
        order = self.streams.permutations(data.action.shape[1])[:, : updates * settings.minibatch]
        for rows in order.tensor_split(updates, dim=1):
            batch = dqn.Steps(*(part[everyone, rows] for part in data))
            self.members, metrics = self._updated(batch, progress, active)
        return metrics

    def _updated(
        self, steps: dqn.Steps, progress: float, active: Tensor | None = None
    ) -> tuple[Members, dict[str, Tensor]]:
        """The members after one minibatch (K, S, ...), and metrics of each (K,)."""
        settings = self.settings
        step = partial(
            dqn.advance,
            lr=geometric(settings.lr, settings.lr_end, progress),
            tau=settings.tau,
            average_tau=settings.average_tau,
        )

        def loss(theta: Tensor, steps: dqn.Steps) -> tuple[Tensor, dict[str, Tensor]]:
            return dqn.loss(self.network, theta, steps, 0.0)

        def advance(member: Members, gradient: Tensor) -> Members:
            return Members(step(member.learner, gradient), member.unit)

        return population.stacked_update(
            loss,
            self.members,
            self.members.theta,
            steps,
            advance,
            max_grad_norm=settings.max_grad_norm,
            shared=self.shared,
            teams=self.teams,
            active=active,
        )

    def workload(self, length: int) -> Workload:
        """One minibatch of all members, whatever the length of rollouts."""
        obs, weights = (
            torch.ones(self.size, self.settings.minibatch, width, device=self.device)
            for width in (self.obs_dim, self.channels)
        )
        return partial(self._updated, dqn.blank_steps(obs, weights), 0.0)

    @torch.no_grad()
    def _prepare(self, wanted: int, weights: Tensor, progress: float) -> dqn.Steps:
        """At least `wanted` steps of each member with their targets: fields (K, S, ...)."""
        settings = self.settings
        count = -(-wanted // settings.n_steps)
        luck = self.streams.uniform(2, rows=count)
        member = torch.arange(self.size, device=self.device).repeat_interleave(count)
        # The environments whose steps a member learns from: its own block, or its team's.
        together = self.size // self.teams if self.shared_replay else 1
        block = together * self.each
        env = member // together * block + (luck[:, 1] * block).to(torch.int64)
        batch = self.replay.sample_at(luck[:, 0] ** settings.recency, env, settings.n_steps)
        batch = batch._replace(weights=weights.repeat_interleave(count, 0).expand(settings.n_steps, -1, -1))
        batch = self.storage.prepare(batch)
        unit = torch.where(self.members.unit > 0, self.members.unit, 1.0)
        batch = batch._replace(reward=batch.reward / unit.repeat_interleave(count).view(1, -1, 1))
        parted = Sequences(*(rows_of(field.movedim(1, 0), self.size).transpose(1, 2) for field in batch))

        def targets(learner: dqn.Learner, own: Sequences) -> dqn.Steps:
            return dqn.learning_steps(
                self.network, learner, own, own.weights[0], own.weights[:0],
                gamma=self.gamma, tolerance=settings.tolerance, caution=0.0, action_gap=settings.action_gap,
                optimism=0.0 if progress < settings.optimism else None,
            )  # fmt: skip

        return torch.vmap(targets)(self.members.learner, parted)

    def conflict(self, weights: Tensor, *, steps: int = 512) -> Tensor:
        """Cosines (K, c, c) between the gradients of the objectives' value errors: how far they pull apart."""
        data = self._prepare(steps, weights, 1.0)

        def alone(theta: Tensor, rows: dqn.Steps) -> tuple[Tensor, dict[str, Tensor]]:
            error = rows.goal - dqn.take_action(self.network(theta, rows.obs, rows.weights), rows.action)
            chosen = (error**2 * rows.weights).sum(dim=-1) * rows.mask
            return chosen.mean(dim=-1), {}

        def along(way: Tensor) -> Tensor:
            rows = data._replace(weights=way.expand_as(data.weights))
            return population.member_gradients(alone, self.members.theta, rows)[0]

        return population.cosines(along, self.channels, self.device)

    def state(self) -> dict[str, Any]:
        """What training needs to go on."""
        learner, unit = self.members
        return {
            "theta": learner.theta,
            "target": learner.target,
            "average": learner.average,
            "adam": learner.adam._asdict(),
            "unit": unit,
            "streams": self.streams.get_state(),
            "replay": self.replay.state(),
            "exploration": self.exploration.state(),
            "owed": self.owed,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        adam = AdamState(**{name: value.to(self.device) for name, value in state["adam"].items()})
        theta, target, average = (state[name].to(self.device) for name in ("theta", "target", "average"))
        self.members = Members(dqn.Learner(theta, target, average, adam), state["unit"].to(self.device))
        self.streams.set_state(state["streams"])
        self.replay.load_state(state["replay"])
        self.exploration.load_state(state["exploration"])
        self.owed = state["owed"]


def _begin(theta: Tensor) -> Members:
    learner = dqn.Learner(theta, theta.clone(), theta.clone(), adam_init(theta))
    return Members(learner, theta.new_zeros(len(theta)))
