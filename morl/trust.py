"""Which code the files of a run, an agent or a policy may name, and whose files these are.

Files name environments and agents, and a name `module:Class`, wherever it stands, makes Python import a module and
call what is in it. Registered names are safe to call. Any other is called only where the user said so: in a command
or in Python, or earlier, when a command of the same user on the same machine wrote the file. That is known by a
signature under a secret of the user's own (`key` in the folder `morl` of the user's state folder), which no run
holds: a folder from elsewhere is refused, before any import.
"""

from __future__ import annotations

import hmac
import importlib.util
import os
import secrets
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, TypeAlias

from morl import registry
from morl.errors import TrustError
from morl.writing import create

Trust: TypeAlias = bool | Collection[str]
"""Whether to call whatever a file names, or the names that the user said."""

KEY_BYTES = 32


def check(names: Collection[str], source: str | Path, trust: Trust = False) -> None:
    """Refuse a file that names code which its reader did not say.

    Args:
        names: what it names, as from `code_names`.
        source: the file, for the message.
        trust: what the user allows.

    Raises:
        TrustError: there is a name that is not allowed.
    """
    if trust is True:
        return
    unknown = [name for name in names if not trust or name not in trust]
    if unknown:
        raise TrustError(
            f"expected registered names in {source}, or a folder that you wrote on this machine; it names "
            f"{', '.join(sorted(set(unknown)))}, which can do anything once it is imported; if you trust whoever "
            "made it, add --trust (trust=True in Python)"
        )


def code_names(*names: str, values: Any = None) -> list[str]:
    """What would be imported for the sake of a file.

    Args:
        names: of an environment or an agent; with a colon they are no registered ids.
        values: nested JSON values, such as keyword arguments. Texts in them, such as a time of day, count where the
            words before a colon name a module that is there.
    """
    return [name for name in names if ":" in name] + [text for text in _texts(values) if _names_module(text)]


def sign(digest: str) -> str:
    """The signature of this user under a checksum."""
    return hmac.new(_key(), digest.encode(), "sha256").hexdigest()


def is_signed(digest: str, signature: Any) -> bool:
    """Whether the signature under a checksum is of this user."""
    return isinstance(signature, str) and hmac.compare_digest(sign(digest).encode(), signature.encode())


def _texts(value: Any) -> Iterator[str]:
    """All texts in nested JSON values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)


def _names_module(text: str) -> bool:
    """Whether some part of a text that ends at a colon names a module that an import would find."""
    parts = {text[:i].partition(".")[0] for i, character in enumerate(text) if character == ":"}
    return any(_is_module(name) for name in parts if name)


def _is_module(name: str) -> bool:
    """Whether a top-level module is there, which is looked up without running anything."""
    folders = [] if registry.module_folder is None else [registry.module_folder]
    try:
        found = name in sys.modules or importlib.util.find_spec(name) or PathFinder.find_spec(name, folders)
    except (ImportError, ValueError):  # it is there, but odd
        return True
    return bool(found)


@cache
def _key() -> bytes:
    """The secret of this user; where it cannot be kept, one of this process, which then knows its own files alone."""
    try:
        path = _state_folder() / "key"
        return _read_key(path) or _new_key(path)
    except (OSError, RuntimeError):  # no home, or one that cannot be written
        return secrets.token_bytes(KEY_BYTES)


def _state_folder() -> Path:
    """Where programs keep what one user's machine should remember."""
    given = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME", "")
    # A relative path would be taken from the working folder, which may hold what somebody sent.
    return (Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state") / "morl"


def _read_key(path: Path) -> bytes | None:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(found) != KEY_BYTES:
        path.unlink(missing_ok=True)  # damaged: no signature is known by it any more
        return None
    return found


def _new_key(path: Path) -> bytes:
    key = secrets.token_bytes(KEY_BYTES)
    try:
        create(path, key, mode=0o600)
    except FileExistsError:  # another process was faster
        return path.read_bytes()
    return key
