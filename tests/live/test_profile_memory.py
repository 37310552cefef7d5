"""pyrometer.profile_memory and memory_usage, and pyrometer.compat.memory_profiler beside memory_profiler itself."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from counting import installed
from pythons import REPOSITORY, Python, find_python

pytestmark = [pytest.mark.beside, pytest.mark.usefixtures("folder", "from_source")]

HEAD = 33  # sys.getsizeof(b"")


@pytest.fixture(autouse=True)
def fits(request: pytest.FixtureRequest) -> None:
    """Memory is not tracked without a GIL."""
    if "counted" in request.fixturenames and request.getfixturevalue("counted").free_threaded:
        pytest.skip("memory is not tracked without a GIL")


def ran(python: Python, program: str, *arguments: str) -> str:
    Path("app.py").write_text(program)
    done = python.run(["-X", "faulthandler", Path("app.py").absolute(), *arguments])
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


ROW = re.compile(r" *(\d+)  *(-?[\d.]+) MiB  *(-?[\d.]+) MiB  *(\d+)   (.*)")


def rows_of(table: str) -> dict[str, tuple[int, int]]:
    """By the text of the line: bytes of the increment, and occurrences; printed with seven digits or more."""
    found = {}
    for line in table.splitlines():
        if match := ROW.fullmatch(line):
            found[match[5].strip()] = (round(float(match[3]) * (1 << 20)), int(match[4]))
    return found


KNOWN = """\
from pyrometer import profile_memory

kept = []

@profile_memory(precision=7)
def known(n):
    kept.append(bytes(1_000_000))
    for i in range(3): kept[0] = bytes(100_000 * (i + 1))
    helper(2)

    if n:
        never = 1
    block = bytes(5_000_000)
    del block
    return None

def helper(depth):
    kept.append(bytes(70_000))
    if depth:
        helper(depth - 1)

kept += [None] * 1000
del kept[:]
known(0)
"""


def test_known_lines(counted: Python) -> None:
    """Bytes are exact, but for what the interpreter itself keeps of a line that runs for the first time."""
    printed = ran(counted, KNOWN)
    rows = rows_of(printed)
    near = {text: hits for text, (_, hits) in rows.items()}
    loop = "for i in range(3): kept[0] = bytes(100_000 * (i + 1))"
    assert near == {
        "@profile_memory(precision=7)": 1,
        "kept.append(bytes(1_000_000))": 1,
        loop: 4,
        "helper(2)": 1,
        "if n:": 1,
        "block = bytes(5_000_000)": 1,
        "del block": 1,
        "return None": 1,
    }
    expected = {
        "kept.append(bytes(1_000_000))": 1_000_000 + HEAD,
        loop: 300_000 - 1_000_000,
        "helper(2)": 3 * (70_000 + HEAD),
        "if n:": 0,
        "block = bytes(5_000_000)": 5_000_000 + HEAD,
        "del block": -5_000_000 - HEAD,
    }
    for text, size in expected.items():
        assert abs(rows[text][0] - size) < 600, (text, rows[text][0], size)
    assert re.search(r"^ +10 +\n +11 ", printed, re.M), "a line without events is blank"
    assert re.search(r"^    12  +never = 1$", printed, re.M)
    start = re.search(r"^ +5 +([\d.]+) MiB +([\d.]+) MiB ", printed, re.M)
    assert start and start[1] == start[2] and float(start[1]) > 1


KINDS = """\
import asyncio
import threading
from pyrometer import profile_memory

kept = []

@profile_memory(precision=7)
def recurse(n):
    kept.append(bytes(50_000))
    if n:
        recurse(n - 1)

@profile_memory(precision=7)
def generate(n):
    for i in range(n):
        yield bytes(10_000)

@profile_memory(precision=7)
async def wait(size):
    kept.append(bytes(size))
    await asyncio.sleep(0)
    return size

@profile_memory(precision=7)
def fail():
    kept.append(bytes(1000))
    raise KeyError

@profile_memory(precision=7)
def threaded(size):
    for i in range(100):
        kept.append(bytes(size))

class Class:
    @profile_memory
    def method(self): return self

async def gather():
    return await asyncio.gather(wait(20_000), wait(30_000))

recurse(2)
assert [len(item) for item in generate(4)] == [10_000] * 4
assert asyncio.run(gather()) == [20_000, 30_000]
try:
    fail()
except KeyError:
    pass
threads = [threading.Thread(target=threaded, args=(size,)) for size in (1000, 3000)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
one = Class()
assert one.method() is one
assert recurse.__name__ == "recurse"
"""


def test_kinds_of_functions(some_counted: Python) -> None:
    printed = ran(some_counted, KINDS)
    tables = [rows_of(table) for table in printed.split("Filename: ")[1:]]
    assert len(tables) == 3 + 1 + 2 + 1 + 2 + 1
    sizes = [table["recurse(n - 1)"][0] for table in tables if "recurse(n - 1)" in table]
    assert len(sizes) == 2 and all(0 <= size - (1 + i) * 50_033 < 8000 for i, size in enumerate(sizes)), sizes  # the innermost first
    generated = next(table for table in tables if "yield bytes(10_000)" in table)
    assert generated["yield bytes(10_000)"][1] == 4
    waited = [table["kept.append(bytes(size))"] for table in tables if "await asyncio.sleep(0)" in table]
    assert [hits for _, hits in waited] == [1, 1]
    assert [round(size, -3) for size, _ in waited] == [20_000, 30_000]
    threaded = sorted(table["kept.append(bytes(size))"][0] for table in tables if "for i in range(100):" in table)
    assert abs(threaded[0] - 100_000) < 20_000 and abs(threaded[1] - 300_000) < 20_000, threaded  # each thread its own


TRACED = """\
import sys, warnings
from pyrometer import profile_memory

@profile_memory
def f():
    return 7

def tracer(frame, event, argument):
    return tracer
warnings.simplefilter("error")
sys.settrace(tracer)
try:
    assert f() == 7
except UserWarning as warning:
    assert sys.version_info < (3, 12) and "trace function" in str(warning)
else:
    assert sys.version_info >= (3, 12)
assert sys.gettrace() is tracer
sys.settrace(None)
assert f() == 7

@profile_memory
def g():
    sys.settrace(tracer)
warnings.simplefilter("ignore")
g()
assert sys.gettrace() is tracer
sys.settrace(None)
if sys.version_info >= (3, 12):
    assert not any(sys.monitoring.get_tool(tool) for tool in range(6))
else:
    assert sys.gettrace() is None
"""


def test_nothing_is_left_with_the_interpreter(some_counted: Python) -> None:
    ran(some_counted, TRACED)


SAME = """\
import sys
if sys.argv[1] == "theirs":
    from memory_profiler import profile
else:
    from pyrometer.compat.memory_profiler import profile

@profile
def f(n):
    a = [1] * n
    b = bytearray(2 * n)
    for i in range(3):
        c = bytes(i * n)

    del b
    if n < 0:
        pass
    return a

@profile(precision=4)
def g(): return f(3_000_000)

g()
"""


@pytest.fixture(params=["3.11", "3.13"])
def beside_theirs(request: pytest.FixtureRequest) -> Python:
    wanted = find_python(request.param)
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


def theirs(python: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = installed(python, "memory_profiler", "memory_profiler==0.61.0", "psutil==7.2.1")
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY / 'python'}:{folder}")


def test_the_same_table_as_memory_profiler(beside_theirs: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines, occurrences and layout; what is resident differs between two runs, and large increments hardly."""
    theirs(beside_theirs, monkeypatch)
    expected, ours = ran(beside_theirs, SAME, "theirs"), ran(beside_theirs, SAME, "ours")

    def shape(text: str) -> list[str]:
        return [re.sub(r" -?\d+(\.\d+) MiB", lambda match: "#" * len(match[0]), line).rstrip() for line in text.splitlines()]

    def blank(text: str) -> list[str]:
        return [re.sub(r" *#+", " #", line) for line in shape(text)]

    assert blank(ours) == blank(expected)
    assert [len(line) for line in shape(ours)] == [len(line) for line in shape(expected)]
    wanted, found = rows_of(expected), rows_of(ours)
    for text in "a = [1] * n", "b = bytearray(2 * n)", "del b":
        assert abs(wanted[text][0] - found[text][0]) < 300_000, text


USAGE = """\
import io, json, os, subprocess, sys, time
if sys.argv[1] == "theirs":
    from memory_profiler import memory_usage
else:
    from pyrometer.compat.memory_profiler import memory_usage

def shape(value):
    if isinstance(value, (list, tuple)):
        kinds = []
        for item in map(shape, value):
            if item not in kinds:
                kinds.append(item)
        return [type(value).__name__, kinds]
    return type(value).__name__

def f(n, keep=0):
    block = bytearray(n)
    for i in range(0, n, 4096):
        block[i] = 1
    time.sleep(0.6)
    return keep

if __name__ == "__main__":
    found = {}
    found["default"] = memory_usage()
    found["pid"] = memory_usage(os.getpid(), interval=0.02, timeout=0.2)
    found["stamps"] = memory_usage(-1, interval=0.02, timeout=0.1, timestamps=True)
    found["max"] = memory_usage(-1, interval=0.02, timeout=0.1, max_usage=True)
    found["each"] = memory_usage(-1, interval=0.02, timeout=0.1, multiprocess=True)
    found["children"] = memory_usage(-1, include_children=True)
    found["call"] = memory_usage((f, (50_000_000,)), interval=0.05)
    found["stamped call"] = memory_usage((f, (1000,), {"keep": 5}), interval=0.05, timestamps=True)
    found["max call"] = memory_usage((f, (50_000_000, 7)), interval=0.05, max_usage=True)
    found["both"] = memory_usage((f, (50_000_000, 7)), interval=0.05, max_usage=True, retval=True)
    found["returned"] = memory_usage((f, (1000,), {"keep": "x"}), interval=0.05, retval=True)
    found["bare"] = memory_usage(lambda: time.sleep(0.6), interval=0.05)
    sleeper = lambda: subprocess.Popen([sys.executable, "-c", "import time; b = bytearray(9_000_000); time.sleep(0.5)"])
    found["popen"] = memory_usage(sleeper(), interval=0.05)
    found["short popen"] = memory_usage(sleeper(), interval=0.05, timeout=0.2)
    found["popen each"] = memory_usage(sleeper(), interval=0.05, multiprocess=True, timeout=0.2)
    stream = io.StringIO()
    assert memory_usage(sleeper(), interval=0.05, timeout=0.2, stream=stream) is None
    print(json.dumps({
        "shapes": {name: shape(value) for name, value in found.items()},
        "counts": {name: len(found[name]) for name in ("default", "pid", "stamps", "each", "short popen")},
        "lines": [len(line.split()) for line in stream.getvalue().splitlines()],
        "words": sorted({line.split()[0] for line in stream.getvalue().splitlines()}),
        "max": [found["max call"], max(found["call"]), found["both"][0]],
        "now": found["default"][0],
        "many": len(found["call"]) > 4,
        "values": [found["both"][1], found["returned"][1]],
    }))
"""


def test_memory_usage_has_the_same_shapes(beside_theirs: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs(beside_theirs, monkeypatch)
    expected, ours = (json.loads(ran(beside_theirs, USAGE, which)) for which in ("theirs", "ours"))
    for key in "shapes", "counts", "lines", "words", "values", "many":
        assert ours[key] == expected[key], key
    for size in ours["max"]:
        assert size > ours["now"] + 45


def test_memory_usage_of_a_function_that_leaves_a_child(one: Python) -> None:
    """Or that ends the process which measures."""
    ran(
        one,
        """\
import os, signal, time, warnings
from pathlib import Path
from pyrometer import memory_usage

def leave():
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    return child

found, child = memory_usage(leave, retval=True)
assert len(found) >= 2 and child > 0
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)

def end():
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in path.read_text().split():
            os.kill(int(pid), signal.SIGKILL)
    return 7

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    assert memory_usage(end, retval=True) == ([], 7)
assert [warning.category for warning in said] == [RuntimeWarning], said
""",
    )


def test_memory_usage_of_what_is_not_there(one: Python) -> None:
    ran(
        one,
        """\
from pyrometer import memory_usage, profile_memory

for wrong, error in (
    (lambda: memory_usage(2 ** 22 + 1), ProcessLookupError),
    (lambda: memory_usage(backend="x"), ValueError),
    (lambda: memory_usage("x"), TypeError),
    (lambda: profile_memory(precision="x"), TypeError),
    (lambda: profile_memory(stream=3), TypeError),
):
    try:
        wrong()
    except error:
        continue
    raise AssertionError(error)
try:
    memory_usage(lambda: 1 / 0)
except ZeroDivisionError:
    pass
else:
    raise AssertionError
calls = []
assert len(memory_usage((calls.append, (1,)), max_usage=False)) >= 2
assert calls == [1]
assert memory_usage(backend="psutil_uss")[0] > 1
""",
    )
