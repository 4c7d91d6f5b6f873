"""Registration of the batched environments under Gymnasium's registry, namespace `morl/`.

Entry points are strings, so registering does not import torch.
"""

from __future__ import annotations

from typing import Any

from gymnasium.envs.registration import register, registry

from morl.envs.many_cards import HYPERGRIDS
from morl.envs.momaland import IDS
from morl.registry import NAMESPACE


def register_envs() -> None:
    """Register the batched environments of `morl`; calling it again changes nothing."""
    for name, sea_map in (("", "convex"), ("-concave", "concave"), ("-mirrored", "mirrored")):
        _register(f"deep-sea-treasure{name}-v0", "deep_sea_treasure:DeepSeaTreasure", 100, sea_map=sea_map)
    _register("minecart-v0", "minecart:Minecart", 1000)
    _register("minecart-deterministic-v0", "minecart:Minecart", 1000, config="mine_config_det.json")
    _register("minecart-rgb-v0", "minecart:Minecart", 1000, image_observation=True)
    _register("resource-gathering-v0", "resource_gathering:ResourceGathering", 100)
    _register("breakable-bottles-v0", "breakable_bottles:BreakableBottles", 100)
    _register("fruit-tree-v0", "fruit_tree:FruitTree", None)  # as long as it is deep
    _register("four-room-v0", "four_room:FourRoom", 200)
    _register("fishwood-v0", "fishwood:FishWood", 200)
    _register("water-reservoir-v0", "water_reservoir:WaterReservoir", None)  # it has its own time_limit
    for name, options in (
        ("", {}),
        ("-3d", {"add_speed_objective": True, "merge_move_penalty": True}),
        ("-timemove", {"merge_move_penalty": True}),
        ("-timespeed", {"remove_move_penalty": True, "add_speed_objective": True}),
    ):
        _register(f"mo-mountaincar{name}-v0", "mountain_car:MountainCar", 200, **options)
    _register("mo-mountaincarcontinuous-v0", "mountain_car_continuous:MountainCarContinuous", 999)
    for name, options in HYPERGRIDS.items():
        _register(name, "hypergrid:HyperGrid", 100, **options)
    _register_momaland()
    _register("building-energy-3-v0", "building_energy:BuildingEnergy", 480)
    _register("building-energy-9-v0", "building_energy:BuildingEnergy", 480, per_floor=True)


def _register_momaland() -> None:
    """MOMAland's cooperative environments, by ids like momaland/catch-v0; they need the extra `momaland`."""
    for name in IDS:
        env_id = f"momaland/{name.replace('_', '-')}-v0"
        if env_id not in registry:
            entry_point = "morl.envs.momaland:make_joint"
            register(env_id, entry_point=entry_point, disable_env_checker=True, kwargs={"name": name})


def _register(name: str, path: str, max_episode_steps: int | None, **kwargs: Any) -> None:
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
