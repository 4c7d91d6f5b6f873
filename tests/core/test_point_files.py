"""Tables of points as people have them: what is meant is read, what could mean two things is refused."""

from __future__ import annotations

import io
import os
import socket
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morl.csv_text import original_text, read_sheet, write_csv
from morl.errors import CheckpointError, MorlError
from morl.files import MOST_BYTES, read_plain
from morl.front import Front
from morl.point_export import points_of, points_of_study
from morl.point_tables import PointTable, front_of, read_table, read_tables
from morl.study import load_study
from morl.study_search import search

WANTED = [[1.5, -2.0], [3.25, -4.0]]
NAMES = ("treasure", "time")


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "treasure;time\n1.5;-2\n3.25;-4\n",
        "treasure;time\n1,5;-2\n3,25;-4\n",
        "treasure\ttime\n1,5\t-2,0\n3,25\t-4\n",
        "treasure|time\n1.5|-2\n3.25|-4\n",
        "treasure time\n  1.5  -2\n  3.25 -4\n",
        '"treasure","time"\n"1,5","-2"\n"3,25","-4"\n',
        "# an export\n#\ntreasure,time\n# the best\n1.5,-2\n\n3.25,-4\n\n",
        "# treasure,time\n1.5,-2\n3.25,-4\n",
        "sep=;\ntreasure;time\n1,5;-2\n3,25;-4\n",
        "treasure,time,\n1.5,-2,\n3.25,-4,\n",
        "treasure,time\n1.5,-2,,\n3.25,-4,,\n",
        ",treasure,time\n0,1.5,-2\n1,3.25,-4\n",
        "Unnamed: 0,treasure,time\n1,1.5,-2\n2,3.25,-4\n",
        "index;treasure;time\n0;1,5;-2\n1;3,25;-4\n",
        "treasure,time\n1.5,\u22122\n3.25,\u22124\n",
        "treasure,time\r1.5,-2\r3.25,-4\r",
    ],
)
def test_csv_of_many_hands(tmp_path: Path, text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le"):
        columns, points = read_table(put(tmp_path / "a.csv", text.encode(encoding)))[:2]
        assert columns == NAMES and points.tolist() == WANTED
    assert read_table(tmp_path / "a.csv", NAMES[::-1]).points.tolist() == [row[::-1] for row in WANTED]


@pytest.mark.parametrize(
    "text",
    [
        ",treasure,time\n3,1.5,-2\n7,3.25,-4\n",
        ",treasure,time\na,1.5,-2\nb,3.25,-4\n",
        "treasure,treasure2,,time\n1.5,0,x,-2\n3.25,0,,-4",
    ],
)
def test_nameless_columns_do_not_matter_where_others_are_wanted(tmp_path: Path, text: str) -> None:
    assert read_table(put(tmp_path / "a.csv", text), NAMES).points.tolist() == WANTED


def test_columns_of_numbers_are_names_and_columns_of_words_are_said(tmp_path: Path) -> None:
    for text in ("0,1\n1.5,-2.0\n3.25,-4.0\n", ",0,1\n0,1.5,-2\n1,3.25,-4\n", "0;1\n1,5;-2\n3,25;-4"):
        table = read_table(put(tmp_path / "a.csv", text), NAMES)
        assert table.columns == NAMES and table.points.tolist() == WANTED
    front = front_of(
        read_table(tmp_path / "a.csv"), tmp_path / "a.csv", env="deep-sea-treasure-v0", gamma=1.0
    )
    assert front.objectives == NAMES
    with pytest.warns(UserWarning, match="0, 1.* is taken for a header"):
        assert read_table(put(tmp_path / "a.csv", "0,1\n1,-40\n"), NAMES).points.tolist() == [[1, -40]]
    with pytest.warns(UserWarning, match="left out: note"):
        table = read_table(put(tmp_path / "a.csv", "treasure,note,time\n1.5,good,-2\n3.25,,-4\n"))
    assert table.columns == NAMES and table.points.tolist() == WANTED


def test_seeds_and_fronts_of_one_file(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "seed;treasure;time\n3;1;-2\n3;2;-3\n1;5;-6\n")
    assert [(t.seed, t.points.tolist()) for t in read_tables(path)] == [
        (3, [[1, -2], [2, -3]]),
        (1, [[5, -6]]),
    ]
    with pytest.raises(CheckpointError, match="the points of one front, got those of 2"):
        read_table(path)
    study = load_study(path, env="toy", gamma=1.0)
    assert [(e.label, e.group, e.front.training_seed) for e in study.entries] == [
        ("a seed 3", "a", 3),
        ("a seed 1", "a", 1),
    ]
    put(tmp_path / "b.csv", "Agent,SEED,treasure,time\ngpi,0,1,-2\ngpi,1,2,-3\nppo,0,5,-6\n")
    study = load_study([path, tmp_path / "b.csv"], env="toy", gamma=1.0)
    assert study.groups == ("a", "gpi", "ppo")
    with pytest.warns(UserWarning, match="gpi seed 0 and ppo seed 0"):
        named = load_study(f"mine={tmp_path / 'b.csv'}", env="toy", gamma=1.0)
    assert named.groups == ("mine",) and len(named.entries) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("treasure;time\n1,234;-5\n2,345;-6\n", "line 2: 1,234 could be 1.234 or 1234"),
        ("treasure;time\n1,5;-2.5\n", "line 2: .* 1,5 with a comma .*line 2, -2.5 with a point"),
        ("treasure;time\n1,234,567;2\n", "line 2: expected a number, got '1,234,567'"),
        ("treasure;time\n1;2\n1,5;2,5;3,5\n", "line 3: expected 2 numbers"),
        ("a,b\n1,5,2,5\n", "line 2: expected 2 numbers .*, got 4"),
        ("treasure,time\n1,12 %\n", "line 2: expected a finite number in column time, got '12 %'"),
        ("treasure,time\n1,-2\n2,bad\n", "line 3: .* got 'bad'"),
        ("treasure,time\n1,NA\n2,NA\n", "line 2: .* got 'NA'"),
        ("treasure,time\n1,NaN\n", "line 2: expected a finite number"),
        ("treasure,time,seed\n1,2,0.5\n", "line 2: expected a seed"),
        ("treasure,time,seed\n1,2,\n", "line 2: expected a seed"),
        ("front,treasure,agent\na,2,b\n", "expected one column that names a front"),
        ("treasure,5\n1,2\n", "names of columns in the header, got the number 5"),
        (",treasure,time\n7,1,-2\n8,3.5,-4\n", "none for column 1; .*--objectives"),
        ("treasure,time\n1,2\0\n", r"line 2: .*x00"),
        ("treasure,time\n1,2\n\xe9".encode("latin-1"), "line 3: not text in UTF-8"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_line(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_table(put(tmp_path / "a.csv", text))


@pytest.mark.parametrize("large", ["0,123", "1500", "1,5", "12345,6"])
def test_one_cell_tells_what_commas_mean(large: str) -> None:
    (_, row) = read_sheet(f"a;b\n1,234;{large}\n").rows
    assert float(row.cells[0]) == 1.234


def test_arrays(tmp_path: Path) -> None:
    points = np.array(WANTED, dtype=np.float32)
    np.save(tmp_path / "a.npy", points)
    assert read_table(tmp_path / "a.npy").columns is None
    assert read_table(tmp_path / "a.npy", NAMES)[:1] == (NAMES,)
    front = front_of(read_table(tmp_path / "a.npy"), "a.npy", env="deep-sea-treasure-v0", gamma=1.0)
    assert front.objectives == NAMES and front.returns.tolist() == WANTED
    np.save(tmp_path / "a.npy", np.stack([points, points + 1]))
    assert [table.seed for table in read_tables(tmp_path / "a.npy")] == [0, 1]
    np.savez(tmp_path / "a.npz", gpi=points, ppo=points[:1])
    assert [(t.front, len(t.points)) for t in read_tables(tmp_path / "a.npz")] == [("gpi", 2), ("ppo", 1)]
    np.savez_compressed(tmp_path / "a.npz", points, points[:1])
    assert [(t.front, t.seed) for t in read_tables(tmp_path / "a.npz")] == [(None, 0), (None, 1)]
    named = np.array([(1.5, -2), (3.25, -4)], dtype=[("treasure", float), ("time", float)])
    np.save(tmp_path / "a.npy", named)
    assert read_table(tmp_path / "a.npy")[:1] == (NAMES,)


@pytest.mark.parametrize(
    "array",
    [np.array([{}]), np.ones(3), np.ones((2, 2), dtype=complex), np.array([["a", "b"]]), np.full((2, 2), np.nan),
     np.ones((2, 2, 2, 2)), np.empty((0, 2)), np.empty((2, 0)), np.ones((2, 2), dtype=bool), np.float64(3)],
)  # fmt: skip
def test_arrays_that_are_no_points(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(CheckpointError, match=r"a\.npy: "):
        read_tables(tmp_path / "a.npy")


def test_damaged_arrays_are_one_line(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array(WANTED))
    whole = buffer.getvalue()
    random = np.random.default_rng(0)
    for name, data in (("a.npz", whole), ("a.npy", whole[whole.index(b"\x93NUMPY") :][:200])):
        for _ in range(60):
            broken = bytearray(data)
            broken[random.integers(len(broken))] ^= 1 << random.integers(8)
            put(tmp_path / name, bytes(broken[: random.integers(1, len(broken) + 1)]))
            try:
                assert read_tables(tmp_path / name)
            except CheckpointError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[[1.5, -2], [3.25, -4]]", [(None, None, None)]),
        ('[{"treasure": 1.5, "time": -2}, {"time": -4, "treasure": 3.25}]', [(NAMES, None, None)]),
        ('{"treasure": [1.5, 3.25], "time": [-2, -4]}', [(NAMES, None, None)]),
        ('{"treasure": {"0": 1.5, "1": 3.25}, "time": {"0": -2, "1": -4}}', [(NAMES, None, None)]),
        ('{"columns": ["treasure", "time"], "index": [0], "data": [[1.5, -2], [3.25, -4]]}', [(NAMES, None, None)]),
        ('{"gpi": [[1.5, -2], [3.25, -4]]}', [(None, "gpi", None)]),
        ("[[[1.5, -2], [3.25, -4]], [[1.5, -2], [3.25, -4]]]", [(None, None, 0), (None, None, 1)]),
        ('{"gpi": [[[1.5, -2], [3.25, -4]]], "b": [[1.5, -2], [3.25, -4]]}', [(None, "gpi", 0), (None, "b", None)]),
        ('{"seed_4": [[1.5, -2], [3.25, -4]], "7": [[1.5, -2], [3.25, -4]]}', [(None, None, 4), (None, None, 7)]),
    ],
)  # fmt: skip
def test_json(tmp_path: Path, text: str, found: list) -> None:
    tables = read_tables(put(tmp_path / "a.json", text))
    assert [(t.columns, t.front, t.seed) for t in tables] == found
    assert all(table.points.tolist() == WANTED for table in tables)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[1, 2], [3]]", r"data\[1\]: expected 2 numbers"),
        ('[{"a": 1}, {"b": 2}]', r"data\[1\]: expected a, got b"),
        ('{"a": [1, 2], "b": [3]}', "as many numbers for each objective, got 2 for a, 1 for b"),
        ('{"a": {"b": [[1, 2]]}}', "names in the names"),
        ('[[1, "x"]]', "got 'x'"),
        ("[[1, NaN]]", "finite number"),
        ("[[1, 1e400]]", "finite number"),
        (f"[[1, {'9' * 400}]]", "finite number"),
        ("[]", "empty"),
        ("[[]]", "expected"),
        ("3", "not a front"),
        ('{"hidden": 64}', "not a front"),
        ('{"a":' * 400 + "[[1, 2]]" + "}" * 400, "a.json: "),
    ],
)
def test_bad_json(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_tables(put(tmp_path / "a.json", text))


def test_what_is_to_be_small_is_turned_once(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "gain,cost\n1,2\n3,0\n")
    (entry,) = load_study(path, env="toy", gamma=1.0, minimise=["cost"]).entries
    assert entry.front.returns.tolist() == [[1, -2], [3, 0]] and entry.provenance["minimised"] == ["cost"]
    with pytest.raises(MorlError, match=r"--minimise with objectives .*\(gain, cost\), got costs"):
        load_study(path, env="toy", gamma=1.0, minimise=["costs"])
    front = entry.front.save(tmp_path / "b.json")
    assert load_study([path, front], env="toy", gamma=1.0, minimise=["cost"]).entries[1].front == entry.front
    with pytest.raises(MorlError, match="tables of points with --minimise"):
        load_study(front, minimise=["cost"])


objectives = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1).filter(
        lambda name: (
            not name.replace("_", "").isdigit() and name.lower() not in ("index", "seed", "nan", "inf")
        )
    ),
    min_size=2,
    max_size=2,
    unique=True,
)


@given(objectives, st.lists(st.tuples(*[st.floats(-1e300, 1e300)] * 2), min_size=1, max_size=4))
def test_exported_points_come_back(names: list[str], rows: list[tuple[float, float]]) -> None:
    names = [f"x{name}" if name[0].isdigit() else name for name in names]
    front = Front.from_points(rows, env_id="toy", gamma=1.0, objectives=names, role="report")
    sheet = read_sheet(points_of(front))
    assert [original_text(cell) for cell in sheet.rows[0].cells] == names
    assert [[float(cell) for cell in row.cells] for row in sheet.rows[1:]] == front.returns.tolist()


def test_a_study_of_points_comes_back(tmp_path: Path) -> None:
    fronts = {}
    for agent, seed in (("=gpi", 0), ("=gpi", 1), ("ppo", 0)):
        points = np.random.default_rng(seed).normal(size=(5, 2))
        front = Front.from_points(
            points,
            env_id="toy",
            gamma=1.0,
            objectives=("-cost", "gain"),
            role="report",
            agent=agent,
            training_seed=seed,
        )
        fronts[agent, seed] = front.save(tmp_path / f"{agent[-1]}{seed}.json")
    text = points_of_study(load_study(list(fronts.values())))
    assert text.startswith("front,seed,'-cost,gain\n'=gpi,0,")
    again = load_study(put(tmp_path / "all.csv", text), env="toy", gamma=1.0)
    assert {(e.group, e.front.training_seed): e.front.returns.tolist() for e in again.entries} == {
        key: Front.load(path).returns.tolist() for key, path in fronts.items()
    }
    front = Front.load(fronts["ppo", 0])
    assert front.save(tmp_path / "one.csv").read_text() == points_of(front)
    with pytest.raises(MorlError, match="one environment"):
        other = Front.from_points([[1]], env_id="b", gamma=1.0, objectives=["a"])
        points_of_study(load_study([fronts["ppo", 0], other.save(tmp_path / "other.json")]))


def test_cells_are_no_formulas() -> None:
    texts = ["=1+1", "+a", "-a", "@a", "'=a", "\uff1dA1", "#x", "plain", "it's", "a=b"]
    cells = write_csv([texts]).strip().split(",")
    assert [cell[0] for cell in cells[:7]] == ["'"] * 7 and cells[7:] == texts[7:]
    assert [original_text(cell) for cell in cells] == texts


# --- what is no plain file ---------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
def test_pipes_devices_and_folders_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    (folder / "folder.csv").mkdir(parents=True)
    os.mkfifo(folder / "pipe.json")
    os.mkfifo(folder / "pipe.csv")
    (folder / "zero.json").symlink_to("/dev/zero")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "self").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)  # names of sockets are short
        server.bind("socket.json")
    Front.from_points([[1, 2]], env_id="toy", gamma=1.0, objectives=("a", "b")).save(folder / "a.json")
    with pytest.warns(UserWarning, match="left out, since unreadable: .*and 1 more"):
        assert search(tmp_path) == [folder / "a.json"]
    for name, message in (
        ("pipe.json", "is a pipe"),
        ("pipe.csv", "is a pipe"),
        ("zero.json", "is a device"),
        ("socket.json", "is a socket"),
        ("loop.json", "cannot read|there is no"),
    ):
        with pytest.raises(CheckpointError, match=message):
            load_study(folder / name, env="toy", gamma=1.0)
        with pytest.raises(CheckpointError, match=message.replace("there is no", "no front")):
            Front.load(folder / name)


def test_files_without_end_are_refused(tmp_path: Path) -> None:
    with open(tmp_path / "large.csv", "wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(CheckpointError, match=r"at most 0\.5 GiB, .*large\.csv has 0\.5"):
        read_plain(tmp_path / "large.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert search(tmp_path) == []


def test_a_front_of_a_table_keeps_its_seed() -> None:
    table = PointTable(NAMES, np.array(WANTED), seed=7)
    assert front_of(table, "a.csv", env="toy", gamma=1.0).training_seed == 7
