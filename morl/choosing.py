"""Choosing one policy from a front, by a stated rule, and writing it down as something that acts.

    choice = morl.choose("runs/a", weights=[0.3, 0.7], at_least={"time": -10})
    choice.save("policy/")
    policy = morl.load_policy("policy/")

Only points that were evaluated are chosen from, by their mean returns: the utility is that of the mean
(scalarised expected returns), not the mean of each episode's utility.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from morl import pareto
from morl._arrays import Array
from morl.artefact import ChosenPolicy as ChosenPolicy
from morl.artefact import load_policy as load_policy
from morl.artefact import save_policy
from morl.choice_rules import checked_thresholds, limits_of, nearest_miss, shortfalls, worth
from morl.errors import MorlError
from morl.front import Front
from morl.judging import mean_returns, to_choose_from, to_unit_ranges
from morl.known import objectives_known
from morl.runs import Run
from morl.trust import code_names
from morl.utility import UtilityFunction

if TYPE_CHECKING:
    from morl.agent import Agent

TIE = 1e-12
"""Utilities that differ by no more than this, relative to the largest, are equal: the rest is rounding."""

UNSURE = 2.0
"""A mean fewer standard errors than this above its threshold may be below it in truth."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Which point of a front was chosen, how, and what it was chosen from."""

    front: Front
    """All k points."""
    index: int
    """The row of the chosen one."""
    returns: Array
    """The mean returns (k, m) that decided: discounted, unless the choice asked for undiscounted ones."""
    standard_errors: Array
    """Theirs (k, m); NaN for one episode each."""
    utilities: Array
    """What each point is worth (k,), by the rule."""
    feasible: NDArray[np.bool_]
    """Which points meet every threshold (k,)."""
    at_least: Mapping[str, float]
    """Objective -> threshold."""
    weights: Array | None
    """The weights (m,) of the utility, if it was given any."""
    rule: str
    """What was maximised, and among which points, in words."""
    undiscounted: bool
    """Whether `returns` are undiscounted."""
    run: Run | None = None
    """The run whose front it is, and which has the agent."""

    @property
    def preference(self) -> Array | None:
        """The weight vector (m,) that the chosen policy is commanded by; None where it has a number, or nothing."""
        answered = self.front.preferences_of(self.index)
        return answered[0] if self.member is None and len(answered) else None

    @property
    def member(self) -> int | None:
        """The number of the chosen policy, where it is one of a set of policies."""
        number = -1 if self.front.members is None else int(self.front.members[self.index])
        return None if number < 0 else number

    @property
    def shortfalls(self) -> Array:
        """How far each point stays below each threshold (k, m): 0 where it does not, or there is none."""
        return shortfalls(self.returns, limits_of(self.at_least, self.front.objectives))

    @property
    def unsure(self) -> tuple[str, ...]:
        """The objectives in which the chosen point is above its threshold by less than `UNSURE` standard errors."""
        margin = self.returns[self.index] - limits_of(self.at_least, self.front.objectives)
        close = margin < UNSURE * self.standard_errors[self.index]  # False where the error is NaN
        return tuple(name for name, is_close in zip(self.front.objectives, close, strict=True) if is_close)

    def neighbours(self, count: int = 4) -> NDArray[np.int64]:
        """The rows of at most `count` other points nearest to the chosen one, nearest first.

        Among the different feasible points that no other feasible point dominates; distances are Euclidean,
        each objective in units of its range over the front.
        """
        rows = np.flatnonzero(self.feasible)
        rows = rows[pareto.is_nondominated(self.returns[rows])]
        unit = to_unit_ranges(self.returns)
        distance = np.linalg.norm(unit[rows] - unit[self.index], axis=1)
        order = np.argsort(distance, kind="stable")
        nearest: NDArray[np.int64] = rows[order][distance[order] > 0][:count]
        return nearest

    def excluded(self, count: int = 3) -> NDArray[np.int64]:
        """The rows of at most `count` points that miss a threshold, those of the greatest utility first.

        Among the different points that no other point dominates.
        """
        rows = np.flatnonzero(~self.feasible & pareto.is_nondominated(self.returns))
        best: NDArray[np.int64] = rows[np.argsort(-self.utilities[rows], kind="stable")][:count]
        return best

    def save(self, path: str | Path, *, agent: Agent | None = None) -> Path:
        """Write the chosen policy as a folder of safetensors and JSON, which `morl.load_policy` reads.

        Args:
            path: a new folder, or that of a policy, which is replaced.
            agent: whose front it is; by default that of the run.

        Raises:
            MorlError: a front without an agent, or an agent that is not the one which was evaluated.
        """
        return save_policy(self.policy(agent=agent), path)

    def policy(self, *, agent: Agent | None = None) -> ChosenPolicy:
        """The chosen policy, as `save` writes it."""
        if agent is None:
            if self.run is None:
                raise MorlError(
                    "expected a run to take the policy from, a front alone has points only; choose from the "
                    "run directory, or pass agent=..."
                )
            agent = self.run.load_agent()
        _check_same(agent, self.front)
        member = self.member
        if member is None and self.preference is None:
            # Fronts of sets of policies that say no numbers, as older ones, have a point for each policy.
            if not hasattr(agent, "follow") or len(getattr(agent, "returns", ())) != len(self.front):
                raise MorlError(
                    "expected a front with the preference behind each point, this one has none, so nothing "
                    "says how to command the agent; evaluate it again with `morl evaluate`, or choose among "
                    "the policies of a set (--members)"
                )
            member = self.index
        environment, vouched = self._environment()
        metadata = environment | self._metadata()
        policy = ChosenPolicy(agent, preference=self.preference, member=member, metadata=metadata)
        policy.own = agent.own and vouched
        return policy

    def _environment(self) -> tuple[dict[str, Any], bool]:
        """The environment that paid the returns, and whether the user vouches for it (`morl.trust`).

        It is the run's, unless the front is of another problem.
        """
        if self.run is not None and self.run.front().problem == self.front.problem:
            config = self.run.recorded
            return {"env": config.env, "env_kwargs": config.env_kwargs}, self.run.trusted
        kwargs = dict(self.front.env_kwargs or {})
        said = self.run.recorded.code_names() if self.run is not None and self.run.trusted else []
        vouched = set(code_names(self.front.env_id, values=kwargs)) <= set(said)
        return {"env": self.front.env_id, "env_kwargs": kwargs}, vouched

    def _metadata(self) -> dict[str, Any]:
        """What the policy's folder says of it, as JSON values."""
        front, row = self.front, self.index
        expected: dict[str, Any] = {}
        if front.episode_returns_undiscounted is not None:
            expected["undiscounted"] = _row(mean_returns(front, undiscounted=True), row)
        return {
            "objectives": list(front.objectives),
            "units": [objective.unit for objective in objectives_known(front)],
            "gamma": front.gamma,
            **_row(mean_returns(front), row),
            **expected,
            "chosen": {
                "rule": self.rule,
                "utility": float(self.utilities[row]),
                "weights": None if self.weights is None else self.weights.tolist(),
                "at_least": dict(self.at_least),
                "undiscounted": self.undiscounted,
                "points": len(front),
                "feasible": int(self.feasible.sum()),
            },
            "provenance": {
                "env_id": front.env_id,
                "role": front.role,
                "backend": front.backend,
                "episodes": front.episodes,
                "evaluation_seed": front.evaluation_seed,
                "agent": front.agent,
                "training_seed": front.training_seed,
                "training_steps": front.training_steps,
                "training_seconds": front.training_seconds,
                "versions": dict(front.versions),
            },
        }


def choose(
    source: Any,
    *,
    weights: Any = None,
    at_least: Mapping[str, float] | None = None,
    utility: str | UtilityFunction | None = None,
    undiscounted: bool = False,
    front: Front | str | Path | None = None,
    members: bool = False,
) -> Choice:
    """Choose the point of the largest utility among those that meet every threshold.

    The utility is `utility(returns, weights)`; without one it is the weighted sum for `weights`; without
    either it is the objective that has no threshold (the epsilon-constraint method, Haimes et al. 1971), or
    the sum of those that have none, or of all, each in units of its range over the front. Of equal points
    that no other of them dominates, that with the largest sum of objectives, in the same units, is chosen.

    Args:
        source: a run or its directory, or a `Front` or its file.
        weights: a preference (m,) in the units of the returns. With `utility` what that takes; by default
            equal weights.
        at_least: objective -> the least mean return that will do. All objectives are maximised, so at most
            5 of a cost is at least -5.
        utility: a utility function or "module:function"; see `morl.utility`.
        undiscounted: judge by undiscounted returns; else by those under the front's discount.
        front: another evaluation of the run, such as one with more episodes.
        members: evaluate all policies of an agent that is a set of policies where its own front has not all, as
            those of older runs and of very many policies.

    Raises:
        MorlError: nothing to choose by, an unknown objective, weights that are none, or thresholds that no
            point meets; the message says by how much the nearest misses.
    """
    found, run = to_choose_from(source, front=front, members=members)
    returns, errors = mean_returns(found, undiscounted=undiscounted)
    thresholds = checked_thresholds(at_least or {}, found.objectives)
    values, weights, what = worth(returns, found.objectives, weights, utility, thresholds)
    limits = limits_of(thresholds, found.objectives)
    feasible: NDArray[np.bool_] = np.all(returns >= limits, axis=1)
    if not feasible.any():
        raise MorlError(nearest_miss(returns, limits, found.objectives))
    tied = np.flatnonzero(
        feasible & (values >= values[feasible].max() - TIE * np.abs(values[feasible]).max())
    )
    # Sums alone would not tell apart what differs only where the ranges are 0.
    tied = tied[pareto.is_nondominated(returns[tied])]
    sums = to_unit_ranges(returns)[tied].sum(axis=1)
    among = " and ".join(f"{name} of at least {limit:g}" for name, limit in thresholds.items())
    return Choice(
        front=found,
        index=int(tied[sums.argmax()]),
        returns=returns,
        standard_errors=errors,
        utilities=values,
        feasible=feasible,
        at_least=thresholds,
        weights=weights,
        rule=what + (f" among the points with {among}" if among else ""),
        undiscounted=undiscounted,
        run=run,
    )


def _row(estimates: tuple[Array, Array], row: int) -> dict[str, Any]:
    """One point's mean returns and standard errors, as JSON values."""
    means, errors = estimates
    return {"returns": means[row].tolist(), "standard_errors": errors[row].tolist()}


def _check_same(agent: Agent, front: Front) -> None:
    """Refuse an agent that is not the one which the front is of."""
    pairs = {
        "agent": (front.agent, agent.name),
        "seed": (front.training_seed, agent.seed),
        "steps of training": (front.training_steps, agent.steps),
        # Two trainings that differ in their settings alone are told apart by the time that they took.
        "seconds of training": (front.training_seconds, agent.seconds),
    }
    for what, (evaluated, found) in pairs.items():
        if evaluated is not None and evaluated != found:
            raise MorlError(
                f"expected the agent that was evaluated ({what}: {evaluated}), found another ({found}); "
                "evaluate it again with `morl evaluate`, and choose from that front (--front)"
            )
    if agent.num_objectives != front.num_objectives:
        raise MorlError(
            f"expected an agent of {front.num_objectives} objectives, got one of {agent.num_objectives}"
        )
