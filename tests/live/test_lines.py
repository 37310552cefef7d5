"""`lines`: where in each function the time went, line by line."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from pythons import REPOSITORY, Python

pytestmark = pytest.mark.beside

SECONDS = 120
PROGRAM = """\
import time


def spin(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(2000))  # few calls: what counting them costs is taken out of the times


def walk(depth):
    if depth:
        walk(depth - 1)
    else:
        spin(0.3)


def work():
    spin(0.6)
    time.sleep(0.2)
    if_never = 0


work()
walk(5)
"""
LINES = PROGRAM.splitlines()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own, where the program lies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    Path("app.py").write_text(PROGRAM)
    return tmp_path


def run(pyrometer: Path, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    """It must end with STATUS."""
    result = subprocess.run(
        [pyrometer, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == status, result
    return result


def record(pyrometer: Path, python: Python, *options: str) -> None:
    run(pyrometer, "run", *options, "-o", Path("app.pyro").absolute(), "--", *python.command([Path("app.py").absolute()]))


def called_by(pyrometer: Path, name: str) -> dict[str, float]:
    """The time of what NAME called, as `stats` has it."""
    times: dict[str, float] = {}
    for row in json.loads(run(pyrometer, "stats", "app.pyro", "--json", "-n", "0").stdout)["functions"]:
        for caller in row["callers"]:
            if caller["name"] == name and (caller["file"] or "").endswith("app.py"):
                times[row["name"]] = times.get(row["name"], 0) + caller["time_s"]
    return times


def at(text: str) -> int:
    """The number of the line that is TEXT."""
    return [line.strip() for line in LINES].index(text) + 1


def test_lines_have_the_time_of_what_they_called(pyrometer: Path, python: Python) -> None:
    record(pyrometer, python)
    answer = json.loads(run(pyrometer, "lines", "app.pyro", "--json").stdout)
    functions = {function["name"]: function for function in answer["functions"] if function["file"].endswith("app.py")}
    work = functions["work"]
    lines = {line["line"]: line for line in work["lines"]}
    may_be = {work["line"], at("spin(0.6)"), at("time.sleep(0.2)"), at("if_never = 0")}  # a call begins in its first line
    assert work["line"] == at("def work():") and set(lines) <= may_be
    spin, sleep = lines[at("spin(0.6)")], lines[at("time.sleep(0.2)")]
    assert spin["source"] == "    spin(0.6)" and spin["hits"] is None and spin["samples"] > 0
    assert sleep["time_s"] > spin["self_s"] >= 0 and spin["error_s"] > 0
    (ends,) = [line for line in functions["walk"]["lines"] if line["line"] == at("spin(0.3)")]
    # What they called has, for a while, the name of code that died where spin's lies now: all that has these callers counts.
    from_work, from_walk = called_by(pyrometer, "work"), called_by(pyrometer, "walk")
    assert spin["time_s"] > from_work["spin"] - 1e-3 and from_work["spin"] > 0
    assert sum(line["time_s"] - line["self_s"] for line in work["lines"]) == pytest.approx(sum(from_work.values()), abs=1e-3)
    del from_walk["walk"]
    assert ends["time_s"] - ends["self_s"] == pytest.approx(sum(from_walk.values()), abs=1e-3)
    assert sum(line["time_s"] for line in work["lines"]) == pytest.approx(work["total_s"], abs=1e-5)
    total = [function["total_s"] for function in answer["functions"]]
    assert total == sorted(total, reverse=True) and total[0] <= answer["total_s"] + 1e-5


def test_a_line_that_recurses_counts_once(pyrometer: Path, some_python: Python) -> None:
    record(pyrometer, some_python)
    answer = json.loads(run(pyrometer, "lines", "app.pyro", "--json").stdout)
    (walk,) = [function for function in answer["functions"] if function["name"] == "walk"]
    lines = {line["line"]: line for line in walk["lines"]}
    calls, ends = lines[at("walk(depth - 1)")], lines[at("spin(0.3)")]
    assert calls["time_s"] <= walk["total_s"] + 1e-5 and ends["time_s"] <= calls["time_s"] + 1e-5
    assert ends["samples"] > 0 and ends["samples"] <= calls["samples"]


def test_the_table_is_line_profilers(pyrometer: Path, some_python: Python) -> None:
    record(pyrometer, some_python)
    text = run(pyrometer, "lines", "app.pyro", "--only", r"\(work\)").stdout
    head, _, rest = text.partition("Function: work at line ")
    assert "\nTotal time: " in head and "sampled (" in head
    first, _, title, rule, *rows = rest.splitlines()
    assert first == str(at("def work():")) and rule == "=" * len(rule) and len(rule) >= len(title)
    assert title.split() == ["Line", "#", "Hits", "Time", "(ms)", "Per", "Hit", "%", "Time", "Line", "Contents"]
    number, hits, time, _, share, contents = next(row for row in rows if "spin(0.6)" in row).split(None, 5)
    assert (int(number), hits, contents) == (at("spin(0.6)"), "-", "spin(0.6)")
    assert float(time) > 0 and 0 < float(share) <= 100


def test_lines_that_take_less_than_counting_them_are_marked(pyrometer: Path, counted: Python) -> None:
    Path("app.py").write_text(
        "def cheap(n):\n    for i in range(n):\n        i\n        i\n    x = sum(range(n))\n    return x\ncheap(500000)\n"
    )
    record(pyrometer, counted, "--lines=cheap")
    shown = run(pyrometer, "lines", "--only", "cheap", "app.pyro").stdout
    rows = {row.split()[0]: row for row in shown.splitlines() if re.match(r" *\d+ +\d+ ", row)}
    assert rows["2"].split()[1] == "500001" and rows["3"].split()[1] == rows["4"].split()[1] == "500000"
    answer = json.loads(run(pyrometer, "lines", "app.pyro", "--json").stdout)
    (cheap,) = (function for function in answer["functions"] if function["name"] == "cheap")
    assert cheap["lines"] and all(line["time_s"] <= cheap["total_s"] for line in cheap["lines"])
    # Times are those of a clock on the wall: beside other processes even lines that do nothing may have more than their cost.
    assert 0.001 < answer["hit_cost_us"] < 10
    for line in cheap["lines"]:
        assert line["rough"] == (line["hits"] * answer["hit_cost_us"] / 1e6 > line["time_s"])
        if row := rows.get(str(line["line"])):  # cold ones have none
            assert line["rough"] == (" ~ " in row)
    marked = any(" ~ " in row for row in rows.values())
    assert marked == ("\n~ more than half of what was measured there was the cost of counting" in shown)
    assert " ~ " not in rows["5"]  # once


def test_a_program_is_no_library_wherever_it_was_started(pyrometer: Path, python: Python, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run(pyrometer, "run", "-o", elsewhere / "app.pyro", "--", *python.command([folder / "app.py"]))
    assert "Function: work at line " in run(pyrometer, "lines", "app.pyro").stdout


def test_libraries_and_cold_functions_are_told(pyrometer: Path, some_python: Python) -> None:
    record(pyrometer, some_python)
    text = run(pyrometer, "lines", "app.pyro", "-n", "1").stdout
    assert text.count("Function: ") == 1 and "more functions: -n 0 shows all" in text
    assert "no function with samples matches 'nothing_like_it'" in run(
        pyrometer, "lines", "app.pyro", "--only", "nothing_like_it"
    ).stdout


def test_what_knows_no_lines_says_so(pyrometer: Path, counted: Python) -> None:
    record(pyrometer, counted, "--trace")
    error = run(pyrometer, "lines", "app.pyro", status=4).stderr
    assert error.count("\n") == 1 and "not by line" in error and "--trace" in error
    assert "nowhere.pyro" in run(pyrometer, "lines", "nowhere.pyro", status=4).stderr


HOTTEST = """\
import sys
import time


def is_counted():
    line = sys.monitoring.events.LINE
    return any(sys.monitoring.get_local_events(tool, enrich.__code__) & line for tool in range(6))


def enrich(order):
    until = time.monotonic() + 0.02
    while time.monotonic() < until:
        sum(range(2000))
    return order


def validate(order):
    return order


def pipeline():
    began = time.monotonic()
    order = 0
    while not is_counted() and time.monotonic() < began + 60:
        order = validate(order)
        enrich(order)
    for order in range(10):
        validate(order)
        enrich(order)


pipeline()
"""


def test_without_names_the_hottest_functions_are_counted_after_a_while(pyrometer: Path, some_python: Python) -> None:
    if not some_python.counts or some_python.minor < (3, 12) or some_python.free_threaded:
        pytest.skip("the program asks sys.monitoring whether it is counted")
    Path("app.py").write_text(HOTTEST)
    record(pyrometer, some_python, "--lines")
    answer = json.loads(run(pyrometer, "lines", "app.pyro", "--json").stdout)
    functions = {function["name"]: function for function in answer["functions"] if function["counted"]}
    assert {"pipeline", "enrich"} <= set(functions) and "validate" not in functions
    text = HOTTEST.splitlines()
    lines = {name: {text[line["line"] - 1].strip(): line for line in f["lines"]} for name, f in functions.items()}
    assert lines["enrich"]["until = time.monotonic() + 0.02"]["hits"] in (10, 11)  # it may have been in it
    hits = {line: lines["pipeline"][line]["hits"] for line in ("for order in range(10):", "validate(order)")}
    assert hits == {"for order in range(10):": 11, "validate(order)": 10}
    events = sum(line["hits"] for name in lines for line in lines[name].values() if line["hits"])
    left_out = events * 1e-6  # of a time that the program takes from its clock; an event costs some tens of nanoseconds
    for function in (functions["pipeline"], functions["enrich"]):  # it was in pipeline() all the time
        assert function["counted_from_s"] >= 1 and function["before_s"] > 0.2 and function["total_s"] >= 0.2 - left_out
    shown = run(pyrometer, "lines", "app.pyro", "--only", "enrich").stdout
    assert ", counted from " in shown and "before that, sampled: " in shown


def test_the_hottest_are_chosen_by_enough_samples(pyrometer: Path, one: Python) -> None:
    """After a second there are some fifty, as where the machine has no time for us."""
    if one.minor < (3, 12):
        pytest.skip("the program asks sys.monitoring whether it is counted")
    Path("app.py").write_text(HOTTEST)
    record(pyrometer, one, "--lines", "-r", "50")
    answer = json.loads(run(pyrometer, "lines", "app.pyro", "--json").stdout)
    functions = {function["name"]: function for function in answer["functions"] if function["counted"]}
    assert {"pipeline", "enrich"} <= set(functions)
    assert functions["pipeline"]["counted_from_s"] > 2
    Path("app.py").write_text("import time\ndef waits():\n    time.sleep(1.5)\nwaits()\n")
    done = run(pyrometer, "run", "--lines", "-r", "50", "-o", "app.pyro", "--", *one.command(["app.py"]))
    assert "which takes a second and 200 samples of each thread (there were " in done.stderr


def test_the_one_line_of_three_is_told(pyrometer: Path, some_python: Python) -> None:
    """As `make demo` shows it, examples/s02_pipeline."""
    if not some_python.counts or some_python.free_threaded:
        pytest.skip("lines are not counted there")
    program = REPOSITORY / "examples" / "s02_pipeline" / "pipeline_slow.py"
    script = some_python.command([program, "--orders", "2000"])
    run(pyrometer, "run", "--lines=process", "-o", Path("app.pyro").absolute(), "--", *script)
    answer = json.loads(run(pyrometer, "lines", "app.pyro", "--json").stdout)
    (process,) = [function for function in answer["functions"] if function["counted"]]
    lines = {line["source"].strip(): line for line in process["lines"]}
    enrich = lines["enriched = enrich_order(valid, catalog)"]
    assert enrich["hits"] == lines["valid = validate_order(order)"]["hits"] == 2000
    assert enrich["time_s"] > 0.8 * process["total_s"]  # 0.97


def test_what_is_over_too_early_is_told(pyrometer: Path, some_python: Python) -> None:
    if not some_python.counts or some_python.free_threaded:
        pytest.skip("lines are not counted there")
    Path("app.py").write_text("pass\n")
    done = run(pyrometer, "run", "--lines", "-o", "app.pyro", "--", *some_python.command(["app.py"]))
    assert "no line was counted: it was over before the hottest functions were found" in done.stderr
