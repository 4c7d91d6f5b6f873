"""Random streams: every random number of a batched environment comes from here, drawn outside the pure step.

A `Streams` is a row of G generators, each owning a contiguous block of environments. With G = 1 one generator
serves all; a population gives each member its own, so that a member's episodes do not depend on who trains
beside it. States can be read and set, which is what makes a killed run resume bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl._arrays import as_seeds
from morl.errors import MorlError


def derive_seed(seed: int, *path: int) -> int:
    """A 63-bit seed for one purpose, independent of the seeds of other purposes (numpy's SeedSequence)."""
    # A spawn key, because further entropy words that are zero would change nothing.
    words = np.random.SeedSequence(seed, spawn_key=path).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])


def make_generator(device: torch.device | str, seed: int) -> torch.Generator:
    """A seeded generator on `device`. The meta device has none, so a CPU generator stands in for it."""
    device = torch.device(device)
    generator = torch.Generator(device="cpu" if device.type == "meta" else device)
    return generator.manual_seed(seed)


class Streams:
    """G seeded generators over `num_envs` environments in contiguous blocks.

    Args:
        seed: one non-negative integer, from which each generator's seed is derived; or one for each of the G
            groups, which then draws what a `Streams` of its own with that seed and one group would draw.
        num_envs: how many environments are served in all.
        groups: G, a divisor of `num_envs`.
        device: where the numbers are drawn.
    """

    def __init__(
        self,
        seed: int | Sequence[int],
        num_envs: int,
        *,
        groups: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        if groups < 1 or num_envs % groups:
            raise MorlError(
                f"expected the number of generators to divide the {num_envs} environments, got {groups}; "
                "choose a divisor, such as 1"
            )
        self.num_envs = num_envs
        self.device = torch.device(device)
        given: Any = as_seeds(seed)
        paths = (
            [(s, 0) for s in given]
            if isinstance(given, list)
            else [(given, group) for group in range(groups)]
        )
        if len(paths) != groups:
            raise MorlError(f"expected one seed for each of the {groups} generators, got {len(paths)}")
        self.generators = [make_generator(self.device, derive_seed(*path)) for path in paths]

    def uniform(self, *shape: int, rows: int | None = None) -> Tensor:
        """Uniform numbers in [0, 1), shape (num_envs, *shape), float32; or `rows` rows from each generator."""
        return self._draw(Tensor.uniform_, shape, rows)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, shape (num_envs, *shape), float32."""
        return self._draw(Tensor.normal_, shape)

    def permutations(self, n: int) -> Tensor:
        """A random order of 0 .. n - 1 from each generator, shape (G, n), int64."""
        return torch.stack([torch.randperm(n, generator=g, device=self.device) for g in self.generators])

    def integers(self, high: int, *shape: int) -> Tensor:
        """Integers in [0, high), shape (num_envs, *shape), int64."""
        return self._draw(partial(Tensor.random_, to=high), shape, dtype=torch.int64)

    def _draw(
        self,
        fill: Callable[..., Tensor],
        shape: Sequence[int],
        rows: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Rows filled in place, block by block, each block by its generator."""
        each = self.num_envs // len(self.generators) if rows is None else rows
        drawn = torch.empty(each * len(self.generators), *shape, dtype=dtype, device=self.device)
        if self.device.type == "meta":
            return drawn
        for block, generator in zip(drawn.split(each), self.generators, strict=True):
            fill(block, generator=generator)
        return drawn

    def get_state(self) -> Tensor:
        """The states of all generators, one row each (uint8, on the CPU)."""
        return torch.stack([generator.get_state() for generator in self.generators])

    def set_state(self, state: Tensor) -> None:
        """Continue from what `get_state` returned."""
        if len(state) != len(self.generators):
            raise MorlError(f"expected the states of {len(self.generators)} generators, got {len(state)}")
        for generator, row in zip(self.generators, state, strict=True):
            # A copy: torch 2.13 crashes on a view that does not start where its storage does.
            generator.set_state(row.cpu().clone())
