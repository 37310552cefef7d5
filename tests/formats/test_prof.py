"""The .prof files of every Python, read by us and by that Python's own pstats: the same numbers."""

from __future__ import annotations

import cProfile
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pythons import Python

pytestmark = pytest.mark.beside

MAKERS = Path(__file__).with_name("prof_makers.py")
SETS = [["one"], ["two"], ["plain"], ["one", "two", "three"], ["plain", "plain"]]

Ask = Callable[..., str]  # ask(*ARGUMENTS): what `pyrometer ARGUMENTS` prints


def makers(python: Python, *arguments: str | Path) -> str:
    """What prof_makers.py prints in PYTHON."""
    done = python.run([MAKERS, *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def ask(pyrometer: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setenv("COLUMNS", "300")  # no name is cut

    def run(*arguments: str | Path) -> str:
        done = subprocess.run([pyrometer, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def folder(python: Python, tmp_path: Path) -> Path:
    """one.prof two.prof three.prof plain.prof"""
    makers(python, "make", tmp_path)
    return tmp_path


def key_of(function: dict) -> tuple:
    """A function of our JSON as prof_makers.py names it. What is no UTF-8 is '?' there and U+FFFD here."""
    file = function["file"]
    return (file and re.sub("\ufffd+", "?", file), function["line"], function["name"])


def by_key(rows: list) -> dict[tuple, list]:
    return {tuple(key): figures for key, *figures in rows}


def check_rows(ours: dict, theirs: dict) -> None:
    """Every figure of every function and of every caller."""
    rows, expected = {key_of(row): row for row in ours["functions"]}, by_key(theirs["rows"])
    assert rows.keys() == expected.keys()
    for key, (cc, nc, tt, ct, callers) in expected.items():
        row = rows[key]
        assert (row["primitive_calls"], row["ncalls"]) == (cc, nc), key
        assert (row["tottime_s"], row["cumtime_s"]) == pytest.approx((tt, ct), abs=1e-9), key
        edges, expected_edges = {key_of(edge): edge for edge in row["callers"]}, by_key(callers)
        assert edges.keys() == expected_edges.keys(), key
        for caller, (figures,) in expected_edges.items():
            check_edge(edges[caller], figures)


def check_edge(edge: dict, figures: list | int) -> None:
    """FIGURES: nc, cc, tt, ct, or as Lib/profile.py has it nc alone."""
    if isinstance(figures, int):
        figures = [figures, None, None, None]
    assert [edge["ncalls"], edge["primitive_calls"]] == figures[:2]
    times = [edge["tottime_s"], edge["time_s"]]
    assert times == figures[2:] if None in figures else times == pytest.approx(figures[2:], abs=1e-9)


@pytest.mark.parametrize("names", SETS, ids=["+".join(names) for names in SETS])
def test_the_numbers_are_those_of_pstats(python: Python, folder: Path, ask: Ask, names: list[str]) -> None:
    files = [folder / f"{name}.prof" for name in names]
    theirs = json.loads(makers(python, "read", *files))
    ours = json.loads(ask("stats", *files, "--json"))
    check_rows(ours, theirs)
    assert ours["recording"].pop("modes") == ["trace"] and set(ours["recording"].values()) == {None}
    assert ours["totals"]["total_s"] == pytest.approx(theirs["total_s"], abs=1e-9)
    assert ours["totals"]["ncalls"] == sum(row[2] for row in theirs["rows"])
    assert ours["totals"]["primitive_calls"] == sum(row[1] for row in theirs["rows"])


def test_every_sort_order_is_that_of_pstats(python: Python, folder: Path, ask: Ask) -> None:
    file = folder / "two.prof"
    orders = json.loads(makers(python, "read", file))["orders"]
    assert len(orders) == 13
    for key, order in orders.items():
        values = {tuple(function): compared for function, compared in order}
        ours = json.loads(ask("stats", file, "-s", key, "--json"))["functions"]
        assert [values[key_of(row)] for row in ours] == [compared for _, compared in order], key


def shown_rows(table: str) -> list[tuple[str, str]]:
    """The calls and the function of each row of a printed TABLE."""
    row = re.compile(r" *(\d+(?:/\d+)?) .*?(?::\d+\((.+)\)|(\{.+\}))")
    found = [row.fullmatch(line) for line in table.splitlines()]
    return [(match[1], match[2] or match[3]) for match in found if match]


def test_line_1_and_restrictions_are_those_of_pstats(python: Python, folder: Path, ask: Ask) -> None:
    file = folder / "one.prof"
    printed = json.loads(makers(python, "read", file))["printed"]
    table = ask("stats", file, "--only", "fact|even|odd", "-n", "0.5")
    assert table.splitlines()[0] == next(line.strip() for line in printed.splitlines() if "function calls" in line)
    expected = shown_rows(printed)
    assert len(expected) == 2 and any("/" in calls for calls, _ in expected)
    assert shown_rows(table) == expected


@pytest.mark.parametrize("name", ["one", "plain"])
def test_written_again_it_is_the_same(python: Python, folder: Path, ask: Ask, name: str) -> None:
    ask("export", folder / f"{name}.prof", "-o", folder / "again.prof")
    makers(python, "same", folder / f"{name}.prof", folder / "again.prof")


def test_samples_of_profiling_sampling(python: Python, tmp_path: Path, ask: Ask) -> None:
    if python.minor < (3, 15):
        pytest.skip("profiling.sampling is of Python 3.15")
    makers(python, "make-sampled", tmp_path)
    file = tmp_path / "sampled.prof"
    theirs = by_key(json.loads(makers(python, "read", file))["rows"])
    ours = json.loads(ask("stats", file, "--json"))
    assert {key_of(row) for row in ours["functions"]} == theirs.keys()
    for row in ours["functions"]:
        cc, nc, tt, ct, callers = theirs[key_of(row)]
        assert (row["samples_self"], row["samples_total"], row["ncalls"]) == (cc, nc, None)
        assert (row["tottime_s"], row["cumtime_s"]) == pytest.approx((tt, ct), abs=1e-9)
        assert {key_of(edge): edge["samples"] for edge in row["callers"]} == {
            caller: samples for caller, (samples,) in by_key(callers).items()
        }
    assert ask("stats", file).splitlines()[0] == "55 samples in 0.055 seconds"
    ask("export", file, "-o", tmp_path / "again.prof")
    makers(python, "same", file, tmp_path / "again.prof")


def test_export_as_json(python: Python, folder: Path, ask: Ask) -> None:
    file = folder / "one.prof"
    exported = json.loads(ask("export", file, "-f", "json", "-o", "-"))
    rows = {key_of(row): row for row in json.loads(ask("stats", file, "--json"))["functions"]}
    assert len(exported["timed_functions"]) == len(rows) and exported["timed_by_samples"] is False
    for timed in exported["timed_functions"]:
        row = rows[key_of(exported["functions"][timed["function"]])]
        assert all(timed[key] == row[key] for key in ("ncalls", "primitive_calls", "tottime_s", "cumtime_s"))
    assert sum(edge["ncalls"] for edge in exported["timed_edges"]) == sum(
        edge["ncalls"] for row in rows.values() for edge in row["callers"]
    )


# -- what is refused -------------------------------------------------------------------------------


@pytest.fixture
def prof(tmp_path: Path) -> Path:
    profiler = cProfile.Profile()
    profiler.runcall(sorted, range(5), key=str)
    profiler.dump_stats(tmp_path / "x.prof")
    return tmp_path / "x.prof"


def refused(pyrometer: Path, status: int, *arguments: str | Path) -> str:
    """The one line it says."""
    done = subprocess.run([pyrometer, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1), done.stderr
    return done.stderr


@pytest.mark.parametrize("option", [["--clock", "cpu"], ["--by", "thread"], ["--by", "process"], ["--idle"]])
def test_what_only_samples_tell_is_refused(pyrometer: Path, prof: Path, option: list[str]) -> None:
    assert f"no samples of threads: leave out {option[0]}" in refused(pyrometer, 2, "stats", prof, *option)


@pytest.mark.parametrize("file_format", ["pyro", "flamegraph", "collapsed", "speedscope", "pprof"])
def test_formats_of_stacks_are_refused(pyrometer: Path, prof: Path, file_format: str) -> None:
    out = prof.with_name("out")
    said = refused(pyrometer, 2, "export", prof, "-f", file_format, "-o", out)
    assert f"no stacks for {file_format}; it can be written as html, pstats or json" in said
    assert not out.exists()


def test_clock_of_an_export_is_refused(pyrometer: Path, prof: Path) -> None:
    assert "leave out --clock" in refused(pyrometer, 2, "export", prof, "-f", "json", "-o", "-", "--clock", "cpu")


def test_bad_files_are_refused(pyrometer: Path, prof: Path, recording: Path) -> None:
    torn, text = prof.with_name("torn.prof"), prof.with_name("text.prof")
    torn.write_bytes(prof.read_bytes()[:-5])
    text.write_text('{"a": 1}')
    assert f"cannot read '{torn}': it breaks off" in refused(pyrometer, 4, "stats", torn)
    assert f"cannot read '{torn}': it breaks off" in refused(pyrometer, 4, "stats", prof, torn)
    assert f"cannot read '{text}': it is no pyrometer recording" in refused(pyrometer, 4, "stats", text)
    for files in ([prof, recording], [recording, recording], [prof, text]):
        said = refused(pyrometer, 4, "stats", *files)
        assert "cannot add up" in said and "only .prof files can be added" in said


def test_content_decides_and_not_the_name(pyrometer: Path, prof: Path, recording: Path) -> None:
    """A .prof file by any name, a recording called .prof, and standard input."""
    odd, kept = prof.with_name("profile.pyro"), prof.with_name("kept.prof")
    odd.write_bytes(prof.read_bytes())
    kept.write_bytes(recording.read_bytes())
    for file, first in ((odd, "function calls"), (kept, "busy.py")):
        for source, stdin in ((file, None), ("-", file.open("rb"))):
            done = subprocess.run(
                [pyrometer, "stats", source], stdin=stdin, capture_output=True, text=True, check=True, timeout=60
            )
            assert first in done.stdout.splitlines()[0]
