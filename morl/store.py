"""States on disk: nested dictionaries of tensors and JSON values as folders that survive crashes.

    folder/state.json                    format, version, structure, checksums; names the tensor file
    folder/tensors-<digest>.safetensors  every tensor, under a flat key

`save` writes the tensor file under a name of its own, then replaces `state.json`, then removes what is no
longer named. Whatever moment a crash picks, `state.json` names a complete tensor file: the old state or the
new one, never half of each. `load` checks the format, the version and both checksums before it believes
anything. Nothing is ever pickled, so a file from a stranger can be damaged but cannot run code.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl import trust
from morl.errors import CheckpointError, MorlError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

STATE_FILE = "state.json"
TENSOR, NUMBER = "$tensor", "$number"
"""Marks of the two kinds of value that JSON lacks: references to tensors, and floats that are not finite."""


def atomic_write(path: str | Path, data: str | bytes) -> Path:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part of it.

    The content goes to a temporary name in the same folder, reaches the disk, and takes the name in one step.
    Missing parent folders are created.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        _write(temporary, data)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def create(path: str | Path, data: str | bytes, *, mode: int = 0o666) -> Path:
    """Write a file that is not there yet, whole at once; of several writers of one name, one succeeds.

    Raises:
        FileExistsError: the name is taken.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        _write(temporary, data, mode)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links: take the name first
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, mode))
            os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def seal(document: dict[str, Any], *, own: bool) -> dict[str, Any]:
    """The document with a checksum and, where it is the user's `own`, with the user's signature."""
    digest = _json_digest(document)
    return {**document, "sha256": digest, **({"signature": trust.sign(digest)} if own else {})}


def unseal(document: dict[str, Any], file: Path) -> tuple[dict[str, Any], bool]:
    """The document as it was before `seal`, and whether this user signed it.

    Raises:
        CheckpointError: the checksum is of another content.
    """
    digest, signature = document.get("sha256"), document.get("signature")
    content = {name: value for name, value in document.items() if name not in ("sha256", "signature")}
    if _json_digest(content) != digest:
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
    from safetensors.torch import save_file

    from morl.front import installed_versions

    path = Path(path)
    if path.exists() and not path.is_dir():
        raise MorlError(
            f"expected a folder to write to, found the file {path}; move it or choose another name"
        )
    tensors: dict[str, Tensor] = {}
    structure = _encode(state, "state", tensors)
    path.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path / "tensors.safetensors")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode  # as the user's umask has it; safetensors makes its files private
        save_file(_unshared(tensors), temporary)
        temporary.chmod(mode)
        digest = _file_digest(temporary)
        name = f"tensors-{digest[:16]}.safetensors"
        _rename(temporary, path / name)
    finally:
        temporary.unlink(missing_ok=True)
    document = {
        "format": format,
        "version": version,
        "libraries": installed_versions(),
        "tensors": {"file": name, "sha256": digest},
        "state": structure,
    }
    document = seal(document, own=own)
    atomic_write(path / STATE_FILE, json.dumps(document, indent=1, allow_nan=False))
    for leftover in (*path.glob("tensors-*.safetensors"), *path.glob(".*.tmp")):
        if leftover.name != name:
            leftover.unlink(missing_ok=True)
    return path


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
    from safetensors.torch import load_file

    path = Path(path)
    document, signed = _read_document(path, format, version)
    file = path / document["tensors"]["file"]
    if not file.is_file():
        raise CheckpointError(f"expected the tensors in {file}, found no such file; {_RESTORE}")
    if _file_digest(file) != document["tensors"]["sha256"]:
        raise CheckpointError(
            f"{file} is damaged: its checksum differs from the one in {STATE_FILE}; {_RESTORE}"
        )
    tensors = load_file(file, device=str(device))
    decoded: dict[str, Any] = _decode(document["state"], tensors)
    return decoded, signed


_RESTORE = "restore the folder from a copy, or write it again"


def _read_document(path: Path, format: str, version: int) -> tuple[dict[str, Any], bool]:
    """The checked content of `state.json`, and whether this user signed it."""
    file = path / STATE_FILE
    if not file.is_file():
        found = "no such folder" if not path.exists() else f"no {STATE_FILE} in it"
        raise CheckpointError(f"expected a saved {format} in {path}, found {found}; check the path")
    try:
        document = json.loads(file.read_bytes())
    except ValueError as error:
        raise CheckpointError(f"{file} is damaged, it is not JSON ({error}); {_RESTORE}") from error
    if not isinstance(document, dict) or not {"format", "version", "sha256"} <= document.keys():
        raise CheckpointError(f"expected a {format} in {path}, found a foreign {STATE_FILE}; check the path")
    if document["format"] != format:
        raise CheckpointError(f"expected a {format} in {path}, found a {document['format']}; check the path")
    if document["version"] != version:
        writer = document.get("libraries", {}).get("morl", "unknown")
        raise CheckpointError(
            f"expected version {version} of {format} in {path}, found version {document['version']}, "
            f"written by morl {writer}; read it with that version of morl"
        )
    return unseal(document, file)


def _encode(value: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON values; its tensors go to `tensors` under the path at which they stand."""
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


def _temporary(path: Path) -> Path:
    """A hidden name beside `path` which nobody else uses."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")


def _write(path: Path, data: str | bytes, mode: int = 0o666) -> None:
    """Make a file whose content is on the disk."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())


def _rename(temporary: Path, path: Path) -> None:
    """Give a complete file its name, once its content is on the disk."""
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk, without which a file there may be lost."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json_digest(document: dict[str, Any]) -> str:
    """A checksum of JSON values that does not depend on the layout of the file."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, allow_nan=False).encode()).hexdigest()
