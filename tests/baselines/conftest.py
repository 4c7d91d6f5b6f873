"""Torch keeps to one thread, as in the tests of the agents."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
