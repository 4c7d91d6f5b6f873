"""Minecart as a picture: what MO-Gymnasium draws with pygame, pixel by pixel, for many carts at once.

The base, the mines and the cart in each of its headings are drawn once, by pygame, when the environment is
made. A picture is then the background with one sprite blended in: integer arithmetic on tensors.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from morl.errors import EnvError

if TYPE_CHECKING:
    from pygame import Rect, Surface

SIZE = 480
"""Width and height of a picture, in pixels."""
MARGIN = 0.16
"""The unit square is drawn inside a margin of this share on each side."""
GRAY, RED = (150, 150, 150), (255, 70, 70)
HEADINGS = 36
"""The cart's headings are 5 degrees, 15, 25 and so on."""


class Raster:
    """Pictures of a minecart environment.

    Args:
        constant: makes a tensor of a constant (`BatchedEnv.constant`).
        mines: positions of the mines (k, 2) in the unit square.
        turns: by how many degrees each mine's picture is turned (k,).
        colors: of the ores (ores, 3), 0 to 255.
        capacity: of a cart.
    """

    def __init__(
        self,
        constant: Callable[..., Tensor],
        *,
        mines: np.ndarray,
        turns: np.ndarray,
        colors: np.ndarray,
        capacity: float,
    ) -> None:
        self.capacity = capacity
        self.background = constant(_background(mines, turns).reshape(-1, 3))
        sprites = _cart_sprites()
        self.side = sprites.shape[1]
        self.ink, self.cover = (constant(part) for part in _ready(sprites))
        row, column = np.indices((self.side, self.side))
        self.offsets = constant((row * SIZE + column).ravel())
        # One bar for each ore, hanging inside the cart; pygame cuts its edges to whole pixels.
        ores = len(colors)
        width = self.side / (2 * ores)
        gap = (self.side - (width + 1) * ores) / 2
        self.bar_height = self.side / 3
        self.bar_top = int(gap * 1.5)
        self.bars = [(int(gap + ore * (width + 1)), int(width)) for ore in range(ores)]
        self.depth = constant(np.arange(int(self.bar_height)))
        self.colors = constant(colors)

    def draw(self, x: Tensor, y: Tensor, heading: Tensor, content: Tensor) -> Tensor:
        """Pictures (n, 480, 480, 3) uint8 of carts at (x, y), (n,), with `heading` (n,) in units of 5 degrees
        and `content` (n, ores).
        """
        corner = _pixel(y) * SIZE + _pixel(x) - (self.side // 2) * (SIZE + 1)
        index = corner.unsqueeze(1) + self.offsets
        below = self.background.index_select(0, index.view(-1)).view(-1, self.side, self.side, 3)
        sprite = torch.remainder(heading, 2 * HEADINGS) // 2
        patch = _blend(self.ink.index_select(0, sprite), self.cover.index_select(0, sprite), below)
        # Truncated as pygame does, so a bar under one pixel is not drawn.
        filled = self.depth < (self.bar_height * content / self.capacity).to(torch.int64).unsqueeze(2)
        for ore, (left, width) in enumerate(self.bars):
            bar = patch[:, self.bar_top : self.bar_top + len(self.depth), left : left + width]
            bar.copy_(torch.where(filled[:, ore, :, None, None], self.colors[ore], bar))
        canvas = self.background.expand(len(x), -1, -1)
        places = index.unsqueeze(2).expand(-1, -1, 3)
        return canvas.scatter(1, places, patch.view(len(x), -1, 3)).view(-1, SIZE, SIZE, 3)


def _pixel(position: Tensor) -> Tensor:
    """Where in the picture a coordinate (n,) of the unit square is; pygame rounds the centre of a Rect."""
    return (position * (1 - 2 * MARGIN) * SIZE + MARGIN * SIZE + 0.5).to(torch.int64)


def _ready(sprites: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `_blend` takes of sprites (..., 4) uint8: ink x (opacity + 1), (..., 3), and 256 - opacity, (..., 1).

    Both are int16; the first wraps around beyond 32767.
    """
    opacity = sprites[..., 3:].astype(np.int32)
    return (sprites[..., :3] * (opacity + 1)).astype(np.int16), (256 - opacity).astype(np.int16)


def _blend(ink: Tensor, cover: Tensor, below: Tensor) -> Tensor:
    """Pygame's blending of a sprite with transparency: `((s - b) * a + s) / 256 + b` of ink s and opacity a.

    That is `(s * (a + 1) + b * (256 - a)) / 256`, without a remainder the high byte of a 16-bit number.
    """
    return (((ink + below.to(torch.int16) * cover) >> 8) & 255).to(torch.uint8)


def mine_pictures(mines: Iterable[np.ndarray], turns: np.ndarray) -> list[tuple[Surface, Rect]]:
    """Each mine's turned picture, and where it is drawn."""
    import pygame

    picture = pygame.image.load(_asset("mine.png"))
    pictures = []
    for position, turn in zip(mines, turns, strict=True):
        turned = pygame.transform.rotate(picture, int(turn))
        rect = turned.get_rect()
        rect.centerx, rect.centery = position * (1 - 2 * MARGIN) * SIZE + MARGIN * SIZE
        pictures.append((turned, rect))
    return pictures


def _background(mines: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """The picture without a cart, (480, 480, 3) uint8."""
    import pygame

    canvas = pygame.Surface((SIZE, SIZE))
    canvas.fill(GRAY)
    pygame.draw.circle(canvas, RED, (0, 0), SIZE // 3)
    canvas.blits(mine_pictures(mines, turns))
    return pygame.surfarray.array3d(canvas).transpose(1, 0, 2)


def _cart_sprites() -> np.ndarray:
    """The cart's picture in each heading, (36, side, side, 4): red, green, blue, opacity; uint8."""
    import pygame

    picture = pygame.image.load(_asset("cart.png"))
    sprites = []
    for k in range(HEADINGS):
        turned = pygame.transform.rotate(picture, -(10 * k + 5))
        kept = picture.get_rect(center=turned.get_rect().center)
        cut = turned.subsurface(kept)
        channels: tuple[Any, Any] = pygame.surfarray.array3d(cut), pygame.surfarray.array_alpha(cut)
        sprites.append(np.dstack(channels).transpose(1, 0, 2))
    return np.stack(sprites)


def _asset(name: str) -> Path:
    spec = importlib.util.find_spec("mo_gymnasium")
    if spec is None or spec.origin is None:
        raise EnvError("expected mo-gymnasium to be installed, found none; run: pip install mo-gymnasium")
    return Path(spec.origin).parent / "envs" / "minecart" / "assets" / name
