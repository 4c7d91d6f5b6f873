"""What tabular agents share: keys of observations and of rewards paid, numbered as rows of tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from morl import registry
from morl._arrays import as_vector
from morl.agents.settings import check_positive, check_types, check_unit
from morl.errors import CheckpointError, EnvError, MorlError
from morl.spec import EnvSpec

UNKNOWN = -1
"""The number of an observation that has not been seen."""

OUTSIDE = -1
"""The key of an observation that is not in its space; others are not negative."""

LARGEST_KEY = 2**62
"""Observation spaces with more combinations than this have no keys in int64."""

TABULAR = "deep-sea-treasure-v0, four-room-v0, resource-gathering-v0, breakable-bottles-v0 or fruit-tree-v0"
"""Environments with tables of moderate size, for messages."""


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Settings that all agents with tables have."""

    gamma: float | None = None
    """Discount; None takes the environment's default protocol (0.99 without a card)."""
    epsilon_max: float = 1.0
    """Share of steps that explore, in the environment that explores most."""
    epsilon_min: float = 0.05
    """The same, in the environment that explores least."""
    max_repeat: int = 4
    """Longest time that a random action is held."""
    rollout_length: int = 32
    """Steps of each environment between two rounds of updates, which go through them backwards."""
    resolution: float | None = None
    """Observations that are real numbers are rounded to multiples of this; None refuses them."""
    max_states: int = 1_000_000
    """Most distinct observations."""

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, "max_repeat", "rollout_length", "epsilon_min", "max_states")
        check_unit(self, "epsilon_max", "epsilon_min")
        resolution = self.resolution
        if resolution is not None and not (math.isfinite(resolution) and resolution > 0):
            raise MorlError(f"expected resolution > 0 or None, got {resolution}")


class Numbering:
    """Numbers int64 keys 0, 1, 2, ... in the order in which they are met; finds them by bisection.

    Args:
        most: how many keys there may be.
        what: what is numbered, for the message when there are more.
        device: where they lie.
    """

    def __init__(self, most: int, what: str, device: torch.device) -> None:
        self.most, self.what = most, what
        self.keys = torch.empty(0, dtype=torch.int64, device=device)
        """(S,) the keys, by number."""
        self._sort()

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, keys: Tensor) -> Tensor:
        """The numbers (B,) of keys (B,), `UNKNOWN` where one has not been met."""
        if len(self) == 0:
            return torch.full_like(keys, UNKNOWN)
        place = torch.searchsorted(self._sorted, keys).clamp(max=len(self) - 1)
        return torch.where(self._sorted[place] == keys, self._order[place], UNKNOWN)

    def add(self, keys: Tensor) -> Tensor:
        """The same, numbering those that are new.

        Raises:
            MorlError: there are more than `most`.
        """
        number = self.find(keys)
        new = number == UNKNOWN
        if not bool(new.any()):
            return number
        self.keys = torch.cat((self.keys, keys[new].unique()))
        if len(self) > self.most:
            raise MorlError(
                f"expected at most {self.most:,} distinct {self.what}, got more; raise max_states, choose a coarser "
                "resolution, or take an agent with a network"
            )
        self._sort()
        return self.find(keys)

    def load(self, keys: Tensor) -> None:
        """Take over the keys (S,) of another one."""
        self.keys = keys.to(self.keys.device)
        self._sort()

    def _sort(self) -> None:
        self._sorted, self._order = self.keys.sort()


class States(Numbering):
    """Numbers the distinct observations of an environment.

    Every entry of an observation is a digit, counted from its lower bound in steps of `resolution`; the digits make
    one integer key.

    Args:
        spec: the environment's; observations in a bounded Box.
        resolution: real numbers are rounded to multiples of this; None takes whole numbers only.
        max_states: how many states there may be.

    Raises:
        MorlError: observations are real numbers and there is no resolution, or there are too many to have keys.
    """

    def __init__(self, spec: EnvSpec, *, resolution: float | None, max_states: int) -> None:
        super().__init__(max_states, f"observations of {spec.env_id}", spec.device)
        space, self.env_id = spec.single_observation_space, spec.env_id
        if not isinstance(space, Box) or (resolution is None and np.issubdtype(space.dtype, np.floating)):
            raise MorlError(
                f"expected observations that are whole numbers, so that they can be counted, got {space} from "
                f"{spec.env_id}; use an environment such as {TABULAR}, or round the observations to multiples of "
                "the setting `resolution`"
            )
        self.step = 1.0 if resolution is None else resolution
        low, high = (np.asarray(bound, dtype=np.float64).ravel() for bound in (space.low, space.high))
        sizes = np.floor((high - low) / self.step + 0.5) + 1
        if not np.isfinite(sizes).all() or math.prod(sizes.tolist()) > LARGEST_KEY:
            raise MorlError(
                f"expected an observation space with at most {LARGEST_KEY:.1g} combinations, got {space} from "
                f"{spec.env_id}; use an environment such as {TABULAR}, or a coarser `resolution`"
            )
        strides = np.cumprod(np.append(1.0, sizes[:-1]))
        self.low = torch.as_tensor(low, device=spec.device)
        self.sizes, self.strides = (
            torch.as_tensor(values.astype(np.int64), device=spec.device) for values in (sizes, strides)
        )

    def keys_of(self, obs: Tensor) -> Tensor:
        """Keys (B,) of observations (B, *obs_shape), -1 where one lies outside its space."""
        digits = ((obs.flatten(1).to(torch.float64) - self.low) / self.step).round().to(torch.int64)
        inside = ((digits >= 0) & (digits < self.sizes)).all(dim=1)
        return torch.where(inside, (digits * self.strides).sum(dim=1), OUTSIDE)

    def seen(self, obs: Tensor) -> Tensor:
        """The numbers (B,) of observations (B, *obs_shape), which are numbered where they are new.

        Raises:
            EnvError: an observation lies outside its space.
        """
        keys = self.keys_of(obs)
        if bool((keys == OUTSIDE).any()):
            outside = obs[keys == OUTSIDE][0].tolist()
            raise EnvError(f"expected observations inside their space, got {outside} from {self.env_id}")
        return self.add(keys)

    def state(self) -> dict[str, Any]:
        """The keys, and the sizes that gave them their meaning."""
        return {"keys": self.keys, "sizes": self.sizes}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`; refuses that of another observation space."""
        if not torch.equal(state["sizes"].to(self.sizes.device), self.sizes):
            raise CheckpointError(
                f"expected observations with {self.sizes.tolist()} values in each entry, got "
                f"{state['sizes'].tolist()}; the file was saved with another resolution or environment"
            )
        self.load(state["keys"])


def restored(own: Tensor, saved: Tensor, rows: int) -> Tensor:
    """A copy of a saved table that has `rows` rows of the kind of the agent's `own`, or a `CheckpointError`."""
    if saved.shape != (rows, *own.shape[1:]) or saved.dtype != own.dtype:
        raise CheckpointError(
            f"expected a table of {rows} rows of shape {tuple(own.shape[1:])}, {own.dtype}, got one of shape "
            f"{tuple(saved.shape)}, {saved.dtype}; it was saved with other settings, or is damaged"
        )
    return saved.to(own.device, copy=True)


def grown(table: Tensor, rows: int) -> Tensor:
    """`table` (S, ...) with at least `rows` rows, the new ones zero; sizes double, so growth costs little."""
    if rows <= len(table):
        return table
    rows = max(rows, 2 * len(table))
    return torch.cat((table, table.new_zeros(rows - len(table), *table.shape[1:])))


def discrete_actions(spec: EnvSpec, agent: str) -> int:
    """How many actions there are.

    Raises:
        MorlError: actions are not Discrete from 0.
    """
    space = spec.single_action_space
    if not isinstance(space, Discrete) or space.start != 0:
        raise MorlError(
            f"expected Discrete actions from 0, got {space}; {agent} keeps a table entry for each, "
            "the agent `evolution` takes continuous ones"
        )
    return int(space.n)


def random_best(value: Tensor, generator: torch.Generator) -> Tensor:
    """One of the actions (B,) with the largest of `value` (B, A), each equally likely."""
    lots = torch.rand(value.shape, generator=generator, device=value.device)
    return torch.where(value == value.amax(dim=1, keepdim=True), lots, -1.0).argmax(dim=1)


def commonest(starts: Tensor) -> Tensor:
    """The state (1,) in which most episodes start, of counts (S,)."""
    return starts.argmax(dim=0, keepdim=True)


def reference_point(spec: EnvSpec, point: tuple[float, ...] | None) -> Tensor:
    """The reference point (m,) that was given, else that of the environment's default protocol, float64.

    Raises:
        MorlError: there is neither, or it has another length than the rewards.
    """
    card = registry.get_card(spec.env_id)
    if point is None and card is not None and card.num_objectives == spec.num_objectives:
        point = card.protocol().reference_point
    if point is None:
        raise MorlError(
            f"expected reference_point=(...) for evaluation by hypervolume, since {spec.env_id} has no card that "
            'names one; give it, or choose evaluation="pareto"'
        )
    checked = as_vector(point, name="reference_point", m=spec.num_objectives)
    return torch.as_tensor(checked, device=spec.device)
