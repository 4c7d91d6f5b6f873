"""What README.md shows runs as shown: its Python with a smaller budget, its commands against the parser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from morl.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::morl.indicators.ReferencePointWarning")  # so short a training may stall
def test_the_python_quickstart_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)[0]
    code, changed = re.subn(r"total_steps=[\d_]+", "total_steps=1_280, progress=False", code)
    assert changed == 1
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert len(json.loads(Path("front.json").read_text(encoding="utf-8"))["returns"]) == 101
    assert type(names["agent"]).__name__ == "EnvelopeDQN"


@pytest.mark.parametrize("command", sorted(set(re.findall(r"\bmorl ([a-z][a-z-]+)\b(?= )", README))))
def test_every_command_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0 and f"morl {command}" in capsys.readouterr().out
