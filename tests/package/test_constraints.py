"""constraints.txt pins an exact version of everything that set-up installs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = {canonicalize_name(item.name): str(item.specifier) for item in requirements}
    assert len(pinned) == len(requirements), "a package is pinned twice"
    return pinned


def needed(requirement: Requirement, seen: set[str]) -> Iterator[str]:
    """Yield the names of a requirement and of all that it requires on this machine."""
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return
    name = canonicalize_name(requirement.name)
    if name not in seen:
        seen.add(name)
        yield name
        for child in requires(name) or []:
            yield from needed(Requirement(child), seen)


def test_everything_that_set_up_installs_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    roots = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    seen: set[str] = set()
    names = {name for root in roots for name in needed(Requirement(root), seen)}
    # The CUDA builds of torch bring packages that the CPU builds lack; torch pins those itself.
    names = {name for name in names if not name.startswith(("nvidia-", "cuda-", "triton"))}
    pinned = pins()
    assert sorted(names - pinned.keys()) == []
    assert [name for name, version in pinned.items() if not version.startswith("==")] == []
