"""Named reward terms in the `info` of somebody's vector environment, numpy or torch, as objectives (N, m)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from torch import Tensor

from morl.envs.info_terms import REWARD, Term, available, find, full_id, missing
from morl.envs.rewards import unbounded
from morl.envs.view import name_of
from morl.errors import EnvError


class InfoTermsVector(VectorWrapper):
    """A vector environment that pays terms of its `info`; made by `morl.envs.from_info_terms`.

    It reads Gymnasium's format: an array (N,) under each key with a mask beside it (`_key`) of the rows that
    have it, and, where SAME_STEP autoreset has replaced the `info` of a row, `info["final_info"]`. Arrays and
    tensors without masks count for all rows. Under NEXT_STEP, rows that are only reset pay zero.
    """

    def __init__(
        self,
        env: VectorEnv,
        terms: tuple[Term, ...],
        *,
        default: float | None = None,
        env_id: str | None = None,
    ) -> None:
        super().__init__(env)
        self.terms, self.default = terms, default
        self.env_id = env_id or full_id(name_of(env), terms)
        self.objectives = tuple(term.objective for term in terms)
        self.reward_space = unbounded(len(terms))
        self.device = getattr(env, "device", None)
        self._resetting: Any = None

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start the episodes."""
        self._resetting = None
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One step of all; the rewards (N, m) are read from `info`, which stays as it is."""
        obs, reward, terminated, truncated, info = self.env.step(actions)
        done = terminated | truncated
        columns = [self._column(term, reward, done, info) for term in self.terms]
        rewards = torch.stack(columns, 1) if isinstance(reward, Tensor) else np.stack(columns, 1)
        if self.metadata.get("autoreset_mode") is AutoresetMode.NEXT_STEP:
            self._resetting = done
        return obs, rewards, terminated, truncated, info

    def _column(self, term: Term, reward: Any, done: Any, info: dict[str, Any]) -> Any:
        """One objective of all rows (N,), in the kind of array that `reward` is."""
        values, lacking = self._values(term, reward, info)
        final = info.get("final_info")
        if isinstance(final, dict):  # where rows were reset at once, `info` itself is the next episode's
            last, lacked = self._values(term, reward, final)
            values = _where(done, last, values)
            if lacking is not None or lacked is not None:
                nobody = done & ~done
                lacking = _where(
                    done, nobody if lacked is None else lacked, nobody if lacking is None else lacking
                )
        idle = self._resetting
        if idle is not None:
            values = _where(idle, 0.0, values)
            lacking = None if lacking is None else lacking & ~idle
        if lacking is not None and self.default is not None:
            values = _where(lacking, self.default, values)
        elif lacking is not None and bool(lacking.any()):
            found = available({**(final or {}), **info}, size=self.num_envs)
            raise missing(self.env_id, term, found)
        return term.sign * values

    def _values(self, term: Term, reward: Any, info: dict[str, Any]) -> tuple[Any, Any]:
        """The numbers (N,) under a term's key, and which rows (N,) lack one: None for none, without looking."""
        found = find(info, term.key)
        if found is None and term.key == REWARD:
            found = reward, None
        if found is None:
            nothing = np.zeros(self.num_envs, dtype=np.float32)
            return _like(reward, nothing), _like(reward, nothing == 0)
        value, mask = found
        try:
            numbers = value.float() if isinstance(value, Tensor) else np.asarray(value).astype(np.float64)
            numbers = numbers.reshape(self.num_envs)
        except (TypeError, ValueError, RuntimeError):
            raise EnvError(
                f"expected {self.num_envs} numbers in info[{term.key!r}] of {self.env_id}, got {value!r}; "
                f"choose among: {', '.join(available(info, size=self.num_envs))}"
            ) from None
        return _like(reward, numbers), None if mask is None else _like(reward, ~mask)


def _like(reward: Any, values: Any) -> Any:
    """`values` as the kind of array that `reward` is."""
    if isinstance(reward, Tensor):
        return torch.as_tensor(values, device=reward.device)
    return values.cpu().numpy() if isinstance(values, Tensor) else values


def _where(mask: Any, yes: Any, no: Any) -> Any:
    """Per row `yes` where `mask` holds, else `no`, for arrays and tensors alike."""
    return torch.where(mask, yes, no) if isinstance(mask, Tensor) else np.where(mask, yes, no)
