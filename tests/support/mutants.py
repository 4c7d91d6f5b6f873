"""What can happen to a file: flipped bits, missing ends, JSON values that are of another kind, far off or missing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from morl import store

VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    2**31,
    2**63,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\x1b[31m$$\\unicode{41}$$",
    [],
    {},
    [[]],
    {"$tensor": "nothing"},
    {"$tensor": []},
    {"$number": "many"},
    {"$number": "nan"},
]


def mutate_bytes(data: bytes, dice: random.Random) -> bytes:
    """Plain damage."""
    if not data:
        return b"\0"
    i = dice.randrange(len(data))
    kinds = [
        data[:i],
        data[:i] + bytes([data[i] ^ (1 << dice.randrange(8))]) + data[i + 1 :],
        data[:i] + data[i + dice.randrange(1, 9) :],
        data[:i] + dice.randbytes(4) + data[i:],
        data + data[-20:],
        b"[" * 100_000,
        b"",
    ]
    return dice.choices(kinds, weights=[2, 6, 2, 2, 1, 0.2, 0.2])[0]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in nested JSON values with every key or index in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from places(item)


def mutate_json(document: Any, dice: random.Random) -> None:
    """Replace, remove or double one value, in place."""
    container, key = dice.choice(list(places(document)))
    if dice.random() < 0.15:
        del container[key]
    elif isinstance(container, list) and dice.random() < 0.2:
        container.append(container[key])
    else:
        container[key] = dice.choice(VALUES)


def mutate_document(file: Path, dice: random.Random) -> None:
    """Change a value of a JSON file, as somebody would who can compute checksums, perhaps with the user's own key."""
    document = {k: v for k, v in json.loads(file.read_text()).items() if k not in ("sha256", "signature")}
    mutate_json(document, dice)
    if file.name == "front.json":
        text = json.dumps(document | {"sha256": store.json_digest(document)})
    else:
        text = json.dumps(store.seal(document, own=dice.random() < 0.7))
    file.write_text(text.replace("Infinity", "1e400"))


def mutate_tensors(folder: Path, dice: random.Random) -> None:
    """Change one tensor of a saved state: its shape, its type, or its numbers; checksums and signature fit."""
    import torch
    from safetensors.torch import load_file, save_file

    state = folder / store.STATE_FILE
    document = {k: v for k, v in json.loads(state.read_text()).items() if k not in ("sha256", "signature")}
    file = folder / document["tensors"]["file"]
    tensors = load_file(file)
    name = dice.choice(sorted(tensors))
    tensor = tensors[name]
    flat = tensor.reshape(-1)
    kinds = [
        flat[: len(flat) // 2].clone(),
        torch.cat((flat, flat)),
        tensor.unsqueeze(0).clone(),
        tensor.to(torch.float64 if tensor.dtype != torch.float64 else torch.int64),
        torch.full_like(tensor, 113),
        torch.zeros((0, *tensor.shape)),
    ]
    if tensor.is_floating_point():
        kinds += [torch.full_like(tensor, float("nan")), torch.full_like(tensor, float("inf")), tensor * 1e30]
    tensors[name] = dice.choice(kinds).contiguous()
    save_file(tensors, file)
    document["tensors"]["sha256"] = store._file_digest(file)
    state.write_text(json.dumps(store.seal(document, own=True)))
