"""A finished run, made once, of which every test takes a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny import SMALL
from toy_runs import config, train

from morl.runs import Run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an agent that is a set of policies; never written to."""
    name = "mo-q-learning"
    settings = {"env": "toys:PlainCorridor", "agent": name, "settings": SMALL[name]}
    run = Run.create(tmp_path_factory.mktemp("finished") / "run", config(**settings))
    train(run)
    return run.path


@pytest.fixture
def run_path(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(finished, tmp_path / "run"))
