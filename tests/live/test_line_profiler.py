"""pyrometer.LineProfiler, and pyrometer.compat.line_profiler beside line_profiler itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from counting import command, installed
from pythons import Python

pytestmark = [pytest.mark.beside, pytest.mark.usefixtures("folder", "from_source")]

PROGRAM = """\
import sys
if sys.argv[1] == "theirs":
    from line_profiler import LineProfiler
else:
    from pyrometer.compat.line_profiler import LineProfiler

profiler = LineProfiler()


@profiler
def decorated(n):
    total = 0
    for i in range(n):
        if i % 2:
            total += i

    return total


class Shop:
    def price(self, n):
        return sum(x for x in range(n))


def recursive(n):
    if n < 2:
        return 1
    return n * recursive(n - 1)


def never():
    return 0


def generated(n):
    for i in range(n):
        yield i


profiler.add_function(Shop.price)
profiler.add_function(recursive)
profiler.add_function(never)
profiler.add_function(generated)
recursive(3)  # before it is on
assert decorated(10) == 25
with profiler:
    recursive(5)
    list(generated(3))
    Shop().price(4)
assert profiler.runcall(recursive, 2) == 2
profiler.runctx("recursive(3)", globals(), {})
recursive(4)  # after it
"""


@pytest.fixture(autouse=True)
def fits(request: pytest.FixtureRequest) -> None:
    """Lines are not counted without a GIL."""
    if "counted" in request.fixturenames and request.getfixturevalue("counted").free_threaded:
        pytest.skip("lines are not counted without a GIL")


def ran(python: Python, program: str, *arguments: str) -> str:
    Path("app.py").write_text(program)
    done = python.run(["-X", "faulthandler", Path("app.py").absolute(), *arguments])
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


SHOW = """
import json
print(json.dumps(sorted((name, first, [line[:2] for line in lines]) for (_, first, name), lines in profiler.get_stats().timings.items())))
"""


def test_hits(counted: Python) -> None:
    found = {name: dict(lines) for name, _, lines in json.loads(ran(counted, PROGRAM + SHOW, "ours"))}
    by_text = {name: {PROGRAM.splitlines()[line - 1].strip(): hits for line, hits in lines.items()} for name, lines in found.items()}
    assert by_text == {
        "decorated": {"total = 0": 1, "for i in range(n):": 11, "if i % 2:": 10, "total += i": 5, "return total": 1},
        "Shop.price": {"return sum(x for x in range(n))": 1},
        "recursive": {"if n < 2:": 10, "return 1": 3, "return n * recursive(n - 1)": 7},
        "never": {},
        "generated": {"for i in range(n):": 4, "yield i": 3},
    }


def test_a_program_of_line_profiler_needs_the_import_changed_only(some_python: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    if not some_python.counts or some_python.root:
        pytest.skip("no line_profiler there")
    theirs = installed(some_python, "line_profiler", "line_profiler==5.0.2")
    show = "\nprofiler.print_stats(output_unit=1e-6)\n"
    ours = ran(some_python, PROGRAM + show, "ours")
    monkeypatch.setenv("PYTHONPATH", str(theirs))
    expected = ran(some_python, PROGRAM + show, "theirs")
    assert ours.count("Function: ") == 5

    def shape(text: str) -> list[str]:
        """Times are another matter, and so is which of them takes longer."""
        row = re.compile(r" *(\d+) +(\d+) +[\d.e+-]+ +[\d.e+-]+ +[\d.]+  ")
        lines = [re.sub(r"Total time: .*", "Total time", row.sub(r"\1 \2 ", line)) for line in text.splitlines()]
        return sorted(line.rstrip() for line in lines if line.strip())

    assert shape(ours) == shape(expected)


def test_what_has_no_code_of_its_own(some_counted: Python) -> None:
    """Each attribute of a mock is a new mock."""
    text = """
from unittest import mock
profiler.add_function(mock.MagicMock())
print(len(profiler.functions), len(profiler.get_stats().timings))
"""
    before = ran(some_counted, PROGRAM + "print(len(profiler.functions), len(profiler.get_stats().timings))", "ours").split()
    assert int(ran(some_counted, PROGRAM + text, "ours").split()[-1]) == int(before[-1])


def test_the_function_is_not_touched(counted: Python) -> None:
    ran(
        counted,
        """\
from pyrometer import LineProfiler, profile

def f(): return 1

code, profiler = f.__code__, LineProfiler()
assert profiler(f) is f and f.__code__ is code and profile(f) is f
f(); f()
((_, stats),) = profiler.get_stats().timings.items()
assert [line[:2] for line in stats] == [(3, 2)], stats
other = LineProfiler(f)
with other:
    f()
((_, stats),) = other.get_stats().timings.items()
assert [line[:2] for line in stats] == [(3, 1)], stats
assert profiler.get_stats().timings[list(profiler.get_stats().timings)[0]][0][1] == 3
import os
if os.fork() == 0:
    f()
    os._exit(0)
assert os.wait()[1] == 0
assert profiler.get_stats().timings[list(profiler.get_stats().timings)[0]][0][1] == 3
""",
    )


def test_many_threads_switch_it(counted: Python) -> None:
    ran(
        counted,
        """\
import sys, threading
from pyrometer import LineProfiler

def work():
    return 1

profiler = LineProfiler(work)
failed = []

def switch(first):
    try:
        for _ in range(150):
            with profiler:
                work()
    except BaseException as error:
        failed.append(error)

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=switch, args=(i,)) for i in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failed, failed
((_, stats),) = profiler.get_stats().timings.items()
assert [line[1] for line in stats] == [600], stats
assert profiler.enable_count == 0
if sys.version_info >= (3, 12):
    assert all(sys.monitoring.get_tool(tool) is None for tool in range(6))
""",
    )


def test_a_forked_child_counts_for_itself(counted: Python) -> None:
    ran(
        counted,
        """\
import os, sys, time
from pyrometer import LineProfiler

def work(n):
    return n

def hits(profiler):
    ((_, stats),) = profiler.get_stats().timings.items()
    return [line[1] for line in stats]

profiler = LineProfiler(work)
with profiler:
    work(3)
    work(3)
    if os.fork() == 0:
        work(3)  # nobody listens
        assert hits(profiler) == [], hits(profiler)
        with profiler:
            work(3)
        other = LineProfiler(work)
        with other:
            work(3)
            if os.fork() == 0:
                with profiler:
                    work(3)
                assert hits(profiler) == [1], hits(profiler)
                os._exit(0)
        assert os.wait()[1] == 0
        assert hits(profiler) == [2], hits(profiler)
        assert hits(other) == [1], hits(other)
        if sys.version_info >= (3, 12):
            assert all(sys.monitoring.get_tool(tool) is None for tool in range(6))
        os._exit(0)
    assert os.wait()[1] == 0
    work(3)
assert hits(profiler) == [3], hits(profiler)
""",
    )


def test_no_time_is_counted_while_it_is_off(counted: Python) -> None:
    """Another thread stands in the function meanwhile."""
    ran(
        counted,
        """\
import threading, time
from pyrometer import LineProfiler

def stand():
    stands.set()
    free.wait()
    after.append(1)

stands, free, after = threading.Event(), threading.Event(), []
profiler = LineProfiler(stand)
begin = time.perf_counter_ns()
profiler.enable()
thread = threading.Thread(target=stand)
thread.start()
stands.wait()
profiler.disable()
first = time.perf_counter_ns() - begin
time.sleep(0.5)
begin = time.perf_counter_ns()
profiler.enable()
free.set()
thread.join()
profiler.disable()
second = time.perf_counter_ns() - begin
((_, stats),) = profiler.get_stats().timings.items()
assert [line[1] for line in stats][:1] == [1] and len(stats) == 3, stats
assert sum(line[2] for line in stats) <= first + second, (stats, first, second)
""",
    )


def test_a_trace_function_of_the_program_stays(counted: Python) -> None:
    ran(
        counted,
        """\
import sys, threading, warnings
from pyrometer import LineProfiler

def work():
    return 1

def tracer(frame, event, argument):
    if event == "call" and frame.f_code is work.__code__:
        seen.append(threading.current_thread().name)

seen, profiler, old = [], LineProfiler(work), sys.version_info < (3, 12)
sys.settrace(tracer)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    with profiler:
        work()
        thread = threading.Thread(target=work)  # has none
        thread.start()
        thread.join()
assert sys.gettrace() is tracer
work()
sys.settrace(None)
assert seen == ["MainThread"] * 2, seen
assert [warning.category for warning in said] == [RuntimeWarning] * old, said
((_, stats),) = profiler.get_stats().timings.items()
assert [line[1] for line in stats] == [1 if old else 2], stats
assert threading.gettrace() is None
with profiler:
    work()
    sys.settrace(tracer)  # meanwhile
assert sys.gettrace() is tracer
""",
    )


RUN = """\
from pyrometer import LineProfiler

def chosen():
    return 1

def listened():
    for i in range(5):
        pass

profiler = LineProfiler(listened)
with profiler:
    chosen(), listened()
((_, lines),) = profiler.get_stats().timings.items()
print([hits for _, hits, _ in lines], sum(time for _, _, time in lines))
"""


@pytest.mark.parametrize("options", [(), ("--sampled-times",)], ids=("timed", "sampled-times"))
def test_within_a_run_that_counts_lines(pyrometer: Path, some_counted: Python, options: tuple[str, ...]) -> None:
    """What it listens to is the run's, too; where that only counts, there are no times, and that is said."""
    Path("app.py").write_text(RUN)
    ours = command(pyrometer, some_counted, [Path("app.py").absolute()], "-o", "app.pyro", "--lines=chosen", *options)
    done = subprocess.run(ours, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=True)
    hits, _, time = done.stdout.rpartition(" ")
    assert hits == "[6, 5]"
    assert (int(time) > 0) is not bool(options)
    assert ("LineProfiler has hits, and no times" in done.stderr) is bool(options)
    asked = subprocess.run([pyrometer, "lines", "app.pyro", "--json"], capture_output=True, text=True, timeout=60, check=True).stdout
    counted = {one["name"]: [line["hits"] for line in one["lines"] if line["hits"]] for one in json.loads(asked)["functions"] if one["counted"]}
    assert counted == {"chosen": [1], "listened": [6, 5]}


def test_lines_are_no_more_counted_after_the_end(counted: Python) -> None:
    ran(
        counted,
        """\
import sys
import threading
import time
from pyrometer import LineProfiler

def work(n):
    for i in range(n):
        time.sleep(0.01)

profiler = LineProfiler(work)
threads = [threading.Thread(target=work, args=(3,)) for _ in range(4)]
with profiler:
    for thread in threads: thread.start()
    for thread in threads: thread.join()
work(5)
if sys.version_info >= (3, 12):
    assert all(sys.monitoring.get_tool(tool) is None for tool in range(6))
assert sys.gettrace() is None and threading.gettrace() is None
with profiler: pass  # and once more
((_, stats),) = profiler.get_stats().timings.items()
assert [line[1] for line in stats] == [16, 12], stats
assert stats[1][2] >= 12 * 10**7, stats
""",
    )
