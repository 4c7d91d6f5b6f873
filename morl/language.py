"""Two languages: what `morl.make_vec` gives and takes, in which agents learn, and the environment's own.

`morl.make_vec` gives tensors of flattened observations, and takes choices that count from zero or flat numbers. The
environment itself observes in its own space, a dictionary, say, and takes actions of its own space. Whoever acts for
an environment outside of `morl.make_vec` speaks the second.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from gymnasium.spaces import Box, Dict, MultiBinary, Space
from torch import Tensor

from morl.errors import MorlError
from morl.finite import check_observations
from morl.spaces import PLAIN, Observations, action_encoder

ASK = "give one observation as the environment returns it, or a batch as Gymnasium's vector environments do"


class Language:
    """An environment's own observations and actions, told in those of agents.

    Args:
        observations: the environment's own observation space; None where agents see it as it is.
        actions: its own action space; None where agents' actions are its own.
        seen: the observations that agents see.
        env_id: named in messages.
    """

    def __init__(
        self, observations: Space | None, actions: Space | None, *, seen: Space, env_id: str
    ) -> None:
        assert isinstance(seen, Box), "what agents see"
        self.env_id, self.actions = env_id, actions
        self.observations = Observations(observations or seen, seen, env_id=env_id, remedy=ASK)
        self.encode: Callable[[Any], Any] = _as_it_is if actions is None else action_encoder(actions)
        self._flat = Observations(seen, env_id=env_id, remedy=ASK)
        same_observations = observations is None or (
            isinstance(observations, (Box, MultiBinary)) and observations.shape == seen.shape
        )
        same_actions = actions is None or (
            isinstance(actions, Box) and actions.dtype.kind == "f" and len(actions.shape) == 1
        )
        self.same = same_observations and same_actions
        """Whether both languages are one, apart from types of numbers."""

    def answer(
        self, obs: Any, device: torch.device, act: Callable[[Tensor], Tensor], *, check: bool = True
    ) -> Any:
        """The environment's own action for one of its observations, or a batch of actions for a batch.

        Args:
            obs: numpy gives numpy, tensors give tensors on `device`. Where the environment observes dictionaries,
                an array is taken as flattened.
            device: where `act` wants its observations.
            act: gives agents' actions (B, ...) for what agents see (B, *seen).
            check: whether to look at values.

        Raises:
            EnvError: the observations are not of the environment's space.
            NonFiniteError: a number is NaN or infinite (not looked for on accelerators, which would wait).
        """
        flat = isinstance(self.observations.native, Dict) and not hasattr(obs, "keys")
        values, rows = (self._flat if flat else self.observations).read(obs, check=check)
        tensors = isinstance(values, Tensor)
        batch = torch.as_tensor(values, device=device)
        batch = batch.unsqueeze(0) if rows is None else batch
        if check and batch.device.type == "cpu":
            check_observations(batch, self.env_id, None, self.observations.native)
        actions = act(batch)
        actions = actions[0] if rows is None else actions
        return self.encode(actions if tensors else actions.cpu().numpy())

    def is_own(self, obs: Any) -> bool:
        """Whether observations are the environment's own rather than those of `morl.make_vec`, a tensor (B, *seen).

        Raises:
            MorlError: they could be both, and the answers would differ.
        """
        if not isinstance(obs, Tensor) or obs.shape[1:] != self.observations.seen.shape or obs.dim() == 0:
            return True
        if self.same:
            return False
        native = self.observations.native
        shape = native.shape if isinstance(native, PLAIN) else None
        if shape in (tuple(obs.shape), tuple(obs.shape[1:])):
            raise MorlError(
                f"expected to know whose observations these are, got a tensor {tuple(obs.shape)} that could be "
                f"{self.env_id}'s own, answered with actions in {self.actions}, or those of morl.make_vec; "
                "give arrays for the first, and ask agent.policy(weights).act(obs) for the second"
            )
        return False


def _as_it_is(actions: Any) -> Any:
    return actions[()]  # a number, not an array without dimensions


def in_both_languages(act: Callable[..., Tensor]) -> Callable[..., Any]:
    """An agent's `act(obs, weights)` for tensors of `morl.make_vec`, as one that answers its environment, too."""

    @wraps(act)
    def spoken(agent: Any, obs: Any, weights: Any) -> Any:
        language: Language = agent.spec.language
        if not language.is_own(obs):
            return act(agent, obs, weights)
        return language.answer(obs, agent.device, lambda batch: act(agent, batch, weights))

    return spoken
