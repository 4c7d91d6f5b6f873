from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morl import store
from morl.errors import CheckpointError, MorlError

FORMAT, VERSION = "test-state", 3


def save(path: Path, state: dict) -> Path:
    return store.save(path, state, format=FORMAT, version=VERSION)


def load(path: Path, **options) -> dict:
    return store.load(path, **{"format": FORMAT, "version": VERSION} | options)


def payload(path: Path) -> Path:
    (file,) = path.glob("*.safetensors")
    return file


def equal(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return (
            isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
        )
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return (
            isinstance(b, list) and len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
        )
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and a == b


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.int64, torch.int32, torch.bool, torch.uint8]
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_tensors_of_every_kind_come_back(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = (torch.arange(math.prod(shape)).reshape(shape) % 2).to(dtype)
    assert equal(tensor, load(save(tmp_path, {"x": tensor}))["x"])


def test_nested_state_comes_back(tmp_path: Path) -> None:
    state = {
        "optimiser": [{"step": torch.tensor(3.0), "lr": 0.1}, {"step": torch.tensor(4.0), "lr": 1 / 3}],
        "a.b": torch.ones(2),
        "a": {"b": torch.zeros(2), "empty": {}, "none": None, "flag": True, "shape": (3, 4)},
        "big": 2**70,
        "nan": math.nan,
        "inf": -math.inf,
        "text": "Überraschung \u2028",
    }
    assert equal(state, load(save(tmp_path / "deep" / "folder", state)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(value=json_values)
def test_numbers_and_text_are_exact(tmp_path_factory: pytest.TempPathFactory, value) -> None:
    folder = tmp_path_factory.mktemp("state")
    assert equal({"value": value}, load(save(folder, {"value": value})))


def test_shared_and_strided_tensors(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    state = {
        "base": base,
        "same": base,
        "view": base[1],
        "transposed": base.T,
        "wide": torch.ones(1).expand(5),
    }
    assert equal(state, load(save(tmp_path, state)))


def test_loaded_tensors_are_the_callers_own(tmp_path: Path) -> None:
    save(tmp_path, {"x": torch.zeros(4)})
    load(tmp_path)["x"].add_(1)
    assert load(tmp_path)["x"].sum() == 0


def test_saving_again_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path, {"x": torch.full((2,), float(i))})
    assert load(tmp_path)["x"].tolist() == [2.0, 2.0]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.json", payload(tmp_path).name]


def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    save(tmp_path, {"x": torch.zeros(2)})
    (tmp_path / "usual").touch()
    assert len({file.stat().st_mode for file in tmp_path.iterdir()}) == 1


def test_no_pickle_is_written(tmp_path: Path) -> None:
    save(tmp_path, {"x": torch.zeros(2)})
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".safetensors"}
    json.loads((tmp_path / "state.json").read_text())


@pytest.mark.parametrize(
    "moment", ["morl.store.rename", "morl.store.atomic_write", "safetensors.torch.save_file"]
)
def test_a_failed_save_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    save(tmp_path, {"x": torch.zeros(2)})

    def fail(*args, **options):
        raise OSError("disk full")

    monkeypatch.setattr(moment, fail)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path, {"x": torch.ones(2)})
    monkeypatch.undo()
    assert load(tmp_path)["x"].sum() == 0


WRITER = """
import sys, torch
from morl import store
i = 0
while True:
    store.save(sys.argv[1], {"i": i, "x": torch.full((50_000,), float(i))}, format="test-state", version=3)
    i += 1
    if i == 2: print("ready", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_while_saving(tmp_path: Path) -> None:
    for round in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        time.sleep(0.013 * round)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        state = load(tmp_path)
        assert (state["x"] == state["i"]).all()


def test_unsaveable_values_are_named(tmp_path: Path) -> None:
    with pytest.raises(MorlError, match=r"got set at state\.a\[1\]"):
        save(tmp_path, {"a": [1, {2}]})
    with pytest.raises(MorlError, match="string keys"):
        save(tmp_path, {"a": {1: 2}})
    file = store.atomic_write(tmp_path / "file", "x")
    with pytest.raises(MorlError, match="found the file"):
        save(file, {})


def test_damage_and_strangers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        load(tmp_path / "missing")
    with pytest.raises(CheckpointError, match=r"no state\.json"):
        load(tmp_path)
    save(tmp_path, {"x": torch.arange(100.0), "number": 12345})
    with pytest.raises(CheckpointError, match="expected a morl-agent"):
        load(tmp_path, format="morl-agent")
    with pytest.raises(CheckpointError, match="found version 3, written by morl 0"):
        load(tmp_path, version=2)

    file, state = payload(tmp_path), tmp_path / "state.json"
    content, text = file.read_bytes(), state.read_text()
    for damaged in (content[:-7], b"", content[:150] + bytes([content[150] ^ 1]) + content[151:]):
        file.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load(tmp_path)
    file.unlink()
    with pytest.raises(CheckpointError, match="no such file"):
        load(tmp_path)
    file.write_bytes(content)

    for damaged in (text[:-20], text.replace("12345", "12346"), "", "\0"):
        state.write_text(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load(tmp_path)
    for foreign in ("[]", "{}", '{"format": "test-state"}'):
        state.write_text(foreign)
        with pytest.raises(CheckpointError, match="foreign"):
            load(tmp_path)
    state.write_text(text)
    assert load(tmp_path)["number"] == 12345


def test_atomic_write(tmp_path: Path) -> None:
    file = store.atomic_write(tmp_path / "a" / "b.txt", "ä")
    store.atomic_write(file, b"bytes")
    assert file.read_bytes() == b"bytes"
    assert list(file.parent.iterdir()) == [file]
