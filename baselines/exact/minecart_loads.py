"""What a minecart may hold after which digs, numbered: the paths to and from the mines do not depend on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morl.envs.minecart import MINE, Minecart, State
from morl.streams import make_generator

FULL = 0.999
"""A cart that is filled to this share, on average, counts as full: one dig more would add less than time takes."""


class Loads(NamedTuple):
    """L loads; number 0 is the empty cart."""

    content: NDArray[np.float64]
    """(L, ores) expected ore."""
    error: NDArray[np.float64]
    """(L,) the largest standard error of the ore."""
    after: NDArray[np.int64]
    """(L, mines) the load after one dig more at a mine; -1 where the cart is full."""


def list_loads(env: Minecart, *, samples: int = 2**17, seed: int = 0) -> Loads:
    """All loads that digs lead to, in any order at any mines, until the cart is full.

    Where ore is random, a load is the sequence of digs that it came of, and its content a mean over samples, with
    each random number in both signs (antithetic variables): what lies in a cart that is not full yet is nearly
    linear in them.
    """
    normals = None
    if env.stochastic:
        generator = make_generator(env.device, seed)
        shape = (samples // 2, env.frame_skip, env.ores)
        normals = (generator, shape)
    mines = len(env.mine_x)
    contents = [torch.zeros(1 if normals is None else samples, env.ores, dtype=env.dtype, device=env.device)]
    after: list[list[int]] = []
    while len(after) < len(contents):
        content = contents[len(after)]
        row = [-1] * mines
        if float(content.sum(dim=1).mean()) < FULL * env.capacity:
            for mine in range(mines):
                dug = _dig(env, content, mine, normals)
                row[mine] = _find(contents, dug) if normals is None else len(contents)
                if row[mine] == len(contents):
                    contents.append(dug)
        after.append(row)
    return Loads(
        content=np.array([content.mean(dim=0).tolist() for content in contents]),
        error=np.array([_error(content) for content in contents]),
        after=np.array(after),
    )


def _dig(
    env: Minecart, content: Tensor, mine: int, normals: tuple[torch.Generator, tuple[int, ...]] | None
) -> Tensor:
    """Contents (n, ores) after one dig of a cart that stands at a mine."""
    n = len(content)
    still = torch.zeros(n, dtype=env.dtype, device=env.device)
    noise = None
    if normals is not None:
        generator, shape = normals
        half = torch.randn(shape, generator=generator, dtype=env.dtype, device=env.device)
        # In an order of its own, so that no dig's numbers are the mirror image of the dig's before.
        noise = torch.cat((half, -half))[torch.randperm(n, generator=generator, device=env.device)]
    cart = State(
        x=still + env.mine_x[mine],
        y=still + env.mine_y[mine],
        speed=still,
        heading=torch.zeros(n, dtype=torch.int64, device=env.device),
        content=content,
        departed=torch.ones(n, dtype=torch.bool, device=env.device),
    )
    action = torch.full((n,), MINE, device=env.device)
    dug: Tensor = env.transition(cart, action, noise).state.content
    return dug


def _find(contents: list[Tensor], content: Tensor) -> int:
    """The number of an equal content; the next number where there is none."""
    for number, known in enumerate(contents):
        if torch.allclose(known, content, rtol=0, atol=1e-9):
            return number
    return len(contents)


def _error(content: Tensor) -> float:
    """The largest standard error of the mean content, as if all samples were independent."""
    return 0.0 if len(content) == 1 else float((content.std(dim=0) / len(content) ** 0.5).max())
