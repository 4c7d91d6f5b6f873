from __future__ import annotations

from pathlib import Path

import pytest

from morl.cli import demo
from morl.cli.demo import Entry, make_room
from morl.runs import Run


def test_demo(tmp_path: Path, call, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (
        Entry("envelope-dqn", 640, num_envs=8, settings={"hidden": (8,)}),
        Entry("toys:CorridorWalker", 40, settings={"learning_rate": 0.3}),
    )
    picture, begun, train = tmp_path / "demo" / "fronts.png", [], demo.train
    monkeypatch.setattr(demo, "ENTRIES", entries)
    monkeypatch.setattr(demo, "train", lambda *words: begun.append(picture.exists()) or train(*words))
    picture.parent.mkdir()
    picture.write_text("of yesterday")
    status, out, err = call("demo", "--out", tmp_path / "demo", "--seed", "4")
    assert status == 0, err
    for text in ("exact front", "854.85", "envelope-dqn", "original environment", "seconds in all"):
        assert text in out
    assert begun == [False, True] and picture.read_bytes().startswith(b"\x89PNG")
    assert out.index(f"picture: {picture}") < out.index("corridor-walker")
    assert "moved what was in" in out and (tmp_path / "demo-1" / "fronts.png").read_text() == "of yesterday"
    assert f"report: {tmp_path / 'demo' / 'report.html'}" in out
    assert "envelope-dqn" in (tmp_path / "demo" / "report.html").read_text()
    run = Run.open(tmp_path / "demo" / "toys_CorridorWalker")
    assert (run.config.num_envs, run.config.seed, run.config.settings["learning_rate"]) == (4, 4, 0.3)
    assert run.front().backend == "original"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    for number in range(3):
        out = make_room(tmp_path / "demo")
        out.mkdir()
        (out / "note").write_text(str(number))
    assert [(tmp_path / name / "note").read_text() for name in ("demo-1", "demo-2", "demo")] == [
        "0",
        "1",
        "2",
    ]


@pytest.mark.slow
def test_the_demo_as_it_is(tmp_path: Path, call) -> None:
    status, _, err = call("demo", "--out", tmp_path / "demo")
    assert status == 0, err
    exact, least = 854.85, {"conditioned-ppo": 0.95, "morld": 0.97, "sweep": 0.9}
    for agent, share in least.items():
        assert Run.open(tmp_path / "demo" / agent).front().hypervolume() > share * exact
