"""What to look at when the front of a population is poor: members' curves, finders, coverage, conflict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from morl import weights
from morl._arrays import Array
from morl.agents.front_search import Task
from morl.agents.policy_set import PolicySet

USERS = 1000
"""Weights, drawn uniformly, by which the coverage of the simplex is estimated."""


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
        how many each member found; `coverage`, the share of the policies that are best for some user with linear
        utility; `leader`, the largest share of users that one policy serves; `conflict/I-J`, the mean cosine.
    """
    assert found.policies is not None, "some policy is always non-dominated"
    worth = (points * [task.weights for task in tasks]).sum(axis=1)
    values = {f"member/{t.member}/utility": float(v) for t, v in zip(tasks, worth, strict=True)}
    share = found.policies.member.bincount(minlength=members).double() / len(found)
    values |= {f"member/{k}/share": float(share[k]) for k in range(members)}
    users = weights.dirichlet(points.shape[1], USERS, rng=0)
    served = np.bincount((users @ found.points.T).argmax(axis=1), minlength=len(found))
    values["coverage"] = float((served > 0).mean())
    values["leader"] = float(served.max() / USERS)
    if conflict is not None:
        cosine = conflict.mean(dim=0)
        m = points.shape[1]
        values |= {f"conflict/{j}-{i}": float(cosine[j, i]) for i in range(m) for j in range(i)}
    return values
