"""Small studies for the front explorer, and a browser to open it in."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morl.front import Front
from morl.study import Entry, Evaluation, Study

NASTY = "</script><script>document.title='stolen'</script>&<b>"
"""A label that would break out of a careless page."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DRAWN = "performance.getEntriesByName('morl:drawn').length > 0"


def entry(
    label: str,
    points: Any,
    *,
    group: str | None = None,
    env_id: str = "hollow-v0",
    seed: int = 0,
    history: Sequence[Evaluation] = (),
    weights: Any = None,
    **front: Any,
) -> Entry:
    """An entry with two episodes at each point; objectives are called `first`, `second`, ..."""
    points = np.asarray(points, dtype=np.float64)
    names = ("first", "second", "third", "fourth", "fifth")[: points.shape[1]]
    return Entry(
        label=label,
        group=group or label,
        front=Front(
            episode_returns=np.stack([points - 0.1, points + 0.1], axis=1),
            env_id=env_id,
            gamma=front.pop("gamma", 1.0),
            objectives=names,
            role=front.pop("role", "report"),
            weights=weights,
            agent=group or label,
            training_seed=seed,
            **front,
        ),
        history=tuple(history),
        source=Path(f"runs/{label}"),
        provenance={"config": {"env": env_id, "note": NASTY}},
    )


def learning(points: Any, looks: int = 5) -> list[Evaluation]:
    """Evaluations on the way to some points, which they reach with the last."""
    points = np.asarray(points, dtype=np.float64)
    return [
        Evaluation(
            steps=100 * look,
            seconds=2.0 * look,
            returns=points - (looks - look),
            values={"expected_utility": float(look), "hypervolume": 10.0 * look},
        )
        for look in range(1, looks + 1)
    ]


HOLLOW = [[0.0, 10.0], [4.0, 4.0], [10.0, 0.0]]
"""No weighted sum takes the one in the middle."""


def small_study() -> Study:
    """Environments of 2, 3 and 5 objectives; the first has two seeds of `hollow`, and one front with a nasty name."""
    rng = np.random.default_rng(0)
    lower = np.asarray(HOLLOW) - 1
    asked = [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    return Study(
        entries=(
            entry("hollow/0", HOLLOW, group="hollow", history=learning(HOLLOW), weights=asked),
            entry("hollow/1", lower, group="hollow", seed=1, history=learning(lower), weights=asked),
            # A set of policies: its numbers 3 and 8, of which the second answers the last preference.
            entry(NASTY, [[2.0, 2.0], [8.0, -1.0]], weights=asked, answers=[0, 0, 1], members=[3, 8]),
            entry("cube", rng.random((12, 3)), env_id="cube-v0"),
            entry("five", rng.random((12, 5)), env_id="five-v0"),
        )
    )


def large_study(fronts: int = 50, points: int = 500) -> Study:
    """As many points as a report must bear."""
    entries = []
    for i in range(fronts):
        angle = np.random.default_rng(i).uniform(0, np.pi / 2, points)
        arc = (1 - 0.004 * i) * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        entries.append(entry(f"agent-{i % 10}/{i}", arc, group=f"agent-{i % 10}", env_id="large-v0", seed=i))
    return Study(entries=tuple(entries))


@contextmanager
def browser() -> Iterator[Any]:
    """Debian's Chromium under Playwright; the test is skipped where either is missing."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on this machine (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            yield launched
        finally:
            launched.close()


class Visit:
    """One look at a report, with all that went wrong while it lasted."""

    def __init__(self, browser: Any, path: Path, *, width: int = 1280, height: int = 900) -> None:
        phone = width < 500
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, has_touch=phone, is_mobile=phone
        )
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri(), wait_until="commit")
        self.until(DRAWN)

    def until(self, expression: str, seconds: float = 60.0) -> None:
        """Wait for an expression to become true; by hand, as the page's policy forbids what Playwright injects."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"never came true: {expression}"
            self.page.wait_for_timeout(30)

    def settle(self) -> None:
        """Let the page draw what was changed."""
        self.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
        )

    def slide(self, selector: str, value: float) -> None:
        """Move a slider as a finger does."""
        self.page.evaluate(
            "([selector, value]) => { const slider = document.querySelector(selector); slider.value = value;"
            " slider.dispatchEvent(new Event('input', { bubbles: true })); }",
            [selector, value],
        )
        self.settle()

    def pick(self, name: str) -> None:
        """Choose an option of a switch."""
        self.page.get_by_role("radio", name=name, exact=True).check()
        self.settle()

    def weights(self) -> list[float]:
        """What is written beside the sliders."""
        texts = self.page.locator("#weights output").all_text_contents()
        return [float(text.removesuffix(" %")) for text in texts]

    def chosen(self) -> list[tuple[float, float]]:
        """The marks of the policies chosen, in the order of the fronts."""
        (trace,) = self.page.evaluate(
            "document.getElementById('fronts').data.filter(({ meta }) => meta === 'chosen')"
            ".map(({ x, y, customdata }) => [Array.from(customdata), Array.from(x), Array.from(y)])"
        )
        return [(x, y) for _, x, y in sorted(zip(*trace, strict=True))]

    def close(self) -> None:
        """End the visit; `errors` and `requests` stay readable."""
        self.context.close()
