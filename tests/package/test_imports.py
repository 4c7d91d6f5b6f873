"""Imports point one way: morl <- morl.envs <- morl.agents <- morl.baselines.

The rule that is checked, for every `import` statement of every file, inside functions and under
`TYPE_CHECKING` too: a file of one layer never names a module of a layer above it. What needs the other
direction goes through `import morl` and a lazy attribute (`morl.make_vec`), or through an entry point.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("morl", "envs", "agents", "baselines")
FOLDERS = (*LAYERS, "tests", "benchmarks", "examples")
CODE = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
SOURCE = [path for path in CODE if path.relative_to(ROOT).parts[0] in LAYERS]


def layer_of(module: str) -> int | None:
    """Return the layer number of an absolute module name, or None for anything outside `morl`."""
    parts = module.split(".")
    if parts[0] != "morl":
        return None
    return LAYERS.index(parts[1]) if len(parts) > 1 and parts[1] in LAYERS[1:] else 0


def imported(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute module name) of everything that a syntax tree imports, relative imports resolved.

    For `from a import b` both `a` and `a.b` are yielded: `b` may be a submodule.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def package_of(path: Path) -> str:
    """Return the import package that a source file belongs to: envs/x/y.py is in morl.envs.x."""
    folders = path.relative_to(ROOT).parts[:-1]
    return ".".join(folders if folders[0] == "morl" else ("morl", *folders))


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def upward(tree: ast.Module, package: str) -> list[tuple[int, str]]:
    """Return the imports of a layer above the package's own."""
    own = layer_of(package)
    assert own is not None
    return [
        (line, name)
        for line, name in imported(tree, package)
        if (layer := layer_of(name)) is not None and layer > own
    ]


def test_no_import_points_upward() -> None:
    assert len(SOURCE) > 100
    assert [(path, found) for path in SOURCE if (found := upward(tree_of(path), package_of(path)))] == []


def test_no_folder_is_imported_by_its_bare_name() -> None:
    bare = [
        (path, line, name)
        for path in CODE
        for line, name in imported(tree_of(path), "")
        if name.split(".")[0] in LAYERS[1:]
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("code", "package", "found"),
    [
        ("import morl.envs.base", "morl.cli", ["morl.envs.base"]),
        ("from morl import agents", "morl", ["morl.agents"]),
        ("def f():\n    from morl.baselines import RandomPolicy", "morl.agents", ["morl.baselines"]),
        ("from .. import envs", "morl.cli", ["morl.envs"]),
        ("from ..agents import dqn", "morl.envs", ["morl.agents"]),
        ("import morl\nfrom morl.envs.base import Step", "morl.agents", []),
        ("from . import base\nfrom .base import Step", "morl.envs", []),
    ],
)
def test_the_check_itself_sees_every_form_of_import(code: str, package: str, found: list[str]) -> None:
    names = [name for _, name in upward(ast.parse(code), package)]
    assert [name for name in found if name not in names] == []
    assert bool(names) == bool(found)
