"""Learners, front searches and the named algorithms composed of them, imported when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from morl._lazy import attach

if TYPE_CHECKING:
    from morl.agents.conditioned_ppo import ConditionedPPO as ConditionedPPO
    from morl.agents.envelope_dqn import EnvelopeDQN as EnvelopeDQN
    from morl.agents.morld import MORLD as MORLD

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ConditionedPPO": "morl.agents.conditioned_ppo",
        "EnvelopeDQN": "morl.agents.envelope_dqn",
        "MORLD": "morl.agents.morld",
    },
)
