"""Minecart's configuration files, in MO-Gymnasium's format: where the mines are, what they hold, how it all looks.

What a configuration leaves out is drawn from a `layout_seed`.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np

from morl.errors import EnvError

SHIPPED = ("mine_config.json", "mine_config_det.json")
"""Configurations that MO-Gymnasium ships, stochastic and deterministic."""

BASE_RADIUS = 0.15
MINE_CLEARANCE = BASE_RADIUS + 0.16
"""Randomly placed mines keep this distance from the base."""


def config_path(name: str | Path) -> Path:
    """The path of a configuration file; a name in `SHIPPED` means the file that MO-Gymnasium ships."""
    if name not in SHIPPED:
        return Path(name)
    spec = importlib.util.find_spec("mo_gymnasium")
    if spec is None or spec.origin is None:
        raise EnvError("expected mo-gymnasium to be installed, found none; run: pip install mo-gymnasium")
    return Path(spec.origin).parent / "envs" / "minecart" / name


def read_config(path: Path, layout_seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Mine positions (k, 2), ore means and deviations (k, ores), capacity, from a configuration file.

    Raises:
        EnvError: there is no such file, or it is not a minecart configuration.
    """
    try:
        positions, normals, capacity = _parse_config(json.loads(path.read_text()), layout_seed)
    except OSError as error:
        raise EnvError(
            f"expected a minecart configuration file, found none at {path}: {error.strerror}"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise EnvError(
            f"expected ore_cnt, mine_cnt, capacity and mines, as numbers, in {path}, got: {error!r}; "
            "MO-Gymnasium's mine_config.json shows the format"
        ) from None
    if not (len(positions) and normals.shape[1] and capacity > 0 and (normals[..., 1] >= 0).all()):
        raise EnvError(
            f"expected a mine, an ore, a positive capacity and no negative deviations in {path}, "
            f"got {len(positions)} mines, {normals.shape[1]} ores, capacity {capacity}"
        )
    return positions, normals[..., 0], normals[..., 1], capacity


def _parse_config(data: dict[str, Any], layout_seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mine positions (k, 2), means and deviations (k, ores, 2), capacity."""
    ores, count, capacity = int(data["ore_cnt"]), int(data["mine_cnt"]), float(data["capacity"])
    rng = np.random.default_rng(layout_seed)
    positions = np.empty((count, 2))
    for k in range(count):
        positions[k] = rng.random(2)
        while np.linalg.norm(positions[k]) < MINE_CLEARANCE:
            positions[k] = rng.random(2)
    normals = rng.random((count, ores, 2))
    for k, mine in enumerate(data.get("mines", [])[:count]):
        positions[k] = mine["x"], mine["y"]
        if "distributions" in mine:
            normals[k] = np.asarray(mine["distributions"], dtype=np.float64).reshape(ores, 2)
    return positions, normals, capacity


def read_look(path: Path, layout_seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How a (readable) configuration is drawn: ore colours (ores, 3) uint8, turns of the mines' pictures (k,).

    The original draws the turns, in whole degrees, from NumPy's global random state; no configuration has any.

    Raises:
        EnvError: the colours are not three numbers in 0 to 255 for each ore.
    """
    data = json.loads(path.read_text())
    ores, count = int(data["ore_cnt"]), int(data["mine_cnt"])
    rng = np.random.default_rng((layout_seed, 1))
    turns = rng.integers(360, size=count)
    given = data.get("ore_colors") or rng.integers(40, 255, size=(ores, 3))
    try:
        colors = np.asarray(given, dtype=np.int64)
    except (TypeError, ValueError):
        colors = np.empty(0, dtype=np.int64)
    if colors.shape != (ores, 3) or colors.min() < 0 or colors.max() > 255:
        raise EnvError(
            f"expected three numbers in 0 to 255 for each of {ores} ores as ore_colors in {path}, got {given}"
        )
    return colors.astype(np.uint8), turns
