"""The batched minecart's pictures against what MO-Gymnasium draws with pygame, pixel by pixel."""

from __future__ import annotations

import json
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from morl.envs.make import make_vec
from morl.envs.minecart import Minecart
from morl.envs.minecart_config import read_look
from morl.envs.minecart_raster import SIZE, _blend, _pixel, _ready
from morl.envs.originals import make_original
from morl.errors import EnvError

pytestmark = pytest.mark.skipif(
    any(found.name == "pygame-ce" for found in distributions()),
    reason="pygame-ce (the extra momaland) blends pictures a little differently from pygame",
)

MINE, LEFT, RIGHT, ACCELERATE, BRAKE, NOTHING = range(6)

NEAR = {
    "ore_cnt": 3,
    "mine_cnt": 2,
    "capacity": 0.9,
    "mines": [
        {"x": 0.3, "y": 0.3, "distributions": [[0.05, 0.01], [0.02, 0.01], [0.04, 0.0]]},
        {"x": 0.0, "y": 1.0, "distributions": [[0.05, 0.01], [0.02, 0.01], [0.04, 0.0]]},
    ],
}
"""A mine straight ahead, and one at a corner, whose picture is cut off; colours left out."""


@pytest.fixture(autouse=True)
def no_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")  # the original lets pygame open everything


@pytest.fixture(params=["shipped", "near"])
def arguments(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "near.json"
    path.write_text(json.dumps(NEAR))
    return {"config": str(path)} if request.param == "near" else {}


def compare(arguments: dict[str, Any], count: int, batch: int = 50) -> None:
    """`count` random carts: anywhere, some at walls, in each heading, from empty to full."""
    env = Minecart(1, image_observation=True, dtype=torch.float64, **arguments)
    original = make_original("minecart-rgb-v0", **arguments)
    original.reset(seed=0)
    inner: Any = original.unwrapped
    rng = np.random.default_rng(0)
    assert env.raster is not None
    for _ in range(count // batch):
        place = rng.random((batch, 2))
        place[rng.random((batch, 2)) < 0.2] = 0
        place[rng.random((batch, 2)) < 0.2] = 1
        heading = 2 * rng.integers(-72, 72, size=batch) + 1
        share = rng.dirichlet(np.ones(env.ores), size=batch) * rng.choice([0, 0.1, 0.7, 1.0], size=(batch, 1))
        content = share * env.capacity
        state = [torch.tensor(part) for part in (place[:, 0], place[:, 1], heading, content)]
        for row, picture in enumerate(env.raster.draw(*state).numpy()):
            inner.cart.pos, inner.cart.angle = place[row], float(5 * heading[row])
            inner.cart.content = content[row]
            inner.render_pygame()
            assert np.array_equal(picture, inner.get_state()), (place[row], heading[row], content[row])


def test_pictures_are_the_originals(arguments: dict[str, Any]) -> None:
    compare(arguments, 150)


@pytest.mark.slow
def test_ten_thousand_pictures_are_the_originals(arguments: dict[str, Any]) -> None:
    compare(arguments, 10_000)


def test_episodes_look_as_the_originals(tmp_path: Path) -> None:
    """Out to a mine, dig, home again, twice: every picture, also the first of the next episode."""
    path = tmp_path / "near.json"
    path.write_text(json.dumps(NEAR))
    arguments = {"config": str(path), "max_episode_steps": 60}
    original = make_original("minecart-rgb-v0", **arguments)
    env = Minecart(1, image_observation=True, dtype=torch.float64, **arguments)
    rng = np.random.default_rng(0)
    first = original.reset(seed=0)[0]
    assert np.array_equal(env.reset(seed=0)[0][0].numpy(), first)
    for mine in original.unwrapped.mines:  # type: ignore[attr-defined]
        normals = [distribution.args for distribution in mine.distributions]
        mine.mine = lambda normals=normals: [
            max(0.0, mean + deviation * z) for (mean, deviation), z in zip(normals, next(digs), strict=True)
        ]
    out, home = [ACCELERATE, ACCELERATE, NOTHING, BRAKE], [LEFT] * 4 + [ACCELERATE] * 20
    script, plan = [*out, *[MINE] * 4, *home], []
    ends, loaded = 0, 0.0
    for step in range(80):
        plan = plan or script.copy()
        action = plan.pop(0)
        noise = rng.standard_normal((env.frame_skip, env.ores))
        digs = iter(noise)
        env.draw_step_noise = lambda n, streams, z=noise: torch.tensor(z[None])  # type: ignore[method-assign]
        obs, *_, info = env.step(torch.tensor([action]))
        picture, _, terminated, truncated, _ = original.step(action)
        loaded = max(loaded, float(original.unwrapped.cart.content.sum()))  # type: ignore[attr-defined]
        assert np.array_equal(info["final_obs"][0].numpy(), picture), step
        if terminated or truncated:
            picture = original.reset()[0]
            assert np.array_equal(picture, first)
            ends, plan = ends + terminated, []
        assert np.array_equal(obs[0].numpy(), picture), step
    assert ends >= 2 and loaded > 0.3


def test_float32_is_at_most_a_pixel_off() -> None:
    """Where a coordinate falls on the edge of two pixels."""
    place = torch.rand(1_000_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    off = (_pixel(place.to(torch.float32)) - _pixel(place)).abs()
    assert off.max() <= 1 and (off > 0).sum() < 100


def test_blending_is_pygames() -> None:
    """Every opacity and ink over every colour."""
    import pygame

    ink, below = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    for alpha in range(256):
        pixels = np.dstack([ink] * 3 + [np.full_like(ink, alpha)])
        sprite = pygame.image.frombuffer(pixels.tobytes(), (256, 256), "RGBA")
        canvas = pygame.Surface((256, 256))
        pygame.surfarray.pixels3d(canvas)[:] = below.T[..., None]
        canvas.blit(sprite, (0, 0))
        ours = _blend(*(torch.tensor(part) for part in (*_ready(pixels), np.dstack([below] * 3))))
        assert np.array_equal(pygame.surfarray.array3d(canvas).transpose(1, 0, 2), ours.numpy()), alpha


@pytest.mark.parametrize("backend", ["batched", "original", "sync", "async"])
def test_every_backend_shows_the_same_pictures(backend: str) -> None:
    env = make_vec("minecart-deterministic-v0", 2, backend=backend, image_observation=True)
    reference = make_vec("minecart-deterministic-v0", 2, image_observation=True, dtype=torch.float64)
    assert env.single_observation_space == reference.single_observation_space
    assert torch.equal(env.reset(seed=0)[0], reference.reset(seed=0)[0])
    for action in (ACCELERATE, ACCELERATE, LEFT, BRAKE):
        actions = torch.tensor([action, LEFT])
        assert torch.equal(env.step(actions)[0], reference.step(actions)[0])
    env.close()


def test_the_layout_seed_turns_the_mines_and_the_id_shows_pictures() -> None:
    one, same, other = (
        Minecart(1, image_observation=True, layout_seed=seed).reset(seed=0)[0] for seed in (0, 0, 1)
    )
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert gymnasium.make_vec("morl/minecart-rgb-v0", num_envs=2).reset(seed=0)[0].shape == (2, SIZE, SIZE, 3)


@pytest.mark.parametrize("colors", [[[1, 2, 3]], [[1, 2], [3, 4], [5, 6]], [[1, 2, 300]] * 3, "red"])
def test_wrong_colours_are_explained(tmp_path: Path, colors: Any) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**NEAR, "ore_colors": colors}))
    with pytest.raises(EnvError, match="three numbers in 0 to 255 for each of 3 ores"):
        read_look(path, 0)
