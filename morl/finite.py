"""Are rewards, observations and actions numbers? What is NaN or infinite is stopped at the step that brought it."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete, Space
from numpy.typing import NDArray
from torch import Tensor

from morl.errors import EnvError, NonFiniteError
from morl.registry import Objective, get_card
from morl.spaces import Observations

KEPT = 2**26
"""Bytes of observations that are kept to say which one it was."""


def check_rewards(
    rewards: NDArray[Any],
    env_id: str,
    lengths: NDArray[Any],
    objectives: tuple[Objective, ...] | None = None,
) -> None:
    """Raise `NonFiniteError` for the first reward (n, m) that is NaN or infinite, saying where.

    Args:
        rewards: (n, m), one row per sub-environment.
        env_id: named in the message.
        lengths: (n,) which step of its episode each row is.
        objectives: names them where there is no card.
    """
    found = _first_bad(rewards)
    if found is None:
        return
    row, objective = found
    card = get_card(env_id)
    known = objectives if card is None else card.objectives
    named = known is not None and objective < len(known)
    where = f"{objective} ({known[objective].name})" if known is not None and named else str(objective)
    raise NonFiniteError(
        f"expected finite rewards from {env_id}, got {rewards[row, objective]} in objective {where} "
        f"in sub-environment {row} at step {int(lengths[row])} of its episode; "
        "the environment's reward function is at fault, not the agent"
    )


def check_observations(obs: Any, env_id: str, lengths: NDArray[Any] | None, native: Space) -> None:
    """Raise `NonFiniteError` for the first observation (n, ...) with a number that is NaN or infinite.

    Args:
        obs: (n, ...), one row per sub-environment, as agents see them; a tensor or an array.
        env_id: named in the message.
        lengths: (n,) how many steps of its episode led to each row, 0 for a reset; None where nobody counts.
        native: the space that the environment itself observes in; names the entry.
    """
    if isinstance(obs, Tensor):
        if not obs.is_floating_point() or bool(obs.isfinite().all()):
            return
        obs = obs.cpu().numpy()
    found = _first_bad(obs)
    if found is None:
        return
    row, entry = found
    place = Observations(native, env_id=env_id).name_of(entry)
    when = (
        f"row {row}"
        if lengths is None
        else f"sub-environment {row} at step {int(lengths[row])} of its episode"
    )
    raise NonFiniteError(
        f"expected finite observations from {env_id}, got {obs[row].ravel()[entry]} in entry {place} in {when}; "
        "the environment is at fault, not the agent: return finite numbers from step() and reset()"
    )


class ObservationWatch:
    """Finds observations that are NaN or infinite among those of many steps; waits for the device only when asked.

    Args:
        env: a tensor environment. Adapters look at every observation themselves: for them there is nothing to do.
    """

    def __init__(self, env: Any) -> None:
        # Adapters look at every observation themselves; what is no tensor environment does not count steps.
        counts = hasattr(env, "num_objectives") and hasattr(env, "device")
        self._env, self._needed = env, counts and not getattr(env, "checks_observations", False)
        self._total: Tensor | None = None
        self._recent: deque[tuple[Tensor, Tensor]] = deque()

    def see(self, obs: Tensor, lengths: Tensor | None) -> None:
        """Take in observations (N, ...), each after so many steps of its episode (N,), or after none."""
        if not self._needed or not obs.is_floating_point():
            return
        total = obs.sum(dtype=torch.float64)  # NaN or infinite if any number is
        self._total = total if self._total is None else self._total + total
        counted = obs.new_zeros(len(obs), dtype=torch.int64) if lengths is None else lengths
        self._recent.append((obs, counted))
        if len(self._recent) * obs.nbytes > KEPT:
            self._recent.popleft()

    def see_step(self, final_obs: Tensor, obs: Tensor, info: dict[str, Any], done: Tensor) -> None:
        """Take in what a step led to, and what the next actions answer to where it ended episodes (N,)."""
        if self._needed and "episode" in info:
            self.see(final_obs, info["episode"]["length"])
            self.see(obs, info["episode"]["length"].masked_fill(done, 0))

    def check(self) -> None:
        """Raise `NonFiniteError` for the first that was seen since the last check; waits for the device."""
        total, recent = self._total, self._recent
        self._total, self._recent = None, deque()
        if total is None or total.device.type == "meta" or bool(total.isfinite()):
            return
        native = getattr(self._env, "native_observation_space", self._env.single_observation_space)
        for obs, lengths in recent:
            check_observations(obs, self._env.env_id, lengths.cpu().numpy(), native)
        raise NonFiniteError(
            f"expected finite observations from {self._env.env_id}, got NaN or infinity some steps ago; "
            "the environment is at fault, not the agent"
        )


def check_actions(actions: NDArray[Any], space: Space, env_id: str) -> None:
    """Raise an error for actions (n, ...) that cannot be handed on.

    Raises:
        NonFiniteError: a number is NaN or infinite.
        EnvError: a choice is not a whole number, or none of the space.
    """
    if isinstance(space, Discrete):
        whole = actions.dtype.kind in "iu"
        if not whole or actions.min() < 0 or actions.max() >= space.n:
            found = f"{actions.min()} to {actions.max()}" if whole else f"{actions.dtype}"
            raise EnvError(
                f"expected whole numbers from 0 to {space.n - 1} as actions of {env_id}, got {found}"
            )
        return
    found_bad = _first_bad(actions)
    if found_bad is not None:
        row, entry = found_bad
        raise NonFiniteError(
            f"expected finite actions for {env_id}, got {actions[row].ravel()[entry]} in entry {entry} for "
            f"sub-environment {row}; the policy is at fault: lower the learning rate"
        )


def _first_bad(values: NDArray[Any]) -> tuple[int, int] | None:
    """Row and flat entry of the first number (n, ...) that is NaN or infinite."""
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return None
    row, entry = np.argwhere(~np.isfinite(values.reshape(len(values), -1)))[0]
    return int(row), int(entry)
