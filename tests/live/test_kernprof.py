"""A script for kernprof: under kernprof itself, under ours, under `run --lines`; and .lprof files both ways."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from counting import command, installed
from pythons import REPOSITORY, Python

pytestmark = pytest.mark.beside

SECONDS = 120
PROGRAM = """\
import sys

import helper


@profile
def work(n):
    total = 0
    for i in range(n):
        if i % 2:
            total += helper.add(i)
    return total


class Shop:
    @profile
    def price(self, n):
        return work(n) + 1

    @staticmethod
    @profile
    def name():
        return "shop"


@profile
def items(n):
    for i in range(n):
        yield i


def recursive(n):
    if n < 2:
        return 1
    return n * recursive(n - 1)


work(10)
Shop().price(5)
Shop.name()
list(items(3))
profile.add_function(recursive)
with profile:
    recursive(4)
profile.enable_by_count()
profile.disable_by_count()
print(sys.argv[1:], __name__, helper.READY)
sys.exit(3)
"""
HELPER = """\
READY = False


def add(number):
    return number + 1


class Unused:
    def method(self):
        return add(1)
"""
SETUP = "import helper\nhelper.READY = True\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    Path("app.py").write_text(PROGRAM)
    Path("helper.py").write_text(HELPER)
    Path("setup.py").write_text(SETUP)
    return tmp_path


@pytest.fixture
def theirs(some_python: Python) -> Path:
    """line_profiler itself."""
    if not some_python.counts or some_python.root:
        pytest.skip("no line_profiler there")
    return installed(some_python, "line_profiler", "line_profiler==5.0.2")


def kernprof(python: Python, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m kernprof ARGUMENTS` with line_profiler from PATH; where that is our package, ours."""
    ours = path == REPOSITORY / "python"
    program = Path(os.environ.get("PYROMETER") or REPOSITORY / "build" / "pyrometer").absolute()
    probe = program.parent / "src" / "probe" / "_probe.abi3.so"
    return subprocess.run(
        python.command(["-m", "pyrometer.compat.kernprof" if ours else "kernprof", *arguments]),
        env={**os.environ, "PYTHONPATH": str(path), "PYROMETER_PROBE_FILE": str(probe)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


Timings = dict[str, list[list[int]]]


def loaded(python: Python, path: Path, file: str) -> Timings:
    """What line_profiler's own load_stats() finds: of each function its lines and their hits."""
    show = "from line_profiler import load_stats; import json, sys; stats = load_stats(sys.argv[1])\n"
    show += "print(json.dumps({f'{name}:{first}': sorted(line[:2] for line in lines)"
    show += " for (_, first, name), lines in stats.timings.items()}))"
    done = subprocess.run(
        python.command(["-c", show, file]),
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def asked(pyrometer: Path, file: str) -> list[dict]:
    done = subprocess.run(
        [pyrometer, "lines", file, "--json"], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return json.loads(done.stdout)["functions"]


def test_the_same_script_runs_under_both(pyrometer: Path, some_python: Python, theirs: Path) -> None:
    arguments = ["-l", "-s", "setup.py", "-p", "helper", "-o", "out.lprof", "app.py", "one", "-v"]
    expected = kernprof(some_python, theirs, *arguments)
    hits = loaded(some_python, theirs, "out.lprof")
    assert hits["work:6"] == [[8, 2], [9, 17], [10, 15], [11, 7], [12, 2]] and hits["add:4"] == [[5, 7]]
    ours = kernprof(some_python, REPOSITORY / "python", *arguments)
    assert (ours.returncode, expected.returncode) == (3, 3), ours.stderr
    assert ours.stdout.splitlines()[:2] == expected.stdout.splitlines()[:2] == [
        "['one', '-v'] __main__ True",
        "Wrote profile results to 'out.lprof'",
    ]
    assert loaded(some_python, theirs, "out.lprof") == hits
    lines = [*command(pyrometer, some_python, [], "--lines=helper", "-o", "run.lprof"), "app.py", "one", "-v"]
    done = subprocess.run(lines, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("['one', '-v'] __main__ False\n")
    ran = {name: lines for name, lines in hits.items() if lines}  # what was not called is not known there
    found = loaded(some_python, theirs, "run.lprof")
    assert {found.pop(name)[0][1] for name in ("<module>:1", "Unused:8")} == {1}  # a module is what stands in it, too
    assert found == ran


def test_the_script_is_counted_whole_and_shown(some_python: Python, theirs: Path) -> None:
    arguments = ["-l", "-v", "-z", "-p", "app.py", "app.py"]
    tables = []
    for path in (theirs, REPOSITORY / "python"):
        shown = kernprof(some_python, path, *arguments).stdout
        tables.append({line for line in shown.splitlines() if line.startswith("Function: ") and "wrapper" not in line})
        assert Path("app.py.lprof").exists() and "Timer unit: 1e-06 s" in shown
        Path("app.py.lprof").unlink()
    assert tables[1] == tables[0] and "Function: recursive at line 32" in tables[1]


def test_files_of_line_profiler_are_read(pyrometer: Path, some_python: Python, theirs: Path) -> None:
    kernprof(some_python, theirs, "-l", "-o", "out.lprof", "app.py")
    hits = loaded(some_python, theirs, "out.lprof")
    answer = asked(pyrometer, "out.lprof")
    found = {f"{f['name']}:{f['line']}": [[line["line"], line["hits"]] for line in f["lines"]] for f in answer}
    assert found == hits
    (work,) = [function for function in answer if function["name"] == "work"]
    assert [line["source"] for line in work["lines"]] == PROGRAM.splitlines()[7:12]
    assert work["samples"] is None and work["lines"][0]["self_s"] is None
    assert work["total_s"] == pytest.approx(sum(line["time_s"] for line in work["lines"]), abs=1e-8)
    done = subprocess.run([pyrometer, "stats", "out.lprof"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 4 and "pyrometer lines out.lprof" in done.stderr
    subprocess.run([pyrometer, "export", "out.lprof", "-o", "again.lprof"], check=True, timeout=SECONDS)
    assert loaded(some_python, theirs, "again.lprof") == hits


def test_what_is_no_lprof_is_refused(pyrometer: Path) -> None:
    """A pickle that would make a file, were it executed."""
    Path("bad.lprof").write_bytes(b"\x80\x04cbuiltins\nopen\n(X\x04\0\0\0madeX\x01\0\0\0wtR.")
    done = subprocess.run([pyrometer, "lines", "bad.lprof"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 4 and done.stderr.count("\n") == 1 and "LineStats" in done.stderr
    assert not Path("made").exists()
    for command_line, says in (
        (["record", "--pid", "1", "-o", "x.lprof"], "run --lines"),
        (["run", "--trace", "-o", "x.lprof", "-c", "pass"], "--lines and --trace"),
    ):
        done = subprocess.run([pyrometer, *command_line], capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 2 and says in done.stderr
