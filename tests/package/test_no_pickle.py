"""Nothing in the package loads code from data: files are JSON and safetensors, never pickles."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = sorted(
    path
    for folder in ("morl", "envs", "agents", "baselines", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {"eval", "exec", "torch.load", "torch.save", "numpy.load", "np.load", "numpy.save", "np.save"}


def unsafe(code: str) -> list[str]:
    """Name every import of a pickling module and every call that may unpickle, pickle or run text as code."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
            found += names if module.split(".")[0] in MODULES else [name for name in names if name in CALLS]
        elif isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in CALLS:
            refused = any(ast.unparse(word) == "allow_pickle=False" for word in node.keywords)
            found += [] if refused else [name]
    return found


def test_no_pickle_and_no_eval() -> None:
    assert len(SOURCE) > 100
    assert [(path, found) for path in SOURCE if (found := unsafe(path.read_text(encoding="utf-8")))] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import pickle", ["pickle"]),
        ("from cloudpickle import dumps", ["cloudpickle.dumps"]),
        ("from torch import load", ["torch.load"]),
        ("import torch\ntorch.save({}, 'x')", ["torch.save"]),
        ("eval('1')", ["eval"]),
        ("numpy.load(file)", ["numpy.load"]),
        ("np.load(file, allow_pickle=True)", ["np.load"]),
        ("np.load(file, allow_pickle=False)", []),
        ("model.eval()\nsafetensors.torch.load(b'')", []),
    ],
)
def test_the_check_itself(code: str, found: list[str]) -> None:
    assert unsafe(code) == found
