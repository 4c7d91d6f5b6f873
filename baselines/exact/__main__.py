"""`python -m morl.baselines.exact`: list the fronts on file, check them, or write them anew."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from morl.baselines.exact import library
from morl.errors import MorlError
from morl.indicators import ReferencePointWarning, hypervolume
from morl.registry import get_card


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, 1 where a front differs, 2 for an error in the input."""
    parser = argparse.ArgumentParser(prog="python -m morl.baselines.exact", description=__doc__)
    parser.add_argument("env_id", nargs="*", help="environments; all, if none is named")
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes (the minecarts)")
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--check", action="store_true", help="find the fronts anew and compare with the files"
    )
    action.add_argument("--write", action="store_true", help="find all fronts anew and write the files")
    options = parser.parse_args(argv)
    try:
        if options.write:
            library.write(options.env_id, quick=options.quick)
        elif options.check:
            wrong = library.differences(library.chosen(options.env_id, quick=options.quick), report=print)
            print("\n".join(wrong) if wrong else "all as on file")
            return int(bool(wrong))
        else:
            show(library.chosen(options.env_id, quick=options.quick))
    except MorlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def show(listed: Sequence[library.Entry]) -> None:
    """Print the fronts on file as a table in Markdown, which is that of docs/exact-fronts.md."""
    heads = (
        "environment",
        "discount",
        "points",
        "hypervolume",
        "reference point",
        "optimal among",
        "found by",
    )
    print("| " + " | ".join((*heads, "seconds")) + " |")
    print("|" + "---|" * (len(heads) + 1))
    for entry in listed:
        front = library.on_file(entry)
        card = get_card(entry.env_id)
        assert card is not None
        reference = next(
            (p for p in card.protocols if p.gamma == entry.gamma), card.protocol()
        ).reference_point
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReferencePointWarning)  # fishing alone brings no wood
            volume = hypervolume(front.points, reference_point=reference)
        arguments = "".join(f" {name}={value}" for name, value in entry.arguments.items())
        cells = (
            entry.env_id + arguments,
            f"{entry.gamma:g}",
            str(len(front.points)),
            f"{volume:.7g}",
            ", ".join(f"{value:g}" for value in reference),
            front.claim,
            front.method,
            f"{front.seconds:g}",
        )
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    sys.exit(main())
