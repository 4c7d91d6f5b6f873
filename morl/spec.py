"""What an agent must know of an environment to act in it: its spaces, without the environment itself.

A saved agent carries its `EnvSpec`, so it can be loaded and asked for actions on a machine that does not have
the environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Space

from morl import registry
from morl.errors import CheckpointError, EnvError
from morl.language import Language
from morl.registry import Objective
from morl.space_files import has_file_form, space_from_dict, space_to_dict


@dataclass(frozen=True)
class EnvSpec:
    """Spaces and names of a tensor vector environment; has the attributes of one that agents read.

    The single spaces are what agents see; the native ones are the environment's own, the same where None.
    """

    env_id: str
    single_observation_space: Space
    single_action_space: Space
    reward_space: Box
    num_envs: int
    device: torch.device
    native_observation_space: Space | None = None
    native_action_space: Space | None = None

    @property
    def num_objectives(self) -> int:
        """m, the length of a reward vector."""
        return int(np.prod(self.reward_space.shape))

    @cached_property
    def language(self) -> Language:
        """What turns the environment's own observations into what agents see, and their actions into its own."""
        return Language(
            self.native_observation_space,
            self.native_action_space,
            seen=self.single_observation_space,
            env_id=self.env_id,
        )

    @classmethod
    def of(cls, env: Any) -> EnvSpec:
        """The specification of a tensor vector environment (see `morl.make_vec`).

        Raises:
            EnvError: `env` does not say that its reward is a vector, or names its objectives wrongly.
        """
        if isinstance(env, cls):
            return env
        space = getattr(env, "reward_space", None)
        if not hasattr(env, "num_envs") or not isinstance(space, Box) or len(space.shape) != 1:
            raise EnvError(
                f"expected a vector-reward environment made by morl.make_vec, got {type(env).__name__}; "
                "wrap it: morl.make_vec(env_or_id_or_factory, num_envs=...)"
            )
        objectives_of(env)  # raises what would else be found out when all is learned
        return cls(
            env_id=env.env_id,
            single_observation_space=env.single_observation_space,
            single_action_space=env.single_action_space,
            reward_space=space,
            num_envs=env.num_envs,
            device=torch.device(env.device),
            native_observation_space=_own(env, "observation_space"),
            native_action_space=_own(env, "action_space"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; native spaces only where they differ."""
        native = {
            name: space_to_dict(space)
            for name in ("native_observation_space", "native_action_space")
            if (space := getattr(self, name)) is not None
        }
        return {
            "env_id": self.env_id,
            "observation_space": space_to_dict(self.single_observation_space),
            "action_space": space_to_dict(self.single_action_space),
            "reward_space": space_to_dict(self.reward_space),
            "num_envs": self.num_envs,
            **native,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], device: torch.device | str = "cpu") -> EnvSpec:
        """The inverse of `to_dict`."""
        reward = space_from_dict(data["reward_space"])
        if not isinstance(reward, Box):
            raise CheckpointError(f"expected a Box as reward space, got {reward}")
        return cls(
            env_id=data["env_id"],
            single_observation_space=space_from_dict(data["observation_space"]),
            single_action_space=space_from_dict(data["action_space"]),
            reward_space=reward,
            num_envs=int(data["num_envs"]),
            device=torch.device(device),
            **{
                name: space_from_dict(data[name])
                for name in ("native_observation_space", "native_action_space")
                if name in data
            },
        )


def flattened(env: Any) -> Any:
    """A tensor environment whose observations are vectors: `env`, or one around it where they are not."""
    space = getattr(env, "single_observation_space", None)
    if isinstance(env, EnvSpec) or not isinstance(space, Box) or len(space.shape) == 1:
        return env
    import morl

    return morl.envs.wrappers.FlattenObservation(env)


def _own(env: Any, name: str) -> Space | None:
    """The native space of a tensor environment where it differs from what agents see, and can be written."""
    space: Space | None = getattr(env, f"native_{name}", None)
    if space is None or space == getattr(env, f"single_{name}") or not has_file_form(space):
        return None
    return space


def declared_objectives(value: Any, count: int) -> tuple[Objective, ...] | None:
    """What an environment's attribute `objectives` says: `Objective`s or names, one for each component.

    None where it says nothing, or means something else by that name: whatever is no list with a name in it.

    Raises:
        EnvError: names that are not one for each component, different and not empty. Fronts need them so; they are
            looked at before anything is learned.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not any(isinstance(item, (str, Objective)) for item in value):
        return None
    names = [item.name if isinstance(item, Objective) else item for item in value]
    texts = [name for name in names if isinstance(name, str) and name.strip()]
    if not len(texts) == len(names) == len(set(texts)) == count:
        raise EnvError(
            f"expected the environment's attribute objectives to hold {count} different names, one for each entry of "
            f"its reward, got {names!r}; name them so, or call the attribute something else"
        )
    return tuple(Objective(item, "", "") if isinstance(item, str) else item for item in value)


def objectives_of(env: Any) -> tuple[Objective, ...] | None:
    """The objectives of a tensor environment: from its card, else from its attribute `objectives`, else None."""
    card = registry.get_card(env.env_id)
    if card is not None and card.num_objectives == env.num_objectives:
        return card.objectives
    return declared_objectives(getattr(env, "objectives", None), env.num_objectives)
