"""How a choice sees a front: where it comes from, its mean returns, their errors, the unit of each objective.

For `morl.choosing` and `morl.elicitation`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from morl import pareto
from morl._arrays import Array
from morl.errors import MorlError
from morl.front import Front
from morl.runs import Run, is_run

ROUNDING = 1e-9
"""Differences below this share of the magnitude are rounding."""


class Source(NamedTuple):
    """Where to choose from."""

    front: Front
    run: Run | None
    """The run whose front it is, if there is one."""


def source_of(source: Any, *, trust: bool = False) -> Source:
    """The front of a run, its directory, a front's file or a `Front`; and the run if there is one.

    A run opened here may be asked to call what it names only with `trust`, if it comes from elsewhere.
    """
    if isinstance(source, Front):
        return Source(source, None)
    if isinstance(source, Run):
        return Source(source.front(), source)
    if not isinstance(source, (str, Path)):
        raise MorlError(
            f"expected a run, its directory, a front or its file, got {type(source).__name__}; points alone "
            "become a front by morl.Front.from_points"
        )
    path = Path(source)
    if path.is_dir() or is_run(path):
        run = Run.open(path, trust=trust)
        return Source(run.front(), run)
    return Source(Front.load(path), None)


def to_choose_from(source: Any, *, front: Any = None, members: bool = False, trust: bool = False) -> Source:
    """The run and the front that a choice is made from: another evaluation of it, or that of all its policies.

    Args:
        source: as for `source_of`.
        front: another evaluation, a `Front` or its file, to take in the place of the run's own.
        members: evaluate every policy of an agent that is a set of policies as the run's own front was
            evaluated, unless that has them all.
        trust: as for `source_of`.

    Raises:
        MorlError: both at once, members of a front without a run, or of an agent that has none.
    """
    found = source_of(source, trust=trust)
    if front is not None and members:
        raise MorlError("expected another evaluation (front) or all policies (members), got both; drop one")
    if front is not None:
        return Source(source_of(front).front, found.run)
    if not members:
        return found
    if found.run is None:
        raise MorlError("expected a run for members: a front alone has points, but no policies to evaluate")
    return Source(_front_of_members(found.run, found.front), found.run)


def _front_of_members(run: Run, own: Front) -> Front:
    """A point for each policy of a run's agent, from the same kind of evaluation as its `own` front."""
    import morl

    agent: Any = run.load_agent()
    if not hasattr(agent, "follow"):
        raise MorlError(
            f"expected an agent that is a set of policies, such as morld or evolution, got {agent.name}, "
            "which is one policy for all preferences; leave members out"
        )
    if own.members is not None and set(own.members) >= set(range(len(agent.returns))):
        return own
    front: Front = morl.evaluate(
        agent,
        run.config.env,
        episodes=own.episodes,
        seed=1 if own.evaluation_seed is None else own.evaluation_seed,
        backend="batched" if own.backend == "batched" else "original",
        gamma=own.gamma,
        env_kwargs=run.config.env_kwargs,
        members="only",
    )
    return front


def mean_returns(front: Front, *, undiscounted: bool = False) -> tuple[Array, Array]:
    """Mean returns (k, m) and their standard errors (k, m), under the front's discount or without.

    Errors no larger than rounding are 0; a single episode has none, which is NaN.

    Raises:
        MorlError: the front has no undiscounted returns.
    """
    if not undiscounted or front.gamma == 1.0:
        means, errors = front.returns, front.standard_errors
    elif front.episode_returns_undiscounted is None:
        raise MorlError(
            f"expected a front with undiscounted returns, this one of {front.env_id} has only those "
            f"discounted by {front.gamma:g}; leave undiscounted out"
        )
    else:
        plain = replace(front, episode_returns=front.episode_returns_undiscounted)
        means, errors = plain.returns, plain.standard_errors
    return means, np.where(errors <= ROUNDING * np.abs(means), 0.0, errors)


def ranges(points: Array) -> tuple[Array, Array]:
    """The lowest value (m,) and the range (m,) of each objective over the points that none dominates.

    A range no larger than rounding is 0.
    """
    kept = pareto.filter_nondominated(points)
    low = kept.min(axis=0)
    # Halved, so that the range of huge but finite returns cannot overflow.
    span = 2 * np.minimum(kept.max(axis=0) / 2 - low / 2, np.finfo(np.float64).max / 2)
    return low, np.where(span > ROUNDING * np.abs(kept).max(axis=0), span, 0.0)


def to_unit_ranges(points: Array) -> Array:
    """The points (k, m), each objective from 0 to 1 over its range; one without a range is 0 throughout."""
    low, span = ranges(points)
    unit: Array = np.where(span > 0, (points - low) / np.where(span > 0, span, 1.0), 0.0)
    return unit
