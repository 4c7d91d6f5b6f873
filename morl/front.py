"""`Front`: trade-off points with their provenance, as evaluation produces them and comparison reads them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morl import indicators, pareto, registry
from morl._arrays import Array, as_points
from morl.cross_fitting import Estimate, SingleEpisodeWarning, estimate
from morl.errors import MorlError
from morl.front_fields import SCHEMA_VERSION, Role, checked_fields, installed_versions
from morl.indicators import Indicator
from morl.problem import problem_name
from morl.utility import UtilityFunction, linear

__all__ = ["Front", "Role", "installed_versions"]


PER_POINT = (
    "episode_returns",
    "episode_returns_undiscounted",
    "episode_lengths",
    "episode_seeds",
    "members",
)
"""The fields that have one row per point; `weights` has, unless `answers` says otherwise."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Front:
    """k >= 1 points of m objectives with everything needed to say where they come from.

    Arrays are copied, validated and read-only. Everything refers to the discount `gamma` unless its name says
    undiscounted. Fields that do not apply (an exact front has no agent, no seeds) are None.

    Raises:
        MorlError: shapes that do not fit together, weights that are none, a role that does not exist.
        NonFiniteError: a return that is NaN or infinite.
    """

    episode_returns: Array
    """Discounted return of each episode, shape (k, episodes, m)."""
    env_id: str
    """The environment's id."""
    gamma: float
    """Discount factor of the returns, in [0, 1]."""
    objectives: tuple[str, ...]
    """Names of the m objectives."""
    role: Role
    """"selection" (used to choose points), "report" (fresh episodes), or "exact" (computed, not sampled)."""
    episode_returns_undiscounted: Array | None = None
    """Undiscounted return of each episode, shape (k, episodes, m)."""
    episode_lengths: NDArray[np.int64] | None = None
    """Steps of each episode, shape (k, episodes)."""
    episode_seeds: NDArray[np.int64] | None = None
    """Seed of each episode, shape (k, episodes); a row (episodes,) given for all points is repeated."""
    evaluation_seed: int | None = None
    """The seed from which the evaluation derived the rest."""
    weights: Array | None = None
    """The preferences that were asked for, shape (W, m); None for a front without. Point i answers preference i,
    unless `answers` says otherwise."""
    answers: NDArray[np.int64] | None = None
    """The row of the point that answers each preference, shape (W,): of a set of policies one may answer many
    preferences, and another none."""
    members: NDArray[np.int64] | None = None
    """The number of the agent's policy behind each point, shape (k,), -1 where a preference stands behind it; None
    for an agent that is no set of policies."""
    env_kwargs: Mapping[str, Any] | None = None
    """The environment's arguments beside its defaults (`morl.problem.canonical`); None where not recorded."""
    wrappers: tuple[str, ...] = ()
    """What else makes it another problem than others of its id: wrappers, from the inside out, or a factory."""
    units: tuple[str, ...] | None = None
    """Units of the m objectives, of an environment whose card only its own module registers."""
    costs: tuple[bool, ...] | None = None
    """Which of the m objectives are minus a quantity to be kept small, of such an environment."""
    known_points: Array | None = None
    """The exact or best known front (l, m) under `gamma` that such an environment, or its card, brings."""
    known_label: str | None = None
    """What `known_points` are: "exact front", "best known front" or "exact convex hull"."""
    backend: str | None = None
    """Which implementation of the environment paid the returns, such as "original" or "batched"."""
    reference_point: Array | None = None
    """Default reference point of the hypervolume, shape (m,)."""
    agent: str | None = None
    """The agent's registry name."""
    training_seed: int | None = None
    """The seed that the agent was trained with."""
    training_steps: int | None = None
    """Environment steps of the training."""
    training_seconds: float | None = None
    """Wall-clock seconds of the training."""
    training_id: str | None = None
    """Which training it was, of a run: the same for all its evaluations and copies (`Run.training_id`)."""
    optimal_among: str | None = None
    """Of an exact front: no policy of which is better, and by which criterion."""
    deterministic: bool | None = None
    """Whether all episodes of a point are known to be the same, however few were played; False where policies act by
    chance, None where nothing is known beyond the episodes."""
    versions: Mapping[str, str] = field(default_factory=installed_versions)
    """Versions of Python and of the packages at the time of the evaluation."""
    schema_version: int = SCHEMA_VERSION
    """Version of these fields."""

    def __post_init__(self) -> None:
        """Store checked, read-only values in every field."""
        for name, value in checked_fields({f.name: getattr(self, f.name) for f in fields(self)}).items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_points(
        cls,
        points: Any,
        *,
        env_id: str,
        gamma: float,
        objectives: Sequence[str],
        role: Role = "exact",
        **provenance: Any,
    ) -> Front:
        """Build a front from points (k, m) that come without episodes: an exact front, or a published one.

        `provenance` takes any other field of `Front`, such as `weights`, `reference_point` or `agent`.

        >>> Front.from_points([[1, -1], [2, -3]], env_id="toy", gamma=1.0, objectives=["gain", "time"])
        <Front of toy: 2 points x 2 objectives (gain, time), gamma=1.0, exact>
        """
        array = as_points(points)
        return cls(
            episode_returns=array[:, None],
            env_id=env_id,
            gamma=gamma,
            objectives=tuple(objectives),
            role=role,
            **provenance,
        )

    def __len__(self) -> int:
        return len(self.episode_returns)

    @property
    def problem(self) -> str:
        """The environment's id with what makes it another problem: `toys:Corridor (slip=0.3)`."""
        return problem_name(self.env_id, self.env_kwargs, self.wrappers)

    @property
    def ordinary(self) -> bool:
        """Whether it is the problem that the environment's id alone stands for, which a card is about."""
        return not self.env_kwargs and not self.wrappers

    @property
    def num_objectives(self) -> int:
        """The number of objectives m."""
        return int(self.episode_returns.shape[2])

    @property
    def episodes(self) -> int:
        """Episodes per point."""
        return int(self.episode_returns.shape[1])

    @property
    def returns(self) -> Array:
        """Mean return of each point under the discount, shape (k, m)."""
        mean: Array = self.episode_returns.mean(axis=1)
        return mean

    @property
    def standard_errors(self) -> Array:
        """Standard error of each mean return, shape (k, m).

        Zero for an exact front, or where nothing is left to chance; NaN for a single sampled episode, from which
        none can be estimated.
        """
        if self.role == "exact" or self.deterministic:
            return np.zeros_like(self.returns)
        if self.episodes == 1:
            return np.full_like(self.returns, np.nan)
        error: Array = self.episode_returns.std(axis=1, ddof=1) / np.sqrt(self.episodes)
        return error

    @property
    def random(self) -> bool | None:
        """Whether the episodes of a point differ; None where a single one cannot tell.

        Points that came without episodes are what they are.
        """
        if (
            self.role == "exact"
            or self.deterministic
            or (self.episodes == 1 and self.episode_lengths is None)
        ):
            return False
        if self.episodes > 1:
            return bool((self.episode_returns != self.episode_returns[:, :1]).any())
        card = registry.get_card(self.env_id) if self.ordinary and self.deterministic is None else None
        return False if card is not None and card.deterministic else None

    @property
    def answering(self) -> NDArray[np.int64] | None:
        """The row of the point that answers each preference, shape (W,); None for a front without preferences."""
        if self.weights is None:
            return None
        return np.arange(len(self)) if self.answers is None else self.answers

    @property
    def commanded_returns(self) -> Array | None:
        """What the policy that was asked for each preference earned, shape (W, m); None without preferences."""
        return None if self.weights is None else self.returns[self.answering]

    def preferences_of(self, point: int) -> Array:
        """The preferences that a point answers, shape (n, m); of a set of policies there may be none."""
        if self.weights is None:
            return np.empty((0, self.num_objectives))
        answered: Array = self.weights[self.answering == point]
        return answered

    def subset(self, index: Any) -> Front:
        """Return the front of some points: `index` is a boolean mask (k,) or indices, as numpy takes them.

        Preferences that none of them answers are left out.
        """
        index = np.asarray(index)
        if index.size == 0 or (index.dtype == bool and not index.any()):
            raise MorlError("expected an index of at least one point: a front cannot be empty")
        rows = np.arange(len(self))[index]
        chosen: dict[str, Any] = {}
        for name in PER_POINT:
            values = getattr(self, name)
            chosen[name] = None if values is None else values[rows]
        if self.weights is not None and self.answers is None:
            chosen["weights"] = self.weights[rows]
        elif self.weights is not None and self.answers is not None:
            place = np.full(len(self), -1)
            place[rows[::-1]] = np.arange(len(rows))[::-1]  # of a point taken twice the first
            answers = place[self.answers]
            kept = answers >= 0
            chosen["weights"] = self.weights[kept] if kept.any() else None
            chosen["answers"] = answers[kept] if kept.any() else None
        return replace(self, **chosen)

    def nondominated(self) -> Front:
        """Return the front of the points whose mean returns no other dominates; of equal ones the first."""
        return self.subset(pareto.is_nondominated(self.returns))

    def estimate(self, indicator: str | Indicator, *, rows: Any = None, **needs: Any) -> Estimate:
        """An indicator of the mean returns, and its standard error over the episodes.

        Where episodes are random, an indicator that chooses among points chooses them on other episodes than it
        values them on (`morl.cross_fitting`): a maximum of means is too large. A single random episode does not allow
        this; there is a `SingleEpisodeWarning` then.

        Args:
            indicator: one of `morl.indicators.indicators()`, or its name.
            rows: which points, in which order; by default all.
            needs: what the indicator needs beside points.

        >>> front = Front.from_points([[1, -1], [2, -3]], env_id="toy", gamma=1.0, objectives=["gain", "time"])
        >>> front.estimate("hypervolume", reference_point=[0, -4])
        Estimate(value=4.0, standard_error=0.0)
        """
        if isinstance(indicator, str):
            indicator = indicators.find(indicator)
        episodes = self.episode_returns if rows is None else self.episode_returns[rows]
        random = self.random
        if random and self.episodes > 1:
            return estimate(indicator, episodes, **needs)
        if random is not False and indicator.under_noise == "cross-fitted":
            warnings.warn(
                SingleEpisodeWarning(
                    f"the {indicator.name} of a front with a single random episode for each point is too good: what "
                    "it takes for the best points are the luckiest; evaluate with more episodes"
                ),
                stacklevel=3,
            )
        value = indicator.fn(episodes.mean(axis=1), **needs)
        return Estimate(value, 0.0 if random is False else float("nan"))

    def hypervolume(self, reference_point: Any = None) -> float:
        """Return the hypervolume over `reference_point` (m,), by default the front's own; see `estimate`."""
        reference = self.reference_point if reference_point is None else reference_point
        if reference is None:
            raise MorlError(
                f"{self.env_id} has no default reference point: pass hypervolume(reference_point=...)"
            )
        return self.estimate("hypervolume", reference_point=reference).value

    def expected_utility(self, weights: Any = None, utility: str | UtilityFunction = linear) -> float:
        """Return the mean over weights (n, m), by default the front's own, of the best point's utility; see
        `estimate`.
        """
        return self.estimate("expected-utility", weights=self._weights_or(weights), utility=utility).value

    def commanded_utility(self, utility: str | UtilityFunction = linear) -> float:
        """Return the mean over preferences of the utility of the point that answers each."""
        if self.weights is None:
            raise MorlError("this front has no preference behind its points, so nothing was commanded")
        return self.estimate(
            "commanded-utility", rows=self.answering, weights=self.weights, utility=utility
        ).value

    def maximum_utility_loss(
        self, reference_front: Front | Any, weights: Any = None, utility: str | UtilityFunction = linear
    ) -> float:
        """Return the most utility that a weight loses against `reference_front`, a Front or points (l, m); see
        `estimate`.

        Args:
            reference_front: such as an exact front; a `Front` must have the same discount.
            weights: shape (n, m), by default the front's own.
            utility: a utility function, or its name.
        """
        reference = reference_front
        if isinstance(reference_front, Front):
            if reference_front.gamma != self.gamma:
                raise MorlError(
                    f"expected a reference front under the same discount, gamma={self.gamma}, got "
                    f"gamma={reference_front.gamma}"
                )
            reference = reference_front.returns
        return self.estimate(
            "maximum-utility-loss",
            weights=self._weights_or(weights),
            reference_front=reference,
            utility=utility,
        ).value

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the front as JSON, replacing the file at once, and return its path.

        A path that ends in .csv takes the points alone: a column for each objective, for other programs.
        """
        from morl.front_file import write_front

        return write_front(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Front:
        """Read a front that `save` wrote; `CheckpointError` says what is wrong with the file, and where."""
        from morl.front_file import read_front

        return read_front(path)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Front):
            return NotImplemented
        return all(
            np.array_equal(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else a == b
            for a, b in ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        )

    def __repr__(self) -> str:
        names = ", ".join(self.objectives)
        parts = [f"{len(self)} points x {self.num_objectives} objectives ({names})", f"gamma={self.gamma}"]
        if self.role != "exact":
            parts.append(f"{self.episodes} episode{'s' if self.episodes > 1 else ''} each")
        parts.append(self.role)
        parts += [f"backend={self.backend}"] if self.backend else []
        if self.agent:
            parts.append(self.agent + ("" if self.training_seed is None else f" seed {self.training_seed}"))
        return f"<Front of {self.problem}: {', '.join(parts)}>"

    def _weights_or(self, weights: Any) -> Any:
        chosen = self.weights if weights is None else weights
        if chosen is None:
            raise MorlError(
                "this front has no weights of its own: pass weights=..., such as morl.weights.lattice"
            )
        return chosen
