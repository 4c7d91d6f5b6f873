"""Small environments as tables: every state that can be reached, enumerated with the environment's own transition.

So a planner and its environment cannot disagree. `pareto_induction` and `hull_induction` plan on the tables.

What an environment tells beside its transition, each where it applies:

    reset_outcomes(), step_outcomes()   [(chance, noise), ...]: all that `draw_reset_noise`, `draw_step_noise` may
                                        give to one environment, as far as the dynamics tell it apart
    canonical(state) -> state           states of the same future, mapped onto one of them
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from torch import Tensor

from morl._arrays import as_count
from morl.envs.base import BatchedEnv
from morl.errors import EnvError, MorlError
from morl.streams import Streams

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

MOST_STATES = 2_000_000
"""Beyond that an environment does not count as small."""

DIGITS = 12
"""Digits to which returns are told apart: the same plan's rewards summed in another order differ by less."""

MOST_STEPS = 10_000
"""Steps after which returns without a time limit must have settled."""


@dataclass(frozen=True, eq=False)
class Model:
    """A finite Markov decision process with S states, A actions, m objectives and up to K ways to go on."""

    states: Array
    """(S, fields): the fields of each state, flattened."""
    starts: Indices
    """(B,) the states where episodes start."""
    start_chance: Array
    """(B,) how probable each of them is."""
    reward: Array
    """(S, A, m) expected rewards."""
    successor: Indices
    """(S, A, K) the states that may follow."""
    chance: Array
    """(S, A, K) how probable each of them is, and 0 where there are fewer; what lacks to 1 ends the episode."""
    horizon: int | None
    """The time limit, in steps, or None; time is part of the state for whoever plans."""

    @property
    def has_one_way(self) -> bool:
        """Whether one start and a sequence of actions decide every state up to the end.

        So it is where the dynamics are deterministic, and where chance decides no more than what is paid and whether
        an episode ends.
        """
        return len(self.starts) == 1 and self.successor.shape[2] == 1


def enumerate_model(env: BatchedEnv, *, most_states: int = MOST_STATES) -> Model:
    """The tables of a batched environment with discrete actions and a finite number of states.

    Args:
        env: any number of copies; best made with float64, in which the tables are.
        most_states: give up beyond.

    Raises:
        EnvError: no batched environment, actions that are not discrete, randomness without outcomes, or too many
            states.
        MorlError: `most_states` is no positive integer.
    """
    _check(env)
    most_states = as_count(most_states, name="most_states")
    start_chance, reset_noise = _outcomes(env, "reset")
    chance, step_noise = _outcomes(env, "step")
    canonical: Callable[[Any], Any] = getattr(env, "canonical", lambda state: state)
    number: dict[bytes, int] = {}
    frontier = canonical(env.initial_state(len(start_chance), reset_noise))
    starts, frontier = _number(frontier, number)
    states, rewards, successors = [_rows(frontier)], [], []
    with torch.no_grad():
        while len(frontier[0]):
            reward, after, ended = _expand(env, frontier, chance, step_noise)
            index, frontier = _number(canonical(after), number, ~ended)
            shape = (len(reward), env.single_action_space.n, len(chance))  # type: ignore[attr-defined]
            rewards.append(reward)
            successors.append(index.reshape(shape))
            states.append(_rows(frontier))
            if len(number) > most_states:
                raise EnvError(
                    f"expected at most {most_states} states to plan with, {env.env_id} has more; make it smaller, "
                    "or give it a method `canonical` that maps states of the same future onto one"
                )
    successor, chances = _merged(np.concatenate(successors), chance)
    together, merged_chance = _merged(starts[None, None], start_chance)
    return Model(
        states=np.concatenate(states),
        starts=together[0, 0],
        start_chance=merged_chance[0, 0],
        reward=np.concatenate(rewards),
        successor=successor,
        chance=chances,
        horizon=env.max_episode_steps,
    )


def decimals(model: Model) -> int:
    """To how many decimals returns are told apart, given the largest reward."""
    largest = float(np.abs(model.reward).max())
    return DIGITS - int(max(0.0, np.floor(np.log10(largest)))) if largest > 0 else DIGITS


def settling_steps(model: Model) -> int:
    """After how many steps of backward induction nothing may change any more: the time limit, if there is one."""
    return MOST_STEPS if model.horizon is None else model.horizon


def unsettled() -> MorlError:
    """What to raise where returns still change after `settling_steps` without time limit."""
    return MorlError(
        f"expected returns to settle within {MOST_STEPS} steps, they did not; give the environment a time limit, or "
        "take a discount below 1"
    )


def _check(env: BatchedEnv) -> None:
    if not isinstance(env, BatchedEnv):
        raise EnvError(
            f"expected a batched environment to plan in, got {type(env).__name__}; "
            "pass the id of one (`morl list envs`), or an instance of a morl.envs.BatchedEnv"
        )
    if not isinstance(env.single_action_space, Discrete):
        raise EnvError(f"expected discrete actions to plan with, got {env.single_action_space}")


def _outcomes(env: BatchedEnv, when: str) -> tuple[Array, Tensor | None]:
    """Chances (K,) and noise (K, ...) of a reset or a step; one outcome without noise where nothing is random."""
    streams = Streams(0, env.num_envs, groups=env.groups, device=env.device)
    drawn: Tensor | None = getattr(env, f"draw_{when}_noise")(env.num_envs, streams)
    if drawn is None:
        return np.ones(1), None
    if not hasattr(env, f"{when}_outcomes"):
        raise EnvError(
            f"expected {env.env_id} to tell what may happen in a {when}: it draws random numbers; give it a method "
            f"{when}_outcomes() that returns [(chance, noise), ...] (morl.envs.planning)"
        )
    possible = [(chance, noise) for chance, noise in getattr(env, f"{when}_outcomes")() if chance > 0]
    chance = np.array([chance for chance, _ in possible])
    if not np.isclose(chance.sum(), 1.0):
        raise EnvError(
            f"expected chances that sum to 1 from {when}_outcomes() of {env.env_id}, got {chance.sum()}"
        )
    return chance, torch.as_tensor([noise for _, noise in possible], dtype=drawn.dtype, device=env.device)


def _expand(
    env: BatchedEnv, states: Any, chance: Array, noise: Tensor | None
) -> tuple[Array, Any, NDArray[np.bool_]]:
    """Every action in each of n states with every outcome.

    Returns:
        Expected rewards (n, A, m); the states after, and whether the episode ended there, n * A * K in this order.
    """
    n, actions, outcomes = len(states[0]), int(env.single_action_space.n), len(chance)  # type: ignore[attr-defined]
    before = type(states)(*(part.repeat_interleave(actions * outcomes, dim=0) for part in states))
    action = torch.arange(actions, device=env.device).repeat_interleave(outcomes).repeat(n)
    drawn = None if noise is None else noise.repeat(n * actions, *[1] * (noise.dim() - 1))
    step = env.transition(before, action, drawn)
    ended = step.terminated if step.truncated is None else step.terminated | step.truncated
    paid = step.reward.double().cpu().numpy().reshape(n, actions, outcomes, -1)
    return np.einsum("k,nakm->nam", chance, paid), step.state, ended.cpu().numpy()


def _number(
    states: Any, number: dict[bytes, int], alive: NDArray[np.bool_] | None = None
) -> tuple[Indices, Any]:
    """The number of each state, -1 of those not alive, and the states that had none, in the order of their numbers.

    `number` holds the numbers by the state's bytes; new ones are added.
    """
    rows = _rows(states)
    kept = np.arange(len(rows)) if alive is None else np.flatnonzero(alive)
    keys = np.ascontiguousarray(rows[kept]).view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    known = len(number)
    found = np.array([number.setdefault(key.tobytes(), len(number)) for key in unique], dtype=np.int64)
    index = np.full(len(rows), -1)
    if len(found):
        index[kept] = found[inverse.ravel()]
    fresh = torch.from_numpy(kept[first[found >= known]])
    return index, type(states)(*(part[fresh.to(part.device)] for part in states))


def _rows(states: Any) -> Array:
    """States as numbers (n, fields); 0.0 and -0.0 are the same."""
    parts = [(part.flatten(1) if part.dim() > 1 else part.unsqueeze(1)).double() for part in states]
    return np.asarray(torch.cat(parts, dim=1).cpu().numpy() + 0.0)


def _merged(index: Indices, chance: Array) -> tuple[Indices, Array]:
    """Successors (S, A, K) without repetition, and their chances; -1 counts for nothing."""
    index = index.copy()
    chances = np.where(index >= 0, chance, 0.0)
    for later in range(1, index.shape[2]):
        for earlier in range(later):
            same = (index[..., later] == index[..., earlier]) & (chances[..., earlier] > 0)
            chances[..., earlier] += chances[..., later] * same
            chances[..., later] *= ~same
    order = np.argsort(chances == 0, axis=2, kind="stable")
    ways = max(1, int((chances > 0).sum(axis=2).max()))
    chances = np.take_along_axis(chances, order, axis=2)[..., :ways]
    index = np.take_along_axis(index, order, axis=2)[..., :ways]
    return np.where(chances > 0, index, 0), chances
