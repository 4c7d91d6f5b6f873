"""`morl play`: what it prints, writes and refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from refusals import assert_error
from tiny import small_agent

from morl.envs.make import make_vec
from morl.front import Front


@pytest.fixture
def diver(tmp_path: Path) -> Path:
    """An agent that has learned nothing, and is greedy."""
    return small_agent("envelope-dqn", make_vec("deep-sea-treasure-v0", 2), seed=3).save(tmp_path / "diver")


def test_help(call) -> None:
    status, out, _ = call("play", "--help")
    assert status == 0 and out.startswith("usage: morl play") and "--no-render" in out
    assert "play" in call("--help")[1]


def test_a_film_and_what_was_earned(diver: Path, call, tmp_path: Path) -> None:
    film = tmp_path / "films" / "dive.gif"
    same = ("--episodes", "2", "--seed", "9", "--env-kwargs", "max_episode_steps=6")
    status, out, err = call("play", diver, "--weights", "0.3", "0.7", "--out", film, *same)
    assert (status, err) == (0, "") and f"film: {film}" in out
    with Image.open(film) as pictures:
        assert pictures.format == "GIF" and pictures.n_frames > 2
    assert re.search(r"treasure +value +0\.3 ", out) and re.search(r"time +steps +0\.7 ", out)
    assert "deep-sea-treasure-v0: 2 episodes of" in out and "original environment" in out

    # The same episodes as those of an evaluation: the printed means are its.
    assert call("evaluate", diver, "--weights", "0.3,0.7", "--out", tmp_path / "front.json", *same)[0] == 0
    front = Front.load(tmp_path / "front.json")
    assert front.episode_returns_undiscounted is not None
    for mean, discounted in zip(front.episode_returns_undiscounted[0].mean(0), front.returns[0], strict=True):
        assert f"{mean:.4f} (" in out and f"{discounted:.4f} (" in out


def test_by_default_the_film_lies_in_the_run(diver: Path, call) -> None:
    for name in ("play.gif", "play-2.gif"):
        status, out, _ = call("play", diver, "--weights", "1,0", "--max-steps", "2", "--fps", "2")
        assert status == 0 and f"film: {diver / name}" in out
        assert (diver / name).read_bytes().startswith(b"GIF8")


def test_a_run_can_be_played_unseen(run_path: Path, call) -> None:
    before = sorted(run_path.iterdir())
    status, out, err = call("play", run_path, "--weights", "0.5", "0.5", "--no-render")
    assert (status, err) == (0, "")
    # It walks four steps and stops.
    assert "toys:PlainCorridor: 1 episode of 5 steps" in out and "film" not in out
    assert re.search(r"objective_1 +0\.5 +4\.0000", out) and re.search(r"objective_2 +0\.5 +-5\.0000", out)
    assert sorted(run_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"expected --weights with 2 numbers, one per objective; for example 0\.5 0\.5"),
        (["--weights", "0.2", "0.3", "0.5"], "expected weights for 2 objectives"),
        (["--weights", "0.5", "0.6"], "weights sum to 1.1, expected 1"),
        (["--weights", "a", "b"], "as numbers, such as 0.5 0.5; got a b"),
        (["--weights", "1", "0"], "the render mode 'rgb_array', toys:PlainCorridor has none; .*--no-render"),
        (["--weights", "1", "0", "--out", "film.avi"], "ending in .gif or .mp4"),
        (["--weights", "1", "0", "--out", "film.gif", "--no-render"], "got both"),
        (["--weights", "1", "0", "--no-render", "--episodes", "0"], "episodes"),
        (["--weights", "1", "0", "--no-render", "--max-steps", "0"], "max_steps"),
        (["--weights", "1", "0", "--no-render", "--env", "minecart-v0"], "expected an environment with 2"),
        (["--weights", "1", "0", "--device", "cuda:99"], "use cpu"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_played(run_path: Path, call, words: list[str], message: str) -> None:
    assert_error(call("play", run_path, *words), message)
    assert not list(run_path.glob("*.gif"))


def test_what_is_no_run(tmp_path: Path, call) -> None:
    assert_error(call("play", tmp_path / "missing", "--weights", "1", "0"), "found no such folder")
    assert_error(call("play", tmp_path, "--weights", "1", "0"), "expected a saved morl-agent")
    assert call("play")[0] == 2
