"""A chosen policy as a module of torch, to be exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from morl.errors import MorlError

if TYPE_CHECKING:
    from morl.artefact import ChosenPolicy


class PolicyModule(nn.Module):
    """The environment's own observation, or a batch, to its own action, as `ChosenPolicy.act`, for tensors.

    Args:
        policy: one without memory.

    Raises:
        MorlError: the policy remembers its episode, or draws random actions.
    """

    def __init__(self, policy: ChosenPolicy) -> None:
        super().__init__()
        agent = policy.agent
        followed = policy.of_rows(1)
        if not getattr(followed, "memoryless", False) or not agent.deterministic:
            raise MorlError(
                f"expected a policy that is a function of what it observes, got one of {agent.name}, which "
                "remembers its episode or draws its actions; step it in Python (policy.act)"
            )
        self._language, self._device, self._act = agent.spec.language, agent.device, followed.act

    def forward(self, obs: Any) -> Any:
        """Actions (B, ...) for observations (B, ...), or one for one; tensors, in the structure of their spaces."""
        with torch.no_grad():
            return self._language.answer(obs, self._device, self._act, check=False)
