"""`python -m morl` is the command `morl`."""

from __future__ import annotations

import sys

from morl.cli import main

if __name__ == "__main__":
    sys.exit(main())
