from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from drawn import figures, legend
from matplotlib.figure import Figure
from matplotlib.text import Text
from synthetic import write_study

from morl.comparison import compare
from morl.comparison_tables import tables_of
from morl.errors import MorlError
from morl.front import Front
from morl.study import Entry, Study
from morl.study_comparison import StudyComparison
from morl.study_export import check_suffix, file_part
from morl.study_latex import escape, latex_table
from morl.table import Cell, Column, Row, Table

__all__ = ["figures"]  # a fixture

DST, CONCAVE = "deep-sea-treasure-v0", "deep-sea-treasure-concave-v0"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> StudyComparison:
    return compare(
        write_study(
            tmp_path_factory.mktemp("study"),
            environments=(DST, CONCAVE),
            agents=("envelope-dqn", "random"),
            seeds=3,
            evaluations=0,
            episodes=2,
        )
    )


def test_csv(found: StudyComparison, tmp_path: Path) -> None:
    (path,) = found.save(tmp_path / "deep" / "table.csv")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = {"environment": DST, "indicator": "hypervolume"}
    chosen = [row for row in rows if wanted.items() <= row.items()]
    assert [row["level"] for row in chosen] == ["known"] + ["run"] * 6 + ["group"] * 2
    comparison = found.environments[DST]
    for row in chosen:
        if row["level"] == "run":
            assert float(row["value"]) == comparison.values[row["run"]]["hypervolume"]
            assert row["group"] in row["run"] and row["seed"] == row["run"][-1]
        elif row["level"] == "group":
            estimate = found.estimates[DST][row["group"]]["hypervolume"]
            assert float(row["value"]) == estimate.iqm and float(row["median"]) == estimate.median
            assert (float(row["low"]), float(row["high"])) == estimate.iqm_interval and row["seeds"] == "3"
    overall = [row for row in rows if row["level"] == "overall"]
    assert {(row["group"], row["indicator"]) for row in overall} == {
        (group, each.indicator) for each in found.overall for group in ("envelope-dqn", "random")
    }


def test_json(found: StudyComparison, tmp_path: Path) -> None:
    (path,) = found.save(tmp_path / "table.json")
    document = json.loads(path.read_text())
    environment = document["environments"][DST]
    assert (environment["discount"], environment["objectives"]) == (0.99, ["treasure", "time"])
    assert environment["known_front"]["kind"] == "exact front"
    estimate = found.estimates[DST]["random"]["hypervolume"]
    assert environment["groups"]["random"]["estimates"]["hypervolume"] == {
        "iqm": estimate.iqm,
        "iqm_interval": list(estimate.iqm_interval or ()),
        "median": estimate.median,
        "median_interval": list(estimate.median_interval or ()),
    }
    run = environment["runs"][f"{DST}/random/2"]
    assert run["provenance"]["config"]["seed"] == 2 and run["values"] == dict(
        found.environments[DST].values[f"{DST}/random/2"]
    )
    assert "hypervolume over the reference point (0, -50)" in environment["notes"]
    first = document["overall"][0]
    assert first["indicator"] == "hypervolume" and len(first["groups"]["random"]["scores"]) == 2
    assert {(pair["better"], pair["than"]) for pair in first["probability_of_improvement"]} == {
        ("random", "envelope-dqn"),
        ("envelope-dqn", "random"),
    }


def test_values_that_do_not_exist_are_null(tmp_path: Path) -> None:
    front = Front.from_points([[1, -1]], env_id="toy", gamma=1.0, objectives=["a", "b"], role="report")
    found = compare(Study(entries=(Entry(label="x", group="x", front=front),)))
    document = json.loads(found.save(tmp_path / "t.json")[0].read_text())
    assert document["environments"]["toy"]["runs"]["x"]["values"]["maximum-utility-loss"] is None
    assert document["environments"]["toy"]["known_front"] is None
    rows = list(csv.DictReader(found.save(tmp_path / "t.csv")[0].read_text().splitlines()))
    assert "maximum-utility-loss" not in {row["indicator"] for row in rows}


def test_latex(found: StudyComparison, tmp_path: Path) -> None:
    text = found.save(tmp_path / "table.tex")[0].read_text()
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 4  # two, over all, improvement
    for table in text.split(r"\begin{table}")[1:]:
        body = table[table.index(r"\begin{tabular}") : table.index(r"\end{tabular}")]
        columns = re.match(r"\\begin\{tabular\}\{([lr]+)\}", body)
        assert columns is not None
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {line.count(" & ") for line in lines} == {len(columns[1]) - 1}
        assert body.count("{") == body.count("}")
    estimate = found.estimates[DST]["envelope-dqn"]["hypervolume"]
    low, high = estimate.iqm_interval or (0, 0)
    assert rf"$\mathbf{{{estimate.iqm:.2f}}}$ {{\scriptsize [${low:.2f}$, ${high:.2f}$]}}" in text
    assert r"maximum utility loss $\downarrow$" in text and "commanded utility" in text
    short = found.save(tmp_path / "short.tex", indicators=["igd-plus"], statistic="median", runs=True)[0]
    assert (
        r"igd plus $\downarrow$" in short.read_text()
        and "commanded utility" not in short.read_text().split("all env")[0]
    )
    assert short.read_text().count(r"\begin{table}") == 6


def test_latex_means_what_it_says() -> None:
    assert escape(r"50 % of a_b & c\d #1 ~^{}$") == (
        r"50 \% of a\_b \& c\textbackslash{}d \#1 \textasciitilde{}\textasciicircum{}\{\}\$"
    )
    row = Row((Cell("a_1"), Cell("-1,234.50", "[-2.00, 1.5e+08]", best=True), Cell("-"), Cell("1:00")))
    table = Table("t", (Column("x", words=True), Column("v"), Column("w"), Column("s", spare=True)), (row,))
    (line,) = [line for line in latex_table(table).splitlines() if "a\\_1" in line]
    assert line == (r"a\_1 & $\mathbf{-1{,}234.50}$ {\scriptsize [$-2.00$, $1.5 \cdot 10^{8}$]} & - \\")


def test_tables_show_what_is_asked_for(found: StudyComparison) -> None:
    groups = tables_of(found)
    assert [table.rows[0].known for table in groups] == [True, True, False, False]
    assert [row.cells[0].text for row in groups[1].rows] == ["exact front", "envelope-dqn", "random"]
    assert [row.cells[3].best for row in groups[1].rows] == [False, True, False]
    with_runs = tables_of(found, runs=True, indicators=["cardinality", "hypervolume"])
    assert len(with_runs) == 6
    assert [column.name for column in with_runs[0].columns if column.better] == ["cardinality", "hypervolume"]
    assert [row.cells[0].text for row in with_runs[1].rows][:3] == [
        "exact front",
        "envelope-dqn/0",
        "envelope-dqn/1",
    ]
    everything = tables_of(found, indicators=["all"])[0]
    assert len(everything.columns) == 5 + len(found.environments[DST].indicators)
    medians = tables_of(found, statistic="median")[0]
    assert medians.notes[0].startswith("median over seeds")
    with pytest.raises(MorlError, match=r"got 'hypervolum'. Did you mean 'hypervolume'\? Known: "):
        tables_of(found, indicators=["hypervolum"])
    with pytest.raises(MorlError, match="expected one of iqm, median as the statistic, got 'mean'"):
        tables_of(found, statistic="mean")


def test_other_endings_are_refused(found: StudyComparison, tmp_path: Path) -> None:
    for name in ("table.xlsx", "table", "picture.gif"):
        with pytest.raises(MorlError, match=r"expected a file ending in .csv, .*, .html, got"):
            found.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == [] and check_suffix("A.PDF") == ".pdf"


def test_names_of_files() -> None:
    assert file_part("toys:Corridor (slip=0.3, discount 0.99") == "toys_Corridor_slip=0.3_discount_0.99"


STRANGE = (
    *(
        r"$$\unicode{41}$$",
        r"$\frac{1}{",
        "_under^a",
        "=cmd()",
        "[x]",
        "*",
        "\x1b[31m\u202e\n",
        "<img src=x>",
    ),
    *("x" * 500, "\ud800"),
)


def test_no_name_breaks_or_changes_what_is_written(tmp_path: Path, figures: list[Figure]) -> None:
    fronts = [
        Front.from_points(
            [[i, 1 - i], [2, 0]],
            env_id="$e_{nv",
            gamma=1.0,
            objectives=(r"$\frac{a", "-b"),
            role="report",
            reference_point=[-9, -9],
        )
        for i in range(2)
    ]
    found = compare(
        Study(
            entries=tuple(
                Entry(label=f"{name}{seed}", group=name, front=front)
                for name in STRANGE
                for seed, front in enumerate(fronts)
            )
        )
    )
    for picture in ("fronts", "intervals", "attainment"):
        ElementTree.parse(found.save(tmp_path / f"{picture}.svg", picture=picture)[0])
    shown = [text.strip() for text in legend(figures[0])]
    assert shown[:6] == [*STRANGE[:6]]
    assert shown[6:10] == ["\\x1b[31m\\u202e\\n", "<img src=x>", "x" * 99 + "…", "\\ud800"]
    assert not any(text.get_parse_math() for figure in figures for text in figure.findobj(Text))
    with open(found.save(tmp_path / "a.csv")[0], newline="") as file:
        groups = {row["group"] for row in csv.DictReader(file)}
    assert {"'=cmd()", "[x]", "\\x1b[31m\\u202e\\n", "\\ud800"} <= groups
    lines = found.save(tmp_path / "a.tex")[0].read_text().splitlines()
    assert not [line for line in lines if line.startswith(("[", "*"))] and "{[}x{]}" in "".join(lines)
