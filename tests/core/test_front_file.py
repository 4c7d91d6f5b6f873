"""The file of a `Front`: exact round trips, what a human sees, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from morl import Front
from morl.errors import CheckpointError
from morl.front_file import from_json, to_json


def a_front(**changes: Any) -> Front:
    given_fields: dict[str, Any] = {
        "episode_returns": [[[0.1, -1.0], [0.3, -1.0]], [[2.0, -3.0], [2.0, -3.0]]],
        "episode_returns_undiscounted": [[[1, -1], [3, -1]], [[20, -3], [20, -3]]],
        "episode_lengths": [[1, 1], [3, 3]],
        "episode_seeds": [5, 6],
        "evaluation_seed": 1,
        "weights": [[0.25, 0.75], [1.0, 0.0]],
        "env_id": "toy-v0",
        "gamma": 0.99,
        "objectives": ("gain", "time"),
        "role": "selection",
        "env_kwargs": {"size": np.int64(3)},
        "backend": "batched",
        "reference_point": [0.0, -10.0],
        "agent": "conditioned-ppo",
        "training_seed": 0,
        "training_steps": 200,
        "training_seconds": 0.25,
    }
    return Front(**{**given_fields, **changes})


@pytest.mark.parametrize(
    "front",
    [
        a_front(),
        a_front(weights=None, episode_seeds=None, training_seconds=None, versions={}),
        Front.from_points([[1, 2]], env_id="tøy", gamma=1, objectives=["a", "b"]),
        a_front(
            wrappers=["TransformReward(func=a:b)"],
            units=["kg", ""],
            costs=[False, True],
            known_points=[[3.0, -1.0]],
            known_label="exact front",
            training_id="3f",
        ),
    ],
)
def test_what_is_saved_loads_equal(front: Front, tmp_path: Path) -> None:
    path = front.save(tmp_path / "new" / "folder" / "front.json")
    assert path == tmp_path / "new" / "folder" / "front.json"
    assert Front.load(path) == front
    assert [entry.name for entry in path.parent.iterdir()] == ["front.json"]


@given(arrays(np.float64, (3, 2, 2), elements=st.floats(-1e300, 1e300)))
def test_every_number_reads_back_bit_for_bit(returns: np.ndarray) -> None:
    front = a_front(
        episode_returns=returns,
        episode_returns_undiscounted=None,
        episode_lengths=None,
        weights=None,
    )
    again = from_json(to_json(front))
    assert again.episode_returns.tobytes() == front.episode_returns.tobytes()
    assert to_json(again) == to_json(front)


def test_the_file_reads_well() -> None:
    text = re.sub(r',\n  "sha256": "[0-9a-f]{64}"', "", to_json(a_front(versions={"morl": "0.1.0"})))
    assert (
        text
        == """{
  "format": "morl.front",
  "schema_version": 2,
  "env_id": "toy-v0",
  "gamma": 0.99,
  "objectives": ["gain", "time"],
  "role": "selection",
  "evaluation_seed": 1,
  "answers": null,
  "members": null,
  "env_kwargs": {"size": 3},
  "wrappers": [],
  "units": null,
  "costs": null,
  "known_points": null,
  "known_label": null,
  "backend": "batched",
  "reference_point": [0.0, -10.0],
  "agent": "conditioned-ppo",
  "training_seed": 0,
  "training_steps": 200,
  "training_seconds": 0.25,
  "training_id": null,
  "optimal_among": null,
  "deterministic": null,
  "versions": {"morl": "0.1.0"},
  "returns": [
    [0.2, -1.0],
    [2.0, -3.0]
  ],
  "episode_returns": [
    [[0.1, -1.0], [0.3, -1.0]],
    [[2.0, -3.0], [2.0, -3.0]]
  ],
  "episode_returns_undiscounted": [
    [[1.0, -1.0], [3.0, -1.0]],
    [[20.0, -3.0], [20.0, -3.0]]
  ],
  "episode_lengths": [
    [1, 1],
    [3, 3]
  ],
  "episode_seeds": [
    [5, 6],
    [5, 6]
  ],
  "weights": [
    [0.25, 0.75],
    [1.0, 0.0]
  ]
}
"""
    )


def test_a_file_of_the_first_version_is_read() -> None:
    """It has neither `answers` nor `members`: the preferences are those of the points, one by one."""
    front = a_front()
    entries = json.loads(to_json(front))
    del entries["answers"], entries["members"], entries["sha256"]
    assert from_json(json.dumps({**entries, "schema_version": 1})) == front


def test_saving_replaces_the_old_file_and_a_failed_save_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_front().save(tmp_path / "front.json")
    a_front(gamma=1.0).save(path)
    assert Front.load(path).gamma == 1.0

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        a_front(gamma=0.5).save(path)
    assert Front.load(path).gamma == 1.0
    assert [entry.name for entry in tmp_path.iterdir()] == ["front.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "morl.agent"}, "not a front"),
        ({"schema_version": 3}, "written by a newer morl: its schema_version is 3, this one reads up to 2"),
        ({"schema_version": "1"}, "schema_version to be an integer"),
        ({"schema_version": True}, "schema_version to be an integer"),
        ({"note": "mine"}, "unknown entries: note"),
        (
            {"returns": [[0.2, -1.0], [2.0, -3.1]]},
            r"returns\[1\]\[1\] is -3.1, but its episodes have the mean -3.0",
        ),
        ({"returns": [[0.2, -1.0]]}, r"returns of shape \(2, 2\), got shape \(1, 2\)"),
        ({"returns": "none"}, "expected returns to be a rectangular array"),
        ({"returns": [[None, -1.0], [2.0, -3.0]]}, r"returns\[0\]\[0\] is nan"),
        ({"episode_returns": [[[1, 2]], [[3]]]}, "episode_returns to be a rectangular array"),
        ({"episode_returns": [[[None, 1.0]]]}, r"nan at episode_returns\[0, 0, 0\]"),
        ({"objectives": ["gain"]}, "objectives to be 2 different names"),
        ({"weights": [[0.5, 0.5], [1.0, 1.0]]}, r"weights\[1\] sum to 2"),
        ({"gamma": None}, "gamma to be a number"),
        ({"role": 5}, "role to be one of"),
        ({"versions": None}, "versions to map"),
    ],
)
def test_a_changed_file_is_refused_with_its_name_and_the_reason(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "front.json"
    path.write_text(json.dumps({**json.loads(to_json(a_front())), **change}))
    with pytest.raises(CheckpointError, match=rf"(?s)front\.json: .*{message}"):
        Front.load(path)


@pytest.mark.parametrize(
    "name", ["episode_returns", "returns", "env_id", "gamma", "objectives", "role", "versions"]
)
def test_a_missing_entry_is_named(name: str, tmp_path: Path) -> None:
    entries = json.loads(to_json(a_front()))
    del entries[name]
    path = tmp_path / "front.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(CheckpointError, match=f"missing entries: {name}"):
        Front.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON, or cut off"),
        (to_json(a_front()).encode()[:300], "not JSON, or cut off.*line"),
        (b"[1, 2]", "not a front"),
        (b"\xff\xfe\x00", "cannot read the front"),
        (to_json(a_front()).replace("0.1,", "NaN,").encode(), "NaN among the numbers"),
        (to_json(a_front()).replace("0.1,", "-Infinity,").encode(), "-Infinity among the numbers"),
        (to_json(a_front()).replace("0.1,", "1e999,").encode(), r"inf at episode_returns\[0, 0, 0\]"),
        (b"[" * 100_000, "not JSON, or cut off"),
        (b"9" * 100_000, "not JSON, or cut off"),
    ],
)
def test_damaged_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "front.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        Front.load(path)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no front at .*missing\.json"):
        Front.load(tmp_path / "missing.json")
    with pytest.raises(CheckpointError, match=r"is a folder: expected a file, such as .*front\.json"):
        Front.load(tmp_path)
    with pytest.raises(CheckpointError, match="is a folder: name a file in it"):
        a_front().save(tmp_path)


def test_reading_and_comparing_fronts_does_without_torch(tmp_path: Path) -> None:
    path = a_front().save(tmp_path / "front.json")
    program = (
        "import sys; from morl import Front; front = Front.load(sys.argv[1]); front.hypervolume(); "
        "front.expected_utility(); front.save(sys.argv[1]); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
