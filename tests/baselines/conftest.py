"""Hypothesis draws the same examples on every run and every machine; torch keeps to one thread."""

from __future__ import annotations

import torch
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
torch.set_num_threads(1)
