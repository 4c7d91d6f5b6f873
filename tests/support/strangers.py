"""What somebody who sends a folder can write into it: anything, with checksums that fit, but no signature."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from morl import store

Change = Callable[[dict[str, Any]], Any]
"""Changes a document in place."""


def rewrite(file: Path, change: Change = lambda document: None) -> Path:
    """Change a `config.json` or `state.json`, mend its checksum and drop its signature; returns its folder."""
    document = {k: v for k, v in json.loads(file.read_text()).items() if k not in ("sha256", "signature")}
    change(document)
    file.write_text(json.dumps(store.seal(document, own=False)))
    return file.parent


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder and what it holds, but for locks."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != ".lock")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}
