"""Lazy attributes for the packages of `morl`, written once.

Why lazy: `import morl` and `morl --help` stay fast because torch is only imported by what uses it, and
the core can offer `morl.make_vec` or `morl.agents` although no static import ever points upwards from
the core to the environments, agents and baselines that build on it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def attach(
    package: str, names: Mapping[str, str], submodules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `(__getattr__, __dir__, __all__)` for a package whose attributes are imported when first used.

    Args:
        package: The package's own `__name__`.
        names: Attribute name -> absolute name of the module that defines it under the same name.
        submodules: Names of submodules that `package.name` imports when first used.

    A resolved attribute is stored in the package, so the second use costs nothing. An unknown name raises
    an `AttributeError` that suggests the nearest known one. An error inside the imported module passes
    through unchanged: a broken installation must not look like a misspelt name.
    """
    targets = dict(names)
    children = frozenset(submodules)
    public = sorted({*targets, *children})

    def __getattr__(name: str) -> Any:
        if name in targets:
            value = getattr(importlib.import_module(targets[name]), name)
        elif name in children:
            value = importlib.import_module(f"{package}.{name}")
        else:
            raise AttributeError(_unknown(package, name, public), name=name, obj=sys.modules[package])
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        # Not `annotations`, `attach` and the like: completion is for users.
        return sorted({*public, *(name for name in vars(sys.modules[package]) if name.startswith("__"))})

    return __getattr__, __dir__, public


def _unknown(package: str, name: str, public: list[str]) -> str:
    """Say what is missing and what was probably meant."""
    from morl.registry import suggest  # late: every package of `morl` imports this module, few ever fail

    return f"module {package!r} has no attribute {name!r}.{suggest(name, public)}"
