"""What to look at when the front of a population is poor: members' curves, finders, coverage, conflict."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from torch import Tensor

from morl._arrays import Array
from morl.agents.front_search import Task
from morl.agents.policy_set import PolicySet
from morl.diagnosis import CONFLICT, MEMBER, correlation, service


def diagnose(
    tasks: Sequence[Task], points: Array, found: PolicySet, members: int, conflict: Tensor | None
) -> dict[str, float]:
    """Metrics of one selection.

    Args:
        tasks: of the members in training.
        points: what they earned, (slots, m).
        found: the policies kept, at least one.
        members: size of the population.
        conflict: cosines (slots, m, m) between the gradients of the objectives.

    Returns:
        `member/K/utility`, the weighted return of each member in training; `member/K/share`, of the policies kept,
        how many each member found; `archive`, how many there are; `coverage`, the share of them that are best for
        some user with linear utility; `leader`, the largest share of users that one policy serves;
        `correlation/I-J` of objectives over the policies kept; `conflict/I-J`, the mean cosine.
    """
    assert found.policies is not None, "some policy is always non-dominated"
    worth = (points * [task.weights for task in tasks]).sum(axis=1)
    values = {f"{MEMBER}{t.member}/utility": float(v) for t, v in zip(tasks, worth, strict=True)}
    share = found.policies.member.bincount(minlength=members).double() / len(found)
    values |= {f"{MEMBER}{k}/share": float(share[k]) for k in range(members)}
    served = service(found.points)
    values["archive"] = float(len(found))
    values["coverage"] = served.used / served.points
    values["leader"] = served.leader
    together = correlation(found.points)
    m = points.shape[1]
    pairs = [(j, i) for i in range(m) for j in range(i)]
    values |= {f"correlation/{j}-{i}": float(v) for j, i in pairs if np.isfinite(v := together[j, i])}
    if conflict is not None:
        cosine = conflict.mean(dim=0)
        values |= {f"{CONFLICT}{j}-{i}": float(cosine[j, i]) for j, i in pairs}
    return values


def mean_of(selections: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric over the teams that have it; of two, other members may be in training."""
    return {
        name: fmean(each[name] for each in selections if name in each)
        for name in dict.fromkeys(name for each in selections for name in each)
    }
