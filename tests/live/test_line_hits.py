"""`run --lines`: how often each line runs equals what sys.settrace says, on every Python that the probe counts in."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from clocks import clocked
from counting import command
from pythons import REPOSITORY, TARGETS, Python, find_python

pytestmark = pytest.mark.beside

SECONDS = 120
STATEMENTS = ["statements"]
LIBRARIES = ["argparse", "ast", "calendar", "configparser", "dataclasses", "difflib", "fractions", "html", "json"]
LIBRARIES += ["pprint", "statistics", "string", "textwrap", "tokenize"]
Place = tuple[str, str, int, int]  # file, qualified name, first line, line


@pytest.fixture(autouse=True)
def fits(request: pytest.FixtureRequest) -> None:
    """Lines are not counted without a GIL."""
    if "counted" in request.fixturenames and request.getfixturevalue("counted").free_threaded:
        pytest.skip("lines are not counted without a GIL")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    return tmp_path


def files_of(names: list[str]) -> list[str]:
    """Parts of paths, as sys.settrace's side looks for them: a module, or a package."""
    return [part for name in names for part in (f"/{name}.py", f"/{name}/")]


def reference(python: Python, module: str, names: list[str]) -> dict[Place, int]:
    arguments = [TARGETS / "line_reference.py", "trace", module, *files_of(names)]
    done = subprocess.run(
        python.command(arguments), capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=True
    )
    return {(file, name, first, line): hits for file, name, first, line, hits in json.loads(done.stdout)}


def ask_lines(pyrometer: Path, recording: Path) -> dict:
    done = subprocess.run(
        [pyrometer, "lines", recording, "--json"], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return json.loads(done.stdout)


def run_lines(pyrometer: Path, python: Python, arguments: list, *options: str) -> dict:
    recording = Path("lines.pyro").absolute()
    ours = command(pyrometer, python, arguments, "-o", recording, *options)
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    return ask_lines(pyrometer, recording)


def hits_of(answer: dict) -> dict[Place, int]:
    found: dict[Place, int] = {}
    for function in answer["functions"]:
        for line in function["lines"]:
            if function["counted"] and line["hits"]:
                place = (function["file"], function["name"], function["line"], line["line"])
                found[place] = found.get(place, 0) + line["hits"]
    return found


CORPUS = [("statements", STATEMENTS, ()), ("libraries", LIBRARIES, ()), ("statements", STATEMENTS, ("--sampled-times",))]


@pytest.mark.parametrize(("module", "names", "options"), CORPUS, ids=("statements", "libraries", "statements-sampled-times"))
def test_hits_equal_those_of_settrace(
    pyrometer: Path, counted: Python, module: str, names: list[str], options: tuple[str, ...]
) -> None:
    expected = reference(counted, module, names)
    assert len(expected) > 250
    program = [TARGETS / "line_reference.py", "plain", module]
    found = hits_of(run_lines(pyrometer, counted, program, f"--lines={','.join(names)}", *options))
    wrong = {place: (expected.get(place), found.get(place)) for place in {*expected, *found}}
    assert not {place: pair for place, pair in wrong.items() if pair[0] != pair[1]}


def hits_of_corpus(python: Python) -> dict[tuple[str, str], int]:
    """By function and text: sys.settrace's."""
    text = (TARGETS / "statements.py").read_text().splitlines()
    found: dict[tuple[str, str], int] = {}
    for (_, name, _, line), hits in reference(python, "statements", STATEMENTS).items():
        place = (name, text[line - 1].strip())
        found[place] = found.get(place, 0) + hits
    return found


def test_what_differs_between_pythons_is_in_the_document() -> None:
    pythons = [find_python(f"3.{minor}") for minor in range(11, 16)]
    for python in pythons:
        if python.missing:
            pytest.skip(f"Python {python.id}: {python.missing}")
    of_each = [hits_of_corpus(python) for python in pythons]
    by_place = {place: [hits.get(place) for hits in of_each] for hits in of_each for place in hits}
    different = {place: hits for place, hits in by_place.items() if len(set(hits)) > 1}
    section = (REPOSITORY / "docs" / "migration.md").read_text().partition("## Hits, by version of Python")[2].partition("\n## ")[0]
    told: dict[tuple[str, str], list[int | None]] = {}
    for row in section.splitlines():
        if row.startswith("| `"):
            name, line, *hits = [cell.strip() for cell in row.strip("|").split(" | ")]
            told[name.strip("`"), line.strip("`")] = [None if cell == "-" else int(cell) for cell in hits]
    assert len(told) > 20 and told == different


PROGRAM = """\
import asyncio
import os
import sys
import threading
import time


@profile
def work(n):
    total = 0
    for i in range(n):
        total += i
    return total


@profile
def pieces(n):
    for i in range(n):
        yield i
        time.sleep(0.01)


@profile
def walk(depth):
    if depth:
        walk(depth - 1)
    else:
        time.sleep(0.2)


@profile
async def tick(n):
    for _ in range(n):
        await asyncio.sleep(0)


def unmarked():
    return 1


async def tasks():
    await asyncio.gather(*(tick(3) for _ in range(1000)))


def threads():
    started = [threading.Thread(target=work, args=(1000,)) for _ in range(8)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def suspended():
    for _ in pieces(3):
        time.sleep(0.2)


def interleaved():
    one, other = pieces(3), pieces(3)
    for _ in zip(one, other):
        pass


def recursive():
    walk(4)


def forked():
    if os.fork() == 0:
        work(10)
        os._exit(0)
    os.wait()


def killed():
    threading.Timer(0.5, os.kill, (os.getpid(), 9)).start()
    sleeps()


@profile
def sleeps():
    time.sleep(60)


@profile
def works_on(n):
    for i in range(n):
        time.sleep(0.05 if (yield i) is None else 0)


def resumed():
    list(works_on(3))


@profile
def raises(n):
    raise ValueError(n)


def unwound():
    for i in range(3):
        try:
            raises(i)
        except ValueError:
            time.sleep(0.2)


code = work.__code__
for name in sys.argv[1:]:
    unmarked()
    if name == "tasks":
        asyncio.run(tasks())
    else:
        globals()[name]()
assert work.__code__ is code and type(work) is type(unmarked)
"""
LINES = [line.strip() for line in PROGRAM.splitlines()]


def profiled(
    pyrometer: Path, python: Python, name: str, *options: str, status: int = 0
) -> tuple[dict[str, dict], dict[str, dict[str, dict]]]:
    """Run one of PROGRAM's functions: what was counted of functions, and of their lines by their text."""
    Path("app.py").write_text(PROGRAM)
    recording = Path(f"{name}.pyro").absolute()
    ours = command(pyrometer, python, [Path("app.py").absolute(), name], "-o", recording, "--lines", *options)
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == status, done.stderr
    functions = {f["name"]: f for f in ask_lines(pyrometer, recording)["functions"] if f["counted"]}
    assert functions, f"no line was counted: {done.stderr}"
    lines = {
        name: {LINES[line["line"] - 1]: line for line in function["lines"]} for name, function in functions.items()
    }
    return functions, lines


def test_only_marked_functions_are_counted_and_threads_add_up(pyrometer: Path, counted: Python) -> None:
    functions, lines = profiled(pyrometer, counted, "threads")
    assert set(functions) == {"work"}
    hits = {text: line["hits"] for text, line in lines["work"].items()}
    assert hits == {"total = 0": 8, "for i in range(n):": 8 * 1001, "total += i": 8 * 1000, "return total": 8}
    assert all(line["source"].strip() == text for text, line in lines["work"].items())


@clocked
def test_tasks_add_up_and_have_no_time_while_they_wait(pyrometer: Path, counted: Python) -> None:
    functions, lines = profiled(pyrometer, counted, "tasks")
    hits = {text: line["hits"] for text, line in lines["tick"].items()}
    assert hits == {"for _ in range(n):": 4000, "await asyncio.sleep(0)": 3000}
    sum_s = sum(line["time_s"] for line in lines["tick"].values())
    total_s = functions["tick"]["total_s"]  # without what events cost, which is known to some percent
    assert sum_s == pytest.approx(total_s, rel=0.3) and 0 < total_s < 1


@clocked
def test_a_suspended_generator_has_no_time(pyrometer: Path, counted: Python) -> None:
    functions, lines = profiled(pyrometer, counted, "suspended")
    assert {text: line["hits"] for text, line in lines["pieces"].items()} == {
        "for i in range(n):": 4,
        "yield i": 3,
        "time.sleep(0.01)": 3,
    }
    assert lines["pieces"]["time.sleep(0.01)"]["time_s"] >= 0.03
    assert lines["pieces"]["yield i"]["time_s"] < 0.2  # three sleeps of that, if it were not suspended
    total_s = functions["pieces"]["total_s"]
    assert sum(line["time_s"] for line in lines["pieces"].values()) == pytest.approx(total_s, rel=0.01)


def test_a_generator_goes_on_in_the_line_it_stood_in(pyrometer: Path, counted: Python) -> None:
    _, lines = profiled(pyrometer, counted, "resumed")
    line = lines["works_on"]["time.sleep(0.05 if (yield i) is None else 0)"]
    assert line["hits"] == 3 and line["time_s"] >= 0.15


def test_two_activations_of_one_generator_are_kept_apart(pyrometer: Path, counted: Python) -> None:
    _, lines = profiled(pyrometer, counted, "interleaved")
    assert {text: line["hits"] for text, line in lines["pieces"].items()} == {
        "for i in range(n):": 7,  # the second one is not asked again when the first one has ended
        "yield i": 6,
        "time.sleep(0.01)": 5,
    }
    assert lines["pieces"]["time.sleep(0.01)"]["time_s"] >= 0.05


@clocked
def test_the_time_of_a_recursive_call_is_in_the_line_that_calls(pyrometer: Path, counted: Python) -> None:
    functions, lines = profiled(pyrometer, counted, "recursive")
    assert {text: line["hits"] for text, line in lines["walk"].items()} == {
        "if depth:": 5,
        "walk(depth - 1)": 4,
        "time.sleep(0.2)": 1,
    }
    total_s = functions["walk"]["total_s"]
    assert total_s >= lines["walk"]["walk(depth - 1)"]["time_s"] >= lines["walk"]["time.sleep(0.2)"]["time_s"] >= 0.2
    assert total_s == pytest.approx(lines["walk"]["time.sleep(0.2)"]["time_s"], rel=0.2)  # once, not five times


@clocked
def test_a_frame_that_an_exception_leaves_has_no_time_any_more(pyrometer: Path, counted: Python) -> None:
    functions, lines = profiled(pyrometer, counted, "unwound")
    assert {text: line["hits"] for text, line in lines["raises"].items()} == {"raise ValueError(n)": 3}
    assert 0 <= functions["raises"]["total_s"] < 0.2


def test_children_count_where_they_are_followed(pyrometer: Path, counted: Python) -> None:
    _, lines = profiled(pyrometer, counted, "forked", "--subprocesses")
    assert lines["work"]["total += i"]["hits"] == 10


def test_a_killed_program_has_the_time_of_the_line_it_was_in(pyrometer: Path, counted: Python) -> None:
    functions, lines = profiled(pyrometer, counted, "killed", status=-9)
    assert lines["sleeps"]["time.sleep(60)"]["hits"] == 1
    assert 0.3 < lines["sleeps"]["time.sleep(60)"]["time_s"] <= functions["sleeps"]["total_s"] < 60


def test_the_report_of_the_run_shows_them(pyrometer: Path, some_python: Python) -> None:
    Path("app.py").write_text(PROGRAM)
    ours = command(pyrometer, some_python, [Path("app.py").absolute(), "recursive"], "--lines=walk,app.py:15")
    if not some_python.counts:
        ours = command(pyrometer, some_python, ["-c", "pass"], "--lines=walk")
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=True)
    if some_python.counts:
        assert "\nFunction: walk at line " in done.stdout and "lines counted; that took " in done.stdout
        row = next(row for row in done.stdout.splitlines() if row.endswith("walk(depth - 1)"))
        assert row.split()[1] == "4"
    else:
        assert "Python 3.11 and newer" in done.stdout


def test_nothing_to_count_is_told(pyrometer: Path, counted: Python) -> None:
    ours = command(pyrometer, counted, ["-c", "pass"], "-o", Path("lines.pyro").absolute(), "--lines=nobody")
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=True)
    assert "no line was counted: of 'nobody' and what is marked @profile, nothing ran" in done.stderr


def test_lines_are_not_counted_while_calls_are_timed(pyrometer: Path) -> None:
    done = subprocess.run(
        [pyrometer, "run", "--lines", "--trace", "-c", "pass"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 2 and "--lines and --trace" in done.stderr and "in the times of calls" in done.stderr


def test_a_bare_profile_does_nothing_in_a_plain_run(pyrometer: Path, counted: Python) -> None:
    Path("app.py").write_text(PROGRAM)
    ours = command(pyrometer, counted, [Path("app.py").absolute(), "threads"], "-o", Path("lines.pyro").absolute())
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=True)
    assert "@profile marks 7 functions: pyrometer run --lines counts the lines" in done.stderr
    assert hits_of(ask_lines(pyrometer, Path("lines.pyro"))) == {}


KNOWN = """\
import json
import time

took = []


def spin(seconds):
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        pass
    took.append(time.perf_counter() - begin)


@profile
def known_NUMBER():
    spin(0.1)
    spin(0.05)
    for _ in range(50000): pass


known_NUMBER()
print(json.dumps(took))
"""
ROUNDS = 7


@clocked
def test_times_are_those_of_the_programs_own_clock(pyrometer: Path, counted: Python) -> None:
    """In most of several functions that do the same: others may take the CPU between the line's end and the clock's."""
    begin, _, rest = KNOWN.partition("@profile")
    function, _, end = rest.partition("\n\n\nknown_NUMBER()\n")
    functions = [("@profile" + function).replace("NUMBER", str(number)) for number in range(ROUNDS)]
    calls = "".join(f"known_{number}()\n" for number in range(ROUNDS))
    Path("app.py").write_text(begin + "\n\n\n".join(functions) + "\n\n\n" + calls + end)
    recording = Path("known.pyro").absolute()
    ours = command(pyrometer, counted, [Path("app.py").absolute()], "-o", recording, "--lines")
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=True)
    took = json.loads(done.stdout)
    found = {one["name"]: one["lines"] for one in ask_lines(pyrometer, recording)["functions"] if one["counted"]}
    off: list[float] = []
    for number in range(ROUNDS):
        first, second, loop = found[f"known_{number}"]
        off += [abs(first["time_s"] / took[2 * number] - 1), abs(second["time_s"] / took[2 * number + 1] - 1)]
        assert loop["hits"] == 50001
    assert sorted(off)[len(off) // 2] < 0.03, off


SAMPLED = """\
import json
import time

took = []


def spin(seconds):
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        sum(range(5000))  # few calls: what counting them costs is taken out of the times
    took.append(time.perf_counter() - begin)


def known(rounds):
    spin(0.8)
    spin(0.4)
    for _ in range(rounds):
        pass


known(1000)
print(json.dumps(took))
"""


@clocked
def test_sampled_times_are_those_of_the_programs_own_clock(pyrometer: Path, some_python: Python) -> None:
    if not some_python.counts or some_python.free_threaded:
        pytest.skip("lines are not counted there")
    Path("app.py").write_text(SAMPLED)
    recording, lprof = Path("app.pyro").absolute(), Path("app.lprof").absolute()
    ours = command(pyrometer, some_python, [Path("app.py").absolute()], "-o", recording, "--lines=known", "--sampled-times")
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=True)
    took = json.loads(done.stdout)
    (known,) = (one for one in ask_lines(pyrometer, recording)["functions"] if one["counted"])
    text = SAMPLED.splitlines()
    lines = {text[line["line"] - 1].strip(): line for line in known["lines"]}
    hits = {line: figures["hits"] for line, figures in lines.items() if figures["hits"]}
    assert hits == {"spin(0.8)": 1, "spin(0.4)": 1, "for _ in range(rounds):": 1001, "pass": 1000}
    assert not known["timed"] and known["total_s"] == pytest.approx(sum(line["time_s"] for line in known["lines"]), abs=1e-5)
    for line, seconds in zip((lines["spin(0.8)"], lines["spin(0.4)"]), took, strict=True):
        assert line["samples"] > 30 and line["error_s"] > 0
        assert line["time_s"] == pytest.approx(seconds, abs=0.05 * seconds + 5 * line["error_s"])
    shown = subprocess.run([pyrometer, "lines", recording], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    assert f"sampled ({known['samples']} samples)" in shown.partition("Function: known at line ")[0].splitlines()[-2]
    subprocess.run([pyrometer, "export", recording, "-o", lprof], check=True, timeout=SECONDS, capture_output=True)
    (again,) = ask_lines(pyrometer, lprof)["functions"]
    assert [(line["line"], line["hits"]) for line in again["lines"]] == [
        (line["line"], line["hits"]) for line in known["lines"] if line["hits"]
    ]
    assert again["total_s"] == pytest.approx(known["total_s"], rel=0.01)


def test_sampled_times_are_about_lines(pyrometer: Path) -> None:
    asked = [pyrometer, "run", "--sampled-times", "-c", "pass"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2 and "run --lines --sampled-times" in done.stderr


CHILDREN = """\
import multiprocessing
import subprocess
import sys


@profile
def work(n):
    total = 0
    for i in range(n):
        total += i
    return total


def main():
    for way in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(way).Pool(2) as pool:
            assert pool.map(work, [10] * 4) == [45] * 4
    subprocess.run([sys.executable, __file__, "itself"], check=True)


if __name__ == "__main__":
    work(7) if sys.argv[1:] else main()
"""


@pytest.mark.parametrize("options", [(), ("--sampled-times",)], ids=("timed", "sampled-times"))
def test_all_kinds_of_children_count(pyrometer: Path, counted: Python, options: tuple[str, ...]) -> None:
    Path("app.py").write_text(CHILDREN)
    answer = run_lines(pyrometer, counted, [Path("app.py").absolute()], "--lines", "--subprocesses", *options)
    (work,) = (function for function in answer["functions"] if function["counted"])
    text = CHILDREN.splitlines()
    hits = {text[line["line"] - 1].strip(): line["hits"] for line in work["lines"] if line["hits"]}
    assert hits == {"total = 0": 13, "for i in range(n):": 140, "total += i": 127, "return total": 13}


INSTRUCTIONS = """\
import dis


def other():
    pass


def loop(count):
    total = 0
    for i in range(count):
        total += i
    return total


for _ in range(100):
    loop(100)
print(*[instruction.opname for instruction in dis.get_instructions(loop, adaptive=True)])
"""


def test_functions_that_are_not_named_run_the_same_instructions(pyrometer: Path, counted: Python) -> None:
    if counted.minor < (3, 12):
        pytest.skip("3.11 has no events of single functions")
    Path("app.py").write_text(INSTRUCTIONS)
    seen = []
    for options in ((), ("--lines=other",), ("--lines=loop",)):
        ours = command(pyrometer, counted, [Path("app.py").absolute()], "-o", Path("app.pyro").absolute(), *options)
        done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=True)
        seen.append(done.stdout)
    assert "INSTRUMENTED_LINE" not in seen[0] and "INSTRUMENTED_LINE" in seen[2]
    assert seen[1] == seen[0]
