"""What reaches the reader: any encoding, readers that leave, names that would steer a terminal."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from refusals import assert_error

from morl.cli import main, train
from morl.cli.output import Output
from morl.cli.tables import Screen, literal, make_table
from morl.front import Front
from morl.plain_text import one_line, path_word, plain, shell_command

NASTY = "a\x1b[31m\x9b2J\u202e\u2028\nb\x00\ud800[bold][/x]:smile:\\"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp437"])
def test_every_encoding_takes_every_text(encoding: str) -> None:
    raw = io.BytesIO()
    out = Output(io.TextIOWrapper(raw, encoding=encoding, errors="strict"))
    assert out.write("1 ± 2 \u20ac \u6c34 \ud800\n") == 12
    out.flush()
    assert raw.getvalue().decode(encoding).startswith("1 ")


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise there")
def test_a_reader_that_leaves_does_not_end_the_command(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are still written, and the status is that of the work."""
    front = Front.from_points([[1, 2]], env_id="toy", gamma=0.9, objectives=("a", "b"), role="report")
    front.save(tmp_path / "a.json")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main(["compare", str(tmp_path / "a.json"), "--out", str(tmp_path / "b.csv")]) == 0
    assert (tmp_path / "b.csv").exists() and capfd.readouterr().err == ""


def test_a_broken_pipe_inside_is_no_reader_that_left(call, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what a worker that died leaves behind."""

    def run(options: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(train, "run", run)
    assert_error(call("train", "toys:PlainCorridor"), "Broken pipe")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["list", "indicators"]) == 2
    assert "No space left" in capfd.readouterr().err


def test_no_name_steers_the_terminal() -> None:
    assert plain("énergie \u6c34 x\u200dy") == "énergie \u6c34 x\u200dy"
    assert one_line(f"no {NASTY}\n done").isprintable() and plain(NASTY).isprintable()
    screen = Screen(file=io.StringIO(), width=200, force_terminal=True, emoji=False, highlight=False)
    table = make_table(literal(NASTY))
    table.add_row(f"[bold]{literal(NASTY)}[/]")
    screen.print(table)
    screen.print(NASTY, markup=False)
    text = screen.file.getvalue()
    assert text.count("[bold][/x]:smile:\\") == 3
    for bad in ("\x1b[31m", "\x9b", "\u202e", "\u2028", "\x00", "\ud800"):
        assert bad not in text


@pytest.mark.parametrize(
    "name", ["a b", "it's", "$HOME `x`", "-x", "a\nb'\\n", "é\t1\x1b2", '"', "caf\udce9"]
)
@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_a_hint_can_be_pasted(name: str) -> None:
    hint = one_line(f"go on with: {shell_command('printf', '%s', path_word(name))}").partition(": ")[2]
    found = subprocess.run(["bash", "-c", hint], capture_output=True).stdout
    assert found == os.fsencode(path_word(name)) and Path(path_word(name)) == Path(name)
    assert shlex.split(shell_command("a b", "$x")) == ["a b", "$x"]


def test_threads_that_go_on_do_not_keep_the_process() -> None:
    program = (
        "import atexit, sys, threading, time; from morl.cli import leaving; leaving.PATIENCE = 0.1\n"
        "atexit.register(print, 'whole')\n"
        "threading.Thread(target=time.sleep, args=(60,)).start(); leaving.end_soon(3); sys.exit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (3, "whole\n") and "Thread-1" in done.stderr
