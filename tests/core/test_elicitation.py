"""Questions and answers: the questions are the best ones, and users are well served."""

from __future__ import annotations

import importlib
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import morl
from morl import elicitation, pareto
from morl.elicitation import Elicitation, elicit
from morl.errors import MorlError, NonFiniteError
from morl.front import Front

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

ARC = np.stack([np.sin(np.linspace(0, np.pi / 2, 9)), np.cos(np.linspace(0, np.pi / 2, 9))], axis=1)
"""A quarter of a circle: every point is best for some weights."""


def shell(k: int, m: int, seed: int = 0) -> NDArray[np.float64]:
    points = np.abs(np.random.default_rng(seed).standard_normal((k, m)))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def information(session: Elicitation, i: int, j: int) -> float:
    """Mutual information of an answer about rows i and j and the weights, written out."""
    low, high = (
        pareto.filter_nondominated(session.points).min(0),
        pareto.filter_nondominated(session.points).max(0),
    )
    gap = (session.points[i] - session.points[j]) / (high - low)
    chance = session.posterior.chances(gap[None])[:, 0]
    weight = session.posterior.probabilities
    joint = np.stack([weight * chance, weight * (1 - chance)])
    independent = joint.sum(axis=1, keepdims=True) * weight
    return float((joint * np.log(joint / independent)).sum())


@pytest.mark.parametrize("answers", [0, 1, 3])
def test_the_first_criterion_is_information(answers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elicitation, "SHORTLIST", 1)
    session = Elicitation(shell(7, 3) * [1, 10, 100], beta=5.0, particles=200)
    asked = set()
    for _ in range(answers):
        question = session.next_question()
        assert question is not None
        asked.add(frozenset(question))
        session.answer(*question, preferred=question[0])
    pairs = [(i, j) for i in range(7) for j in range(i) if {i, j} not in asked]
    best = max(pairs, key=lambda pair: information(session, *pair))
    assert set(session.next_question() or ()) == set(best)


def test_the_second_criterion_is_what_the_answer_is_worth() -> None:
    session = Elicitation(shell(7, 3), beta=5.0, particles=300)  # 21 pairs: all on the shortlist
    low, span = session.points.min(axis=0), np.ptp(session.points, axis=0)
    unit = (session.points - low) / span

    def worth(i: int, j: int) -> float:
        chance = session.posterior.probabilities @ session.posterior.chances((unit[i] - unit[j])[None])[:, 0]
        total = 0.0
        for better, share in (((i, j), chance), ((j, i), 1 - chance)):
            after = deepcopy(session)
            after.prefer(session.points[better[0]], session.points[better[1]])
            total += share * (unit @ after.posterior.mean).max()
        return total

    question = session.next_question()
    assert question is not None
    assert worth(*question) == pytest.approx(max(worth(i, j) for i in range(7) for j in range(i)), abs=1e-8)


def test_dominated_and_repeated_points_are_never_asked_about() -> None:
    points = np.vstack([ARC, ARC[4] - 0.1, ARC[2], [-3.0, -3.0]])
    session, seen = Elicitation(points), []
    while (question := session.next_question()) is not None:
        assert session.next_question() == question, "the same until it is answered"
        seen.append(frozenset(question))
        if len(seen) % 2:
            session.skip(*question)
        else:
            session.answer(*question, preferred=None)
    assert len(seen) == len(set(seen)) == 9 * 8 / 2
    assert set().union(*seen) == set(range(9))
    assert (session.answered, session.skipped) == (18, 18)


def test_of_many_points_some_pairs_are_drawn() -> None:
    session = Elicitation(shell(400, 3))
    assert len(session._pairs) == elicitation.MOST_PAIRS == len(np.unique(session._pairs, axis=0))
    assert (session._pairs[:, 0] != session._pairs[:, 1]).all()
    question = session.next_question()
    assert question is not None
    session.answer(*question, preferred=question[1])
    assert session.next_question() not in (question, question[::-1], None)


@settings(max_examples=20)
@given(arrays(np.float64, 3, elements=st.floats(-1e3, 1e3)), st.integers(0, 5))
def test_units_and_origins_do_not_matter(shift: Any, seed: int) -> None:
    points = np.round(shell(12, 3, seed), 3)
    scale = np.array([1.0, 1024.0, 1 / 512])

    def dialogue(values: Any) -> tuple[Any, int]:
        session = Elicitation(values, seed=seed)
        asked = []
        for turn in range(4):
            question = session.next_question()
            assert question is not None
            asked.append(question)
            session.answer(*question, preferred=question[turn % 2])
        return asked, session.best()

    assert dialogue(points) == dialogue((points + np.round(shift, 1)) * scale)


@given(st.integers(0, 30))
def test_the_weights_choose_the_best_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = shell(20, 3, seed) * [1, 50, 0.01] - [3, 0, 7]
    session = Elicitation(points, particles=200, seed=seed)
    for _ in range(3):
        i, j = rng.choice(20, 2, replace=False).tolist()
        session.answer(i, j, preferred=[i, j, None][rng.integers(3)])
    morl.weights.validate(session.weights, 3)
    assert session.best() == (points @ session.weights).argmax()
    front = Front.from_points(points, env_id="toy", gamma=1.0, objectives=["a", "b", "c"])
    assert morl.choose(front, weights=session.weights).index == session.best()


def test_the_same_seed_and_answers_give_the_same() -> None:
    def ask(a: Any, b: Any) -> int:
        return 1 if a[0] > b[0] else 2

    first, second, other = (elicit(ARC, ask=ask, seed=seed) for seed in (1, 1, 2))
    assert first.weights.tolist() == second.weights.tolist() != other.weights.tolist()
    assert first.best() == second.best() == other.best() == 8, "who wants the first objective only gets it"


def test_demonstrations_count_like_answers() -> None:
    told, shown = Elicitation(ARC), Elicitation(ARC)
    told.answer(1, 5, preferred=5)
    shown.prefer(ARC[5], ARC[1].tolist())
    assert told.weights.tolist() == shown.weights.tolist()
    shown.prefer([2.0, -1.0], [0.0, 0.0])  # returns that no point of the front has
    assert shown.answered == 2 and shown.weights[0] > told.weights[0]
    shown.prefer([2.0, -1.0], [0.0, 0.0], indifferent=True)
    assert np.isfinite(shown.weights).all()


def test_no_answers() -> None:
    session = Elicitation(ARC, concentration=1000.0)
    np.testing.assert_allclose(session.weights, 0.5, atol=0.01)
    assert session.best() == 4 and session.answered == 0 and 0 <= session.regret() < 0.1


@pytest.mark.parametrize("points", [[[1.0, 2.0]], [[1.0, 2.0]] * 3, [[1.0, 2.0], [0.0, 0.0]], [[3.0], [4.0]]])
def test_one_point_is_no_question(points: Any) -> None:
    session = elicit(points, ask=lambda a, b: pytest.fail("there is nothing to ask"))
    assert session.next_question() is None and session.regret() == 0
    assert points[session.best()] == max(points)
    np.testing.assert_allclose(session.weights, 1 / len(points[0]))


def test_an_objective_in_which_points_do_not_differ_counts_for_nothing() -> None:
    session = elicit(np.insert(ARC, 1, 7.0, axis=1), ask=lambda a, b: 1 if a[0] > b[0] else 2)
    assert session.weights[1] == 0 and session.best() == 8


def test_fronts_of_different_kinds(tmp_path: Path) -> None:
    front = Front.from_points(ARC, env_id="toy", gamma=1.0, objectives=["a", "b"])
    for source in (front, front.save(tmp_path / "front.json"), ARC, ARC.tolist()):
        np.testing.assert_array_equal(morl.elicit(source).points, ARC)


def test_questions_end() -> None:
    def asked(reply: Any, **options: Any) -> Elicitation:
        return elicit(ARC, ask=lambda a, b: reply(a, b), **options)

    contrary = asked(lambda a, b: 1 + (a[0] < b[0]), questions=3, tolerance=0.0)
    assert contrary.answered == 3
    assert asked(lambda a, b: None).skipped == 36, "nothing is left to skip"
    settled = asked(lambda a, b: 1 + (a[0] < b[0]), questions=99, tolerance=0.1)
    assert 0 < settled.answered < 36 and settled.regret(0.95) <= 0.1
    assert asked(lambda a, b: 0, questions=2).answered == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Elicitation(np.zeros((0, 2))), "at least one point"),
        (lambda: Elicitation([1.0, 2.0]), r"shape \(k, m\)"),
        (lambda: Elicitation(ARC, beta=0), "positive beta"),
        (lambda: Elicitation(ARC, beta=np.inf), "positive beta"),
        (lambda: Elicitation(ARC, lapse=0.5), r"lapse in \[0, 0.5\)"),
        (lambda: Elicitation(ARC, particles=1), "particles"),
        (lambda: Elicitation(ARC, concentration=0), "positive concentrations"),
        (lambda: Elicitation(ARC, seed=-1), "seed"),
        (lambda: Elicitation(ARC).answer(0, 9, 0), "two different rows below 9"),
        (lambda: Elicitation(ARC).answer(3, 3, 3), "two different rows"),
        (lambda: Elicitation(ARC).answer(0, 1, 2), "expected 0, 1 or None"),
        (lambda: Elicitation(ARC).skip(0, 1.5), "integer"),
        (lambda: Elicitation(ARC).prefer([1.0], [0.0, 1.0]), "returns of shape"),
        (lambda: elicit(ARC, ask=lambda a, b: "first"), "got 'first'"),
        (lambda: elicit(7), "expected a run"),
        (lambda: elicit(ARC, questions=-1), "questions to be an integer of at least 0"),
        (lambda: elicit(ARC, questions="10"), "questions"),
        (lambda: elicit(ARC, tolerance=np.nan), r"tolerance in \[0, 1\]"),
        (lambda: Elicitation(ARC).regret(90), r"level in \[0, 1\], got 90"),
        (lambda: elicit("nowhere.json"), "nowhere.json"),
    ],
)
def test_what_is_refused(call: Any, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        call()


def test_returns_that_are_no_numbers() -> None:
    with pytest.raises(NonFiniteError, match=r"points\[1, 0\]"):
        Elicitation([[1.0, 2.0], [np.nan, 0.0]])
    with pytest.raises(NonFiniteError, match="returns"):
        Elicitation(ARC).prefer([np.inf, 0.0], [0.0, 0.0])


def test_points_are_not_changed() -> None:
    points = ARC.copy()
    elicit(points, ask=lambda a, b: a.fill(0) or 1)
    np.testing.assert_array_equal(points, ARC)


# --- the bar ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "many"),
    [("ball", 80), *(pytest.param(shape, 200, marks=pytest.mark.slow) for shape in ("ball", "rough ball"))],
)
def test_after_ten_questions_nine_of_ten_users_lose_little(
    shape: str, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50 points, 3 objectives, users with 10 % wrong answers; the two hardest shapes of the benchmark."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("elicitation")
    points = benchmark.SHAPES[shape](np.random.default_rng(0), 3)
    users = benchmark.serve(benchmark.with_chosen_questions, points, users=many, wrong=0.1, seed=0)
    assert points.shape == (50, 3) and len(users) == many
    assert max(user.questions for user in users) == 10
    assert benchmark.losses(users) <= 0.05
