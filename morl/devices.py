"""Can torch compute on this device, on this machine?"""

from __future__ import annotations

from typing import Any

from morl.errors import MorlError


def check_device(device: Any) -> None:
    """Raise a `MorlError` that says why torch cannot use `device` here."""
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise MorlError(
            f"expected a device that torch can use on this machine, got {str(device)!r} ({reason}); use cpu"
        ) from error
