from __future__ import annotations

from pathlib import Path


def test_a_population_is_diagnosed_by_its_members(tmp_path: Path, call) -> None:
    run = tmp_path / "run"
    words = "toys:PlainCorridor --agent morld --num-envs 8 --steps 4000 --quiet"
    small = "--agent.population 4 --agent.round-length 1 --agent.learner ppo"
    status, _, err = call(
        "train", *words.split(), *small.split(), "--agent.ppo.rollout-length", "8", "--out", run
    )
    assert (status, err) == (0, "")
    status, out, err = call("evaluate", run, "--episodes", "1", "--diagnose")
    assert (status, err) == (0, "")
    for text in ("Whom the front serves", "cosine of their gradients", "share of the archive", "look at:"):
        assert text in out
    assert all(f"\n {member} " in out for member in range(4))


def test_any_other_agent_is_diagnosed_by_its_front(run_path: Path, call) -> None:
    status, out, err = call("evaluate", run_path, "--episodes", "1", "--diagnose")
    assert (status, err) == (0, "")
    assert "Whom the front serves" in out and "share of the archive" not in out and "cosine" not in out
