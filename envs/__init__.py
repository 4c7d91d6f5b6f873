"""Vector-reward environments, batched in torch, and adapters for everybody else's.

Importing this package registers the batched environments with Gymnasium (ids `morl/...`). Attributes are
imported when first used, so it does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morl._lazy import attach

if TYPE_CHECKING:
    from morl.envs import wrappers as wrappers
    from morl.envs.base import BatchedEnv as BatchedEnv
    from morl.envs.base import Step as Step
    from morl.envs.check import check_env as check_env
    from morl.envs.info_terms import from_info_terms as from_info_terms
    from morl.envs.make import make_vec as make_vec
    from morl.envs.make import outline as outline
    from morl.envs.momaland import JointEnv as JointEnv
    from morl.envs.momaland import from_parallel as from_parallel
    from morl.envs.registration import register_envs as register_envs
    from morl.envs.single import SingleEnv as SingleEnv

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "BatchedEnv": "morl.envs.base",
        "Step": "morl.envs.base",
        "check_env": "morl.envs.check",
        "make_vec": "morl.envs.make",
        "outline": "morl.envs.make",
        "JointEnv": "morl.envs.momaland",
        "from_info_terms": "morl.envs.info_terms",
        "from_parallel": "morl.envs.momaland",
        "SingleEnv": "morl.envs.single",
        "register_envs": "morl.envs.registration",
    },
    submodules=("wrappers",),
)

__getattr__("register_envs")()
