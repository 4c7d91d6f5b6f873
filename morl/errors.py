"""Errors that tell a user what was expected, what came and what to do about it.

Every one is a `ValueError`, so `except ValueError` keeps working; the command line prints their message
without a traceback.
"""

from __future__ import annotations

from morl.plain_text import plain


class MorlError(ValueError):
    """Base class of every error that `morl` raises about its input or its files."""

    def __str__(self) -> str:
        return plain(super().__str__(), keep="\n")  # names of files and what stands in them may hold anything


class EnvError(MorlError):
    """An environment cannot be found, cannot be run, or broke its own contract."""


class CheckpointError(MorlError):
    """A file on disk is damaged, foreign, or belongs to something else."""


class NonFiniteError(MorlError):
    """A reward, loss or observation turned NaN or infinite; the message names where."""


class TrustError(MorlError):
    """A file names code, such as `module:Class`, which its reader has not allowed; nothing was imported."""


class BudgetWarning(UserWarning):
    """A training has too few steps to learn much; the message says how many it needs."""
