"""What a comparison says in words, wherever it is shown: its title, its notes, its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from morl import registry
from morl._arrays import Array
from morl.comparison import Comparison, best_for
from morl.comparison_terms import DERIVED, MOST_REFERENCES, UNION
from morl.known import BEST_KNOWN, KNOWN
from morl.plain_text import plain

if TYPE_CHECKING:
    from morl.study import Entry

LISTED = 4
"""How many runs a note names; the others are counted."""

ROUNDING = 1e-4
"""By how much, relative to the largest utility, float32 rewards may exceed the known front's."""


def number(value: float | None, beside: Iterable[float | None] = ()) -> str:
    """A value of an indicator, for tables: `854.85`, `0.0312`; `-` where there is none.

    Values of one column, given as `beside`, have as many decimals as each other: two where one is large.
    """
    if value is None:
        return "-"
    largest = max(abs(other) for other in (value, *beside) if other is not None)
    if largest >= 1e7:
        return f"{value:.5g}"
    return f"{value:,.2f}" if largest >= 100 else f"{value:.4f}"


def title(comparison: Comparison, section: str | None = None) -> str:
    """The terms of a comparison in one line; `section` is what a study calls its environment."""
    fronts = comparison.fronts.values()
    kinds = sorted({front.backend or "unknown" for front in fronts})
    # A front of points that came without episodes has one by form.
    episodes = sorted({front.episodes for front in fronts if front.backend or front.episodes > 1})
    name = comparison.env_id if section is None else section.split(", discount ")[0]
    terms = [f"{name}: discount {comparison.gamma:g}"]
    if kinds != ["unknown"]:
        terms.append(f"{' and '.join(kinds)} environment")
    if episodes:
        noun = "episode" if episodes == [1] else "episodes"
        terms.append(f"{' or '.join(map(str, episodes))} {noun} per point")
    return ", ".join([*terms, f"{len(comparison.weights)} preferences"])


def notes(comparison: Comparison, groups: Mapping[str, str] | None = None) -> list[str]:
    """What a reader must know to read the numbers right, a sentence each.

    Args:
        comparison: what is shown.
        groups: label -> group, to speak of groups instead of runs.
    """
    fronts = comparison.fronts
    names = {label: label if groups is None else groups[label] for label in fronts}

    def those(labels: Iterable[str]) -> str:
        return listed(list(dict.fromkeys(names[label] for label in labels)))

    lines = []
    if comparison.reference_point is not None:
        how = f", {DERIVED}" if comparison.derived else ""
        lines.append(
            f"hypervolume over the reference point ({_listed_numbers(comparison.reference_point)}){how}"
        )
    if comparison.known_label == UNION:
        lines.append(
            f"no front is known: the {UNION} of all that are compared stands for one, so that another front among "
            "them changes every distance from it"
        )
    shares = [
        errors["hypervolume"] / value
        for label, errors in comparison.sampling_errors.items()
        if "hypervolume" in errors and (value := comparison.values[label]["hypervolume"])
    ]
    if shares:
        lines.append(
            f"hypervolumes are estimated where the exact one takes long, with standard errors up to {max(shares):.1%}"
        )
    own = {tuple(front.reference_point) for front in fronts.values() if front.reference_point is not None}
    if len(own) > 1:
        points = "; ".join(map(_listed_numbers, sorted(own)))
        lines.append(f"the fronts were stored with different reference points: {points}")
    outside, total = Counter[str](), Counter[str]()
    for label, count in comparison.outside.items():
        outside[names[label]] += count
        total[names[label]] += len(fronts[label])
    if outside and outside == total:
        lines.append("no point is above the reference point in all objectives, so the hypervolumes are 0")
    elif outside.total():
        counts = [f"{count} of {total[name]} of {name}" for name, count in outside.items() if count]
        lines.append(f"points not above the reference point, so not in the hypervolume: {listed(counts)}")
    played = {label: front for label, front in fronts.items() if front.random is not False}
    counts_of = {front.episodes: None for front in played.values()}
    if len(counts_of) > 1:
        counted = [
            f"{count} of {those(label for label, front in played.items() if front.episodes == count)}"
            for count in counts_of
        ]
        lines.append(f"episodes per point differ, and with them the errors: {'; '.join(counted)}")
    several = [label for label, front in played.items() if front.episodes > 1]
    if several:
        lines.append(
            "episodes are random: the best points are chosen by one half of them and valued by the other; ± is a "
            f"standard error over episodes: {those(several)}"
        )
    single = [label for label, front in played.items() if front.episodes == 1]
    if single:
        lines.append(
            "one episode per point: if episodes are random, the luckiest points count as the best, and hypervolume, "
            f"expected utility and losses look too good; evaluate with more: {those(single)}"
        )
    beyond = _beyond_known(comparison)
    if beyond:
        merit = ", if not by merit" if comparison.known_label in (BEST_KNOWN, KNOWN) else ""
        lines.append(
            f"above the {comparison.known_label} for some preferences, by luck of the episodes or by returns under "
            f"another discount{merit}: {those(beyond)}"
        )
    card = registry.get_card(comparison.env_id)
    twins = [label for label, front in fronts.items() if front.backend == "batched"]
    # A class of one's own that is batched is no twin of anything.
    if twins and (":" not in comparison.env_id if card is None else card.original):
        lines.append(f"evaluated on the batched twin, not the original: {those(twins)}")
    selected = [label for label, front in fronts.items() if front.role == "selection"]
    if selected:
        lines.append(
            f"points were chosen by the same episodes that are reported, which flatters them: {those(selected)}"
        )
    asked = max((len(front.weights) for front in fronts.values() if front.weights is not None), default=0)
    if not comparison.own_weights and asked > len(comparison.weights):
        lines.append(
            f"expected utility, loss and R2 are over {len(comparison.weights)} preferences, not the {asked:,} that "
            "were asked for, since there are so many points"
        )
    if comparison.known is not None and len(comparison.known) > MOST_REFERENCES:
        lines.append(
            f"distances are to {MOST_REFERENCES:,} of the {len(comparison.known):,} points of the "
            f"{comparison.known_label}, spread evenly over it"
        )
    if comparison.own_weights:
        lines.append(
            "the fronts were asked for different preferences: commanded utilities do not compare exactly"
        )
    return lines


def minimised(entries: Iterable[Entry]) -> list[str]:
    """What was changed in points that came with objectives to minimise, as a sentence; none where there are none."""
    turned: dict[str, list[str]] = {}
    for entry in entries:
        for name in entry.provenance.get("minimised", ()):
            turned.setdefault(name, []).append(entry.label)
    return [
        f"{name} was to be minimised, so its sign was changed: {listed(labels)}"
        for name, labels in turned.items()
    ]


def _beyond_known(comparison: Comparison) -> list[str]:
    """The fronts that promise somebody more than the known front has."""
    if comparison.known is None:
        return []
    most = _most(comparison.known, comparison)
    slack = ROUNDING * abs(most).max()
    return [
        label
        for label, front in comparison.fronts.items()
        if (_most(front.returns, comparison) > most + slack).any()
    ]


def _most(points: Array, comparison: Comparison) -> Array:
    """The largest utility (n,) of points (k, m) for each of the comparison's weights."""
    best = points[best_for(points, comparison.weights)]
    most: Array = (best * comparison.weights).sum(axis=1)
    return most


def of_looks(entries: Iterable[Entry], comparison: Comparison) -> str | None:
    """What learning curves show that tables do not: utilities over other preferences; None where they do not."""
    counts = {look.preferences for entry in entries for look in entry.history} - {None}
    if counts <= {len(comparison.weights)}:
        return None
    numbers = " or ".join(str(count) for count in sorted(filter(None, counts)))
    return (
        f"curves are of quick looks, utilities over {numbers} preferences; tables and the known front: over "
        f"{len(comparison.weights)}"
    )


def listed(items: Sequence[str]) -> str:
    """The first few of a list in words: `a, b, c, d and 3 more`."""
    more = len(items) - LISTED
    return ", ".join(map(plain, items[:LISTED])) + (f" and {more} more" if more > 0 else "")


def without_shared_folders(labels: Sequence[str]) -> dict[str, str]:
    """Labels that are paths, without the folders that all of them begin with."""
    folders = [label.split("/")[:-1] for label in labels]
    shared = 0
    while len(labels) > 1 and all(len(f) > shared and f[shared] == folders[0][shared] for f in folders):
        shared += 1
    return {label: "/".join(label.split("/")[shared:]) for label in labels}


def _listed_numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
