"""Value learning from vector rewards, as pure functions of (parameters, optimiser state, batch, weights).

The pieces of envelope Q-learning (Yang et al. 2019, "A Generalized Algorithm for Multi-Objective Reinforcement
Learning and Policy Adaptation") on sequences of consecutive steps: the envelope bootstrap, returns over several
steps, the homotopy loss and one update.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from morl.agents.networks import QNetwork
from morl.agents.optim import AdamState, Differentiate, adam_update, autograd
from morl.replay import Sequences


class Bootstrap(NamedTuple):
    """What is known of the states of a batch of sequences."""

    value: Tensor
    """(S, B, m) vector value of the best action, S = L + 2 states (see `states_of`)."""
    random: Tensor
    """(S, B, m) vector value of a random action."""
    regret: Tensor
    """(L, B, m) vector value of the best action minus that of the action taken."""
    advantage: Tensor
    """(S, B, A) w . Q(s, a, w) minus its maximum over actions; zero for greedy actions."""


def states_of(batch: Sequences) -> tuple[Tensor, Tensor]:
    """All states of B sequences of L steps: the L observed, the one after the last, and the one after a cut.

    Only a truncated step needs a bootstrap from a state that is not the next row, so one extra state per sequence
    is enough as long as a sequence is truncated at most once; of the rare rest only what precedes the second
    episode is used.

    Returns:
        observations (L + 2, B, *obs_shape) and `usable` (L, B), False for that rest and for resets.
    """
    cut = batch.truncated & ~batch.terminated
    first = cut.to(torch.int8).argmax(dim=0)  # 0 where there is none: then the row is not used
    index = first.view(1, -1, *[1] * (batch.next_obs.dim() - 2)).expand(1, -1, *batch.next_obs.shape[2:])
    after_cut = batch.next_obs.gather(0, index)
    so_far = cut.cumsum(dim=0)
    usable = batch.valid & ~((so_far[-1] > 1) & (so_far - cut.to(so_far.dtype) > 0))
    return torch.cat((batch.obs, batch.next_obs[-1:], after_cut)), usable


def envelope_bootstrap(
    network: QNetwork,
    theta: Tensor,
    target: Tensor,
    q: Tensor,
    obs: Tensor,
    weights: Tensor,
    others: Tensor,
    taken: Tensor,
    action_gap: float,
) -> Bootstrap:
    """The envelope operator (Yang et al. 2019, eq. 5) with double Q-learning.

    The best pair (a', w') for `weights` is chosen by the online parameters, over the sequence's own weights and
    `others`; the target parameters say what it is worth. Each w' proposes its own greedy action only, as in
    generalised policy improvement: at the solution that loses nothing, since w' = w proposes the best one, and
    there is less to overestimate; the values of other actions are no returns once their gaps are stretched.

    Args:
        network: the Q network.
        theta: online parameters (P,).
        target: target parameters (P,).
        q: (S, B, A, m) = network(theta, obs, weights), which the loss needs as well.
        obs: (S, B, *obs_shape).
        weights: (B, m) what is to be maximised.
        others: (K, B, m) further weights of the envelope; K may be 0.
        taken: (L, B) actions of the behaviour.
        action_gap: how far the network's differences between actions are stretched; undone for random actions.
    """
    scores = (q * weights.unsqueeze(-2)).sum(dim=-1)
    best, action = scores.max(dim=-1)
    advantage = scores - best.unsqueeze(-1)
    own = q[: len(taken)]
    regret = take_action(own, action[: len(taken)]) - take_action(own, taken)
    chosen = weights.expand(len(obs), -1, -1)
    for other in others:
        rival_q = network(theta, obs, other.expand_as(chosen))
        rival_action = (rival_q * other.unsqueeze(-2)).sum(dim=-1).argmax(dim=-1)
        rival = (take_action(rival_q, rival_action) * weights).sum(dim=-1)
        wins = rival > best
        best, action = torch.where(wins, rival, best), torch.where(wins, rival_action, action)
        chosen = torch.where(wins.unsqueeze(-1), other, chosen)
    worth = network(target, obs, chosen)
    value = take_action(worth, action)
    random = value + (1 - action_gap) * (worth.mean(dim=-2) - value)
    return Bootstrap(value, random, regret, advantage)


def take_action(q: Tensor, action: Tensor) -> Tensor:
    """Q (..., A, m) at actions (...,): (..., m)."""
    index = action[..., None, None].expand(*action.shape, 1, q.shape[-1])
    return q.gather(-2, index).squeeze(-2)


def trace_targets(
    batch: Sequences,
    boot: Bootstrap,
    weights: Tensor,
    *,
    gamma: float,
    tolerance: float,
    caution: float,
    optimism: float | None,
) -> Tensor:
    """Returns over as many steps as the sequence allows, (L, B, m).

    From the end of the sequence backwards, a step's target is its reward plus the discounted continuation: the
    return that followed where the next action was greedy for `weights` (Watkins' Q(lambda) with lambda 1, so no
    bias from exploration or from other preferences), else the bootstrapped value. `optimism` follows other returns,
    too, where they are better than the value: what was once achieved bounds the optimum from below (optimality
    tightening, He et al. 2017). That bound holds for deterministic dynamics and exact values; elsewhere it also
    rewards luck and errors of the value, so it is for finding and keeping rewards, not for the final values.

    Args:
        batch: B sequences of L steps.
        boot: values of their states.
        weights: (B, m).
        gamma: discount.
        tolerance: how far below the greedy action an action may be and still count as greedy.
        caution: share of the actions to come that are taken to be random (expected SARSA, van Seijen et al. 2009).
        optimism: None for greedy continuations only; 0 for the better of return and value; a margin for greedy
            continuations and for returns that beat the value by more than it.
    """
    length = len(batch.reward)
    slips = caution * boot.random
    value = (1 - caution) * boot.value + slips
    after = torch.where(batch.truncated.unsqueeze(-1), value[-1], value[1 : length + 1])
    after = after.masked_fill(batch.terminated.unsqueeze(-1), 0.0)
    last = torch.ones_like(batch.truncated[:1])
    ends = (
        batch.terminated | batch.truncated | torch.cat((torch.zeros_like(last).expand(length - 1, -1), last))
    )
    greedy = boot.advantage[:length].gather(-1, batch.action.unsqueeze(-1)).squeeze(-1) >= -tolerance
    follows = torch.cat((greedy[1:], last)) & ~ends
    rows = zip(
        batch.reward, after, slips[1 : length + 1], (after * weights).sum(dim=-1), follows, ends, strict=True
    )
    targets: list[Tensor] = []
    following = after[-1]
    for reward, value, slip, score, follow, end in reversed(list(rows)):
        following = torch.add(slip, following, alpha=1 - caution)
        if optimism is not None:
            better = ((following * weights).sum(dim=-1) > score + optimism) & ~end
            follow = better | follow if optimism > 0 else better
        following = torch.add(reward, torch.where(follow.unsqueeze(-1), following, value), alpha=gamma)
        targets.append(following)
    return torch.stack(targets[::-1])


class Learner(NamedTuple):
    """Everything an update changes."""

    theta: Tensor
    """Online parameters (P,)."""
    target: Tensor
    """Their exponential average (P,), which bootstraps."""
    average: Tensor
    """A slower average (P,), which acts when greedy: small differences between actions outlive the noise there."""
    adam: AdamState


class Steps(NamedTuple):
    """S steps to learn from, in any order."""

    obs: Tensor
    """(S, *obs_shape)."""
    action: Tensor
    """(S,)."""
    weights: Tensor
    """(S, m) what is to be maximised."""
    goal: Tensor
    """(S, m) what Q(obs, action, weights) should be."""
    mask: Tensor
    """(S,) float, 0 for steps that teach nothing."""


def blank_steps(obs: Tensor, weights: Tensor) -> Steps:
    """Steps with observations (..., S, obs_dim), weights (..., S, m), that teach nothing: to measure an update by."""
    none = obs.new_zeros(obs.shape[:-1])
    return Steps(obs, none.to(torch.int64), weights, torch.zeros_like(weights), none + 1)


@torch.no_grad()
def learning_steps(
    network: QNetwork,
    learner: Learner,
    batch: Sequences,
    weights: Tensor,
    others: Tensor,
    *,
    gamma: float,
    tolerance: float,
    caution: float,
    action_gap: float,
    optimism: float | None,
) -> Steps:
    """The steps of B sequences with their targets, for weights (B, m) with envelope weights `others` (K, B, m).

    Targets are those of envelope Q-learning, less `action_gap` times the regret of the action taken (advantage
    learning). They stay as they are for the updates that use them.
    """
    obs, usable = states_of(batch)
    repeated = weights.expand(len(obs), -1, -1)
    q = network(learner.theta, obs, repeated)
    boot = envelope_bootstrap(
        network, learner.theta, learner.target, q, obs, weights, others, batch.action, action_gap
    )
    goal = trace_targets(
        batch, boot, weights, gamma=gamma, tolerance=tolerance, caution=caution, optimism=optimism
    )
    length = len(batch.action)
    parts = (
        batch.obs,
        batch.action,
        repeated[:length],
        goal - action_gap * boot.regret,
        usable.to(goal.dtype),
    )
    return Steps(*(part.flatten(0, 1) for part in parts))


def homotopy_loss(error: Tensor, weights: Tensor, mask: Tensor, homotopy: float | Tensor) -> Tensor:
    """`(1 - h) |y - Q|^2 + h (w . (y - Q))^2 / |w|^2`, mean over usable steps (Yang et al. 2019, eq. 6 to 8).

    The paper's second term lacks the division, which makes it the part of the error along w: without it
    preferences inside the simplex count for up to m times less than its corners.

    Args:
        error: (S, m) target minus prediction, or (K, S, m) of K members, and so for the rest.
        weights: (S, m).
        mask: (S,) float.
        homotopy: h in [0, 1], raised during training from the smooth problem towards the one to be solved.
    """
    vector = (error**2).sum(dim=-1)
    scalar = (error * weights).sum(dim=-1) ** 2 / (weights**2).sum(dim=-1)
    total = (((1 - homotopy) * vector + homotopy * scalar) * mask).sum(dim=-1)
    return total / mask.sum(dim=-1).clamp(min=1.0)


def update(
    network: QNetwork,
    learner: Learner,
    steps: Steps,
    *,
    lr: float | Tensor,
    homotopy: float | Tensor,
    tau: float,
    average_tau: float,
    max_grad_norm: float,
    differentiate: Differentiate = autograd,
) -> tuple[Learner, dict[str, Tensor]]:
    """One gradient step. Under `torch.vmap`, pass `differentiate=optim.functional`.

    Returns:
        The new learner and metrics (loss, value error per objective); the inputs are unchanged.
    """

    def objective(theta: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return loss(network, theta, steps, homotopy)

    gradient, _, metrics = differentiate(objective, learner.theta)
    learner = advance(learner, gradient, lr=lr, tau=tau, average_tau=average_tau, max_grad_norm=max_grad_norm)
    return learner, metrics


def loss(
    network: QNetwork, theta: Tensor, steps: Steps, homotopy: float | Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The homotopy loss of some steps, and metrics: the loss, the value error per objective.

    One of each member, given theta (K, P) and steps (K, S, ...).
    """
    error = steps.goal - take_action(network(theta, steps.obs, steps.weights), steps.action)
    value = homotopy_loss(error, steps.weights, steps.mask, homotopy)
    mask = steps.mask.unsqueeze(-1)
    size = (error.abs() * mask).sum(dim=-2) / mask.sum(dim=-2).clamp(min=1.0)
    return value, {"loss": value, **{f"value_error/{i}": size[..., i] for i in range(size.shape[-1])}}


def advance(
    learner: Learner,
    gradient: Tensor,
    *,
    lr: float | Tensor,
    tau: float,
    average_tau: float,
    max_grad_norm: float | None = None,
) -> Learner:
    """The learner after a step along a gradient (P,): online parameters, then their two averages."""
    theta, adam = adam_update(learner.theta, gradient, learner.adam, lr, max_norm=max_grad_norm)
    target = learner.target.lerp(theta, tau)
    average = learner.average.lerp(theta, (9 / (adam.step + 9)).clamp(min=average_tau).unsqueeze(-1))
    return Learner(theta, target, average, adam)
