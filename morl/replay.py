"""Replay on the device: a ring of steps of N environments, sampled as short sequences.

A sequence holds consecutive steps of one environment, so a learner can form returns over several of them
(`trace_targets`) under weights that the behaviour never followed. Sampling draws indices on the device and
never waits for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from morl.errors import CheckpointError, MorlError
from morl.transitions import Transition


class Sequences(NamedTuple):
    """B sequences of L consecutive steps; time comes first."""

    obs: Tensor
    """(L, B, *obs_shape)."""
    action: Tensor
    """(L, B, *action_shape)."""
    reward: Tensor
    """(L, B, m)."""
    terminated: Tensor
    """(L, B) bool."""
    truncated: Tensor
    """(L, B) bool."""
    next_obs: Tensor
    """(L, B, *obs_shape), before any reset."""
    weights: Tensor
    """(L, B, m) the preference that the behaviour followed."""
    valid: Tensor
    """(L, B) bool: False for steps that only reset an environment."""


class Replay:
    """The last `capacity` steps of each of `num_envs` environments, on `device`.

    Args:
        capacity: steps kept per environment.
        num_envs: N.
        obs_shape, obs_dtype: of one observation.
        action_shape, action_dtype: of one action.
        objectives: m.
        device: where everything lies.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        *,
        obs_shape: tuple[int, ...],
        objectives: int,
        action_shape: tuple[int, ...] = (),
        action_dtype: torch.dtype = torch.int64,
        obs_dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if capacity < 2:
            raise MorlError(f"expected a replay of at least 2 steps per environment, got {capacity}")
        self.capacity, self.num_envs, self.device = capacity, num_envs, torch.device(device)
        lead = (capacity, num_envs)

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros((*lead, *shape), dtype=dtype, device=device)

        self.store = Sequences(
            obs=empty(*obs_shape, dtype=obs_dtype),
            action=empty(*action_shape, dtype=action_dtype),
            reward=empty(objectives),
            terminated=empty(dtype=torch.bool),
            truncated=empty(dtype=torch.bool),
            next_obs=empty(*obs_shape, dtype=obs_dtype),
            weights=empty(objectives),
            valid=empty(dtype=torch.bool),
        )
        self.written = 0
        """Steps added per environment since the start; the ring holds the last `capacity`."""

    def __len__(self) -> int:
        """Steps held per environment."""
        return min(self.written, self.capacity)

    def add(self, step: Transition, weights: Tensor) -> None:
        """Append one step of all environments, with the weights (N, m) that were followed."""
        row = self.written % self.capacity
        if step.valid is None:
            self.store.valid[row].fill_(True)  # assigning True would copy it from the host
        else:
            self.store.valid[row] = step.valid
        for name in ("obs", "action", "reward", "terminated", "truncated", "next_obs"):
            getattr(self.store, name)[row] = getattr(step, name)
        self.store.weights[row] = weights
        self.written += 1

    def cut(self) -> None:
        """Mark the newest step as a truncation: what is added next does not follow it."""
        if self.written:
            row = (self.written - 1) % self.capacity
            self.store.truncated[row] = self.store.valid[row] & ~self.store.terminated[row]

    def sample(
        self, batch: int, length: int, generator: torch.Generator, *, recency: float = 1.0
    ) -> Sequences:
        """`batch` random sequences of `length` consecutive steps; episodes may end inside.

        Args:
            batch: B.
            length: L.
            generator: draws them.
            recency: the age of a sequence, as a share of the oldest held, is a uniform number to this power: 1 for
                all alike, more for the newest more often (in the manner of Wang and Ross 2019, "Boosting Soft
                Actor-Critic: Emphasizing Recent Experience without Forgetting the Past").

        Raises:
            MorlError: fewer than `length` steps are held.
        """
        age = torch.rand(batch, generator=generator, device=self.device) ** recency
        env = torch.randint(self.num_envs, (batch,), generator=generator, device=self.device)
        return self.sample_at(age, env, length)

    def sample_at(self, age: Tensor, env: Tensor, length: int) -> Sequences:
        """The sequences of given ages (B,), 0 for the newest to 1, in given environments (B,).

        Raises:
            MorlError: fewer than `length` steps are held.
        """
        if len(self) < length:
            raise MorlError(
                f"expected at least {length} steps in the replay, it holds {len(self)}; collect first"
            )
        oldest = self.written % self.capacity if self.written > self.capacity else 0
        room = len(self) - length + 1
        start = room - 1 - (age * room).to(torch.int64).clamp(max=room - 1)  # rounding can reach room itself
        offset = torch.arange(length, device=self.device).unsqueeze(1)
        row = (oldest + start + offset) % self.capacity
        flat = row * self.num_envs + env
        return Sequences(*(field.flatten(0, 1)[flat] for field in self.store))

    def state(self) -> dict[str, Any]:
        """What `load_state` takes: the rows held, as views to be written out before the next `add`."""
        held = {name: field[: len(self)] for name, field in self.store._asdict().items()}
        return {"written": self.written, **held}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`.

        Raises:
            CheckpointError: it belongs to a replay of another shape.
        """
        held = min(int(state["written"]), self.capacity)
        for name, field in self.store._asdict().items():
            if state[name].shape != field[:held].shape:
                raise CheckpointError(
                    f"expected {name} of shape {tuple(field[:held].shape)} in the saved replay, "
                    f"got {tuple(state[name].shape)}; resume with the settings the run was started with"
                )
            field[:held] = state[name].to(field.device)
        self.written = int(state["written"])
