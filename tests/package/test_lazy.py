"""Packages resolve their attributes when first used: importing stays cheap, and misspelling stays helpful."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import morl
from morl._lazy import attach

ROOT = Path(__file__).parents[2]
PACKAGES = ("morl", "morl.envs", "morl.agents", "morl.baselines")


def imported_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_imports_nothing_heavy(package: str) -> None:
    heavy = {"torch", "mo_gymnasium", "scipy", "pymoo", "matplotlib", "tyro", "rich"}
    assert imported_by(f"import {package}") & heavy == set()


def test_importing_morl_registers_the_batched_environments() -> None:
    code = "import morl, gymnasium; print(gymnasium.make_vec('morl/minecart-v0', num_envs=3).num_envs)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_resolves_and_is_listed(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        assert value is getattr(module, name)
        assert isinstance(value, ModuleType) or value.__name__ == name
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_are_told_the_names_that_run_time_has(package: str) -> None:
    """The `TYPE_CHECKING` block and the lazy table agree; only the core's upward names are left out."""
    module = importlib.import_module(package)
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    static = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    upward = {"agents", "baselines", "envs", "make_vec"} if package == "morl" else set()
    assert static == set(module.__all__) - upward


def test_an_unknown_attribute_suggests_the_nearest() -> None:
    with pytest.raises(
        AttributeError, match=r"module 'morl' has no attribute 'evalute'. Did you mean 'evaluate'\?"
    ):
        morl.evalute  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'zzz'\.$"):
        morl.zzz  # noqa: B018
    with pytest.raises(ImportError):
        from morl import evalute  # noqa: F401


def test_a_broken_module_is_not_reported_as_a_misspelt_name(monkeypatch: pytest.MonkeyPatch) -> None:
    getattr_, _, public = attach("morl", {"thing": "morl_module_that_does_not_exist"})
    assert public == ["thing"]
    with pytest.raises(ModuleNotFoundError, match="morl_module_that_does_not_exist"):
        getattr_("thing")


def test_the_version_is_the_installed_one() -> None:
    from importlib.metadata import version

    assert version("morl") == morl.__version__
