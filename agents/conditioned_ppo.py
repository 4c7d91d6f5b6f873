"""ConditionedPPO: one stochastic policy for all preferences, given the preference as an input."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from morl import budget
from morl.agent import Agent
from morl.agents import ppo
from morl.agents.distributions import distribution_for
from morl.agents.optim import AdamState, adam_init
from morl.agents.settings import check_positive, check_types, check_unit, flat_observations, geometric
from morl.gae import vector_gae
from morl.normalise import ObservationNormaliser
from morl.rollout import EpisodeReturns, Rollout, collect
from morl.streams import derive_seed, make_generator
from morl.threads import Workload
from morl.transitions import Transitions


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of `ConditionedPPO`."""

    gamma: float | None = None
    """Discount; None takes the environment's default protocol (0.99 without a card)."""
    rollout_length: int = 0
    """Steps of each environment between two rounds of updates; 0 for as many as the budget allows
    (`budget.rollout_length`)."""
    epochs: int = 3
    """Passes over each rollout."""
    minibatch: int = 0
    """Steps in one update, at most; 0 for a sixteenth of a rollout, from 64 to 2,048."""
    lr: float = 5e-4
    """Adam's learning rate at the start; it falls linearly to `lr_end`."""
    lr_end: float = 5e-5
    """Learning rate at the end of the budget."""
    gae_lambda: float = 0.99
    """Trace decay of the advantage estimate."""
    clip: float = 0.2
    """The probability ratio is clipped to 1 - clip .. 1 + clip."""
    value_coefficient: float = 0.5
    """Weight of the critic's squared error, in units of the largest returns so far."""
    entropy_coefficient: float = 0.15
    """Weight of the entropy bonus at the start, against scaled advantages; it falls geometrically to `entropy_end`.
    Large on purpose: sparse rewards are found while the policy is still wide."""
    entropy_end: float = 0.0005
    """Weight of the entropy bonus at the end of the budget. Greedy evaluation needs it small beside the smallest
    difference between actions that matters."""
    diversity_coefficient: float = 0.0
    """Weight of D3PO's scaled diversity regulariser. Off by default: on problems where many preferences share one
    optimal policy it keeps their policies apart at the price of utility; try 0.001 to 0.01 where they collapse."""
    diversity_alpha: float = 1.0
    """Wanted KL divergence between two policies, per unit of L1 distance between their preferences."""
    scalarisation: Literal["late", "early"] = "late"
    """"late" clips one surrogate per objective and weights last (D3PO); "early" weights the advantages first."""
    advantage_scale: Literal["common", "per-objective", "none"] = "common"
    """Divide advantages by one number for all objectives (the given preferences stay what is optimised), by
    one per objective (each then counts as if it had unit variance), or not at all. Measured in the first rollout
    and frozen."""
    max_grad_norm: float = 0.5
    """Gradients are scaled down to this norm."""
    normalise_observations: bool = True
    """Scale observations by running statistics, frozen outside training."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of policy and critic."""

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, "epochs", "lr", "clip", "max_grad_norm")
        check_positive(self, "rollout_length", "minibatch", zero=True)
        check_positive(self, "entropy_coefficient", "entropy_end", zero=True)
        check_positive(self, "lr_end", "value_coefficient", zero=True)
        check_positive(self, "diversity_coefficient", "diversity_alpha", zero=True)
        check_unit(self, "gae_lambda")


class ConditionedPPO(Agent):
    """PPO on vector rewards with the preference in the input of policy and critic.

    Every environment follows a preference drawn uniformly from the simplex for one episode. The critic
    predicts the vector return; advantages are estimated per objective and one clipped surrogate per
    objective is weighted last, with the scaled diversity regulariser, after D3PO (arXiv 2602.07764). Where
    this deviates: the advantages are divided by one common scale, the standard deviation of `w . A` in the
    first rollout, so that the preferences optimised are those given, and values are measured in a unit that grows
    with the returns (`ppo.in_another_unit`). Needs Discrete or bounded Box actions.
    """

    name = "conditioned-ppo"
    flattens = True
    Config: TypeAlias = Config
    config: Config
    default_num_envs = 512

    def __init__(self, env: Any, *, seed: int = 0, config: Config | None = None, **settings: Any) -> None:
        super().__init__(env, seed=seed, config=config, **settings)
        obs_dim = flat_observations(self.spec)
        self.distribution = distribution_for(self.spec.single_action_space, self.device)
        self.network = ppo.ActorCritic(obs_dim, self.num_objectives, self.distribution, self.config.hidden)
        self.theta = self.network.init(make_generator("cpu", derive_seed(seed, 2)), self.device)
        self.adam = adam_init(self.theta)
        self.scale: Tensor | None = None
        """What advantages are divided by, frozen after the first rollout."""
        self.unit = torch.zeros((), device=self.device)
        """What values are measured in: the largest root mean square of a rollout's returns; 0 before the first."""
        self.value_layer = self.network.value_layer.to(self.device)
        self.normaliser = ObservationNormaliser((obs_dim,), device=self.device)
        if self.env is not None:
            self.transitions = Transitions(self.env)
        self.weights = torch.empty(0, device=self.device)
        self.returns = EpisodeReturns(self.num_objectives, self.device)

    # --- collect and update ------------------------------------------------------------------------------

    def iterate(self, max_steps: int) -> dict[str, Any]:
        """One rollout and its epochs of updates."""
        if len(self.weights) == 0:
            self.transitions.reset(derive_seed(self.seed, 0))
            self.weights = self.draw_preferences(self.spec.num_envs)
        length = min(self.rollout_length, max_steps // self.spec.num_envs)
        done_before = self.steps / max(1, self.total_steps)
        with torch.no_grad():
            rollout, self.weights = collect(
                self.transitions, self._behave, self.weights, length, self.draw_preferences, self.returns
            )
            data, metrics = self._learning_data(rollout)
            if self.config.normalise_observations:  # last: the updates must see what the behaviour saw
                self.normaliser.update(rollout.obs)
        self.steps += length * self.spec.num_envs
        metrics |= self._update(data, done_before)
        return metrics

    @property
    def rollout_length(self) -> int:
        """Steps of each environment between two rounds of updates, with the budget as it is."""
        return self.config.rollout_length or budget.rollout_length(self.total_steps, self.spec.num_envs)

    @property
    def round_steps(self) -> int:
        """Steps of all environments between two rounds of updates."""
        return self.rollout_length * self.spec.num_envs

    def _behave(self, obs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        head = self.network.head(self.theta, self._scaled(obs), weights)
        action = self.distribution.sample(head, self.generator)
        return action, self.distribution.log_prob(head, action), self.distribution.to_env(action)

    def _learning_data(self, rollout: Rollout) -> tuple[ppo.Batch, dict[str, Any]]:
        """Advantages and value targets of a rollout, flattened to (T * N, ...)."""
        obs, next_obs = self._scaled(rollout.obs), self._scaled(rollout.next_obs)
        value, next_value = (
            self.network.value(self.theta, seen, rollout.weights) * self.unit for seen in (obs, next_obs)
        )
        advantage, target = vector_gae(
            rollout.reward, value, next_value, rollout.terminated, rollout.truncated,
            gamma=self.gamma, lam=self.config.gae_lambda,
        )  # fmt: skip
        mask = rollout.valid.to(torch.float32)
        self._measure(target * mask.unsqueeze(-1))
        if self.scale is None:
            self.scale = ppo.advantage_scale(
                advantage * mask.unsqueeze(-1), rollout.weights, self.config.advantage_scale
            )
        error = ((target - value) * mask.unsqueeze(-1)).abs().flatten(0, 1).mean(dim=0)
        metrics: dict[str, Any] = self.returns.report()
        metrics |= {f"value_error/{i}": error[i] for i in range(self.num_objectives)}
        other = self.draw_preferences(mask.numel())
        target = target / torch.where(self.unit > 0, self.unit, 1.0)
        fields = (obs, rollout.action, rollout.log_prob, advantage / self.scale, target, rollout.weights)
        return ppo.Batch(*[*(x.flatten(0, 1) for x in fields), other, mask.flatten()]), metrics

    def _measure(self, returns: Tensor) -> None:
        """Let the unit of values grow with the returns (T, N, m) of a rollout, common to all objectives."""
        unit = self.unit.maximum(returns.square().mean().sqrt())
        ratio = torch.where(self.unit > 0, self.unit / unit, 1.0)
        self.theta, self.adam = ppo.in_another_unit(self.theta, self.adam, ratio, self.value_layer)
        self.unit = unit

    def _update(self, data: ppo.Batch, progress: float) -> dict[str, Any]:
        config, hyper = self.config, self._hyper(progress)
        lr = config.lr * (1 - progress) + config.lr_end * progress
        size = len(data.mask)
        metrics: dict[str, Any] = {}
        for _ in range(config.epochs):
            order = torch.randperm(size, generator=self.generator, device=self.device)
            for rows in order.split(config.minibatch or budget.minibatch(size, parts=16, most=2048)):
                batch = ppo.Batch(*(field[rows] for field in data))
                self.theta, self.adam, metrics = ppo.update(
                    self.network, self.theta, self.adam, batch, hyper, lr
                )
        return metrics

    def _hyper(self, progress: float) -> ppo.Hyper:
        config = self.config
        return ppo.Hyper(
            clip=config.clip,
            value_coefficient=config.value_coefficient,
            entropy_coefficient=geometric(config.entropy_coefficient, config.entropy_end, progress),
            diversity_coefficient=config.diversity_coefficient,
            diversity_alpha=config.diversity_alpha,
            scalarisation=config.scalarisation,
            max_grad_norm=config.max_grad_norm,
        )

    def workload(self) -> Workload:
        """One minibatch."""
        size = self.round_steps
        size = min(size, self.config.minibatch or budget.minibatch(size, parts=16, most=2048))
        obs, weights = (
            torch.zeros(size, width, device=self.device)
            for width in (flat_observations(self.spec), self.num_objectives)
        )
        batch = ppo.blank_batch(self.network, self.theta, obs, weights)
        return partial(
            ppo.update, self.network, self.theta, self.adam, batch, self._hyper(0.0), self.config.lr
        )

    def _scaled(self, obs: Tensor) -> Tensor:
        return self.normaliser(obs) if self.config.normalise_observations else obs.to(torch.float32)

    # --- act, save, load ---------------------------------------------------------------------------------

    @torch.no_grad()
    def act(self, obs: Tensor, weights: Tensor) -> Tensor:
        """The most probable actions (B, ...) for observations (B, *obs_shape) and weights (B, m) or (m,)."""
        obs = torch.as_tensor(obs, device=self.device)
        weights = torch.as_tensor(weights, dtype=torch.float32, device=self.device).expand(obs.shape[0], -1)
        head = self.network.head(self.theta, self._scaled(obs), weights)
        return self.distribution.to_env(self.distribution.mode(head))

    def parameters_state(self) -> dict[str, Any]:
        """The networks and the observation statistics."""
        return {"theta": self.theta, "normaliser": self.normaliser.state()}

    def load_parameters(self, state: dict[str, Any]) -> None:
        """The inverse of `parameters_state`."""
        self.theta = self.network.layout.checked(state["theta"]).to(self.device)
        self.normaliser.load_state(state["normaliser"])

    def training_state(self) -> dict[str, Any]:
        """Optimiser, generator, preferences and environment."""
        return {
            "adam": self.adam._asdict(),
            "scale": self.scale,
            "unit": self.unit,
            "generator": self.generator.get_state(),
            "weights": self.weights,
            "transitions": self.transitions.state(),
            "returns": self.returns.state(),
        }

    def load_training(self, state: dict[str, Any]) -> None:
        """The inverse of `training_state`."""
        self.adam, self.scale = AdamState(**state["adam"]), state["scale"]
        self.unit = state.get("unit", torch.ones(())).to(self.device)  # older versions measured in ones
        self.generator.set_state(state["generator"].cpu())
        self.weights = state["weights"]
        self.returns.load_state(state["returns"])
        self.transitions.load_state(state["transitions"], seed=derive_seed(self.seed, 0, self.steps))
