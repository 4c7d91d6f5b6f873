"""Makes `toys` importable, and torch keep to one thread, in the tests and in the processes that they start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SUPPORT = str(Path(__file__).parent / "support")
sys.path.append(SUPPORT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), SUPPORT)))
# Tests run side by side, one for each core: a second thread waits for the others' turn.
os.environ.setdefault("OMP_NUM_THREADS", "1")
