"""An installed package's environments, cards and agents are known by name, everywhere, through entry points alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENVS = '''
import gymnasium
import torch
from toys import Corridor, PlainCorridor

class Walk(PlainCorridor):
    """One at a time."""

class Fast(Corridor):
    """The same, batched."""

def register():
    gymnasium.register("my-lab/walk-v0", entry_point="my_lab.envs:Walk", max_episode_steps=12)
    gymnasium.register(
        "my-lab/twin-v0", entry_point="my_lab.envs:Walk", vector_entry_point="my_lab.envs:Fast", max_episode_steps=12
    )
'''

CARDS = """
from morl.registry import EnvCard, Objective, Protocol, register_card

def register():
    register_card(
        EnvCard(
            id="my-lab/walk-v0",
            objectives=(Objective("place", "metres", "how far"), Objective("effort", "steps", "how long", cost=True)),
            protocols=(Protocol("ours", 0.9, (0.0, -20.0), "our paper"),),
            default_protocol="ours",
            description="a corridor of our own",
        )
    )
"""

AGENTS = '''
from morl.baselines import RandomPolicy

class Wanderer(RandomPolicy):
    """Goes anywhere, at our lab."""

    name = "wanderer"
'''

ENTRY_POINTS = """
[gymnasium.envs]
my-lab = my_lab.envs:register
[morl.cards]
my-lab = my_lab.cards:register
[morl.agents]
wanderer = my_lab.agents:Wanderer
"""

BROKEN = """
[gymnasium.envs]
broken = broken_lab:register
[morl.agents]
broken = broken_lab:Agent
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the path with two installed packages, of which one cannot be imported."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "my_lab").mkdir()
    for name, code in (("__init__", ""), ("envs", ENVS), ("cards", CARDS), ("agents", AGENTS)):
        (folder / "my_lab" / f"{name}.py").write_text(code)
    (folder / "broken_lab.py").write_text("raise RuntimeError('out of order')")
    for name, points in (("my_lab", ENTRY_POINTS), ("broken_lab", BROKEN)):
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
    return folder


PROGRAM = """
import torch, morl
from morl.cli import main
from morl.front import Front

main(["list", "envs"])
main(["list", "agents"])
for env_id, backend, kind in (
    ("my-lab/walk-v0", "auto", "SyncAdapter"),
    ("my-lab/walk-v0", "async", "AsyncAdapter"),
    ("my-lab/twin-v0", "auto", "Fast"),
    ("my-lab/twin-v0", "original", "SyncAdapter"),
):
    env = morl.make_vec(env_id, 3, backend=backend)
    env.reset(seed=0)
    print(type(env).__name__ == kind, env.env_id, env.step(torch.ones(3, dtype=torch.int64))[1].tolist())
    env.close()
print("limit", morl.make_vec("my-lab/twin-v0").max_episode_steps)
try:
    morl.make_vec("my-lab/wlak-v0")
except morl.errors.EnvError as error:
    print(error)

words = ["my-lab/walk-v0", "--agent", "wanderer", "--steps", "32", "--num-envs", "4", "--quiet"]
print("train", main(["train", *words, "--out", "run"]))
print("evaluate", main(["evaluate", "run", "--partitions", "2"]))
print("check-env", main(["check-env", "my-lab/walk-v0"]))
front = Front.load("run/front.json")
print("front", front.env_id, front.agent, *front.objectives, front.reference_point.tolist(), front.gamma)
"""


@pytest.fixture(scope="module")
def out(site: Path) -> str:
    """What a program says that finds the packages on its path."""
    path = os.pathsep.join([str(site), os.environ["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        cwd=site,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    assert "broken_lab:register (entry point group gymnasium.envs) failed" in done.stderr
    return done.stdout


def test_the_lists_show_what_is_installed(out: str) -> None:
    for text in ("place (metres), effort", "a corridor of our own", "wanderer", "Goes anywhere, at our lab."):
        assert text in out
    assert "minecart-v0" in out and "envelope-dqn" in out  # the broken package takes nothing with it


def test_make_vec_runs_what_is_registered(out: str) -> None:
    paid = [[0.0, -1.0]] * 3
    assert out.count(f"True my-lab/walk-v0 {paid}") == out.count(f"True my-lab/twin-v0 {paid}") == 2
    assert "limit 12" in out and "Did you mean 'my-lab/walk-v0'?" in out


def test_the_command_line_trains_evaluates_and_checks(out: str) -> None:
    assert all(f"{command} 0\n" in out for command in ("train", "evaluate", "check-env"))
    assert "front my-lab/walk-v0 wanderer place effort [0.0, -20.0] 0.9" in out
    assert "place [metres]" in out and "morl can run it" in out
