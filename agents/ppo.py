"""Proximal policy optimisation for vector rewards, as pure functions of (parameters, optimiser state, batch).

Schulman et al. 2017 (arXiv 1707.06347), with one clipped surrogate per objective as in D3PO (arXiv
2602.07764). Nothing here keeps state, so `loss` serves one conditioned network, a population of
stacked ones, or parameters that another network emitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from morl.agents.distributions import Categorical, Gaussian
from morl.agents.networks import MLP, Network
from morl.agents.optim import AdamState, Differentiate, adam_update, autograd


class ActorCritic(Network):
    """A policy and a vector critic, separate networks, both given the preference beside the observation.

    Args:
        obs_dim: length of an observation.
        objectives: m.
        distribution: of the actions.
        hidden: widths of the hidden layers of both.
        preference_dim: length of the preference given, m by default; 0 for the policy of one preference.
    """

    def __init__(
        self,
        obs_dim: int,
        objectives: int,
        distribution: Categorical | Gaussian,
        hidden: Sequence[int],
        *,
        preference_dim: int | None = None,
    ) -> None:
        self.distribution = distribution
        self.preference_dim = objectives if preference_dim is None else preference_dim
        inputs = obs_dim + self.preference_dim
        super().__init__(
            policy=MLP((inputs, *hidden, distribution.head_width), final_gain=0.01, activation="tanh"),
            critic=MLP((inputs, *hidden, objectives), activation="tanh"),
        )

    def head(self, theta: Tensor, obs: Tensor, weights: Tensor) -> Tensor:
        """The distribution's parameters (..., head_width)."""
        return self.apply(theta)["policy"](self._inputs(obs, weights))

    def value(self, theta: Tensor, obs: Tensor, weights: Tensor) -> Tensor:
        """Vector values (..., m)."""
        return self.apply(theta)["critic"](self._inputs(obs, weights))

    def both(self, theta: Tensor, obs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """`head` and `value`: theta is taken apart, and its gradient put together, once."""
        part, inputs = self.apply(theta), self._inputs(obs, weights)
        return part["policy"](inputs), part["critic"](inputs)

    @cached_property
    def value_layer(self) -> Tensor:
        """Which parameters (P,) bool are those of the critic's last layer."""
        last = len(self.parts["critic"].sizes) - 2
        return self.layout.mask([f"critic.weight{last}", f"critic.bias{last}"])

    def _inputs(self, obs: Tensor, weights: Tensor) -> Tensor:
        return torch.cat((obs, weights), dim=-1) if self.preference_dim else obs


def in_another_unit(
    theta: Tensor, adam: AdamState, ratio: Tensor, value_layer: Tensor
) -> tuple[Tensor, AdamState]:
    """Parameters (P,) or (K, P), and optimiser, that predict values `ratio` () or (K,) times as large.

    When values are measured in another unit, the critic's last layer makes up for the change, so that what they mean
    stays as it was (van Hasselt et al. 2016, arXiv 1602.07714, equation 4).
    """
    factor = torch.where(value_layer, ratio.unsqueeze(-1), 1.0)
    return theta * factor, adam._replace(mean=adam.mean * factor, square=adam.square * factor**2)


class Batch(NamedTuple):
    """B steps to learn from."""

    obs: Tensor
    action: Tensor
    log_prob: Tensor
    """Under the policy that acted."""
    advantage: Tensor
    """(B, m), already scaled (see `advantage_scale`)."""
    value_target: Tensor
    """(B, m)."""
    weights: Tensor
    """(B, m) the preference followed; of a member of a population (1, m), its own."""
    other_weights: Tensor
    """(B, m) another preference, for the diversity regulariser; of a member of a population its own."""
    mask: Tensor
    """(B,) float: 0 for steps that must not be learned from."""


def blank_batch(network: ActorCritic, theta: Tensor, obs: Tensor, weights: Tensor) -> Batch:
    """Steps with observations (..., B, obs_dim) that teach nothing: to measure how long an update takes.

    Args:
        network: whose actions they hold.
        theta: its parameters.
        obs: (B, obs_dim), or (K, B, obs_dim) of K members.
        weights: (B, m), or (K, 1, m).
    """
    action = network.distribution.mode(network.head(theta, obs, weights))
    none = obs.new_zeros(obs.shape[:-1])
    value = none.unsqueeze(-1).expand(*none.shape, weights.shape[-1])
    return Batch(obs, action, none, value, value, weights, weights, none + 1)


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """The constants of the loss; defaults and meaning in `ConditionedPPO`'s configuration."""

    clip: float
    value_coefficient: float
    entropy_coefficient: float | Tensor
    diversity_coefficient: float
    diversity_alpha: float
    scalarisation: Literal["late", "early"]
    max_grad_norm: float


def advantage_scale(
    advantage: Tensor, weights: Tensor, mode: Literal["common", "per-objective", "none"]
) -> Tensor:
    """What advantages (..., m) are divided by: (m,), or (1,) for one scale common to all objectives.

    "common" is the standard deviation of the weighted advantage `w . A`: one number, so the agent goes on
    optimising the weights it was given. "per-objective" gives each objective unit variance, which in effect
    multiplies every preference by the inverse scales.
    """
    if mode == "none":
        return advantage.new_ones(1)
    if mode == "common":
        return (advantage * weights).sum(dim=-1).std(correction=0).reshape(1) + 1e-8
    return advantage.flatten(0, -2).std(dim=0, correction=0) + 1e-8


def loss(network: ActorCritic, theta: Tensor, batch: Batch, hyper: Hyper) -> tuple[Tensor, dict[str, Tensor]]:
    """The scalar to be minimised, and its parts; one of each member, given theta (K, P) and a batch (K, B, ...).

    "late" scalarisation clips one surrogate per objective and weights the clipped values (D3PO, late-stage
    weighting); "early" weights the advantages first and clips once (the usual conditioned PPO). With D3PO's
    scaled diversity regulariser `(KL(pi(.|s,w) || pi(.|s,w')) - alpha |w - w'|_1)^2` policies for different
    preferences differ as much as the preferences do.
    """
    dist = network.distribution
    share = batch.mask / batch.mask.sum(dim=-1, keepdim=True).clamp(min=1.0)

    def mean(values: Tensor) -> Tensor:
        return (values * share).sum(dim=-1)

    head, value = network.both(theta, batch.obs, batch.weights)
    log_prob, entropy = dist.log_prob_and_entropy(head, batch.action)
    ratio = (log_prob - batch.log_prob).exp()
    advantage = batch.advantage
    if hyper.scalarisation == "early":
        advantage = (advantage * batch.weights).sum(dim=-1, keepdim=True)
    surrogate = torch.minimum(
        ratio.unsqueeze(-1) * advantage,
        ratio.clamp(1 - hyper.clip, 1 + hyper.clip).unsqueeze(-1) * advantage,
    )
    if hyper.scalarisation == "late":
        surrogate = surrogate * batch.weights
    policy_loss = -mean(surrogate.sum(dim=-1))

    value_loss = mean(((value - batch.value_target) ** 2).sum(dim=-1))
    bonus = mean(entropy)
    result = policy_loss + hyper.value_coefficient * value_loss - hyper.entropy_coefficient * bonus
    metrics = {
        "policy_loss": policy_loss,
        "value_loss": value_loss,
        "entropy": bonus,
        "clip_fraction": mean(((ratio - 1).abs() > hyper.clip).to(ratio.dtype)),
    }
    if hyper.diversity_coefficient > 0:
        other = network.head(theta, batch.obs, batch.other_weights)
        distance = (batch.weights - batch.other_weights).abs().sum(dim=-1)
        diversity = mean((dist.kl(head, other) - hyper.diversity_alpha * distance) ** 2)
        result = result + hyper.diversity_coefficient * diversity
        metrics["diversity_loss"] = diversity
    return result, {"loss": result, **metrics}


def update(
    network: ActorCritic,
    theta: Tensor,
    adam: AdamState,
    batch: Batch,
    hyper: Hyper,
    lr: float | Tensor,
    differentiate: Differentiate = autograd,
) -> tuple[Tensor, AdamState, dict[str, Tensor]]:
    """One minibatch step: new parameters, new optimiser state, detached metrics. Inputs are unchanged.

    Under `torch.vmap`, pass `differentiate=optim.functional`.
    """

    def objective(parameters: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return loss(network, parameters, batch, hyper)

    gradient, _, metrics = differentiate(objective, theta)
    theta, adam = adam_update(theta, gradient, adam, lr, max_norm=hyper.max_grad_norm)
    return theta, adam, metrics
