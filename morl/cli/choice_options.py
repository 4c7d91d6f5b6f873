"""The options of the commands that choose from a front; see `morl.cli.options`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from tyro.conf import FlagCreatePairsOff, Positional, UseAppendAction, arg


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which front to choose from, and where the chosen policy goes."""

    path: Annotated[Positional[Path], arg(metavar="RUN|FRONT")]
    """A run directory, or a front file, which has no policies to write."""
    front: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Another evaluation of the run, such as one with more episodes by `morl evaluate`."""
    members: FlagCreatePairsOff[bool] = False
    """Evaluate all policies of an agent that is a set of them (mo-q-learning, pareto-q-learning, evolution, morld,
    sweep) where its front has not all, as those of older runs and of more than 200 policies."""
    trust: FlagCreatePairsOff[bool] = False
    """Import and call whatever a run that comes from elsewhere names; it can do anything."""
    undiscounted: FlagCreatePairsOff[bool] = False
    """Go by what episodes earn in all; by default returns are under the front's discount."""
    out: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """Where to write the policy: a folder that `morl.load_policy` reads and `morl play` plays."""


@dataclass(frozen=True, kw_only=True)
class Choose(Chosen):
    """Choose one policy from a run's front by weights, thresholds or a utility function, and write it.

    Of the points that meet every threshold, the one of the largest utility is chosen. With thresholds alone
    that is the objective without one, or the sum of those without, each in units of its range.
    """

    module: ClassVar[str] = "morl.cli.choose"

    weights: Annotated[tuple[str, ...], arg(metavar="W1 W2 ...", help_behavior_hint="")] = ()
    """The preference: non-negative numbers that sum to one, such as 0.3 0.7."""
    at_least: Annotated[UseAppendAction[tuple[tuple[str, ...], ...]], arg(metavar="OBJECTIVE=VALUE ...")] = ()
    """The least mean returns that will do, such as fuel=-5; one or several, also repeated."""
    utility: Annotated[str | None, arg(metavar="MODULE:FUNCTION", help_behavior_hint="")] = None
    """A utility function of returns (k, m) and weights (k, m), larger is better."""


@dataclass(frozen=True, kw_only=True)
class Elicit(Chosen):
    """Find the policy that you prefer by answering a few questions, instead of giving weights.

    Each question shows two points of the front. Answer 1 or 2, = if you do not care, s to skip it, q to end.
    """

    module: ClassVar[str] = "morl.cli.elicit"

    questions: int = 10
    """The most questions that are asked; fewer where the answers settle the choice."""
    seed: int = 0
    """Decides which of two points is shown first, and the random numbers of the inference."""
    lapse: float = 0.1
    """Share of answers that are expected to be wrong."""
