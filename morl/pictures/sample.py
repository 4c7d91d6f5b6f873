"""Which points of a large front are drawn."""

from __future__ import annotations

import numpy as np

from morl import pareto
from morl.front import Front

MOST_DRAWN = 5000
"""Points of one front; more cannot be told apart, and a browser takes minutes for them."""


def sample(front: Front) -> tuple[Front, str]:
    """A front of at most `MOST_DRAWN` points, and how to say so: `5,000 of 100,000 points`, else nothing.

    What other points of the front dominate goes first; of the rest, points spread evenly over it stay.
    """
    if len(front) <= MOST_DRAWN:
        return front, ""
    best = np.flatnonzero(pareto.is_nondominated(front.returns))
    kept = best[pareto.spread_evenly(front.returns[best], MOST_DRAWN)]
    return front.subset(kept), f"{len(kept):,} of {len(front):,} points"
