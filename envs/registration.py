"""Registration of the batched environments under Gymnasium's registry, namespace `morl/`.

Entry points are strings, so registering does not import torch.
"""

from __future__ import annotations

from typing import Any

from gymnasium.envs.registration import register, registry

from morl.registry import NAMESPACE


def register_envs() -> None:
    """Register the batched environments of `morl`; calling it again changes nothing."""
    for name, sea_map in (("", "convex"), ("-concave", "concave"), ("-mirrored", "mirrored")):
        _register(f"deep-sea-treasure{name}-v0", "deep_sea_treasure:DeepSeaTreasure", 100, sea_map=sea_map)
    _register("minecart-v0", "minecart:Minecart", 1000)
    _register("minecart-deterministic-v0", "minecart:Minecart", 1000, config="mine_config_det.json")


def _register(name: str, path: str, max_episode_steps: int, **kwargs: Any) -> None:
    """One id, with the single-environment view and the batched class in module `path` of this package."""
    if NAMESPACE + name not in registry:
        module, _, _ = path.partition(":")
        register(
            NAMESPACE + name,
            entry_point=f"morl.envs.{module}:make_single",
            vector_entry_point=f"morl.envs.{path}",
            max_episode_steps=max_episode_steps,
            disable_env_checker=True,  # it expects a scalar reward
            kwargs=kwargs,
        )
