"""Batches of sets of vectors, padded to a common size: which are non-dominated, and how to keep a few of many.

A batch of B sets with at most K vectors of m objectives is a tensor (B, K, m) beside a mask (B, K) of the places that
hold a vector. Objectives are maximised.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import moocore
import torch
from torch import Tensor

SetEvaluation: TypeAlias = Literal["pareto", "cardinality", "hypervolume"]

TOLERANCE = 1e-9
"""How far two values may be apart and count as equal, relative to the largest: the same rewards summed in another
order."""


def nondominated(vectors: Tensor, present: Tensor) -> Tensor:
    """Mask (B, K) of the vectors (B, K, m) that no other one present in their set dominates; of equals the first."""
    k = vectors.shape[1]
    slack = TOLERANCE * vectors.abs().amax(dim=(0, 1))
    # covers[b, j, i]: j is at least as good as i everywhere.
    covers = present.unsqueeze(2).expand(-1, k, k).clone()
    for value, tolerance in zip(vectors.unbind(dim=2), slack, strict=True):
        covers &= value.unsqueeze(2) >= value.unsqueeze(1) - tolerance
    earlier = torch.ones(k, k, dtype=torch.bool, device=vectors.device).triu(diagonal=1)
    beaten = covers & (~covers.transpose(1, 2) | earlier)
    return present & ~beaten.any(dim=1)


def packed(vectors: Tensor, keep: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    """The vectors marked by `keep` (B, K), moved to the front: ((B, n, m) padded with zeros, counts (B,)).

    n is the size of the largest set, at most `capacity`; larger ones are thinned (`spread`).
    """
    counts = keep.sum(dim=1)
    over = (counts > capacity).nonzero().squeeze(1)
    if len(over):
        keep = keep.clone()
        keep[over] = spread(vectors[over], keep[over], capacity)
        counts = keep.sum(dim=1)
    size = int(counts.max()) if len(counts) else 0
    order = (~keep).to(torch.int8).argsort(dim=1, stable=True)[:, :size]
    chosen = vectors.gather(1, order.unsqueeze(2).expand(-1, -1, vectors.shape[2]))
    return chosen * keep.gather(1, order).unsqueeze(2), counts


def spread(vectors: Tensor, present: Tensor, size: int) -> Tensor:
    """Mask (B, K) of `size` vectors that represent each set, which must hold that many.

    The best of each objective, then again and again the vector that is farthest from those chosen, with each
    objective in units of its range (Gonzalez 1985, "Clustering to minimize the maximum intercluster distance").
    """
    absent = ~present.unsqueeze(2)
    low = vectors.masked_fill(absent, torch.inf).amin(dim=1, keepdim=True)
    high = vectors.masked_fill(absent, -torch.inf).amax(dim=1, keepdim=True)
    unit = (vectors - low) / torch.where(high > low, high - low, 1.0)
    chosen = torch.zeros_like(present)
    distance = torch.full_like(unit[:, :, 0], torch.inf)

    def choose(index: Tensor) -> None:
        nonlocal distance
        chosen.scatter_(1, index, True)
        centre = unit.gather(1, index.unsqueeze(2).expand(-1, -1, unit.shape[2]))
        distance = torch.minimum(distance, torch.linalg.vector_norm(unit - centre, dim=2))

    for value in unit.masked_fill(absent, -torch.inf).unbind(dim=2):
        choose(value.argmax(dim=1, keepdim=True))
    while not bool((full := chosen.sum(dim=1, keepdim=True) >= size).all()):
        farthest = distance.masked_fill(chosen | ~present, -1.0).argmax(dim=1, keepdim=True)
        # A row may be full before the others: the same vector may be best in several objectives of one set.
        again = chosen.to(torch.int8).argmax(dim=1, keepdim=True)
        choose(torch.where(full, again, farthest))
    return chosen


def set_values(
    kind: SetEvaluation, vectors: Tensor, present: Tensor, optimal: Tensor, reference: Tensor | None
) -> Tensor:
    """What the sets of the actions of B states are worth (Van Moffaert and Nowé 2014, section 4.3): (B, A) float64.

    Args:
        kind: "pareto" for 1 if an action has a vector that no other action's dominates, "cardinality" for how many
            such vectors it has, "hypervolume" for the hypervolume of its set.
        vectors: (B, A, K, m).
        present: (B, A, K) which places hold a vector.
        optimal: (B, A, K) which are not dominated by those of any action.
        reference: (m,) reference point of the hypervolume, which only that needs.
    """
    if kind == "hypervolume":
        assert reference is not None
        ref = reference.cpu().numpy()
        sets, masks = (x.flatten(0, 1).cpu().numpy() for x in (vectors.double(), present))
        volumes = [
            moocore.hypervolume(rows[mask], ref=ref, maximise=True) if mask.any() else 0.0
            for rows, mask in zip(sets, masks, strict=True)
        ]
        return torch.tensor(volumes, dtype=torch.float64, device=vectors.device).view(present.shape[:2])
    count = optimal.sum(dim=2)
    return (count if kind == "cardinality" else count > 0).to(torch.float64)
