"""Put templates, data and plotly.js together into one HTML file that neither loads nor leaks anything."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from functools import cache
from importlib.resources import files

from morl.report.payload import Payload

SCRIPTS = (
    "dom.js",
    "preferences.js",
    "store.js",
    "marks.js",
    "axes.js",
    "space.js",
    "crowd.js",
    "figure.js",
    "controls.js",
    "legend.js",
    "choice.js",
    "curves.js",
    "training.js",
    "scores.js",
    "overall.js",
    "provenance.js",
    "app.js",
)
"""The application, in the order in which its files build on one another."""

PLACE = re.compile(r"<!-- morl:(\w+) -->")
"""Where the template takes a part."""


def render(payload: Payload) -> str:
    """The HTML of a report."""
    application = "(() => {\n" + "\n".join(_asset(name) for name in SCRIPTS) + "\n})();"
    plotly = _plotly()
    parts = {
        "policy": _policy(application, plotly),
        "styles": f"<style>\n{_asset('style.css')}</style>",
        "data": _data_blocks(payload),
        "application": f"<script>{application}</script>",
        "plotly": f"<script>{plotly}</script>",
    }
    return PLACE.sub(lambda match: parts[match[1]], _asset("page.html"))


def embed(value: object) -> str:
    r"""JSON that is safe inside a `<script>` element: no `<`, `>` or `&` stands for itself.

    >>> embed({"label": "</script>"})
    '{"label":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))  # ASCII: U+2028 is escaped, too
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data_blocks(payload: Payload) -> str:
    """One block for what the page begins with; two per environment, which it parses when it shows them."""
    blocks: dict[str, object] = {"morl-study": payload.study}
    for i, environment in enumerate(payload.environments):
        blocks[f"morl-fronts-{i}"] = environment.fronts
        blocks[f"morl-training-{i}"] = environment.training
    return "\n".join(
        f'<script type="application/json" id="{name}">{embed(value)}</script>'
        for name, value in blocks.items()
    )


def _policy(*scripts: str) -> str:
    """A content security policy under which only these scripts run, and nothing is fetched.

    plotly.js sets styles from scripts, and makes pictures for download as blobs.
    """
    hashes = " ".join(f"'sha256-{b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    rules = {
        "default-src": "'none'",
        "script-src": hashes,
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    content = "; ".join(f"{name} {value}" for name, value in rules.items())
    return f'<meta http-equiv="Content-Security-Policy" content="{content}">'


def _asset(name: str) -> str:
    return (files("morl.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """plotly.js as the plotly package brings it, in its one bundle."""
    from plotly.offline import get_plotlyjs  # late: takes a while to import

    return str(get_plotlyjs()).replace("</script", "<\\/script")  # the same in a string of JavaScript
