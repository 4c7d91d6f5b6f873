"""`morl choose`."""

from __future__ import annotations

from collections.abc import Sequence

from morl._arrays import Array
from morl.choosing import Choice, choose
from morl.cli.choice_options import Choose
from morl.cli.notation import weight_numbers
from morl.cli.output import say
from morl.cli.tables import literal, make_table, show
from morl.errors import MorlError
from morl.front import Front
from morl.judging import source_of
from morl.known import objectives_known
from morl.plain_text import plain


def run(options: Choose) -> None:
    """Choose, print what was chosen from, write the policy if asked."""
    source = source_of(options.path, trust=options.trust)
    m = source.front.num_objectives
    choice = choose(
        source.run or source.front,
        weights=weight_numbers(options.weights, m) if options.weights else None,
        at_least=thresholds([pair for pairs in options.at_least for pair in pairs]),
        utility=options.utility,
        undiscounted=options.undiscounted,
        front=options.front,
        members=options.members,
    )
    print_choice(choice)
    if options.out is not None:
        say(f"policy: {choice.save(options.out)}")
    elif choice.run is not None:
        print("nothing is written: --out DIR writes the chosen policy")


def thresholds(words: Sequence[str]) -> dict[str, float]:
    """`("fuel=-5",)` as `{"fuel": -5.0}`."""
    found: dict[str, float] = {}
    for word in words:
        name, _, text = word.rpartition("=")
        try:
            value = float(text)
        except ValueError:
            value = None
        if value is None or not name:
            raise MorlError(f"expected --at-least as OBJECTIVE=VALUE, such as fuel=-5; got {word}")
        if name in found:
            raise MorlError(f"expected one threshold for each objective, got two for {name!r}")
        found[name] = value
    return found


def print_choice(choice: Choice) -> None:
    """The chosen point, its neighbours on the front, and the best of those that thresholds exclude."""
    front = choice.front
    table = make_table("")
    for name, unit in zip(front.objectives, units(front), strict=True):
        table.add_column(literal(f"{name}, {unit}" if unit else name), justify="right")
    table.add_column("utility", justify="right")
    if front.members is not None:
        table.add_column("policy", justify="right")
    elif front.weights is not None:
        table.add_column("preference")
    excluded = choice.excluded()
    if len(excluded):
        table.add_column("too little")
    rows = [("chosen", choice.index), *(("neighbour", i) for i in choice.neighbours())]
    for what, i in [*rows, *(("excluded", i) for i in excluded)]:
        cells = [
            number(mean, error)
            for mean, error in zip(choice.returns[i], choice.standard_errors[i], strict=True)
        ]
        cells.append(f"{choice.utilities[i]:.4g}")
        if front.members is not None:
            cells.append(str(front.members[i]) if front.members[i] >= 0 else _preference(front, i))
        elif front.weights is not None:
            cells.append(_preference(front, i))
        if len(excluded):
            missing = zip(front.objectives, choice.shortfalls[i], strict=True)
            cells.append(literal(", ".join(f"{name} {gap:.4g}" for name, gap in missing if gap > 0)))
        table.add_row(what, *cells, style={"chosen": "bold", "excluded": "dim"}.get(what))
    show(_title(choice), table, _notes(choice))


def units(front: Front) -> list[str]:
    """The unit of each objective; empty where none is known."""
    return [objective.unit for objective in objectives_known(front)]


def basis(front: Front, *, undiscounted: bool) -> str:
    """What kind of returns these are."""
    if front.gamma == 1.0:
        return "returns without discount"
    return "undiscounted returns" if undiscounted else f"returns discounted by {front.gamma:g}"


def hint(front: Front, *, undiscounted: bool) -> str:
    """How to see undiscounted returns instead, where there are such."""
    other = front.gamma < 1.0 and not undiscounted and front.episode_returns_undiscounted is not None
    return "; --undiscounted goes by what episodes earn in all" if other else ""


def number(mean: float, error: float) -> str:
    """`mean ± standard error`, without an error that is 0 or unknown."""
    return f"{mean:.4g} ± {error:.2g}" if error > 0 else f"{mean:.4g}"


def weights_text(weights: Array) -> str:
    """A preference in so many digits that --weights takes it."""
    return " ".join(f"{weight:.9g}" for weight in weights)


def _preference(front: Front, point: int) -> str:
    """The preference that a point was asked for."""
    return " ".join(f"{weight:.3g}" for weight in front.preferences_of(point)[0])


def _title(choice: Choice) -> str:
    front = choice.front
    parts = [f"{front.env_id}: 1 of {len(front)} points", basis(front, undiscounted=choice.undiscounted)]
    if front.role != "exact":
        parts.append(f"{front.episodes} episode{'s' if front.episodes > 1 else ''} each")
    return ", ".join(parts)


def _notes(choice: Choice) -> str:
    """How it was chosen, and how far to trust it."""
    lines = [f"chosen: the {choice.rule}"]
    if choice.at_least:
        count, k = int(choice.feasible.sum()), len(choice.front)
        lines.append(f"{count} of {k} points meet the threshold{'s' if len(choice.at_least) > 1 else ''}")
    if choice.unsure:
        lines.append(
            f"{', '.join(choice.unsure)}: less than two standard errors above the threshold, which other "
            "episodes may miss; evaluate with more episodes"
        )
    if (choice.standard_errors[choice.index] > 0).any():
        lines.append(
            "these episodes decided the choice, so its returns are a little optimistic: `morl evaluate` the "
            "policy with another --seed"
        )
    return "\n".join(map(plain, lines))
