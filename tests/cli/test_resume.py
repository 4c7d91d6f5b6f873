"""`morl train --resume` after SIGKILL ends bit for bit where an uninterrupted run ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

AGENTS = {
    "envelope-dqn": ["--agent.replay", "4e3", "--agent.hidden", "16", "--agent.warmup", "0.02"],
    "conditioned-ppo": ["--agent.hidden", "16"],
    "single-objective": ["--agent.partitions", "2", "--agent.learner-settings", "hidden=[16]", "replay=4000"],
}


def words(path: Path, agent: str) -> list[str]:
    budget = ["--num-envs", "8", "--steps", "6e3", "--evaluate-every", "1e6", "--quiet"]
    return ["train", "deep-sea-treasure-v0", "--agent", agent, *AGENTS[agent], *budget, "--out", str(path)]


def tensors(path: Path) -> str:
    """The name of the tensor file of a saved state, a checksum of its content; empty where there is none."""
    state = path / "state.json"
    return json.loads(state.read_text())["tensors"]["file"] if state.exists() else ""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("agent", AGENTS)
def test_a_killed_run_resumes_bit_for_bit(tmp_path: Path, call, agent: str) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "morl", *words(killed, agent), "--checkpoint-every", "0.05"]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(command, env={**os.environ, **threads})
    deadline = time.monotonic() + 60
    while not tensors(killed / "checkpoint") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL and not (killed / "front.json").exists()
    for run in (words(whole, agent), [*words(killed, agent), "--resume"]):
        status, _, err = call(*run)
        assert status == 0, err
    for part in ("agent", "checkpoint"):
        assert tensors(killed / part) == tensors(whole / part)
    returns = [json.loads((path / "front.json").read_text())["episode_returns"] for path in (whole, killed)]
    assert returns[0] == returns[1]
