"""Are rewards, observations and actions numbers? What is NaN or infinite is stopped at the step that brought it."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Discrete, Space
from numpy.typing import NDArray
from torch import Tensor

from morl.errors import EnvError, NonFiniteError
from morl.registry import Objective, get_card
from morl.spaces import Observations


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
