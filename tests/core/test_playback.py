"""Films show what happened: every picture is checked against the step that it was taken at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from PIL import Image, ImageSequence
from toys import Corridor

import morl
from morl.errors import EnvError, MorlError
from morl.playback import play

SHADE = 20
"""Brightness of a picture per step of its episode."""


class Painted(gymnasium.Env):
    """A picture is as bright as the episode is long; 6 steps, the second episode one more."""

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 10}  # noqa: RUF012
    pictures: list[int] = []  # noqa: RUF012 - what was drawn, over all copies

    def __init__(
        self, render_mode: str | None = None, size: tuple[int, int] = (4, 6), broken: str = ""
    ) -> None:
        self.observation_space = Box(0, 99, (1,), np.float32)
        self.action_space = Discrete(2)
        self.reward_space = Box(-1, 1, (2,), np.float32)
        self.render_mode, self.size, self.broken = render_mode, size, broken
        self.steps, self.length = 0, 5

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps, self.length = 0, 6 if seed is None else self.length + 1
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        reward = np.array([self.np_random.random(), -1.0])
        return np.full(1, self.steps, np.float32), reward, self.steps >= self.length, False, {}

    def render(self) -> Any:
        if self.broken == "raises":
            raise RuntimeError("no screen")
        if self.broken == "nothing":
            return None
        Painted.pictures.append(self.steps)
        return np.full((*self.size, 3), SHADE * self.steps, dtype=np.uint8)


class Still:
    """Always the same action."""

    num_objectives = 2
    gamma = 0.9

    def policy(self, preference: Any) -> Any:
        class Policy:
            def reset(self, mask: Any = None) -> None: ...

            def act(self, obs: torch.Tensor) -> torch.Tensor:
                return torch.zeros(len(obs), dtype=torch.int64)

            def observe(self, reward: Any, done: Any) -> None: ...

        return Policy()


def shown(path: Path) -> list[tuple[int, int]]:
    """Step and milliseconds of every picture of a GIF; equal neighbours are one."""
    with Image.open(path) as film:
        return [
            (round(np.asarray(picture.convert("RGB")).mean() / SHADE), int(picture.info["duration"]))
            for picture in ImageSequence.Iterator(film)
        ]


def test_a_film_shows_every_step_and_the_end(tmp_path: Path) -> None:
    Painted.pictures.clear()
    front = play(Still(), Painted, weights=[0.3, 0.7], out=tmp_path / "a.gif", episodes=2)
    first = [(step, 100) for step in range(6)] + [(6, 500)]
    second = [(step, 100) for step in range(7)] + [(7, 500)]
    assert shown(tmp_path / "a.gif") == first + second
    assert Painted.pictures == [*range(7), *range(8)], "nothing drawn for nobody"
    assert front.episode_lengths is not None and front.episode_lengths.tolist() == [[6, 7]]
    assert list(tmp_path.iterdir()) == [tmp_path / "a.gif"], "nothing left beside it"


def test_a_film_earns_what_an_evaluation_does(tmp_path: Path) -> None:
    class Same(Painted):
        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            result = super().reset(seed=seed)
            self.length = 6
            return result

    options: dict[str, Any] = {"weights": [0.3, 0.7], "episodes": 3, "seed": 5}
    filmed = play(Still(), Same, out=tmp_path / "a.gif", **options)
    unseen = play(Still(), Same, **options)
    assert filmed == unseen == morl.evaluate(Still(), Same, **options)
    assert len(np.unique(filmed.episode_returns[0, :, 0])) == 3 and filmed.backend == "original"


@pytest.mark.parametrize(
    ("fps", "steps", "milliseconds"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6], 100),
        (5, [0, 2, 4, 6], 200),
        (2.5, [0, 4, 6], 400),
        (20, list(range(7)), 50),
    ],
)
def test_fewer_pictures_keep_the_speed(
    tmp_path: Path, fps: float | None, steps: list[int], milliseconds: int
) -> None:
    Painted.pictures.clear()
    play(Still(), Painted, weights=[1, 0], out=tmp_path / "a.gif", fps=fps)
    film = shown(tmp_path / "a.gif")
    assert [step for step, _ in film] == steps == Painted.pictures
    assert {duration for _, duration in film[:-1]} == {milliseconds} and film[-1][1] >= 400


def test_an_episode_can_be_cut_off(tmp_path: Path) -> None:
    front = play(Still(), Painted, weights=[1, 0], out=tmp_path / "a.gif", episodes=2, max_steps=3)
    assert [step for step, _ in shown(tmp_path / "a.gif")] == [0, 1, 2, 3] * 2
    assert front.episode_lengths is not None and front.episode_lengths.tolist() == [[3, 3]]


@pytest.mark.parametrize("size", [(64, 96), (65, 97)], ids=["even", "odd"])
def test_an_mp4(tmp_path: Path, size: tuple[int, int]) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    play(Still(), Painted, weights=[1, 0], out=tmp_path / "a.mp4", env_kwargs={"size": size})
    decode = [ffmpeg.get_ffmpeg_exe(), "-i", tmp_path / "a.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(decode, capture_output=True, check=True)
    width, height = (96, 64) if size[0] == 64 else (98, 66)
    assert f"{width}x{height}".encode() in done.stderr and b" 10 fps" in done.stderr
    pictures = np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)
    shades = pictures.mean(axis=(1, 2, 3)) / SHADE
    np.testing.assert_allclose(shades, [0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6], atol=0.15)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mp4"]


def test_a_film_replaces_another_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(b"mine")
    with pytest.raises(EnvError, match="to draw itself, got RuntimeError: no screen"):
        play(Still(), Painted, weights=[1, 0], out=path, env_kwargs={"broken": "raises"})
    assert path.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [path]
    play(Still(), Painted, weights=[1, 0], out=path)
    assert path.read_bytes().startswith(b"GIF8") and list(tmp_path.iterdir()) == [path]


def test_the_users_settings_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []

    class Curious(Painted):
        def render(self) -> Any:
            seen.append(dict(os.environ))
            return super().render()

    monkeypatch.setenv("SDL_VIDEODRIVER", "mine")
    monkeypatch.delenv("SDL_AUDIODRIVER", raising=False)
    play(Still(), Curious, weights=[1, 0], out=tmp_path / "a.gif")
    assert seen[0]["SDL_VIDEODRIVER"] == "mine" == os.environ["SDL_VIDEODRIVER"]
    assert seen[0]["SDL_AUDIODRIVER"] == "dummy" and "SDL_AUDIODRIVER" not in os.environ


def test_what_has_only_a_batched_form_is_played_unseen(tmp_path: Path) -> None:
    front = play(Still(), Corridor, weights=[1, 0])
    assert front.backend == "batched" and front.episodes == 1
    with pytest.raises(EnvError, match="no form but a batched one; play it without pictures"):
        play(Still(), Corridor, weights=[1, 0], out=tmp_path / "a.gif")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": [1, 0, 0]}, "expected weights for 2 objectives"),
        ({"weights": [[1, 0], [0, 1]]}, "expected one preference"),
        ({"out": "a.avi"}, "ending in .gif or .mp4, got a.avi"),
        ({"out": "film"}, "ending in .gif or .mp4"),
        ({"fps": 0}, "fps above 0"),
        ({"fps": 51}, "at most 50 for .gif, got 51"),
        ({"env_kwargs": {"broken": "nothing"}}, r"pictures \(height, width, 3\) of uint8, got object"),
        ({"env_kwargs": {"colour": 3}}, "colour"),
        (
            {"env": "toys:PlainCorridor"},
            "the render mode 'rgb_array', toys:PlainCorridor has none; play it without",
        ),
        ({"env": "fishwood-v0"}, "has only human"),
        ({"env": "deep-see-treasure-v0"}, "Did you mean 'deep-sea-treasure-v0'"),
    ],
    ids=str,
)
def test_what_cannot_be_filmed_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MorlError, match=message):
        play(Still(), **{"env": Painted, "weights": [1, 0], "out": "a.gif"} | options)
    assert not list(tmp_path.iterdir())


def test_mp4_without_its_extra_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MorlError, match=r"pip install 'morl\[video\]', or choose a name that ends in .gif"):
        play(Still(), Painted, weights=[1, 0], out=tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "env_id", ["deep-sea-treasure-v0", "minecart-v0", "mo-hopper-v5", "mo-lunar-lander-v3"]
)
def test_the_originals_draw_without_a_display(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env_id: str
) -> None:
    card = morl.registry.get_card(env_id)
    assert card is not None
    if card.extra is not None:
        pytest.importorskip({"mujoco": "mujoco", "box2d": "Box2D"}[card.extra])
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "MUJOCO_GL"):
        monkeypatch.delenv(name, raising=False)

    class Idle(Still):
        num_objectives = card.num_objectives

        def policy(self, preference: Any) -> Any:
            made = super().policy(preference)
            if env_id == "mo-hopper-v5":
                made.act = lambda obs: torch.zeros(len(obs), 3)
            return made

    weights = [1.0] + [0.0] * (card.num_objectives - 1)
    try:
        front = play(Idle(), env_id, weights=weights, out=tmp_path / "a.gif", max_steps=3)
    except EnvError as error:
        if "graphics library" in str(error) and card.extra == "mujoco":
            pytest.skip(f"no graphics library for MuJoCo: {error}")
        raise
    assert front.env_id == env_id and front.objectives == tuple(item.name for item in card.objectives)
    with Image.open(tmp_path / "a.gif") as film:
        pictures = [np.asarray(picture.convert("RGB")) for picture in ImageSequence.Iterator(film)]
    assert len(np.unique(pictures[0].reshape(-1, 3), axis=0)) >= 3, "something to see"
