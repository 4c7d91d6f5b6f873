"""`morl compare`: from runs and tables to tables, pictures and reports."""

from __future__ import annotations

import json
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from refusals import assert_error
from rich.console import Console
from synthetic import write_study

from morl.cli import tables
from morl.comparison import compare
from morl.comparison_tables import tables_of
from morl.front import Front

DST, CONCAVE = "deep-sea-treasure-v0", "deep-sea-treasure-concave-v0"
SEA = ["--env", DST, "--gamma", "0.99"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two environments, two agents, five seeds."""
    return write_study(
        tmp_path_factory.mktemp("study"),
        environments=(DST, CONCAVE),
        agents=("envelope-dqn", "random"),
        seeds=5,
        evaluations=3,
        episodes=2,
    )


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def front(name: str, points=((1.0, -1.0), (8.2, -3.0)), **changes) -> Path:
    values = {"env_id": DST, "gamma": 0.99, "objectives": ["treasure", "time"], "role": "report"} | changes
    return Front.from_points(points, **values).save(name)


# --- from runs to tables, pictures and the report -----------------------------------------------------------


def test_a_folder_of_runs(call, folder: Path) -> None:
    files = ("report.html", "table.csv", "table.json", "table.tex", "fronts.png")
    status, out, err = call("compare", folder, *(word for file in files for word in ("--out", file)))
    assert (status, err) == (0, "")
    titles = [f"{env}: discount 0.99, original environment, 2 episodes" for env in (CONCAVE, DST)]
    titles += ["all environments: interquartile mean", "probability of improvement in hypervolume"]
    assert sorted(titles, key=out.index) == titles
    assert "exact front" in out and "854.85" in out and "3,688.38" in out
    found = compare(folder)
    for group in ("envelope-dqn", "random"):
        estimate = found.estimates[DST][group]["hypervolume"]
        low, high = estimate.iqm_interval or (0, 0)
        assert f"{estimate.iqm:.2f} [{low:.2f}, {high:.2f}]" in out
    pictures = [f"fronts-{env}.png" for env in (CONCAVE, DST)]
    written = re.findall(r"^written: (.*)$", out, re.MULTILINE)
    assert written == [*files[:-1], *pictures]
    assert all(Path(name).read_bytes().startswith(b"\x89PNG") for name in pictures)
    report = Path("report.html").read_text()
    assert report.lstrip().lower().startswith("<!doctype html>")
    data = re.search(r'id="morl-fronts-0">(.*?)</script>', report)
    assert data is not None  # with the estimates over seeds, not only every run
    assert json.loads(data[1])["scores"]["groups"].keys() == {"envelope-dqn", "random"}
    assert set(json.loads(Path("table.json").read_text())["environments"]) == {DST, CONCAVE}


@pytest.mark.parametrize(
    "picture", ["attainment", "difference", "curves", "intervals", "profiles"], ids=lambda name: name
)
def test_pictures(call, folder: Path, picture: str) -> None:
    status, out, err = call("compare", folder / DST, "--out", "a.svg", "--picture", picture)
    assert (status, err) == (0, "") and "written: a.svg" in out
    assert "<svg" in Path("a.svg").read_text()


def test_environments_without_such_a_picture_are_left_out_by_name(call) -> None:
    """Attainment has no picture in six objectives; the others are drawn all the same."""
    write_study(Path("runs"), environments=(DST, "fruit-tree-v0"), agents=("random",), seeds=3, evaluations=0)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        status, out, err = call("compare", "runs", "--out", "a.png", "--picture", "attainment")
    assert status == 0 and f"written: a-{DST}.png" in out and out.count("written") == 1
    assert err.startswith("warning: no attainment of fruit-tree-v0: expected two or three objectives")
    assert_error(call("compare", "runs/fruit-tree-v0", "--out", "b.png", "--picture", "attainment"), "got 6")


def test_what_to_show(call, folder: Path) -> None:
    words = ["--statistic", "median", "--indicators", "igd-plus", "hypervolume", "--runs"]
    status, out, _ = call("compare", folder / DST, *words)
    assert status == 0 and "median over seeds with 95 % bootstrap interval" in out
    assert "igd plus" in out and "commanded utility" not in out
    assert all(f" {group}/{seed} " in out for group in ("envelope-dqn", "random") for seed in range(5))
    assert_error(call("compare", folder / DST, "--indicators", "igd+"), "got 'igd.'.*Known: hypervolume, ")


@pytest.mark.parametrize("width", [80, 160])
def test_numbers_stay_whole_at_any_width(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(tables, "console", lambda: Console(file=sys.stdout, width=width, highlight=False))
    content = tables_of(compare(folder), runs=True)
    tables.print_tables(content)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    for table in content:
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if not column.words and not column.spare:
                    assert all(word in out for word in f"{cell.text} {cell.interval}".split())
    assert ("0:01:40" in out) == (width == 160)  # times give way to what was measured


def test_a_single_seed_has_no_interval_and_two_have_none_either(call, folder: Path) -> None:
    runs = [folder / DST / agent / seed for agent in ("envelope-dqn", "random") for seed in ("0", "1")]
    status, out, _ = call("compare", runs[0], runs[2])
    assert status == 0 and "[" not in out and "seeds" not in out and "envelope-dqn/0" in out
    status, out, _ = call("compare", *runs)
    assert status == 0 and "[" not in out
    assert "intervals of fewer than 5 seeds are too short, of fewer than 3 there are none" in out


# --- what other programs wrote ------------------------------------------------------------------------------


def test_tables_of_other_programs(call, folder: Path) -> None:
    for seed in range(3):
        media = Path(f"wandb/run-{seed}/files/media/table/eval")
        media.mkdir(parents=True)
        for step in (9, 10):
            points = [[23.7 - seed - (step == 9), -19]]
            document = {"columns": ["objective_1", "objective_2"], "data": points}
            (media / f"front_{step}_0a1b.table.json").write_text(json.dumps(document))
    Path("mine.csv").write_text("time,treasure\n-1,1\n-3,8.2\n")
    words = ["gpi-ls=wandb", "mine.csv", folder / DST / "random", *SEA]
    assert_error(call("compare", *words), "time, treasure; put them in one order with --reorder")
    status, out, err = call("compare", *words, "--reorder", "--out", "table.json")
    assert (status, err) == (0, "")
    found = json.loads(Path("table.json").read_text())["environments"][DST]
    assert {name: len(group["runs"]) for name, group in found["groups"].items()} == {
        "gpi-ls": 3,
        "mine": 1,
        "random": 5,
    }
    # The points of the last step, discounted as they are: more than a diver can earn.
    volume = found["groups"]["gpi-ls"]["estimates"]["hypervolume"]["median"]
    assert volume == pytest.approx(22.7 * 31)
    assert "above the exact front for some preferences, by luck of the episodes or by returns under" in out


def test_what_a_table_does_not_say(call) -> None:
    Path("mine.csv").write_text("1,-1\n8.2,-3\n")
    assert_error(call("compare", "mine.csv", *SEA), "mine.csv: line 1: expected a header .*--objectives")
    assert_error(call("compare", "mine.csv", "--objectives", "treasure", "time"), "give --env and --gamma")
    status, out, _ = call("compare", "mine.csv", *SEA, "--objectives", "treasure", "time")
    assert status == 0 and f"{DST}: discount 0.99, 101 preferences" in out and "unknown" not in out


# --- what is refused, and what is said ----------------------------------------------------------------------


def test_discounts_are_kept_apart(call) -> None:
    one, other = front("one.json"), front("other.json", gamma=1.0)
    assert_error(call("compare", one, other), "one has 0.99, other has 1.0; .*--gamma.*--split-discounts")
    status, out, _ = call("compare", one, other, "--split-discounts")
    assert status == 0 and f"{DST}: discount 0.99" in out and f"{DST}: discount 1, " in out


def test_environments_are_kept_apart(call) -> None:
    one, other = front("one.json"), front("other.json", env_id=CONCAVE)
    status, out, _ = call("compare", one, other)
    assert status == 0 and f"{DST}: " in out and f"{CONCAVE}: " in out and "all environments" not in out
    result = call("compare", one, other, "--reference-point", "0", "-50")
    assert_error(result, "expected one environment with a reference point of one's own")


def test_points_outside_the_reference_point_are_said(call) -> None:
    status, out, _ = call("compare", front("one.json"), "--reference-point", "5", "-50")
    assert status == 0
    assert "points not above the reference point, so not in the hypervolume: 1 of 2 of one" in out
    status, out, _ = call("compare", "one.json", "--reference-point", "100", "100")
    assert "no point is above the reference point in all objectives, so the hypervolumes are 0" in out


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "treasure,time\n1,-2\n3,nan\n", "a.csv: line 3: expected a finite number in column time"),
        ("a.csv", "treasure,time\n1,-2\n3\n", "a.csv: line 3: expected 2 numbers"),
        ("a.csv", "treasure,time\n", "a.csv: the front is empty"),
        ("a.json", '{"columns": ["treasure"], "data": [[1]', "a.json: not JSON, or cut off: .*line 1"),
        ("a.json", '{"format": "morl.front"}', "a.json"),
        ("a.csv", "treasure,time,fuel\n1,2,3\n", "expected 2 objectives for deep-sea-treasure-v0"),
    ],
)
def test_bad_files(call, name: str, text: str, message: str) -> None:
    Path(name).write_text(text)
    assert_error(call("compare", name, *SEA), message)


def test_a_damaged_run_names_its_file(call, folder: Path) -> None:
    run = write_study(Path("runs"), environments=(DST,), agents=("random",), seeds=1, evaluations=2)
    file = run / DST / "random" / "0" / "evaluations.jsonl"
    file.write_text(file.read_text().replace('"steps"', '"stepz"'))
    assert_error(call("compare", "runs"), r"0/evaluations\.jsonl, line 1 is damaged: .*steps")


def test_what_is_unfinished_is_left_out_and_said(call) -> None:
    write_study(Path("runs"), environments=(DST,), agents=("random",), seeds=3, evaluations=0)
    (Path("runs") / DST / "random" / "1" / "front.json").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        status, out, err = call("compare", "runs")
    assert status == 0
    assert (
        err == f"warning: left out, since unfinished: runs/{DST}/random/1; go on with morl train --resume\n"
    )
    assert re.search(r" random +2 ", out)


def test_outputs_are_checked_before_anything_is_read(call) -> None:
    assert_error(call("compare", "missing", "--out", "table.xlsx"), r"ending in \.csv, .*, got table\.xlsx")
    result = call("compare", front("one.json"), "--out", "curves.png", "--picture", "curves")
    assert_error(result, "expected evaluations during training to draw learning curves")
    assert not Path("curves.png").exists()


def test_one_point_many_times(call) -> None:
    many = front("many.json", points=np.tile([[1.0, -1.0]], (4, 1)))
    status, _, _ = call(
        "compare",
        many,
        front("one.json", points=[[1.0, -1.0]]),
        "--out",
        "t.json",
        "--reference-point",
        "0",
        "-50",
    )
    assert status == 0
    runs = json.loads(Path("t.json").read_text())["environments"][DST]["runs"]
    assert runs["many"]["points"] == runs["one"]["points"] == 1
    assert runs["many"]["values"]["hypervolume"] == runs["one"]["values"]["hypervolume"] == 49


def test_export_and_read_again(tmp_path: Path, call) -> None:
    (tmp_path / "a.csv").write_text("gain;cost\n1,5;2\n3,25;4\n")
    words = ["--env", "toy", "--gamma", "0.9"]
    status, out, _ = call("export", tmp_path / "a.csv", *words, "--minimise", "cost")
    assert (status, out) == (0, "gain,cost\n1.5,-2.0\n3.25,-4.0\n")
    (tmp_path / "b.csv").write_text(out)
    status, out, err = call("compare", tmp_path / "a.csv", *words, "--minimise", "cost")
    assert status == 0 and "cost was to be minimised, so its sign was changed: a" in out, err
    pair = [tmp_path / "b.csv", f"other={tmp_path / 'b.csv'}", *words]
    assert_error(call("export", *pair), "got one twice")
    assert call("export", f"x={tmp_path / 'b.csv'}", *words, "--out", tmp_path / "c.csv")[0] == 0
    assert (tmp_path / "c.csv").read_text() == (tmp_path / "b.csv").read_text()
    assert_error(call("export", tmp_path / "b.csv", *words, "--out", tmp_path / "c.json"), "ending in .csv")
    assert "morl export" in call("export", "--help")[1]
