from __future__ import annotations

import moocore
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from morl.baselines.vector_sets import nondominated, packed, set_values, spread
from morl.pareto import is_nondominated

SETS = st.integers(1, 4).flatmap(
    lambda m: arrays(np.float64, (3, 7, m), elements=st.integers(-3, 3).map(float))
)
MASKS = arrays(np.bool_, (3, 7))


@given(SETS, MASKS)
def test_nondominated_vectors_are_those_of_each_set(vectors: np.ndarray, present: np.ndarray) -> None:
    ours = nondominated(torch.from_numpy(vectors), torch.from_numpy(present)).numpy()
    assert not (ours & ~present).any()
    for mine, rows, mask in zip(ours, vectors, present, strict=True):
        np.testing.assert_array_equal(mine[mask], is_nondominated(rows[mask]))


def test_sums_in_another_order_are_equal() -> None:
    one, other = 0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1
    assert one != other, "otherwise this tests nothing"
    vectors = torch.tensor([[[one, other], [other, one], [0.0, 1.0], [1.0, 0.0]]], dtype=torch.float64)
    assert nondominated(vectors, torch.ones(1, 4, dtype=torch.bool)).tolist() == [[True, False, True, True]]


@given(SETS, MASKS)
def test_packing_moves_what_is_kept_to_the_front_in_order(vectors: np.ndarray, keep: np.ndarray) -> None:
    chosen, counts = packed(torch.from_numpy(vectors), torch.from_numpy(keep), 7)
    assert counts.tolist() == keep.sum(1).tolist() and chosen.shape[1] == keep.sum(1).max()
    for rows, mask, mine, count in zip(vectors, keep, chosen.numpy(), counts.tolist(), strict=True):
        np.testing.assert_array_equal(mine[:count], rows[mask])
        assert not mine[count:].any()


@given(SETS, st.integers(4, 6))
def test_thinning_keeps_the_best_of_each_objective(vectors: np.ndarray, size: int) -> None:
    present = torch.ones(3, 7, dtype=torch.bool)
    present[1, 6] = False
    held = torch.from_numpy(vectors)
    chosen = spread(held, present, size)
    assert chosen.sum(dim=1).tolist() == [size] * 3 and not (chosen & ~present).any()
    for rows, mask, mine in zip(held, present, chosen, strict=True):
        torch.testing.assert_close(rows[mine].amax(0), rows[mask].amax(0))


def test_thinning_spreads_evenly() -> None:
    x = torch.linspace(0, 1, 101, dtype=torch.float64)
    line = torch.stack((x, 1 - x), dim=1)[None]
    kept = line[spread(line, torch.ones(1, 101, dtype=torch.bool), 5)][:, 0]
    torch.testing.assert_close(kept.sort().values, torch.tensor([0, 0.25, 0.5, 0.75, 1], dtype=torch.float64))


def test_larger_sets_are_thinned_and_smaller_ones_are_not() -> None:
    x = torch.arange(9.0, dtype=torch.float64)
    sets = torch.stack((x, -x), dim=1).expand(2, -1, -1)
    keep = torch.ones(2, 9, dtype=torch.bool)
    keep[1, 2:] = False
    chosen, counts = packed(sets, keep, 3)
    assert counts.tolist() == [3, 2] and chosen.shape == (2, 3, 2)
    assert chosen[0, :, 0].tolist() == [0, 4, 8] and chosen[1, :, 0].tolist() == [0, 1, 0]
    assert keep.sum() == 11, "the input is unchanged"


def test_the_three_ways_to_rank_actions() -> None:
    # Action 0 has two vectors, one of which action 1 dominates; action 2 has none at all.
    vectors = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    vectors[0, 0] = torch.tensor([[3.0, 1.0], [1.0, 2.0]])
    vectors[0, 1] = torch.tensor([[2.0, 2.0], [1.0, 3.0]])
    present = torch.tensor([[[True, True], [True, True], [False, False]]])
    optimal = nondominated(vectors.flatten(1, 2), present.flatten(1)).view_as(present)
    reference = torch.zeros(2, dtype=torch.float64)
    ranks = {
        kind: set_values(kind, vectors, present, optimal, reference)[0].tolist()
        for kind in ("pareto", "cardinality", "hypervolume")
    }
    assert ranks["pareto"] == [1, 1, 0] and ranks["cardinality"] == [1, 2, 0]
    expected = [moocore.hypervolume(vectors[0, a].numpy(), ref=[0, 0], maximise=True) for a in range(2)]
    assert ranks["hypervolume"] == pytest.approx([*expected, 0.0]) and expected == [4, 5]
