"""PPO for a population: K stochastic policies, each for its own preference, trained as one stacked network.

The loss is that of `ppo` (Schulman et al. 2017), of all members at once; every member has its own batch, random
numbers, optimiser and scale of returns, so K members learn what K populations of one would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from gymnasium.spaces import Space
from torch import Tensor

from morl import budget
from morl.agents import population, ppo
from morl.agents.distributions import distribution_for
from morl.agents.optim import AdamState, adam_init, adam_update
from morl.agents.population import rows_of
from morl.agents.settings import check_positive, check_types, check_unit, geometric
from morl.errors import MorlError
from morl.gae import vector_gae
from morl.rollout import Rollout
from morl.streams import Streams, derive_seed
from morl.threads import Workload


@dataclass(frozen=True, kw_only=True)
class PPOSettings:
    """Settings of a PPO learner in a population; steps and minibatches are counted per member."""

    rollout_length: int = 0
    """Steps of each environment between two rounds of updates; 0 for as many as the budget allows
    (`budget.rollout_length`)."""
    epochs: int = 4
    """Passes over each rollout."""
    minibatch: int = 0
    """Steps in one update of a member, at most; 0 for an eighth of its rollout, from 64 to 256."""
    lr: float = 1e-3
    """Adam's learning rate at the start; it falls linearly to `lr_end`."""
    lr_end: float = 1e-4
    """Learning rate at the end of the budget."""
    gae_lambda: float = 0.99
    """Trace decay of the advantage estimate."""
    clip: float = 0.2
    """The probability ratio is clipped to 1 - clip .. 1 + clip."""
    value_coefficient: float = 0.5
    """Weight of the critic's squared error, in units of the first rollout's returns."""
    entropy_coefficient: float = 0.1
    """Weight of the entropy bonus at the start; it falls geometrically to `entropy_end`."""
    entropy_end: float = 0.0003
    """Weight of the entropy bonus at the end of the budget."""
    max_grad_norm: float = 0.5
    """Each member's gradient is scaled down to this norm."""
    growing_unit: bool = False
    """Whether values are measured in the largest returns so far instead of the first rollout's, for returns that grow
    a hundredfold. The critic's last layer makes up for the change (van Hasselt et al. 2016, arXiv 1602.07714)."""
    centre_advantages: bool = False
    """Whether weighted advantages are shifted to mean zero in every rollout, so that an error common to all values
    neither praises nor blames all actions."""
    initial_std: float = 1.0
    """Standard deviation of continuous actions at the start, in units of half their range."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of policy and critic."""

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, "epochs", "lr", "clip", "max_grad_norm", "initial_std")
        check_positive(self, "rollout_length", "minibatch", zero=True)
        check_positive(self, "lr_end", "value_coefficient", "entropy_coefficient", "entropy_end", zero=True)
        check_unit(self, "gae_lambda")


class Members(NamedTuple):
    """What K members have learned, one row each."""

    theta: Tensor
    """(K, P)."""
    adam: AdamState
    unit: Tensor
    """(K,) what values are measured in, from the member's first rollout; 0 before it."""


class PPOPopulation:
    """K members, each on a contiguous block of N environments.

    Args:
        obs_dim: length of an observation.
        channels: length of the rewards, c: the objectives, or 1 for a utility.
        action_space: of one environment.
        num_envs: K * N.
        seeds: one for each member: of its parameters and its random numbers.
        settings: of all members.
        gamma: discount of the rewards.
        shared: parts of the network that the members of a team have in common, of "policy" and "critic".
        teams: how many there are, of K / teams members each.
        device: where everything lies.
    """

    def __init__(
        self,
        *,
        obs_dim: int,
        channels: int,
        action_space: Space,
        num_envs: int,
        seeds: Sequence[int],
        settings: PPOSettings,
        gamma: float,
        shared: Sequence[str] = (),
        teams: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings, self.gamma, self.size, self.channels = settings, gamma, len(seeds), channels
        self.distribution = distribution_for(action_space, device, initial_std=settings.initial_std)
        self.network = ppo.ActorCritic(
            obs_dim, channels, self.distribution, settings.hidden, preference_dim=0
        )
        if settings.growing_unit and "critic" in shared:
            raise MorlError(
                "members that share a critic cannot measure values each in its own unit: leave growing_unit, or "
                'take cooperation="transfer"'
            )
        self.device, self.teams = torch.device(device), teams
        self.obs_dim, self.each = obs_dim, num_envs // self.size
        self.shared = self.network.layout.mask(shared).to(device) if shared else None
        self.value_layer = self.network.value_layer.to(device)
        population.hold_memory()
        self.members = self.fresh(seeds)
        self.streams = Streams([derive_seed(s, 1) for s in seeds], num_envs, groups=self.size, device=device)
        self.ahead = settings.rollout_length or 1
        """For how many steps random numbers are drawn at once: K generators are asked one after another."""
        self.luck: list[Tensor] = []
        """Random numbers of the rollout's last steps, the next at the end."""

    def fresh(self, seeds: Sequence[int]) -> Members:
        """New members, one for each seed."""
        theta = population.init_theta(self.network, seeds, self.device)
        return _begin(population.alike(theta, self.shared, self.teams))

    def start_from(self, theta: Tensor) -> None:
        """Train anew from parameters (K, P)."""
        self.members = _begin(theta)

    def behave(self, obs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Actions to learn from (K * N, ...), their log probabilities, and actions for the environment."""
        if not self.luck:
            ahead = self.distribution.draw(self.streams, self.ahead)
            self.luck = list(ahead.unbind(dim=1))[::-1]
        head = self._heads(obs)
        action = self.distribution.sample_from(head, self.luck.pop())
        return action, self.distribution.log_prob(head, action), self.distribution.to_env(action)

    def greedy(self, obs: Tensor) -> Tensor:
        """The most probable actions (K * N, ...) of each member in its environments."""
        return self.distribution.to_env(self.distribution.mode(self._heads(obs)))

    def _heads(self, obs: Tensor) -> Tensor:
        parted = rows_of(obs, self.size)
        return self.network.head(self.members.theta, parted, parted).flatten(0, 1)

    def update(
        self, rollout: Rollout, weights: Tensor, progress: float, active: Tensor | None = None
    ) -> tuple[dict[str, Tensor], ppo.Batch]:
        """Learn from a rollout of T steps.

        Args:
            rollout: fields [T, K * N, ...], with rewards (..., c).
            weights: (K, c) what each member maximises.
            progress: share of the budget that is used up.
            active: (K,) bool, members that learn; all by default.

        Returns:
            Metrics of each member (K,), and the batch (K, T * N, ...).
        """
        settings, self.luck = self.settings, []  # what is left would not be saved
        with torch.no_grad():
            data = self._batch(rollout, weights, active)
        steps = data.mask.shape[1]
        parts = -(-steps // (settings.minibatch or budget.minibatch(steps, parts=8, most=256)))
        everyone = torch.arange(self.size, device=data.mask.device).unsqueeze(1)
        for _ in range(settings.epochs):
            order = self.streams.permutations(steps)
            shuffled = [
                (field,) * parts if field.shape[1] < steps else field[everyone, order].tensor_split(parts, 1)
                for field in data  # weights are the same in every step
            ]
            for fields in zip(*shuffled, strict=True):
                self.members, metrics = self._updated(ppo.Batch(*fields), progress, active)
        return metrics, data

    def _updated(
        self, batch: ppo.Batch, progress: float, active: Tensor | None = None
    ) -> tuple[Members, dict[str, Tensor]]:
        """The members after one minibatch (K, B, ...), and metrics of each (K,)."""
        settings = self.settings
        hyper = ppo.Hyper(
            clip=settings.clip,
            value_coefficient=settings.value_coefficient,
            entropy_coefficient=geometric(settings.entropy_coefficient, settings.entropy_end, progress),
            diversity_coefficient=0.0,
            diversity_alpha=0.0,
            scalarisation="early",
            max_grad_norm=settings.max_grad_norm,
        )

        def loss(theta: Tensor, batch: ppo.Batch) -> tuple[Tensor, dict[str, Tensor]]:
            return ppo.loss(self.network, theta, batch, hyper)

        return population.stacked_update(
            loss,
            self.members,
            self.members.theta,
            batch,
            partial(_advance, lr=settings.lr * (1 - progress) + settings.lr_end * progress),
            max_grad_norm=settings.max_grad_norm,
            shared=self.shared,
            teams=self.teams,
            active=active,
        )

    def workload(self, length: int) -> Workload:
        """One minibatch of all members, from rollouts of so many steps."""
        size = self.each * length
        size = min(size, self.settings.minibatch or budget.minibatch(size, parts=8, most=256))
        obs = torch.zeros(self.size, size, self.obs_dim, device=self.device)
        weights = torch.ones(self.size, 1, self.channels, device=self.device)
        batch = ppo.blank_batch(self.network, self.members.theta, obs, weights)
        return partial(self._updated, batch, 0.0)

    def _batch(self, rollout: Rollout, weights: Tensor, active: Tensor | None = None) -> ppo.Batch:
        """Advantages and value targets, in each member's unit, as (K, T * N, ...)."""

        def own(values: Tensor) -> Tensor:
            return values.unflatten(1, (self.size, -1)).movedim(1, 0).flatten(1, 2)

        def in_time(values: Tensor) -> Tensor:  # (K, T * N, c) back to (T, K * N, c)
            return values.unflatten(1, (len(rollout.reward), -1)).movedim(0, 1).flatten(1, 2)

        obs, next_obs, mask = own(rollout.obs), own(rollout.next_obs), own(rollout.valid).to(torch.float32)
        unit = self.members.unit
        scale = torch.where(unit > 0, unit, 1.0).view(-1, 1, 1)
        value = in_time(self.network.value(self.members.theta, obs, obs) * scale)
        following = in_time(self.network.value(self.members.theta, next_obs, next_obs) * scale)
        advantage, target = vector_gae(
            rollout.reward, value, following, rollout.terminated, rollout.truncated,
            gamma=self.gamma, lam=self.settings.gae_lambda,
        )  # fmt: skip
        advantage, target = own(advantage), own(target)
        # The root mean square of the targets, common to all objectives so that weights keep their meaning.
        size = (target**2 * mask.unsqueeze(-1)).mean(dim=(1, 2)).sqrt()
        if self.settings.growing_unit:
            grown = unit.maximum(size) if active is None else torch.where(active, unit.maximum(size), unit)
            self.members = self._measured_in(grown)
        self.members = self.members._replace(unit=torch.where(unit > 0, self.members.unit, size))
        scale = torch.where(self.members.unit > 0, self.members.unit, 1.0).view(-1, 1, 1)
        wanted = weights.unsqueeze(1)
        weighted = (advantage * wanted).sum(dim=-1) * mask
        # One positive number for each member: it changes how far an update goes, not what is optimal.
        spread = weighted.std(dim=1, correction=0).view(-1, 1, 1) + 1e-8
        if self.settings.centre_advantages:
            middle = weighted.mean(dim=1, keepdim=True) / wanted.square().sum(dim=-1)
            advantage = advantage - middle.unsqueeze(-1) * wanted
        fields = (obs, own(rollout.action), own(rollout.log_prob), advantage / spread, target / scale)
        return ppo.Batch(*fields, wanted, wanted, mask)

    def _measured_in(self, unit: Tensor) -> Members:
        """The members with values in other units (K,): the critic's last layer makes up for the change."""
        theta, adam, old = self.members
        ratio = torch.where(old > 0, old / unit, 1.0)
        return Members(*ppo.in_another_unit(theta, adam, ratio, self.value_layer), unit)

    def conflict(self, batch: ppo.Batch, *, steps: int = 512) -> Tensor:
        """Cosines (K, c, c) between the policy gradients of the objectives: how far they pull apart."""
        part = ppo.Batch(*(field[:, :steps] for field in batch))
        hyper = ppo.Hyper(
            clip=1e9, value_coefficient=0.0, entropy_coefficient=0.0, diversity_coefficient=0.0,
            diversity_alpha=0.0, scalarisation="early", max_grad_norm=1.0,
        )  # fmt: skip

        def loss(theta: Tensor, rows: ppo.Batch) -> tuple[Tensor, dict[str, Tensor]]:
            return ppo.loss(self.network, theta, rows, hyper)

        def along(way: Tensor) -> Tensor:
            alone = part._replace(weights=way.expand_as(part.weights))
            return population.member_gradients(loss, self.members.theta, alone)[0]

        return population.cosines(along, self.channels, self.device)

    def state(self) -> dict[str, Any]:
        """What training needs to go on."""
        theta, adam, unit = self.members
        return {"theta": theta, "adam": adam._asdict(), "unit": unit, "streams": self.streams.get_state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        device = self.members.theta.device
        adam = AdamState(**{name: value.to(device) for name, value in state["adam"].items()})
        self.members = Members(state["theta"].to(device), adam, state["unit"].to(device))
        self.streams.set_state(state["streams"])
        self.luck = []


def _advance(member: Members, gradient: Tensor, *, lr: float | Tensor) -> Members:
    return Members(*adam_update(member.theta, gradient, member.adam, lr), member.unit)


def _begin(theta: Tensor) -> Members:
    return Members(theta, adam_init(theta), theta.new_zeros(len(theta)))
