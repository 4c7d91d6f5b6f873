"""How long do `make demo` and `make test` take in two checkouts? Prints a Markdown table.

    python benchmarks/checkouts.py OLD NEW --repeats 3

Both folders must be set up (a .venv of their own). The commands run in turns, old and new, so that what else the
machine does meets both. Of the demo, the moment counts too when its first picture of a front is there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import common
from common import Bar, spread, table

BARS = {
    "demo": Bar("make demo", 1 / 3, at_least=False),
    "first picture": Bar("first picture", 1 / 6, at_least=False),
    "test": Bar("make test", 0.7, at_least=False),
}
"""New over old; of the picture, over the whole old demo."""


def demo(checkout: Path) -> dict[str, float]:
    """Seconds of the demo, and until its first picture."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "demo"
        start = time.perf_counter()
        command = [checkout / ".venv/bin/python", "-m", "morl", "demo", "--out", out]
        process = subprocess.Popen(command, cwd=checkout, stdout=subprocess.DEVNULL)
        picture = None
        while process.poll() is None:
            if picture is None and (out / "fronts.png").exists():
                picture = time.perf_counter() - start
            time.sleep(0.02)
        seconds = time.perf_counter() - start
    if process.returncode:
        raise common.BenchmarkError(f"the demo of {checkout} ended with status {process.returncode}")
    return {"demo": seconds, "first picture": seconds if picture is None else picture}


def tests(checkout: Path, arguments: str) -> dict[str, float]:
    """Seconds of the tests."""
    start = time.perf_counter()
    command = ["make", "--no-print-directory", "test", f"ARGS={arguments}"]
    done = subprocess.run(command, cwd=checkout, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(done.stdout[-2000:], file=sys.stderr)
        raise common.BenchmarkError(f"the tests of {checkout} ended with status {done.returncode}")
    return {"test": time.perf_counter() - start}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("old", "new"):
        parser.add_argument(name, type=Path, metavar=name.upper(), help="the folder of a checkout")
    parser.add_argument("--parts", nargs="+", choices=["demo", "test"], default=["demo", "test"])
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="rounds; default: 1")
    parser.add_argument(
        "--test-arguments", default="", metavar="ARGS", help="of `make test`, such as a folder"
    )
    options = parser.parse_args(argv)
    old, new = options.old.resolve(), options.new.resolve()
    found: dict[Path, dict[str, list[float]]] = {old: {}, new: {}}
    for _ in range(options.repeats):
        for checkout, seconds in found.items():
            for part in options.parts:
                taken = demo(checkout) if part == "demo" else tests(checkout, options.test_arguments)
                for name, value in taken.items():
                    seconds.setdefault(name, []).append(value)
                    print(f"  {checkout}: {name} {value:.1f} s", file=sys.stderr, flush=True)
    rows = []
    for name, values in found[new].items():
        ratio = median(values) / median(found[old]["demo" if name == "first picture" else name])
        before = spread(found[old][name], "{:.1f}")
        bar = BARS[name]
        rows.append(
            [
                name,
                before,
                spread(values, "{:.1f}"),
                f"{ratio:.2f}",
                f"<= {bar.limit:.2f}",
                bar.verdict(ratio),
            ]
        )
    print(f"Measured on {common.hardware()}.\n")
    print(table(["seconds", "old", "new", "ratio", "bar", "verdict"], rows))
    return 0 if all(row[-1] == common.PASS for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
