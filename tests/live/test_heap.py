"""pyrometer.heap beside tracemalloc: the same program prints the same statistics, and the tracker leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from counting import command
from commands import run
from pythons import TARGETS, Python, find_python

pytestmark = [pytest.mark.beside, pytest.mark.usefixtures("folder", "from_source")]


@pytest.fixture(params=["3.11", "3.12", "3.13", "3.14", "3.15"])
def beside_tracemalloc(request: pytest.FixtureRequest) -> Python:
    wanted = find_python(request.param)
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


def ran(python: Python, program: str, *arguments: str, name: str = "app.py") -> str:
    Path(name).write_text(program)
    done = python.run(["-X", "faulthandler", Path(name).absolute(), *arguments])
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


BEGIN = """\
import sys
if sys.argv[1] == "theirs":
    import tracemalloc
else:
    from pyrometer.compat import tracemalloc
import gc
gc.collect()  # free lists are empty
tracemalloc.start(int(sys.argv[2]))
drained = [tuple([n] * size) for size in range(1, 21) for n in range(2100)], [
    n / 3 for n in range(200)], [{"a": 1} for _ in range(200)], [[] for _ in range(200)]  # of what start() left there
many = "x" * 300  # to go through a text takes nothing out of a free list
drained += [len(drained) + 10**6 for _ in many], [iter([]) for _ in many], [iter(()) for _ in many], [[].append for _ in many], [
    slice(_) for _ in many], [range(9) for _ in many], [iter(drained[0][:0]) for _ in many], [iter(range(9)) for _ in many]
"""

END = """
snapshot = tracemalloc.take_snapshot()
tracemalloc.stop()
own = [trace for trace in snapshot.traces._traces if trace[2][0][0] == __file__ and 14 <= trace[2][0][1] < END]
own = tracemalloc.Snapshot(own, snapshot.traceback_limit)
for key in "lineno", "filename", "traceback":
    for statistic in own.statistics(key):
        print(statistic, *statistic.traceback.format())
for statistic in own.statistics("lineno", True):
    print(statistic)
print(sum(trace.size for trace in own.traces), {trace.traceback.total_nframe for trace in own.traces})
print(own.filter_traces([tracemalloc.DomainFilter(True, 0), tracemalloc.Filter(True, "*.py")]).statistics("filename"))
own.dump("snapshot")
for difference in tracemalloc.Snapshot.load("snapshot").compare_to(own, "lineno"):
    print(difference)
"""

# Lines that say "same" have no object from a free list: before 3.13 nobody but tracemalloc is told of those. So has all of "recursion".
PROGRAMS = {
    "blocks": """\
def blocks():
    kept = []
    for size in range(1, 1500):
        kept.append(b"b" * size)  # same
        bytearray(size)
    kept.append(bytearray(5_000_000))
    text = "x" * 4000 + "y"
    return kept, text, {str(n): "k" * n for n in range(100)}
result = blocks()
""",
    "objects": """\
class Node:
    def __init__(self, size):
        self.size = size
        self.text = "n" * size  # same
class Slotted:
    __slots__ = ("data",)
def chain(count):
    made = []
    for size in range(1000, 1000 + count):
        made.append(Node(size))
        other = Slotted()  # same
        other.data = b"d" * size  # same
        made.append(other)
    return made
result = chain(300)
""",
    "realloc": """\
def grow():
    rows = []
    for n in range(20_000):
        rows.append(None)  # same
    block = bytearray(b"")
    for n in range(300):
        block.extend(b"z" * 100)  # same
    names = {}
    for n in range(1000):
        names[n] = None  # same
    return rows, block, names, {n for n in range(5000)}
result = grow()
""",
    "recursion": """\
def recurse(n):
    return [b"r" * (1000 + n), recurse(n - 1)] if n else []  # same
def generate(n):
    for i in range(n):
        yield b"y" * (2000 + i)  # same
def both():
    return recurse(40), [block for block in generate(50)]
result = both()
""",
    "threads": """\
import threading
made = []
def work(base):
    for n in range(200):
        made.append(b"m" * (base + n))  # same
threads = [threading.Thread(target=work, args=(base,)) for base in (1000, 2000, 3000)]
for thread in threads:
    thread.start()
    thread.join()
""",
}


@pytest.mark.parametrize("frames", ["1", "25"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_statistics_as_tracemalloc(beside_tracemalloc: Python, name: str, frames: str) -> None:
    if frames == "1" and beside_tracemalloc.id != "3.13":
        pytest.skip("one frame is enough to look at on one Python: with 25 the first is among them")
    program = BEGIN + PROGRAMS[name]
    program += END.replace("END", str(program.count("\n") + 1))
    expected = ran(beside_tracemalloc, program, "theirs", frames)
    ours = ran(beside_tracemalloc, program, "ours", frames)
    assert "size=" in expected
    same = [line for line in expected.splitlines() if "# same" in line]
    assert same and same == [line for line in ours.splitlines() if "# same" in line]
    if name == "threads":
        return  # who waits for whom differs from run to run, and with it what is in free lists
    if beside_tracemalloc.minor >= (3, 13) or name == "recursion":
        assert ours == expected


FREE_LISTS = """\
def reuse():
    for n in range(50):
        [n / 7, (n, n)]
    return [n / 7 for n in range(500)], [(n, n) for n in range(500)], [[n] for n in range(500)]
result = reuse()
"""


def test_objects_from_free_lists_are_their_makers(beside_tracemalloc: Python) -> None:
    """Only where the interpreter tells of them: PyRefTracer of 3.13."""
    if beside_tracemalloc.minor < (3, 13):
        pytest.skip("the interpreter does not tell of them before 3.13")
    program = BEGIN + FREE_LISTS
    program += END.replace("END", str(program.count("\n") + 1))
    assert ran(beside_tracemalloc, program, "ours", "5") == ran(beside_tracemalloc, program, "theirs", "5")


FIGURES = """\
import gc
from pyrometer import heap

assert not heap.is_tracing() and heap.get_traced_memory() == (0, 0) and heap.get_object_traceback(1) is None
for wrong in 0, 65536:
    try:
        heap.start(wrong)
    except ValueError as error:
        assert "[1; 65535]" in str(error)
    else:
        raise AssertionError(wrong)
try:
    heap.take_snapshot()
except RuntimeError as error:
    assert "not tracked" in str(error)
else:
    raise AssertionError

heap.start(3)
heap.start(7)  # nothing happens
assert heap.is_tracing() and heap.get_traceback_limit() == 3
own = heap.get_tracemalloc_memory()
heap.take_snapshot()  # the first one
assert heap.get_tracemalloc_memory() - own < 4 << 20  # to look at it takes no more
HEAD = 33
def make(size):
    return bytes(size)  # make
kept = make(1_000_000)
spike = make(9_000_000)
live, peak = heap.get_traced_memory()
assert 10_000_000 <= live <= peak < 10_100_000, (live, peak)
del spike
live, peak = heap.get_traced_memory()
assert 1_000_000 <= live < 1_100_000 and peak > 10_000_000
lines = open(__file__).read().splitlines()
def text_of(traceback):
    return [lines[frame.lineno - 1] for frame in traceback]
at_peak = [trace for trace in heap.take_snapshot(peak=True).traces if trace.size > 100_000]
assert sorted(trace.size for trace in at_peak) == [1_000_000 + HEAD, 9_000_000 + HEAD]
at_peak.sort(key=lambda trace: trace.size)
assert text_of(at_peak[1].traceback) == ["spike = make(9_000_000)", "    return bytes(size)  # make"]
assert [trace.size for trace in heap.take_snapshot().traces if trace.size > 100_000] == [1_000_000 + HEAD]
traceback = heap.get_object_traceback(kept)
assert text_of(traceback) == ["kept = make(1_000_000)", "    return bytes(size)  # make"]
class Thing:
    pass
thing = Thing()
assert text_of(heap.get_object_traceback(thing)) == ["thing = Thing()"]
heap.reset_peak()
live, peak = heap.get_traced_memory()
assert peak < live + 10_000
assert heap.get_tracemalloc_memory() > 0
heap.clear_traces()
live, peak = heap.get_traced_memory()
assert live < 10_000 and peak < 10_000 and heap.get_object_traceback(kept) is None
del kept  # of before: nothing happens
again = make(2_000_000)
assert [trace.size for trace in heap.take_snapshot().traces if trace.size > 100_000] == [2_000_000 + HEAD]
total = sum(trace.size for trace in heap.take_snapshot().traces)
heap.stop()
assert not heap.is_tracing() and heap.get_traced_memory() == (0, 0)
del again
for round in range(300):  # tables of stacks are used again
    heap.start()
    rows = [make(1000 + n) for n in range(20)]
    sizes = sorted(trace.size for trace in heap.take_snapshot().traces if 1000 < trace.size < 1100)
    assert sizes == [1000 + n + HEAD for n in range(20)], (round, sizes)
    if round % 2:
        heap.stop()
    else:
        heap.clear_traces()
        heap.stop()
print("right")
"""


def test_figures(counted: Python) -> None:
    if counted.free_threaded:
        pytest.skip("memory is not tracked without a GIL")
    assert ran(counted, FIGURES) == "right\n"


NATIVE = """\
import ctypes
import os
import sys
from collections import Counter
from pyrometer import heap

lib = ctypes.CDLL("./native.so")
names = "by_malloc", "by_calloc", "by_realloc", "by_posix_memalign", "by_table", "by_mmap", "by_mremap", "by_reserving"
functions = [getattr(lib, name) for name in names]
lib.tell((ctypes.c_uint64 * 2)())  # what the first call itself needs

def work():
    kept = [bytes(5000 + n) for n in range(100)]
    functions[0]()  # malloc
    functions[1]()  # calloc
    functions[2]()  # realloc
    functions[3]()  # posix_memalign
    functions[4]()  # table
    functions[5]()  # mmap
    functions[6]()  # mremap
    functions[7]()  # reserving
    return kept

PAGE = 4096
LEFT = {"malloc": (20, 20 * 1000), "calloc": (20, 20 * 700), "realloc": (20, 20 * 500), "posix_memalign": (20, 20 * 2000),
        "table": (20, 20 * 600), "mmap": (2, 5 * PAGE), "mremap": (1, 50 * PAGE)}
lines = open(__file__).read().splitlines()

def left(snapshot):
    found = Counter(), Counter()
    for trace in snapshot.traces:
        if trace.domain == heap.NATIVE_DOMAIN and trace.traceback[-1].filename == __file__:
            name = lines[trace.traceback[-1].lineno - 1].rpartition("# ")[2]
            found[0][name] += 1
            found[1][name] += trace.size
    return {name: (found[0][name], size) for name, size in found[1].items()}

def python_only(snapshot):
    only = snapshot.filter_traces([heap.DomainFilter(True, 0)]).filter_traces([heap.Filter(True, __file__, 13)])
    return [str(statistic) for statistic in only.statistics("lineno")]

heap.start(5)
kept = work()
without = python_only(heap.take_snapshot())
assert left(heap.take_snapshot()) == {} and without
heap.stop()
del kept
for again in range(int(sys.argv[1])):
    heap.start(5, native=True)
    before = heap.get_traced_memory()[0]
    kept = work()
    snapshot = heap.take_snapshot()
    assert left(snapshot) == LEFT, left(snapshot)
    assert python_only(snapshot) == without, (python_only(snapshot), without)
    native = sum(size for count, size in LEFT.values())
    assert heap.get_traced_memory()[0] - before > native + 500_000
    assert sum(trace.size for trace in snapshot.traces) <= heap.get_traced_memory()[0] + 100_000
    if os.fork() == 0:  # in a child nothing is tracked, C's allocators neither
        assert not heap.is_tracing()
        heap.start(5)
        work()
        assert left(heap.take_snapshot()) == {}
        heap.stop()
        heap.start(5, native=True)
        work()
        assert left(heap.take_snapshot()) == LEFT
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
    heap.clear_traces()
    assert left(heap.take_snapshot()) == {} and heap.get_traced_memory()[0] < 100_000
    functions[5]()  # mmap
    assert left(heap.take_snapshot()) == {"mmap": LEFT["mmap"]}
    heap.stop()
    del kept
print("right")
"""


def test_what_c_code_takes_is_a_domain_of_its_own(counted: Python) -> None:
    """tests/targets/memory_native.c leaves what it says; Python's allocators have the same beside it as without."""
    if counted.free_threaded:
        pytest.skip("memory is not tracked without a GIL")
    if counted.root is not None:
        pytest.skip("what is built here does not load in its root")
    source = TARGETS / "memory_native.c"
    subprocess.run(["cc", "-O1", "-fno-builtin", "-shared", "-fPIC", "-o", "native.so", str(source), "-pthread"], check=True)
    assert ran(counted, NATIVE, "20") == "right\n"


CHILDREN = """\
import os
from pyrometer import heap
heap.start()
kept = bytes(1_000_000)
pid = os.fork()
if pid == 0:
    assert not heap.is_tracing()
    del kept
    more = [bytes(n) for n in range(1000)]
    heap.start()  # it may begin anew
    for again in range(2):
        again = [bytes(10_000) for _ in range(100)]  # in the child
        (trace,) = {trace.traceback for trace in heap.take_snapshot().traces if trace.size == 10_033}
        assert trace[0].lineno == 12 and trace[0].filename == __file__, trace
        assert sum(trace.size == 10_033 for trace in heap.take_snapshot().traces) == 100
        assert 1_003_300 <= heap.get_traced_memory()[0] < 1_030_000
        again = None
        heap.stop()
        heap.start()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert heap.get_traced_memory()[0] > 1_000_000
"""


def test_a_forked_child_is_not_tracked_until_it_begins(one: Python) -> None:
    ran(one, CHILDREN)


def test_beside_a_run(pyrometer: Path, one: Python) -> None:
    """A run with --memory has the tracker; any other run does not mind."""
    Path("app.py").write_text(
        "from pyrometer import heap\n"
        "try:\n"
        "    heap.start()\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
        "else:\n"
        "    kept = bytes(1_000_000)\n"
        "    print(heap.get_traced_memory()[0] > 1_000_000)\n"
    )
    tracked = run(pyrometer, *command(pyrometer, one, ["app.py"], "-o", "a.pyro", "--memory")[1:])
    assert "already, by `pyrometer run --memory`" in tracked.stdout
    counted = run(pyrometer, *command(pyrometer, one, ["app.py"], "-o", "b.pyro")[1:])
    assert "True\n" in counted.stdout
    rows = json.loads(run(pyrometer, "stats", "b.pyro", "--json", "-n", "0").stdout)["functions"]
    assert any(row["name"] == "<module>" and row["file"].endswith("app.py") and row["ncalls"] == 1 for row in rows)
