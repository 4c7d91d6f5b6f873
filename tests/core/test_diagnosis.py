"""What a poor front is diagnosed with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from morl.diagnosis import (
    MemberCurve,
    advice,
    correlation,
    last_conflict,
    member_curves,
    service,
    sparkline,
)
from morl.front import Front


def test_service_counts_who_is_best_for_whom() -> None:
    found = service([[0.0, 1], [1, 0], [0.6, 0.6], [0.5, 0.5], [0.6, 0.6]])
    assert (found.points, found.used) == (3, 3)
    # The middle point is best between the weights .4 and .6 of the first objective: a fifth of the users.
    assert found.leader == pytest.approx(0.4, abs=0.05)
    assert service([[2.0, 3.0]]).leader == 1.0


def test_correlation_is_pearsons() -> None:
    points = np.random.default_rng(0).normal(size=(30, 4))
    np.testing.assert_allclose(correlation(points), np.corrcoef(points.T), atol=1e-12)
    constant = correlation([[1.0, 5], [2, 5]])
    assert constant[0, 0] == pytest.approx(1) and np.isnan(constant[0, 1]) and np.isnan(constant[1, 1])
    assert np.isnan(correlation([[1.0, 2.0]])).all()


ROWS = [
    (10, 1.0, "member/0/utility", 0.5),
    (10, 1.0, "member/1/utility", 0.2),
    (10, 1.0, "member/1/share", 0.1),
    (10, 1.0, "conflict/1-0", -0.3),
    (20, 2.0, "member/0/utility", 0.7),
    (20, 2.0, "member/1/share", 1.0),
    (20, 2.0, "conflict/1-0", -0.8),
    (20, 2.0, "loss", 3.0),
    (20, 2.0, "member/x/utility", 3.0),
]


def test_members_and_conflict_are_read_from_the_metrics() -> None:
    assert member_curves(ROWS) == [
        MemberCurve(number=0, utilities=(0.5, 0.7), share=0.0),
        MemberCurve(number=1, utilities=(0.2,), share=1.0),
    ]
    np.testing.assert_array_equal(last_conflict(ROWS, 2), [[1, -0.8], [-0.8, 1]])
    assert member_curves(ROWS[-2:]) == [] and last_conflict(ROWS[-2:], 2) is None


def said(points: Any, members: list[MemberCurve], **values: float) -> str:
    front = Front.from_points(points, env_id="toy", gamma=1.0, objectives=("a", "b"))
    return "; ".join(advice(front, service(points), members, values))


def test_advice_names_what_stands_out() -> None:
    good, poor = [[0.0, 1], [0.6, 0.6], [1, 0]], [[0.0, 1000], [0.1, 0.0]]
    rising = MemberCurve(number=0, utilities=(0.1, 0.2, 0.3, 0.4), share=0.5)
    stuck = MemberCurve(number=7, utilities=(0.1, 0.1, 0.1, 0.1), share=0.0)
    assert said(good, [rising, rising]) == ""
    assert "one policy for all" in said([[1.0, 1.0]], [])
    assert "of the users" in said(poor, [])
    assert "members that never rose: 7;" in said(good, [rising, rising, stuck])
    assert "2 of 3 members found nothing" in said(good, [rising, stuck, stuck])
    gap = {"expected-utility": 0.8, "commanded-utility": 0.5}
    assert "commanded utility is 0.3 below" in said(good, [rising], **gap)


def test_sparklines() -> None:
    assert sparkline([]) == "" and sparkline([2.0, 2.0]) == "▁▁" and sparkline([0, 7, 0]) == "▁█▁"
    assert len(sparkline(list(range(1000)))) == 24
