"""What the benchmarks share: fresh processes, medians, Markdown tables, results, the README's blocks."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from morl.threads import cores

FOLDER = Path(__file__).resolve().parent
OUT = FOLDER / "out"
README = FOLDER / "README.md"

PASS, SHORT = "PASS", "FALL SHORT"


class BenchmarkError(RuntimeError):
    """A measurement could not be made."""


@dataclass(frozen=True)
class Bar:
    """What a measure must reach."""

    measure: str
    limit: float
    at_least: bool = True
    """False where the limit is the most that is allowed."""

    def verdict(self, value: float | None) -> str:
        """PASS or FALL SHORT; None (nothing was measured) falls short."""
        if value is None:
            return SHORT
        return PASS if (value >= self.limit if self.at_least else value <= self.limit) else SHORT


# --- processes -------------------------------------------------------------------------------------


def environment(threads: int | None) -> dict[str, str]:
    """Variables for a process that computes with `threads` threads; None leaves them as they are here."""
    return {**os.environ, **({} if threads is None else {"OMP_NUM_THREADS": str(threads)})}


def fresh_process(task: str, request: dict[str, Any], *, threads: int | None = None) -> dict[str, Any]:
    """What a task of worker.py returns, run in a Python of its own: no cache or compilation helps the next.

    `request["started"]` is the moment before the process existed, so tasks can count their start-up too.

    Raises:
        BenchmarkError: the process failed; it has said why on the error output.
    """
    done = subprocess.run(
        [sys.executable, str(FOLDER / "worker.py"), task],
        input=json.dumps({**request, "started": time.time()}),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(threads),
    )
    if done.returncode != 0:
        raise BenchmarkError(f"{task} ended with exit status {done.returncode}: {json.dumps(request)}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def hardware(threads: int | None = None) -> str:
    """One line: the machine, the versions, today's date."""
    chosen = threads or os.environ.get("OMP_NUM_THREADS")
    count = f"OMP_NUM_THREADS={chosen}" if chosen else "the default number of threads"
    names = ("torch", "gymnasium", "mo-gymnasium", "morl")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{cores()} cores ({_processor()}), {platform.system()}, {count}, "
        f"Python {platform.python_version()}, {versions}, {date.today().isoformat()}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


# --- fronts ------------------------------------------------------------------------------------------

MATCH = 1e-3
"""How far, relative to each coordinate, a return may fall short of an exact one that it counts as."""


def points_found(returns: Any, exact: Any) -> int:
    """How many of the exact points (l, m) some of the returns (k, m) reach in every coordinate."""
    import numpy as np

    return int((returns[:, None] >= exact - MATCH * np.abs(exact)).all(axis=2).any(axis=0).sum())


# --- peers -------------------------------------------------------------------------------------------


def run_peer(
    script: str, python: str, request: dict[str, Any], threads: int | None = None
) -> list[dict[str, float]]:
    """The points that a script of this folder prints under another Python, shown as they come.

    Raises:
        BenchmarkError: it failed, or printed none.
    """
    points = []
    with subprocess.Popen(
        [python, str(FOLDER / script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(threads),
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        for line in process.stdout:
            if line.startswith("{"):
                points.append(json.loads(line))
                print(f"  {line.strip()[:160]}", flush=True)
    if process.returncode != 0 or not points:
        raise BenchmarkError(f"{script} ended with exit status {process.returncode}")
    return points


# --- numbers and tables ----------------------------------------------------------------------------


def spread(values: Sequence[float], form: str = "{:.3g}") -> str:
    """`median (lowest to highest)`, or one number where there is one."""
    if len(values) == 1:
        return form.format(values[0])
    return f"{form.format(median(values))} ({form.format(min(values))} to {form.format(max(values))})"


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table, aligned so that it reads well in a terminal too."""
    cells = [list(map(str, headers)), *(list(map(str, row)) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


# --- results ---------------------------------------------------------------------------------------


def save_result(path: Path, result: dict[str, Any]) -> None:
    """Write a result as JSON, replacing an older one at once."""
    from morl.store import atomic_write

    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(result, indent=1) + "\n")


def load_result(path: Path) -> dict[str, Any] | None:
    """The result that was written last; None where there is none."""
    if not path.exists():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def block(results: Iterable[dict[str, Any]], text: str) -> str:
    """A README block: `text` below the machines that its results were measured on."""
    machines = dict.fromkeys(result["hardware"] for result in results)
    return "\n".join(f"Measured on {machine}." for machine in machines) + "\n\n" + text


def write_block(name: str, content: str, path: Path = README) -> None:
    """Replace what stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.

    Raises:
        BenchmarkError: the file does not have both marks.
    """
    from morl.store import atomic_write

    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    head, found_begin, rest = text.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not found_begin or not found_end:
        raise BenchmarkError(f"expected {begin} and {end} in {path.name}")
    atomic_write(path, f"{head}{begin}\n{content.strip()}\n{end}{tail}")
