"""What an evaluation asks policies for: weight vectors, or the numbers of an agent's own policies.

An agent that is a set of policies holds more than linear preferences ask for: what lies in the concave parts of
its front is best for none of them. So its policies are asked for by number, and the front says which of them
answers each preference.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morl import weights as preference_weights
from morl._arrays import Array
from morl.agent import Policy
from morl.errors import MorlError

MOST_MEMBERS = 200
"""The most policies of a set that are evaluated, unless more answer preferences, or another number is given."""

Members: TypeAlias = bool | int | Literal["only"]
"""Whether the policies of a set are followed, at most how many, or "only" they and no preference."""

PolicyFactory = Callable[[Tensor], Policy]
"""Policies for preferences (B, m): the general form of what can be evaluated."""


class PolicySet(Protocol):
    """An agent with k policies.

    It may have `answering(weights (W, m)) -> Tensor | None`: the numbers (W,) of the policies that answer
    preferences, where what answers is always one of the k. Else an evaluation asks for the preferences, too.
    """

    num_objectives: int

    @property
    def returns(self) -> Tensor:
        """What each policy is thought to earn, (k, m)."""

    def follow(self, index: Tensor) -> Policy:
        """Policies with numbers `index` (B,), one per row."""


class Asked(NamedTuple):
    """Points of an evaluation that are asked for in the same way."""

    policies: PolicyFactory
    """Commands (B, ...) to policies, one per row."""
    commands: Tensor
    """Weight vectors (n, m) or numbers (n,)."""


@dataclass(frozen=True, kw_only=True)
class Commands:
    """What the k points of an evaluation are asked for."""

    num_objectives: int
    asked: tuple[Asked, ...]
    """All k points, in parts."""
    weights: Array | None = None
    """(W, m), as `Front` has it; so are the others."""
    answers: NDArray[np.int64] | None = None
    members: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return sum(len(commands) for _, commands in self.asked)


def commands_of(agent: Any, weights: Any, members: Members) -> Commands:
    """The commands by which an agent is evaluated.

    Args:
        agent: an agent, or a callable that gives a `Policy` for preferences (B, m).
        weights: preferences (W, m) or (m,); None for `default_weights`.
        members: whether the policies of a set are asked for by number, at most how many (True: `MOST_MEMBERS`), or
            "only" they, and all of them. A single preference asks for one policy.

    Raises:
        MorlError: invalid weights, or none for a callable that does not say how many objectives it has; of
            "only", an agent that is no set of policies, or has none yet.
    """
    if members == "only":
        return _of_members(agent)
    preferences = _preferences(weights, getattr(agent, "num_objectives", None))
    m = preferences.shape[1]
    factory = agent if callable(agent) and not hasattr(agent, "policy") else agent.policy
    by_weights = Asked(factory, torch.from_numpy(preferences).float())
    if not (members and len(preferences) > 1 and hasattr(agent, "follow") and len(agent.returns)):
        return Commands(num_objectives=m, asked=(by_weights,), weights=preferences)
    found = None
    if hasattr(agent, "answering"):
        found = agent.answering(by_weights.commands.to(getattr(agent, "device", "cpu")))
    if found is None:
        numbers = _at_most(members, agent.returns, np.empty(0, np.int64))
        return Commands(
            num_objectives=m,
            asked=(_by_number(agent, numbers), by_weights),
            weights=preferences,
            answers=len(numbers) + np.arange(len(preferences)),
            members=np.concatenate((numbers, np.full(len(preferences), -1))),
        )
    answering = found.cpu().numpy()
    numbers = _at_most(members, agent.returns, np.unique(answering))
    return Commands(
        num_objectives=m,
        asked=(_by_number(agent, numbers),),
        weights=preferences,
        answers=np.searchsorted(numbers, answering),
        members=numbers,
    )


def _of_members(agent: Any) -> Commands:
    """The commands that ask an agent for each of its k policies, and for no preference."""
    if not hasattr(agent, "follow"):
        raise MorlError(
            f"expected an agent that is a set of policies, such as morld or evolution, got {type(agent).__name__}; "
            "evaluate it for preferences: morl.evaluate"
        )
    if len(agent.returns) == 0:
        raise MorlError("expected an agent with at least one policy, got none; train it for longer")
    numbers = np.arange(len(agent.returns))
    return Commands(num_objectives=agent.num_objectives, asked=(_by_number(agent, numbers),), members=numbers)


def _preferences(weights: Any, m: int | None) -> Array:
    """Validated preferences (W, m), also where one vector (m,) or none was given."""
    if weights is not None:
        return np.atleast_2d(preference_weights.validate(weights, m))
    if m is None:
        raise MorlError("expected weights=... : a policy factory does not say how many objectives it has")
    return preference_weights.default_weights(m)


def _by_number(agent: PolicySet, numbers: NDArray[np.int64]) -> Asked:
    return Asked(agent.follow, torch.from_numpy(numbers))


def _at_most(members: bool | int, returns: Tensor, first: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of at most so many policies, ascending: those in `first`, then what is farthest from all others.

    Distances are between `returns` (k, m), each objective in units of its range: what the agent knows of itself
    decides, never the episodes of the evaluation.
    """
    points = returns.detach().double().cpu().numpy()
    most = MOST_MEMBERS if members is True else members
    if len(points) <= most:
        return np.arange(len(points))
    if members is True:
        warnings.warn(
            f"followed {max(most, len(first))} of {len(points)} policies: those that answer preferences, and the "
            "most different of the others; morl.baselines.evaluate_members follows all",
            stacklevel=4,
        )
    span = np.ptp(points, axis=0)
    unit = points / np.where(span > 0, span, 1.0)
    chosen = first.tolist() or [int(points[:, 0].argmax())]
    distance = np.full(len(points), np.inf)
    for number in chosen:
        distance = np.minimum(distance, np.linalg.norm(unit - unit[number], axis=1))
    while len(chosen) < most and distance.max() > 0:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(unit - unit[chosen[-1]], axis=1))
    return np.unique(chosen)
