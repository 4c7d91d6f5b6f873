"""States on disk: nested dictionaries of tensors and JSON values as folders that survive crashes.

    folder/state.json                    format, version, structure, checksums; names the tensor file
    folder/tensors-<digest>.safetensors  every tensor, under a flat key

`save` writes the tensor file under a name of its own, then replaces `state.json`, then removes what is no
longer named. Whatever moment a crash picks, `state.json` names a complete tensor file: the old state or the
new one, never half of each. `load` checks the format, the version and both checksums before it believes
anything. Nothing is ever pickled, so a file from a stranger can be damaged but cannot run code.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl import trust
from morl.errors import CheckpointError, MorlError, TrustError
from morl.files import read_plain
from morl.locking import turn_to_write
from morl.writing import atomic_write, remove_leftovers, rename, temporary

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = [
    "atomic_write",
    "decoding",
    "json_digest",
    "load",
    "load_signed",
    "read_json",
    "save",
    "seal",
    "unseal",
]

STATE_FILE = "state.json"
TENSOR_FILE = re.compile(r"tensors-[0-9a-f]{16}\.safetensors")

READS = 100
"""How often a reader begins anew, since a writer has replaced the state under its hands."""

LONGEST = 300
"""Characters of an error that are repeated."""

TENSOR, NUMBER = "$tensor", "$number"
"""Marks of the two kinds of value that JSON lacks: references to tensors, and floats that are not finite."""


def seal(document: dict[str, Any], *, own: bool) -> dict[str, Any]:
    """The document with a checksum and, where it is the user's `own`, with the user's signature."""
    digest = json_digest(document)
    return {**document, "sha256": digest, **({"signature": trust.sign(digest)} if own else {})}


def unseal(document: dict[str, Any], file: Path) -> tuple[dict[str, Any], bool]:
    """The document as it was before `seal`, and whether this user signed it.

    Raises:
        CheckpointError: the checksum is of another content.
    """
    digest, signature = str(document.get("sha256")), document.get("signature")
    content = {name: value for name, value in document.items() if name not in ("sha256", "signature")}
    try:
        whole = json_digest(content) == digest
    except (ValueError, RecursionError):  # NaN, infinity
        whole = False
    if not whole:
        raise CheckpointError(f"{file} is damaged: its checksum differs from its content; {_RESTORE}")
    return content, trust.is_signed(digest, signature)


def save(path: str | Path, state: dict[str, Any], *, format: str, version: int, own: bool = True) -> Path:
    """Write `state` as the folder `path`, replacing what it held in one step.

    Args:
        path: the folder; created with its parents where missing.
        state: nested dictionaries (string keys), lists and tuples of tensors, numbers, strings, booleans and
            None. Tuples come back as lists; numbers come back exactly, NaN and infinities included.
        format: what kind of state this is; `load` refuses any other.
        version: version of that format.
        own: whether all code that it names is the user's; see `morl.trust`.

    Raises:
        MorlError: `state` holds something else; the message says where.
    """
    from morl.front_fields import installed_versions  # late: needs the store's neighbours

    path = Path(path)
    if path.exists() and not path.is_dir():
        raise MorlError(
            f"expected a folder to write to, found the file {path}; move it or choose another name"
        )
    tensors: dict[str, Tensor] = {}
    structure = _encode(state, "state", tensors)
    path.mkdir(parents=True, exist_ok=True)
    with turn_to_write(path):
        file, digest = _save_tensors(path, tensors)
        document = {
            "format": format,
            "version": version,
            "libraries": installed_versions(),
            "tensors": {"file": file, "sha256": digest},
            "state": structure,
        }
        atomic_write(path / STATE_FILE, json.dumps(seal(document, own=own)) + "\n")
        for old in path.glob("tensors-*.safetensors"):
            if old.name != file:
                old.unlink(missing_ok=True)
        remove_leftovers(path)
    return path


def _save_tensors(path: Path, tensors: dict[str, Tensor]) -> tuple[str, str]:
    """Write the tensor file of a folder; returns its name and its checksum."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with temporary(path / "tensors.safetensors") as part:
        part.touch()
        mode = part.stat().st_mode  # as the user's umask has it; safetensors makes its files private
        try:
            save_file(_unshared(tensors), part)
        except SafetensorError as error:  # such as a full disk
            raise OSError(errno.EIO, str(error), str(path)) from error
        part.chmod(mode)
        digest = _file_digest(part)
        name = f"tensors-{digest[:16]}.safetensors"
        rename(part, path / name)
    return name, digest


def load(
    path: str | Path, *, format: str, version: int, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Read what `save` wrote, tensors on `device`; errors as for `load_signed`."""
    return load_signed(path, format=format, version=version, device=device)[0]


def load_signed(
    path: str | Path, *, format: str, version: int, device: torch.device | str = "cpu"
) -> tuple[dict[str, Any], bool]:
    """What `load` returns, and whether this user signed it as their own.

    Raises:
        CheckpointError: nothing was saved here, another format or version, or a damaged file; the message
            says which and what to do.
    """
    path = Path(path)
    missing = ""
    for _ in range(READS):
        document, signed = _read_document(path, format, version)
        with decoding(path / STATE_FILE):
            name, digest, state = (
                document["tensors"]["file"],
                document["tensors"]["sha256"],
                document["state"],
            )
            if not TENSOR_FILE.fullmatch(name):
                raise MorlError(f"expected the name of a tensor file, got {name!r}")
        try:
            tensors = _load_tensors(path / name, digest, device)
        except FileNotFoundError:
            if name == missing:
                break
            missing = name  # somebody may have written another state meanwhile
            continue
        with decoding(path / STATE_FILE):
            decoded: dict[str, Any] = _decode(state, tensors)
            if not isinstance(decoded, dict):
                raise MorlError(f"expected a dictionary as state, got {type(decoded).__name__}")
        return decoded, signed
    raise CheckpointError(f"expected the tensors in {path / name}, found no such file; {_RESTORE}")


@contextmanager
def decoding(source: str | Path) -> Iterator[None]:
    """Whatever goes wrong inside is laid to what was read: a `CheckpointError` that names the `source`."""
    try:
        yield
    except (CheckpointError, TrustError, OSError):
        raise
    except Exception as error:
        found = str(error) if isinstance(error, MorlError) else f"{type(error).__name__}: {error}"
        told = found.splitlines()[0][:LONGEST]
        raise CheckpointError(f"{source} is damaged, or of something else ({told}); {_RESTORE}") from error


def _load_tensors(file: Path, digest: str, device: torch.device | str) -> dict[str, Tensor]:
    """The checked content of a tensor file; `FileNotFoundError` where there is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if file.exists() and not file.is_file():
        raise CheckpointError(f"expected the tensors in {file}, which is no file; {_RESTORE}")
    if _file_digest(file) != digest:
        raise CheckpointError(
            f"{file} is damaged: its checksum differs from the one in {STATE_FILE}; {_RESTORE}"
        )
    try:
        loaded: dict[str, Tensor] = load_file(file, device=str(device))
    except SafetensorError as error:
        raise CheckpointError(f"{file} is damaged ({error}); {_RESTORE}") from error
    return loaded


_RESTORE = "restore the folder from a copy, or write it again"


def read_json(file: Path) -> Any:
    """The JSON values of a file; what is none, or nested beyond reason, is a `CheckpointError`."""
    try:
        return json.loads(read_plain(file))
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{file} is damaged, it is not JSON ({error}); {_RESTORE}") from error


def _read_document(path: Path, format: str, version: int) -> tuple[dict[str, Any], bool]:
    """The checked content of `state.json`, and whether this user signed it."""
    file = path / STATE_FILE
    if not file.is_file():
        found = "no such folder" if not path.exists() else f"no {STATE_FILE} in it"
        raise CheckpointError(f"expected a saved {format} in {path}, found {found}; check the path")
    document = read_json(file)
    if not isinstance(document, dict) or not {"format", "version", "sha256"} <= document.keys():
        raise CheckpointError(f"expected a {format} in {path}, found a foreign {STATE_FILE}; check the path")
    if document["format"] != format:
        raise CheckpointError(f"expected a {format} in {path}, found a {document['format']}; check the path")
    if document["version"] != version:
        libraries = document.get("libraries")
        writer = libraries.get("morl", "unknown") if isinstance(libraries, dict) else "unknown"
        raise CheckpointError(
            f"expected version {version} of {format} in {path}, found version {document['version']}, "
            f"written by morl {writer}; read it with that version of morl"
        )
    return unseal(document, file)


def _encode(value: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON values; its tensors go to `tensors` under the path at which they stand."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {NUMBER: str(float(value))}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key in (TENSOR, NUMBER):
                raise MorlError(
                    f"expected string keys other than {TENSOR} and {NUMBER} in {where}, got {key!r}"
                )
        return {key: _encode(item, f"{where}.{key}", tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(item, f"{where}[{i}]", tensors) for i, item in enumerate(value)]
    if hasattr(value, "untyped_storage"):
        # Numbered, since keys may contain dots and brackets: two paths could spell the same.
        name = f"{len(tensors)}:{where.removeprefix('state.')}"
        tensors[name] = value.detach().cpu().contiguous()
        return {TENSOR: name}
    raise MorlError(
        f"expected tensors, numbers, strings, lists or dictionaries, got {type(value).__name__} at {where}"
    )


def _decode(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `_encode`."""
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if TENSOR in value:
        return tensors[value[TENSOR]]
    if NUMBER in value:
        return float(value[NUMBER])
    return {key: _decode(item, tensors) for key, item in value.items()}


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, copied where two of them share memory, which safetensors refuses."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        pointer = tensor.untyped_storage().data_ptr()
        result[name] = tensor.clone() if pointer in seen else tensor
        seen.add(pointer)
    return result


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_digest(document: dict[str, Any]) -> str:
    """A checksum of JSON values that does not depend on the layout of the file."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
