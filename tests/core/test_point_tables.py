from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morl.errors import CheckpointError, MorlError
from morl.point_tables import PointTable, front_of, read_table, table_of

DST = "deep-sea-treasure-v0"

LOGGED = '{"columns":["objective_1","objective_2"],"data":[[1.0,2.5],[3,-1e-7]]}'
"""What W&B keeps of `wandb.log({"eval/front": wandb.Table(...)})` in media/table/eval, byte for byte."""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "treasure,time\n1,-2\n3.5,-4e0\n",
        '"treasure","time"\r\n"1","-2"\r\n"3.5","-4"\r\n',
        "\ufefftreasure, time\n\n 1 ,-2\n3.5,-4",
    ],
)
def test_csv(tmp_path: Path, text: str) -> None:
    columns, points = read_table(write(tmp_path / "a.csv", text))[:2]
    assert columns == ("treasure", "time") and points.tolist() == [[1, -2], [3.5, -4]]


def test_wanted_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "time,note,treasure\n-1,3 good,5\n-2,,6\n")
    assert read_table(path, ["treasure", "time"]).points.tolist() == [[5, -1], [6, -2]]
    with pytest.raises(
        CheckpointError, match="line 2: expected a finite number in column note, got '3 good'"
    ):
        read_table(path)
    with pytest.raises(CheckpointError, match="columns treasure, fuel, found only time, note, treasure"):
        read_table(path, ["treasure", "fuel"])
    plain = write(tmp_path / "b.csv", "1,2\n3,4\n")
    assert read_table(plain, ["a", "b"]).points.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(CheckpointError, match=r"line 1: expected a header .* --objectives"):
        read_table(plain)


def test_tables_of_morl_baselines(tmp_path: Path) -> None:
    path = write(tmp_path / "front_2_ea170afa.table.json", LOGGED)
    table = read_table(path)
    assert table.points.tolist() == [[1.0, 2.5], [3.0, -1e-7]]
    front = front_of(table, path, env=f"morl/{DST}", gamma=0.99)
    assert (front.env_id, front.objectives, front.role) == (DST, ("treasure", "time"), "report")
    assert front.reference_point is not None and front.reference_point.tolist() == [0, -50]
    assert front.versions == {} and np.isnan(front.standard_errors).all()
    assert front_of(table, path, env="mine", gamma=1.0).objectives == ("objective_1", "objective_2")
    assert read_table(path, ["a", "b"]).columns == ("a", "b")  # numbers are no names
    exported = write(tmp_path / "front.csv", '"objective_1","objective_2"\n"1","2.5"\n"3","-1e-7"\n')
    assert read_table(exported).points.tolist() == table.points.tolist()


def test_the_reference_point_follows_the_names(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "time,treasure\n-3,1\n"))
    front = front_of(table, tmp_path / "a.csv", env=DST, gamma=0.99)
    assert front.reference_point is not None and front.reference_point.tolist() == [-50, 0]
    other = read_table(write(tmp_path / "b.csv", "steps,gold\n-3,1\n"))
    assert front_of(other, tmp_path / "b.csv", env=DST, gamma=0.99).reference_point is None


@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3), min_size=1))
def test_numbers_come_back_exactly(rows: list[tuple[float, ...]]) -> None:
    document = {"columns": ["a", "b", "c"], "data": [list(row) for row in rows]}
    assert table_of(json.loads(json.dumps(document))).points.tolist() == document["data"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.csv", "treasure,time\n", "the front is empty: expected at least one point"),
        (
            "a.csv",
            "treasure,time\n1,-2\n3\n",
            "line 3: expected 2 numbers .treasure, time., got 1; .* cut off",
        ),
        ("a.csv", "treasure,time\n1,-2,3\n", "line 2: expected 2 numbers .*, got 3"),
        ("a.csv", "treasure,time\n1,nan\n", "line 2: expected a finite number in column time, got 'nan'"),
        ("a.csv", "treasure,time\n1,-2\n-inf,3\n", "line 3: expected a finite number in column treasure"),
        ("a.csv", "treasure,time\n1,\n", "line 2: expected a finite number in column time, got ''"),
        ("a.csv", "treasure,treasure\n1,2\n", "a different name for each column"),
        ("a.csv", 'treasure,time\n1,"2\n', "line 2: not CSV"),
        ("a.json", LOGGED[:-5], "not JSON, or cut off: .*line 1 column"),
        ("a.json", "{}", "not a front"),
        ("a.json", '{"columns": [], "data": []}', "the front is empty"),
        ("a.json", '{"columns": [], "data": [[]]}', "a different name for each column, got none"),
        ("a.json", '{"columns": ["a"], "data": []}', "the front is empty"),
        ("a.json", '{"columns": ["a"], "data": 3}', "a list of rows"),
        ("a.json", '{"columns": ["a"], "data": [[1], [NaN]]}', r"data\[1\]: expected a finite number"),
        ("a.json", '{"columns": ["a", "b"], "data": [[1, 2], [1]]}', r"data\[1\]: expected 2 numbers"),
        ("a.json", '{"columns": ["a"], "data": [[null]]}', r"data\[0\]: .*got None"),
        ("a.json", '{"columns": ["a"], "data": [[true]]}', r"data\[0\]: .*got True"),
        ("a.json", "[" * 100_000, "not JSON, or cut off"),
    ],
)
def test_bad_tables_name_file_and_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_table(path)
    assert str(caught.value).startswith(str(path))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no .*missing\.csv"):
        read_table(tmp_path / "missing.csv")
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError, match="line 1: not text in UTF-16"):
        read_table(tmp_path / "a.csv")
    with pytest.raises(CheckpointError, match="cannot read"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"env": None, "gamma": 0.9}, "give --env, for example"),
        ({"env": DST, "gamma": None}, "give --gamma, .*MORL-Baselines exports discounted returns"),
        ({"env": None, "gamma": None}, "give --env and --gamma"),
        ({"env": DST, "gamma": 2.0}, "gamma to be a number from 0 to 1"),
        ({"env": "minecart-v0", "gamma": 0.9}, "expected 3 objectives for minecart-v0 .*, mine.csv has 2"),
    ],
)
def test_what_a_table_does_not_say_must_be_given(given: dict, message: str) -> None:
    with pytest.raises(MorlError, match=message):
        front_of(PointTable(("a", "b"), np.eye(2)), Path("mine.csv"), **given)


def test_numbered_columns_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "objective_2,objective_1\n-3,1\n")
    front = front_of(read_table(path), path, env=DST, gamma=0.99)
    assert front.objectives == ("time", "treasure") and front.returns.tolist() == [[-3, 1]]
    chosen = read_table(path, ["objective_1", "objective_2"])
    assert chosen.points.tolist() == [[1, -3]]
    assert front_of(chosen, path, env=DST, gamma=0.99).objectives == ("treasure", "time")


def test_a_column_that_only_numbers_the_rows_is_no_objective(tmp_path: Path) -> None:
    """`DataFrame.to_csv` writes it unless told not to."""
    numbered = write(tmp_path / "a.csv", ",treasure,time\n0,1,-2\n1,3.5,-4\n")
    columns, points = read_table(numbered)[:2]
    assert columns == ("treasure", "time") and points.tolist() == [[1, -2], [3.5, -4]]
    assert read_table(numbered, ["time", "treasure"]).points.tolist() == [[-2, 1], [-4, 3.5]]
    other = write(tmp_path / "b.csv", ",treasure,time\n7,1,-2\n8,3.5,-4\n")
    with pytest.raises(CheckpointError, match="a different name for each column"):
        read_table(other)


def test_further_columns_are_named_with_what_to_do(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", "treasure,time,step\n1,-2,100\n"))
    with pytest.raises(MorlError, match="read these of its columns with --objectives treasure time"):
        front_of(table, tmp_path / "a.csv", env=DST, gamma=0.99)
