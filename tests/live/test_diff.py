"""`diff`: what moved between two recordings, by function, line, caller and callee."""

from __future__ import annotations

import cProfile
import json
import re
import sys
from pathlib import Path

import pytest

from commands import run
from pythons import Python

pytestmark = [pytest.mark.beside, pytest.mark.usefixtures("folder")]

COMMON = """\
def burn(turns):
    for _ in range(turns):
        pass

def fetch(key):
    burn(60000)
    return key
"""
BEFORE = f"""{COMMON}
def view():
    return [fetch(key) for key in range(400)]

def vanished():
    burn(12000000)

vanished()
view()
"""
AFTER = f"""import time; time.sleep(0.3)  # it is short: a busy machine must have begun to watch it
{COMMON}
def appeared():
    burn(2000000)

def view():
    return [fetch(key) for key in range(20)]

appeared()
view()
"""


def record(pyrometer: Path, python: Python, folder: str, text: str, *options: str) -> str:
    """Run TEXT as FOLDER/app.py, in that folder; the recording."""
    Path(folder).mkdir(exist_ok=True)
    (Path(folder) / "app.py").write_text(text)
    path = Path(f"{folder}.pyro").absolute()
    run(pyrometer, "run", *options, "-o", path, "--", *python.command([(Path(folder) / "app.py").absolute()]))
    return str(path)


def by_name(data: dict, key: str = "functions", name: str = "name") -> dict[str, dict]:
    return {row[name].rpartition(".")[2]: row for row in data[key]}


def moved(pyrometer: Path, before: str, after: str, *options: str) -> dict:
    return json.loads(run(pyrometer, "diff", before, after, "--json", *options).stdout)


def test_two_checkouts_of_a_program(pyrometer: Path, python: Python) -> None:
    before = record(pyrometer, python, "one", BEFORE)
    after = record(pyrometer, python, "two", AFTER)
    data = moved(pyrometer, before, after)
    functions = by_name(data)
    fetch, burn = functions["fetch"], functions["burn"]
    assert burn["before_s"] > burn["after_s"] > 0
    # Beside other load one late sample may stand for so much time that the move is in doubt.
    assert burn["sure"] is (burn["before_s"] - burn["after_s"] > 3 * burn["change_error_s"])
    assert fetch["file"].endswith("two/app.py") and fetch["after_line"] == fetch["before_line"] + 1
    assert functions["vanished"]["after_s"] is None and functions["appeared"]["before_s"] is None
    assert functions["vanished"]["ratio"] is None and functions["vanished"]["change_s"] <= 0
    assert functions["view"]["before_cumulative_s"] > functions["view"]["after_cumulative_s"]
    assert fetch["before_bytes"] is None and fetch["after_bytes"] is None
    counts = (fetch["before_calls"], fetch["after_calls"])
    assert counts == ((400, 20) if python.counts else (None, None))
    edges = {(edge["caller"], edge["callee"]): edge for edge in data["edges"]}
    assert edges["vanished", "burn"]["after_s"] is None and edges["appeared", "burn"]["before_s"] is None
    assert edges["fetch", "burn"]["before_s"] > edges["fetch", "burn"]["after_s"]
    if python.counts:
        assert (edges["fetch", "burn"]["before_calls"], edges["fetch", "burn"]["after_calls"]) == (400, 20)
    for side in ("before", "after"):
        total = sum(row[f"{side}_s"] or 0 for row in data["functions"]) + data[side]["no_python_s"]
        assert total == pytest.approx(data[side]["total_s"], abs=1e-3)
    lines = {(line["function"], line["before_source"] or line["after_source"]): line for line in data["lines"]}
    same = lines["fetch", "burn(60000)"]
    assert same["after_line"] == same["before_line"] + 1 and same["before_s"] > same["after_s"] > 0
    assert lines["<module>", "vanished()"]["after_line"] is None
    assert lines["<module>", "appeared()"]["before_line"] is None


def test_the_table_adds_up(pyrometer: Path, some_counted: Python) -> None:
    before = record(pyrometer, some_counted, "one", BEFORE)
    after = record(pyrometer, some_counted, "two", AFTER)
    text = run(pyrometer, "diff", before, after, "-n", "3", env={"COLUMNS": "80", "PATH": "/usr/bin:/bin"}).stdout
    lines = text.splitlines()
    assert lines[0].startswith("before") and lines[1].startswith("after")
    table = lines[3:]
    total = next(index for index, line in enumerate(table) if line.endswith(" total"))
    assert all(len(line) <= 80 for line in table[: total + 1])
    figures = [re.findall(r"(?:<0\.001|\d+\.\d{3}|(?<= )0|-)(?= )", " " + line)[:2] for line in table[1 : total + 1]]
    for side in (0, 1):
        values = [0.0 if row[side] in ("-", "<0.001") else float(row[side]) for row in figures]
        assert sum(values[:-1]) == pytest.approx(values[-1], abs=0.006)
    assert "more functions]" in text and "pyrometer bench" in lines[-1]


def test_two_names_of_one_script_are_compared(pyrometer: Path, some_counted: Python) -> None:
    before = record(pyrometer, some_counted, "one", BEFORE)
    Path("other").mkdir()
    Path("other/new.py").write_text(AFTER)
    run(pyrometer, "run", "-o", "new.pyro", "--", *some_counted.command([Path("other/new.py").absolute()]))
    fetch = by_name(moved(pyrometer, before, "new.pyro"))["fetch"]
    assert (fetch["before_calls"], fetch["after_calls"]) == (400, 20)
    assert fetch["file"].endswith("other/new.py")


def test_c_functions_counted_on_one_side_only(pyrometer: Path, some_counted: Python) -> None:
    before = record(pyrometer, some_counted, "one", BEFORE, "--no-c-calls")
    after = record(pyrometer, some_counted, "two", BEFORE)
    data = moved(pyrometer, before, after)
    assert any("C functions were seen on one side only" in note for note in data["notes"]), data
    assert not any(row["name"].startswith("{") for row in data["functions"])
    assert by_name(data)["fetch"]["after_calls"] == 400
    data = moved(pyrometer, after, after)
    assert data["notes"] == [] and any(row["name"].startswith("{") for row in data["functions"])
    assert not any(row["sure"] or row["change_s"] for row in data["functions"])


def profiled(name: str, keys: int) -> None:
    """NAME is a .prof file of cProfile."""
    Path("work.py").write_text(f"{COMMON}\ndef view(keys):\n    return [fetch(key) for key in range(keys)]\n")
    sys.path.insert(0, ".")
    try:
        import work

        profile = cProfile.Profile()
        profile.runcall(work.view, keys)
        profile.dump_stats(name)
    finally:
        sys.path.remove(".")


def test_prof_files(pyrometer: Path) -> None:
    profiled("old.prof", 40)
    profiled("new.prof", 4)
    data = moved(pyrometer, "old.prof", "new.prof", "-s", "calls")
    fetch = by_name(data)["fetch"]
    assert (fetch["before_calls"], fetch["after_calls"]) == (40, 4) and fetch["change_error_s"] == 0
    assert data["lines"] == []
    assert "40→4" in run(pyrometer, "diff", "old.prof", "new.prof", "-s", "calls").stdout
    assert "know no lines" in run(pyrometer, "diff", "old.prof", "new.prof", "--by", "line").stdout
    assert "leave out --clock" in run(pyrometer, "diff", "old.prof", "new.prof", "--clock", "cpu", status=2).stderr


def test_a_prof_file_and_a_recording(pyrometer: Path, counted: Python) -> None:
    after = record(pyrometer, counted, "two", AFTER)
    profiled("old.prof", 40)
    data = moved(pyrometer, "old.prof", after)
    fetch = by_name(data)["fetch"]  # work.py is no app.py
    assert any("timed call by call" in note for note in data["notes"]), fetch


def test_what_cannot_be_compared(pyrometer: Path) -> None:
    Path("no.pyro").write_text("no recording")
    Path("cut.pyro").write_bytes(b"")
    profiled("old.prof", 1)
    assert "no.pyro" in run(pyrometer, "diff", "old.prof", "no.pyro", status=4).stderr
    assert "cut.pyro" in run(pyrometer, "diff", "cut.pyro", "old.prof", status=4).stderr
    assert "nowhere" in run(pyrometer, "diff", "nowhere", "old.prof", status=4).stderr
    assert "which two" in run(pyrometer, "diff", "old.prof", status=2).stderr
    assert "no sort key" in run(pyrometer, "diff", "old.prof", "old.prof", "-s", "x", status=2).stderr
    assert "none of function" in run(pyrometer, "diff", "old.prof", "old.prof", "--by", "x", status=2).stderr
