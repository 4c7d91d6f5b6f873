"""Evaluation: follow every preference for as many episodes as it takes, and keep what was earned."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from morl import registry
from morl._arrays import as_count
from morl.agent import Agent
from morl.commands import Commands, Members, PolicySet, commands_of
from morl.devices import check_device
from morl.errors import MorlError
from morl.front import Front
from morl.front_fields import Role
from morl.known import facts_of
from morl.playing import Episodes, Stage, play
from morl.threads import Threads, Workload, choose, using
from morl.weights import default_weights as default_weights

EPISODES = 20
"""Of each point where they are random and nobody says how many: the standard error of a mean is then 22 % of the
standard deviation of one episode, half of what five leave."""

PROBE, PROBES = 2, 20
"""Episodes of each point, and at least of all points, that show whether they are random; they count among the
others."""


def evaluate(
    agent: Any,
    env: Any,
    *,
    weights: Any = None,
    episodes: int | None = None,
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

    Points x episodes are rows of batches, and each row counts its first episode only. Evaluation has environments
    and seeds of its own: it never touches the agent's training environment or streams. Of an original environment
    there are at most `morl.playing.COPIES` copies at a time; where playing takes long, they move into as many
    processes as there are cores, which changes no number.

    Args:
        agent: an agent, or a callable that gives a `Policy` for preferences (B, m).
        env: whatever `morl.make_vec` takes: an id, `module:Class`, a factory or an instance. A tensor vector
            environment of N rows, such as a `make_vec` result, is used as it is, N episodes at a time; it
            must not be the agent's own. Or a `Stage` of these, which stays open.
        weights: preferences (W, m); by default `default_weights(m)`. A single one asks for one policy.
        episodes: how many to average for each point. By default one where environment (by its card) and policy
            (`agent.deterministic`) leave nothing to chance; elsewhere `PROBE` (more of few points), and `EPISODES`
            in all if those of some point differ.
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
    own = getattr(agent, "env", None)
    if env is not None and (env is own or env is getattr(own, "env", None)):
        raise MorlError(
            "expected another environment than the agent's own: evaluation would move its training"
        )
    seed = as_count(seed, name="seed", minimum=0)
    commands = commands_of(agent, weights, members)
    device = getattr(agent, "device", "cpu") if device is None else device
    check_device(device)
    stage = (
        env if isinstance(env, Stage) else Stage(env, device=device, backend=backend, env_kwargs=env_kwargs)
    )
    stage.flattens = _learned_from_vectors(agent)
    certain = leaves_nothing_to_chance(agent, stage.env, stage.env_kwargs)
    most = (1 if certain else EPISODES) if episodes is None else as_count(episodes, name="episodes")
    first = most if episodes is not None else min(most, max(PROBE, -(-PROBES // len(commands))))
    with nullcontext() if stage is env else stage:
        vec = stage.set_for(len(commands) * first)
        _check_fit(agent, vec, commands.num_objectives)
        gamma = registry.discount(vec.env_id, getattr(agent, "gamma", None) if gamma is None else gamma)
        facts = facts_of(vec, commands.num_objectives, gamma, known=role == "report")
        follow = partial(play, commands.asked, stage, of=most, seed=seed, gamma=gamma, max_steps=max_steps)
        work = partial(_acting, agent, vec, commands.asked[0].commands) if commands.members is None else None
        with torch.no_grad(), using(choose(threads, work)):
            outcome = follow(range(first))
            if first < most and not outcome.alike():
                outcome = outcome.and_then(follow(range(first, most)))
    determined = True if certain else False if getattr(agent, "deterministic", None) is False else None
    known = {"evaluation_seed": seed, "gamma": gamma, "role": role, "deterministic": determined, **facts}
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


def leaves_nothing_to_chance(agent: Any, env: Any, env_kwargs: dict[str, Any] | None) -> bool:
    """Whether it is known, without playing, that a policy's episodes are all the same.

    A card speaks of the environment with its own id and without arguments, not of what wraps it.
    """
    card = registry.get_card(env) if isinstance(env, str) and not env_kwargs else None
    return card is not None and card.deterministic and bool(getattr(agent, "deterministic", False))


def _acting(agent: Any, vec: Any, preferences: Tensor) -> Workload | None:
    """One action of every row, to measure; None where that is too little work, or not known to change nothing."""
    if not isinstance(agent, Agent) or type(agent).policy is not Agent.policy or agent.workload() is None:
        return None
    if vec.device.type != "cpu":
        return None
    rows = preferences[: vec.num_envs]
    return partial(agent.act_on_tensors, rows.new_zeros(len(rows), *vec.single_observation_space.shape), rows)


def _learned_from_vectors(agent: Any) -> bool:
    """Whether the agent's observations were flattened, if they were of more dimensions."""
    spec = getattr(agent, "spec", None)
    return spec is not None and len(spec.single_observation_space.shape) == 1


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


def _front(agent: Any, vec: Any, commands: Commands, outcome: Episodes, **known: Any) -> Front:
    """The front of k points x episodes, with what the environment and the agent say about it."""
    return Front(
        episode_returns=outcome.discounted,
        episode_returns_undiscounted=outcome.undiscounted,
        episode_lengths=outcome.lengths,
        episode_seeds=outcome.seeds,
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
