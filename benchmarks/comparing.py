"""How long does `morl compare` take? Prints a Markdown table.

The study is made up, not trained: 10 seeds of 4 agents in 6 environments with 2 to 6 objectives, each run with 101 to
126 preferences, 5 episodes for each, and 20 evaluations during its training. Every measurement is the command in a
fresh Python, from its start to its end, with the output that the row names. Then two fronts of 100,000 points, each
with a preference of its own, in two and in three objectives.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import common
import numpy as np
from common import Bar, spread, table

sys.path.append(str(common.FOLDER.parent / "tests" / "support"))
from synthetic import AGENTS, ENVIRONMENTS, write_study

from morl.front import Front

BAR = Bar("seconds to HTML", 60, at_least=False)
LARGE_BAR = Bar("seconds with 100,000 points", 20, at_least=False)
LARGE = 100_000
OUTPUTS: dict[str, list[str]] = {
    "tables on the terminal": [],
    "report.html": ["--out", "report.html"],
    "table.csv": ["--out", "table.csv"],
    "table.json": ["--out", "table.json"],
    "table.tex": ["--out", "table.tex"],
    "fronts.png, one for each environment": ["--out", "fronts.png"],
    "curves.png, one for each environment": ["--out", "curves.png", "--picture", "curves"],
}


def write_large(folder: Path, m: int) -> Path:
    """A folder with two fronts of `LARGE` points in m objectives, on a sphere and a little within."""
    rng = np.random.default_rng(m)
    points = np.abs(rng.normal(size=(LARGE, m)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    weights = rng.dirichlet(np.ones(m), LARGE)
    names = [f"objective_{i + 1}" for i in range(m)]
    for agent, factor in (("outer", 1.0), ("inner", 0.98)):
        front = Front.from_points(
            factor * points,
            env_id="large",
            gamma=1.0,
            objectives=names,
            role="report",
            weights=weights,
            agent=agent,
        )
        front.save(folder / f"{agent}.json")
    return folder


def seconds(study: Path, words: Sequence[str], folder: Path) -> float:
    """Of one `morl compare`, its start included."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "morl", "compare", str(study), *words],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise common.BenchmarkError(f"morl compare ended with status {done.returncode}: {done.stderr}")
    return time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=10, metavar="N", help="runs per agent and environment; default: 10"
    )
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    options = parser.parse_args(argv)
    rows, good = [], True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = write_study(folder / "runs", seeds=options.seeds)
        for output, words in OUTPUTS.items():
            found = [seconds(study, words, folder) for _ in range(options.repeats)]
            judged = output.endswith(".html")
            verdict = BAR.verdict(max(found)) if judged else ""
            good &= verdict != common.SHORT
            rows.append([output, spread(found, "{:.1f}"), f"<= {BAR.limit:g}" if judged else "", verdict])
        for m in (2, 3):
            study = write_large(folder / f"large-{m}", m)
            for output in ("tables on the terminal", "report.html", "fronts.png"):
                words = ["--out", output] if "." in output else []
                found = [seconds(study, words, folder) for _ in range(options.repeats)]
                verdict = LARGE_BAR.verdict(max(found))
                good &= verdict != common.SHORT
                label = f"{LARGE:,} points, {m} objectives: {output}"
                rows.append([label, spread(found, "{:.1f}"), f"<= {LARGE_BAR.limit:g}", verdict])
    runs = options.seeds * len(AGENTS) * len(ENVIRONMENTS)
    content = (
        f"Measured on {common.hardware()}. {options.seeds} seeds of {len(AGENTS)} agents in {len(ENVIRONMENTS)} "
        f"environments, {runs} runs; median (range) of {options.repeats}.\n\n"
    )
    content += table(["output", "seconds", "bar", "verdict"], rows)
    print(content)
    if options.write:
        common.write_block("comparing", content)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
