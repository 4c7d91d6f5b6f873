"""What running episodes have paid so far."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from morl.accrual import Accrual

GAMMA = 0.5
steps = st.lists(
    st.tuples(
        st.lists(st.integers(-8, 8), min_size=4, max_size=4),
        st.sampled_from(["step", "last step", "reset"]),
        st.sampled_from(["step", "last step", "reset"]),
    ),
    max_size=12,
)


@given(steps)
def test_rows_keep_the_accounts_of_a_plain_loop(history: list[tuple[list[int], str, str]]) -> None:
    """Numbers that float32 holds exactly, so the order of operations does not matter."""
    accrual = Accrual.start(2, 2, "cpu")
    paid, factor = [[0.0, 0.0], [0.0, 0.0]], [1.0, 1.0]
    for rewards, *kinds in history:
        reward = torch.tensor(rewards, dtype=torch.float64).view(2, 2)
        accrual = accrual.after(reward, GAMMA, torch.tensor([kind != "reset" for kind in kinds]))
        for row, kind in enumerate(kinds):
            if kind != "reset":
                paid[row] = [p + factor[row] * float(r) for p, r in zip(paid[row], reward[row], strict=True)]
                factor[row] *= GAMMA
        assert accrual.paid.dtype == torch.float32
        assert accrual.paid.tolist() == paid and accrual.factor.tolist() == factor
        done = [kind == "last step" for kind in kinds]
        accrual = accrual.restarted(torch.tensor(done))
        for row in range(2):
            if done[row]:
                paid[row], factor[row] = [0.0, 0.0], 1.0


def test_without_resets_among_the_steps_nothing_need_be_said_of_them() -> None:
    start, reward = Accrual.start(3, 2, "cpu", torch.float64), torch.ones(3, 2)
    plain, told = start.after(reward, 0.9), start.after(reward, 0.9, torch.ones(3, dtype=torch.bool))
    assert all(torch.equal(a, b) for a, b in zip(plain, told, strict=True))
    assert plain.paid.dtype == torch.float64 and plain.factor.tolist() == [0.9] * 3
