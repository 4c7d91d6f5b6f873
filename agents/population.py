"""A population of policies as one stacked learner: parameters (K, P), trained K at a time by the same kernels.

Every member has its own row of the parameters, its own Adam moments and step count, its own clipping of gradients
and its own random stream, so that what becomes of it does not depend on who trains beside it. Losses are the pure
functions of `ppo` and `dqn`, given all members at once; since members share nothing, the gradient of the sum of their
losses holds the gradient of each, and one backward pass serves all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from morl.agents.networks import Network
from morl.agents.optim import clipped, detached
from morl.errors import MorlError
from morl.streams import derive_seed, make_generator

State = TypeVar("State")
"""A tensor, or a NamedTuple of tensors and such tuples, with one row per member."""

Loss = Callable[[Tensor, Any], tuple[Tensor, dict[str, Tensor]]]
"""(theta (K, P), batch (K, B, ...)) -> (losses (K,) to be minimised, metrics (K,))."""


Advance = Callable[[Any, Tensor], Any]
"""(what K members have learned, gradient (K, P)) -> what they have learned then."""


def hold_memory() -> None:
    """Let the C library keep what updates free and take again at once; without this, stacked ones are 8 % slower.

    glibc returns free memory to the system beyond twice the largest block that was ever freed, up to 64 MB. A block
    that is freed before it is touched costs nothing.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def init_theta(network: Network, seeds: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Fresh parameters (K, P), each row drawn from its own seed."""
    return torch.stack([network.init(make_generator("cpu", derive_seed(s, 2)), device) for s in seeds])


def each(function: Callable[..., Tensor], *states: State) -> State:
    """`function` applied to corresponding tensors of one or more states of the same kind."""
    first: Any = states[0]
    if isinstance(first, Tensor):
        return function(*states)  # type: ignore[return-value]
    return type(first)(*(each(function, *parts) for parts in zip(*states, strict=True)))


def take(state: State, index: Tensor) -> State:
    """The rows `index` (n,) of every tensor: members picked, in any order, some of them twice if so asked."""
    return each(lambda rows: rows.index_select(0, index), state)


def put(state: State, index: Tensor, rows: State) -> State:
    """A copy with the rows `index` (n,) replaced, as when a member takes over what another has learned."""
    return each(lambda old, new: old.index_copy(0, index, new.to(old.dtype)), state, rows)


def join(state: State, rows: State) -> State:
    """A copy with more members at the end."""
    return each(lambda old, new: torch.cat((old, new)), state, rows)


def tensors_of(state: Any) -> list[Tensor]:
    """All tensors of a state, in order."""
    return [state] if isinstance(state, Tensor) else [tensor for part in state for tensor in tensors_of(part)]


def rebuilt(example: State, tensors: Sequence[Tensor]) -> State:
    """The state of the same kind as `example` that `tensors_of` took apart."""
    rest = iter(tensors)
    return each(lambda old: next(rest).to(old), example)


def choose(mask: Tensor, yes: State, no: State) -> State:
    """Row by row, `yes` where `mask` (K,) holds, else `no`: what freezes a member."""
    return each(lambda a, b: torch.where(mask.view(-1, *[1] * (a.dim() - 1)), a, b), yes, no)


def alike(theta: Tensor, shared: Tensor | None, teams: int) -> Tensor:
    """Parameters (K, P) with the shared ones (P,) of each team's first member in place of its other members'."""
    if shared is None:
        return theta
    first = theta.unflatten(0, (teams, -1))[:, :1].expand(-1, len(theta) // teams, -1).flatten(0, 1)
    return torch.where(shared, first, theta)


def stacked_update(
    loss: Loss,
    members: State,
    theta: Tensor,
    batch: Any,
    advance: Advance,
    *,
    max_grad_norm: float,
    shared: Tensor | None = None,
    teams: int = 1,
    active: Tensor | None = None,
) -> tuple[State, dict[str, Tensor]]:
    """One gradient step of every member on its own batch.

    Args:
        loss: of each member.
        members: what K members have learned, `theta` (K, P) among it.
        theta: their parameters.
        batch: a NamedTuple of tensors (K, B, ...).
        advance: takes the members' steps, given their gradients.
        max_grad_norm: each member's gradient is scaled down to this norm.
        shared: (P,) bool, parameters that the members of a team have in common: they follow the mean of the team's
            gradients, and stay equal as long as all of it learn.
        teams: how many there are, of K / teams members each.
        active: (K,) bool, members that learn; the others stay as they are. All by default.

    Returns:
        New members and the metrics of each (K,); the inputs are unchanged.
    """
    gradient, metrics = member_gradients(loss, theta, batch)
    gradient = clipped(gradient, max_grad_norm)
    if shared is not None:
        mean = gradient.unflatten(0, (teams, -1)).mean(dim=1).repeat_interleave(len(gradient) // teams, 0)
        gradient = torch.where(shared, mean, gradient)
    stepped: State = advance(members, gradient)
    return stepped if active is None else choose(active, stepped, members), metrics


def member_gradients(loss: Loss, theta: Tensor, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """The gradient (K, P) of each member's loss by its own parameters (K, P), and the metrics of each (K,)."""
    leaf = theta.detach().requires_grad_()
    with torch.enable_grad():
        losses, metrics = loss(leaf, batch)
        (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    return gradient, detached(metrics)


def cosines(gradient: Callable[[Tensor], Tensor], channels: int, device: torch.device) -> Tensor:
    """Cosines (K, c, c) between what objectives ask of members: one where they agree, minus one where they conflict.

    Args:
        gradient: of the members (K, P) along a direction (c,).
        channels: c.
        device: of the directions.
    """
    parts = [
        torch.nn.functional.normalize(gradient(way), dim=1) for way in torch.eye(channels, device=device)
    ]
    stacked = torch.stack(parts, dim=1)
    return stacked @ stacked.mT


def rows_of(values: Tensor, members: int) -> Tensor:
    """(K * N, ...) as (K, N, ...): each member owns a contiguous block of environments."""
    return values.unflatten(0, (members, -1))


def env_seeds(env: Any, seeds: Sequence[int], num_envs: int) -> Any:
    """What to reset an environment of K * N rows with, so that each member's block has its own seed.

    A batched environment made with `groups=K` has one stream per member. Adapters seed their environments one by
    one. A batched environment with one stream for all is seeded by the first member: then members do see other
    episodes beside others.
    """
    members = len(seeds)
    if num_envs % members:
        raise MorlError(
            f"expected a number of environments that the population of {members} divides, got {num_envs}; "
            f"take {max(1, num_envs // members) * members}"
        )
    own = [derive_seed(seed, 0) for seed in seeds]
    if members == 1 or getattr(env, "groups", 1) == members:
        return own if members > 1 else own[0]
    if getattr(env, "backend", None) in ("sync", "async", "original"):
        return [derive_seed(seed, i) & 0x7FFFFFFF for seed in own for i in range(num_envs // members)]
    return own[0]
