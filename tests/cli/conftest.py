"""Runs commands in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from morl.cli import main

Result = tuple[int, str, str]
"""Exit status, output, error output."""


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs one command."""

    def run(*words: str | Path) -> Result:
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:  # how tyro ends after --help and for unknown flags
            status = end.code if isinstance(end.code, int) else 1
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def run_path(tmp_path: Path, call: Callable[..., Result]) -> Path:
    """A small finished run."""
    path = tmp_path / "trained"
    words = ["toys:PlainCorridor", "--agent", "toys:CorridorWalker", "--quiet", "--steps", "40"]
    status, _, err = call("train", *words, "--out", path)
    assert status == 0, err
    return path
