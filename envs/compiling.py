"""Compilation of a step, and what happens where it does not work."""

from __future__ import annotations

import warnings
from types import FunctionType
from typing import Any

import torch


def compiled(function: Any) -> Any:
    """`function` under torch.compile, or itself (one warning) where no compiler works on this machine."""

    def step(*args: Any) -> Any:
        return function(*args)

    # Dynamo counts recompilations by code object and stops at eight: each environment brings its own.
    own = FunctionType(step.__code__.replace(), step.__globals__, closure=step.__closure__)
    fast = torch.compile(own, fullgraph=True, dynamic=False)
    chosen: list[Any] = []

    def run(*args: Any) -> Any:
        if not chosen:
            try:
                result = fast(*args)
            except (RuntimeError, OSError) as error:  # inductor reports a missing compiler as RuntimeError
                warnings.warn(
                    f"torch.compile does not work on this machine, the environment runs eagerly: {error}",
                    stacklevel=3,
                )
                chosen.append(function)
            else:
                chosen.append(fast)
                return result
        return chosen[0](*args)

    return run
