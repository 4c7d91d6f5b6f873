"""Evaluation: follow every preference for several episodes, all as one batch, and keep what was earned."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from morl import registry
from morl._arrays import Array, as_count
from morl.agent import Agent, Policy
from morl.commands import Commands, Members, PolicyFactory, PolicySet, commands_of
from morl.devices import check_device
from morl.errors import EnvError, MorlError
from morl.front import Front
from morl.front_fields import Role
from morl.known import facts_of
from morl.streams import derive_seed
from morl.threads import Threads, Workload, choose, using
from morl.weights import default_weights as default_weights

LONGEST_EPISODE = 100_000
"""Steps after which an episode counts as endless, unless `max_steps` says otherwise."""

SYNC_EVERY = 16
"""On an accelerator, ask only this often whether all episodes are over: asking waits for the device."""


class Episodes(NamedTuple):
    """What R rows earned in their first episode."""

    discounted: Array
    """(R, m) float64."""
    undiscounted: Array
    """(R, m) float64."""
    lengths: NDArray[np.int64]
    """(R,) steps."""
    seeds: NDArray[np.int64]
    """(R,)."""


def evaluate(
    agent: Any,
    env: Any,
    *,
    weights: Any = None,
    episodes: int = 5,
    seed: int = 1,
    backend: str = "original",
    gamma: float | None = None,
    device: torch.device | str | None = None,
    role: Role = "report",
    max_steps: int | None = None,
    env_kwargs: dict[str, Any] | None = None,
    threads: Threads = "auto",
    members: Members = True,
) -> Front:
    """Follow the agent greedily under every preference; return what it earned, with its provenance.

    An agent that is a set of policies (`morl.commands.PolicySet`: morld, evolution, pareto-q-learning and others)
    is evaluated as one: each policy is a point, whether a preference asks for it or not, and `front.answers` says
    which point answers each preference. Of more than 200 policies those that answer are followed, and the most
    different of the others.

    All points x episodes form one batch, and each row counts its first episode only. Evaluation has
    environments and seeds of its own: it never touches the agent's training environment or streams.

    Args:
        agent: an agent, or a callable that gives a `Policy` for preferences (B, m).
        env: whatever `morl.make_vec` takes: an id, `module:Class`, a factory or an instance. A tensor vector
            environment of N rows, such as a `make_vec` result, is used as it is, N episodes at a time; it
            must not be the agent's own.
        weights: preferences (W, m); by default `default_weights(m)`. A single one asks for one policy.
        episodes: how many to average for each point.
        seed: of the evaluation. Environments of Gymnasium get a seed for every episode; the rows of a
            batched environment share one stream, whose seed stands for all.
        backend: "original" for numbers to publish, "batched" or "auto" for quick looks; the front says which.
        gamma: discount; by default the agent's.
        device: where to evaluate; by default where the agent is.
        role: "report", or "selection" where the outcome will be used to choose points.
        max_steps: cut every episode off here; by default the environment alone ends them.
        env_kwargs: keyword arguments of the environment.
        threads: how many torch computes with meanwhile; "auto" as for `Agent.learn`.
        members: False to follow, of a set of policies, only what preferences ask for, a point for each of them; a
            number, to follow at most so many; "only", to follow all its policies, and ask for no preference.

    Raises:
        MorlError: weights that are none, or an agent made for other objectives, observations or actions.
        EnvError: an unknown environment, or an episode that does not end within `LONGEST_EPISODE` steps.
    """
    if env is not None and env is getattr(agent, "env", None):
        raise MorlError(
            "expected another environment than the agent's own: evaluation would move its training"
        )
    episodes, seed = as_count(episodes, name="episodes"), as_count(seed, name="seed", minimum=0)
    commands = commands_of(agent, weights, members)
    rows = len(commands) * episodes
    device = getattr(agent, "device", "cpu") if device is None else device
    check_device(device)
    vec = make_evaluation_env(env, rows, device=device, backend=backend, env_kwargs=env_kwargs)
    try:
        _check_fit(agent, vec, commands.num_objectives)
        gamma = registry.discount(vec.env_id, getattr(agent, "gamma", None) if gamma is None else gamma)
        parts = []
        for policies, asked in commands.asked:
            repeated = asked.repeat_interleave(episodes, 0).to(vec.device)
            work = _acting(agent, vec, repeated) if commands.members is None else None
            with torch.no_grad(), using(choose(threads, work)):
                parts.append(_follow(policies, vec, repeated, seed, gamma, max_steps))
        facts = facts_of(vec, commands.num_objectives, gamma, known=role == "report")
    finally:
        if not _is_instance(env):
            vec.close()
    outcome = Episodes(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    known = {"evaluation_seed": seed, "gamma": gamma, "role": role, **facts}
    return _front(agent, vec, commands, outcome, **known)


def evaluate_members(agent: PolicySet, env: Any, **options: Any) -> Front:
    """Follow each of an agent's k policies; return what they earned, a front of k points without preferences.

    Args:
        agent: such as `Evolution`, `MOQLearning` or `ParetoQLearning`.
        env: as for `evaluate`.
        options: episodes, seed, backend and others of `evaluate`, except weights.

    Raises:
        MorlError: the agent is no set of policies, or has no member yet.
    """
    return evaluate(agent, env, weights=None, members="only", **options)


def make_evaluation_env(
    env: Any,
    rows: int,
    *,
    device: torch.device | str,
    backend: str = "original",
    env_kwargs: dict[str, Any] | None = None,
) -> Any:
    """A tensor vector environment with a row per episode; of an instance, with the rows that it has.

    Raises:
        EnvError: the environment or the backend is unknown, or there is no such implementation.
    """
    import morl

    if _is_tensor_env(env):
        return env
    if _is_instance(env):
        rows, backend = getattr(env, "num_envs", 1), "auto" if hasattr(env, "num_envs") else backend
    return morl.make_vec(env, num_envs=rows, device=device, backend=backend, **(env_kwargs or {}))


def _acting(agent: Any, vec: Any, preferences: Tensor) -> Workload | None:
    """One action of every row, to measure; None where that is too little work, or not known to change nothing."""
    if not isinstance(agent, Agent) or type(agent).policy is not Agent.policy or agent.workload() is None:
        return None
    if vec.device.type != "cpu":
        return None
    rows = preferences[: vec.num_envs]
    return partial(agent.act, rows.new_zeros(len(rows), *vec.single_observation_space.shape), rows)


def _is_instance(env: Any) -> bool:
    """Whether `env` is an environment already, which is its owner's to close."""
    return hasattr(env, "step") and not isinstance(env, type)


def _is_tensor_env(env: Any) -> bool:
    return _is_instance(env) and hasattr(env, "num_objectives") and hasattr(env, "device")


def _check_fit(agent: Any, vec: Any, m: int) -> None:
    """Refuse an environment that the agent was not made for."""
    if vec.num_objectives != m:
        raise MorlError(
            f"expected an environment with {m} objectives, got {vec.env_id} with {vec.num_objectives}"
        )
    if getattr(vec, "moving", False):
        raise MorlError(
            f"expected an environment that stays as it is, got {vec.env_id} with observation statistics that "
            "every step moves; evaluate with NormalizeObservation(env, statistics=train_env.statistics)"
        )
    spec = getattr(agent, "spec", None)
    if spec is None:
        return
    for what in ("observation", "action"):
        wanted, found = (getattr(side, f"single_{what}_space") for side in (spec, vec))
        same_kind = type(wanted) is type(found) and wanted.shape == found.shape
        if not same_kind or getattr(wanted, "n", None) != getattr(found, "n", None):
            raise MorlError(
                f"expected an environment with the {what} space {wanted}, which the agent was trained with, "
                f"got {vec.env_id} with {found}"
            )


def _seeds_each_row(vec: Any) -> bool:
    """Whether the rows are environments of their own, with a seed each; else they share one stream."""
    return vec.backend in ("original", "sync", "async", "envpool")


def _episode_seeds(vec: Any, rows: int, seed: int) -> NDArray[np.int64]:
    """One seed per row (R,); rows that share a stream share its seed."""
    if _seeds_each_row(vec):
        # 31 bits: some environments hand their seed to generators that take no more.
        return (np.random.SeedSequence(seed).generate_state(rows, np.uint32) >> 1).astype(np.int64)
    chunks = [derive_seed(seed, chunk) for chunk in range(-(-rows // vec.num_envs))]
    return np.repeat(np.array(chunks, dtype=np.int64), vec.num_envs)[:rows]


def _follow(
    factory: PolicyFactory,
    vec: Any,
    commands: Tensor,
    seed: int,
    gamma: float,
    max_steps: int | None,
) -> Episodes:
    """Run all rows (R, ...), as many at a time as `vec` holds; repetitions fill up the last batch."""
    rows, size = len(commands), vec.num_envs
    seeds, parts = _episode_seeds(vec, rows, seed), []
    for start in range(0, rows, size):
        index = start + np.arange(size) % min(size, rows - start)
        own = seeds[index].tolist() if _seeds_each_row(vec) else int(seeds[start])
        policy = factory(commands[torch.from_numpy(index).to(commands.device)])
        parts.append(_first_episodes(policy, vec, own, gamma, max_steps, count=rows - start))
    discounted, undiscounted, lengths = (np.concatenate(column)[:rows] for column in zip(*parts, strict=True))
    return Episodes(discounted, undiscounted, lengths, seeds)


def _first_episodes(
    policy: Policy, vec: Any, seed: int | list[int], gamma: float, max_steps: int | None, *, count: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Step `vec` until each of its first `count` rows has finished one episode: the first fields of `Episodes`."""
    shape, device = (vec.num_envs, vec.num_objectives), vec.device
    discounted, undiscounted = (torch.zeros(shape, dtype=torch.float64, device=device) for _ in range(2))
    lengths = torch.zeros(vec.num_envs, dtype=torch.int64, device=device)
    active = torch.arange(vec.num_envs, device=device) < count
    skips_finished = getattr(vec, "skips_inactive", False)
    ask_every = 1 if device.type == "cpu" else SYNC_EVERY
    limit = LONGEST_EPISODE if max_steps is None else as_count(max_steps, name="max_steps")
    obs, _ = vec.reset(seed=seed)
    policy.reset()
    for step in range(limit):
        actions = policy.act(obs)
        options = {"active": active} if skips_finished else {}
        obs, reward, terminated, truncated, _ = vec.step(actions, **options)
        done = terminated | truncated
        policy.observe(reward, done)
        gain = torch.where(active.unsqueeze(1), reward.double(), 0.0)
        undiscounted += gain
        discounted += gamma**step * gain
        lengths += active
        active = active & ~done
        if (step + 1) % ask_every == 0 and not bool(active.any()):
            break
    if max_steps is None and bool(active.any()):
        raise EnvError(
            f"expected every episode of {vec.env_id} to end within {LONGEST_EPISODE} steps, "
            f"{int(active.sum())} did not; give the environment a time limit, or pass max_steps=..."
        )
    return discounted.cpu().numpy(), undiscounted.cpu().numpy(), lengths.cpu().numpy()


def _front(agent: Any, vec: Any, commands: Commands, outcome: Episodes, **known: Any) -> Front:
    """The front of k points x episodes, with what the environment and the agent say about it."""
    k, m = len(commands), commands.num_objectives
    return Front(
        episode_returns=outcome.discounted.reshape(k, -1, m),
        episode_returns_undiscounted=outcome.undiscounted.reshape(k, -1, m),
        episode_lengths=outcome.lengths.reshape(k, -1),
        episode_seeds=outcome.seeds.reshape(k, -1),
        weights=commands.weights,
        answers=commands.answers,
        members=commands.members,
        backend=vec.backend if vec.backend in ("batched", "envpool") else "original",
        agent=getattr(agent, "name", None),
        training_seed=getattr(agent, "seed", None),
        training_steps=getattr(agent, "steps", None),
        training_seconds=getattr(agent, "seconds", None),
        training_id=getattr(agent, "training_id", None),
        **known,
    )
