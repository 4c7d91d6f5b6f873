"""Makes `toys` importable, and torch keep to one thread, in the tests and in the processes that they start."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

SUPPORT = str(Path(__file__).parent / "support")
sys.path.append(SUPPORT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), SUPPORT)))
# Tests run side by side, one for each core: a second thread waits for the others' turn.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The key that signs runs is kept here, not in the home of whoever runs the tests.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="morl-state-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)
