"""The original environments, by id, with the argument names of their batched twins.

One place knows what MO-Gymnasium spells or does differently.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from morl import registry
from morl.errors import EnvError


def known_ids() -> list[str]:
    """All environment ids: those with a card, and Gymnasium's registry with MO-Gymnasium's."""
    import mo_gymnasium  # noqa: F401 - registers its environments

    registry.register_environments()
    return sorted({*registry.cards(), *(registry.canonical_id(env_id) for env_id in gymnasium.registry)})


def check_known(env_id: str) -> None:
    """Raise `EnvError` with the nearest known id unless `env_id`, or a batched twin, is registered."""
    if {env_id, registry.NAMESPACE + env_id}.isdisjoint(gymnasium.registry):
        known = known_ids()  # importing MO-Gymnasium and other packages may register it
        if env_id not in known:
            raise EnvError(
                f"expected an environment, got the unknown id {env_id!r}.{registry.suggest(env_id, known)} "
                "List them with `morl list envs`, or give your own as module:Class"
            )


def has_original(env_id: str) -> bool:
    """Whether Gymnasium makes `env_id` itself, not only its batched twin."""
    if env_id not in gymnasium.registry:
        known_ids()  # registers MO-Gymnasium's environments
    spec = gymnasium.registry.get(env_id)
    return spec is not None and spec.entry_point is not None


def make_original(env_id: str, /, **arguments: Any) -> gymnasium.Env:
    """The environment that Gymnasium makes for `env_id`, without its batched twin.

    Args:
        env_id: an id of MO-Gymnasium or Gymnasium.
        arguments: of the environment, under the names of the batched twin where there is one.

    Raises:
        EnvError: the id is unknown, the environment does not take an argument, or something that it needs is
            not installed.
    """
    if env_id not in gymnasium.registry:
        known = known_ids()  # registers MO-Gymnasium's environments
        if env_id not in gymnasium.registry:
            what = "an environment with only a batched form" if env_id in known else "the unknown id"
            raise EnvError(
                f"expected an environment, got {what} {env_id!r}.{registry.suggest(env_id, known)}"
            )
    make, translate = _SPECIAL.get(env_id.rpartition("-v")[0], (gymnasium.make, dict))
    with warnings.catch_warnings():
        # Spaces declared in float64 are the original's business.
        warnings.filterwarnings("ignore", message=".*precision lowered by casting.*")
        # An older version is asked for by name, to compare with what was published for it.
        warnings.filterwarnings("ignore", message=".*is out of date.*", category=DeprecationWarning)
        try:
            # The checker expects scalar rewards.
            return make(env_id, disable_env_checker=True, **translate(arguments))
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            raise EnvError(f"expected arguments that {env_id} takes, got {arguments}: {error}") from error
        except (gymnasium.error.Error, ImportError) as error:
            card = registry.get_card(env_id)
            found = f"got {type(error).__name__}: {error}"
            missing = isinstance(error, (gymnasium.error.DependencyNotInstalled, ImportError))
            if missing and card is not None and card.extra:
                found = f"{card.extra} is missing; pip install 'morl[{card.extra}]'"
            raise EnvError(f"expected what {env_id} needs to be installed, {found}") from error


class SeededMinecart(gymnasium.Wrapper):
    """A copy of an unused minecart of MO-Gymnasium, which draws ore from its own generator.

    The original draws from SciPy's global one, so `reset(seed=...)` does not make an episode reproducible.
    Copied, because building one takes 15 ms (SciPy's distributions) and an evaluation wants hundreds.

    Its pictures are the batched environment's: mines turned as there, not by NumPy's global random state, and
    at the start of an episode the cart where it starts, not where the last episode left it.
    """

    def __init__(self, unused: gymnasium.Env) -> None:
        from morl.envs.minecart_config import read_look

        super().__init__(_copy_wrapped(unused))
        inner: Any = self.unwrapped
        inner.cart = copy.deepcopy(inner.cart)
        inner.mines = [copy.copy(mine) for mine in inner.mines]
        for mine in inner.mines:
            normals = [distribution.args for distribution in mine.distributions]
            mine.mine = partial(self._dig, normals)
        inner.initialize_mines = self._place_pictures
        colors, self._turns = read_look(Path(inner.config), layout_seed=0)
        inner.ore_colors = colors.tolist()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        """Start an episode."""
        obs, info = super().reset(seed=seed, options=options)
        inner: Any = self.unwrapped
        if inner.image_observation:
            inner.render_pygame()
            obs = inner.get_state()
        return obs, info

    def _place_pictures(self) -> None:
        from morl.envs.minecart_raster import mine_pictures

        inner: Any = self.unwrapped
        type(inner).initialize_mines(inner)
        pictures = mine_pictures([mine.pos for mine in inner.mines], self._turns)
        for sprite, (image, rect) in zip(inner.mine_sprites, pictures, strict=True):
            sprite.image, sprite.rect = image, rect

    def _dig(self, normals: list[tuple[float, float]]) -> list[float]:
        generator = self.unwrapped.np_random
        return [max(0.0, generator.normal(mean, deviation)) for mean, deviation in normals]


def _copy_wrapped(env: gymnasium.Env) -> gymnasium.Env:
    """A shallow copy of an environment and of its wrappers."""
    copied = object.__new__(type(env))  # copy.copy would call the constructor again (EzPickle)
    copied.__dict__.update(env.__dict__)
    if isinstance(copied, gymnasium.Wrapper):
        copied.env = _copy_wrapped(copied.env)
    return copied


@lru_cache(maxsize=8)
def _unused_minecart(env_id: str, arguments: tuple[tuple[str, Any], ...], config: str) -> gymnasium.Env:
    """`config` is the text of the configuration file, so that a changed file is not taken for the old one."""
    return gymnasium.make(env_id, **dict(arguments))


def _make_minecart(env_id: str, **arguments: Any) -> gymnasium.Env:
    config = Path(arguments["config"]).read_text() if "config" in arguments else ""
    return SeededMinecart(_unused_minecart(env_id, tuple(arguments.items()), config))


def _make_fishwood(env_id: str, max_episode_steps: int | None = 200, **arguments: Any) -> gymnasium.Env:
    """Its own time limit would set `terminated`, too: Gymnasium's takes its place."""
    env = gymnasium.make(env_id, max_episode_steps=max_episode_steps, **arguments)
    inner: Any = env.unwrapped
    inner.MAX_TS = None
    return env


def _make_grid(env_id: str, **arguments: Any) -> gymnasium.Env:
    from morl.envs.grid_originals import MAKERS

    return MAKERS[env_id.rpartition("-v")[0]](env_id, **arguments)


def _minecart_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    from morl.envs.minecart_config import config_path

    _refuse(arguments, ["layout_seed"])
    translated = dict(arguments)
    if "incremental_frame_skip" in translated:
        translated["incremental_frane_skip"] = translated.pop("incremental_frame_skip")  # sic
    if "config" in translated:
        path = config_path(translated["config"])
        if not path.is_file():
            raise EnvError(f"expected a minecart configuration file, found none at {path}")
        translated["config"] = str(path)
    return translated


def _water_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    from morl.envs.water_reservoir import level_of

    translated = dict(arguments)
    if translated.get("initial_state") is not None:
        translated["initial_state"] = np.array([level_of(translated["initial_state"])], dtype=np.float32)
    return translated


def _sea_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    from morl.envs.sea_maps import find_map

    translated = dict(arguments)
    if "sea_map" in translated:
        translated["dst_map"] = find_map(translated.pop("sea_map")).grid()
    return translated


def in_twin_terms(env_id: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of an original under the names, and with the values, that its batched twin has for them."""
    from morl.envs.minecart_config import SHIPPED, config_path
    from morl.envs.sea_maps import MAPS

    told = dict(arguments)
    if "incremental_frane_skip" in told:  # sic
        told["incremental_frame_skip"] = told.pop("incremental_frane_skip")
    if env_id.startswith("minecart") and "config" in told:
        shipped = {str(config_path(name)): name for name in SHIPPED}
        told["config"] = shipped.get(str(told["config"]), told["config"])
    for name, chart in MAPS.items() if env_id.startswith("deep-sea-treasure") else ():
        if "dst_map" in told and np.array_equal(chart.grid(), told["dst_map"]):
            told["sea_map"] = name
            del told["dst_map"]
    return told


def _refuse(arguments: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if name in arguments:
            raise EnvError(
                f"expected arguments of the original environment, got {name}, which only its twin takes"
            )


_SPECIAL: dict[str, tuple[Callable[..., gymnasium.Env], Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "minecart": (_make_minecart, _minecart_arguments),
    "minecart-deterministic": (_make_minecart, _minecart_arguments),
    "minecart-rgb": (_make_minecart, _minecart_arguments),
    "fishwood": (_make_fishwood, dict),
    "water-reservoir": (gymnasium.make, _water_arguments),
    "breakable-bottles": (_make_grid, dict),
    "four-room": (_make_grid, dict),
    "fruit-tree": (_make_grid, dict),
    "deep-sea-treasure": (gymnasium.make, _sea_arguments),
    "deep-sea-treasure-concave": (gymnasium.make, _sea_arguments),
    "deep-sea-treasure-mirrored": (gymnasium.make, _sea_arguments),
}
"""Environments that need more than `gymnasium.make`: how they are made, how arguments are named."""
