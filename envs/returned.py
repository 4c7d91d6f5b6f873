"""Is what an environment returns what Gymnasium asks for? Clear errors where it is not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from morl.errors import EnvError

STEPPED = ("observation", "reward", "terminated", "truncated", "info")


def returned(values: Any, wanted: tuple[str, ...], env_id: str) -> Any:
    """The tuple that reset() or step() returned.

    Raises:
        EnvError: it is none, or has another length, as in versions of Gym before 0.26.
    """
    if not isinstance(values, (tuple, list)) or len(values) != len(wanted):
        method = "step" if len(wanted) > 2 else "reset"
        found = f"{len(values)} values" if isinstance(values, (tuple, list)) else f"a {type(values).__name__}"
        raise EnvError(
            f"expected {method}() of {env_id} to return {', '.join(wanted)}, got {found}; "
            "gymnasium.utils.env_checker.check_env shows what else the environment lacks"
        )
    return values


def check_reset(reset: Callable[..., Any], env_id: str) -> None:
    """Raise `EnvError` unless `reset` takes `seed` and `options` as keywords, and needs neither."""
    try:
        signature = inspect.signature(reset)
    except (TypeError, ValueError):  # of compiled code, which says nothing
        return
    try:
        signature.bind()
        signature.bind(seed=None, options=None)
    except TypeError as error:
        raise EnvError(
            f"expected {env_id} to have reset(self, *, seed=None, options=None), got reset{signature} ({error})"
        ) from None


def as_flag(value: Any, name: str, env_id: str) -> bool:
    """An episode's end as a bool.

    Raises:
        EnvError: it is neither true nor false.
    """
    if type(value) is bool or type(value) is np.bool_:
        return bool(value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # such as a tensor on another device
        array = np.empty(0)
    if array.size != 1 or array.dtype.kind not in "iub" or array.item() not in (0, 1):
        raise EnvError(f"expected {name} from {env_id} to be True or False, got {value!r}; return a bool")
    return bool(array.item())
