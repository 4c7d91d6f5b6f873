"""`morl elicit`."""

from __future__ import annotations

import sys

from morl.artefact import check_place
from morl.choosing import choose
from morl.cli.choice_options import Elicit
from morl.cli.choose import basis, hint, print_choice, units, weights_text
from morl.cli.output import say
from morl.cli.tables import literal, make_table, show
from morl.elicitation import SURE, TOLERANCE, Elicitation
from morl.errors import MorlError
from morl.front import Front
from morl.judging import Source, mean_returns, to_choose_from
from morl.plain_text import path_word, shell_command

PROMPT = "Which do you prefer? 1, 2, = (equal), s (skip), q (end): "

CREDIBLE = (0.05, 0.95)
"""Quantiles between which a weight lies with 90 % probability."""


def run(options: Elicit) -> None:
    """Ask, print what the answers say, write the policy if asked."""
    if options.questions < 1:
        raise MorlError(f"expected at least one question, got --questions {options.questions}")
    if options.out is not None:
        check_place(options.out)
    found = to_choose_from(options.path, front=options.front, members=options.members, trust=options.trust)
    front = found.front
    if options.out is not None:
        check_writable(found, options)
    returns, _ = mean_returns(front, undiscounted=options.undiscounted)
    session = Elicitation(returns, lapse=options.lapse, seed=options.seed)
    kind = {"undiscounted": options.undiscounted}
    say(f"{front.env_id}: {basis(front, **kind)}{hint(front, **kind)}. More is better in every objective.")
    ending = interview(session, front, options.questions)
    print(ending)
    print_weights(session, front)
    choice = choose(
        found.run or front, front=front, weights=session.weights, undiscounted=options.undiscounted
    )
    print()
    print_choice(choice)
    say(again(options, session))
    if options.out is not None:
        if not (session.answered or is_settled(session) or session.next_question() is None):
            raise MorlError(
                "expected at least one answer to choose a policy by, got none; nothing is written"
            )
        say(f"policy: {choice.save(options.out)}")


def check_writable(found: Source, options: Elicit) -> None:
    """Raise what writing the policy would, before the user has answered anything."""
    if found.run is None:
        raise MorlError(
            f"expected a run for --out, {options.path} is a front, which has points but no policies"
        )
    m = found.front.num_objectives
    choose(found.run, front=found.front, weights=[1 / m] * m, undiscounted=options.undiscounted).policy()


def is_settled(session: Elicitation) -> bool:
    """Whether further questions would change little."""
    return session.regret(SURE) <= TOLERANCE


def interview(session: Elicitation, front: Front, most: int) -> str:
    """Ask until the choice is settled, nothing is left to ask or the user ends it; says why it ended."""
    while session.answered < most:
        question = session.next_question()
        if question is None:
            few = "a single point" if len(session.points) == 1 else "no other points worth comparing"
            return f"\nNothing {'more ' if session.answered else ''}to ask: the front has {few}."
        if is_settled(session):
            return f"\nSettled after {_answers(session)}: further questions would change little."
        print_question(session, front, question, f"at most {most}", session.regret(SURE))
        reply = read_reply()
        i, j = question
        if reply == "q":
            return f"\nEnded after {_answers(session)}."
        if reply == "s":
            session.skip(i, j)
        else:
            session.answer(i, j, preferred={"1": i, "2": j, "=": None}[reply])
    return f"\nEnded after {_answers(session)}."


def print_question(
    session: Elicitation, front: Front, question: tuple[int, int], limit: str, loss: float
) -> None:
    """Two points side by side, with their differences."""
    first, second = (session.points[row] for row in question)
    table = make_table("objective", "unit")
    for name in ("1", "2"):
        table.add_column(name, justify="right")
    table.add_column("better")
    for k, (name, unit) in enumerate(zip(front.objectives, units(front), strict=True)):
        gap = second[k] - first[k]
        same = abs(gap) <= 1e-9 * max(abs(first[k]), abs(second[k]))
        better = "equal" if same else f"{1 if gap < 0 else 2} by {abs(gap):.4g}"
        table.add_row(literal(name), literal(unit), f"{first[k]:.4g}", f"{second[k]:.4g}", better)
    so_far = (
        f"; the choice so far loses at most {100 * loss:.0f} % of the range with 95 % probability"
        if loss < 0.5
        else ""
    )
    number = session.answered + 1
    print()
    show(f"Question {number} of {limit}{so_far}", table)


def read_reply() -> str:
    """`1`, `2`, `=`, `s` or `q`; asks again for anything else, and the end of the input is `q`."""
    while True:
        try:
            reply = input(PROMPT).strip().lower()
        except EOFError:
            reply = "q"
        if not sys.stdin.isatty():
            say(reply)  # as if it had been typed
        reply = {"skip": "s", "quit": "q", "0": "="}.get(reply, reply)
        if reply in ("1", "2", "=", "s", "q"):
            return reply
        print("Please answer 1, 2, =, s or q.")


def print_weights(session: Elicitation, front: Front) -> None:
    """What the answers say of each objective."""
    if not session.answered:
        print("Without answers nothing is known of what you prefer: every objective's range counts the same.")
    low, high = session.posterior.quantiles(CREDIBLE)
    table = make_table("objective", "unit")
    for name in ("range of the front", "importance", "90 % between", "weight"):
        table.add_column(name, justify="right")
    for k, (name, unit) in enumerate(zip(front.objectives, units(front), strict=True)):
        least = session.low[k]
        table.add_row(
            literal(name),
            literal(unit),
            f"{least:.4g} to {least + session.span[k]:.4g}",
            f"{session.posterior.mean[k]:.2f}",
            f"{low[k]:.2f} and {high[k]:.2f}",
            f"{session.weights[k]:.4g}",
        )
    show(
        "What your answers say",
        table,
        "importance: what the objective's whole range is worth to you, of 1 in all; weight: the same for one "
        "unit, as --weights takes it",
    )


def again(options: Elicit, session: Elicitation) -> str:
    """The command that chooses the same without questions."""
    words = ["morl", "choose", path_word(options.path), "--weights", *weights_text(session.weights).split()]
    words += ["--front", path_word(options.front)] if options.front is not None else []
    words += ["--members"] if options.members else []
    words += ["--trust"] if options.trust else []
    words += ["--undiscounted"] if options.undiscounted else []
    return "the same without questions: " + shell_command(*words)


def _answers(session: Elicitation) -> str:
    return f"{session.answered} answer{'' if session.answered == 1 else 's'}"
