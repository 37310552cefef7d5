"""`run --memory` beside a counter of its own (tests/targets/memory_counter.c), which wraps Python's allocators after ours: all equal.

PYROMETER_HAMMER_SECONDS is how long threads allocate against each other: some seconds, if it is not said.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pythons import TARGETS, Python
from test_memory import fits, line_at, track  # noqa: F401 - `fits` skips what is not tracked

pytestmark = pytest.mark.beside

SMALLEST = 4096  # of the blocks that threads hand to each other, in bytes

PROGRAM = """\
import ctypes
import json
import threading

FIGURES = ctypes.c_uint64 * 4
counter = ctypes.PyDLL("./counter.so")
counter.count.argtypes = [ctypes.py_object]


def told(tell):
    figures = FIGURES()
    tell(figures)
    print(*figures)

"""

COUNTED = (
    PROGRAM
    + """
kept = []


def recurse(depth):
    block = bytes(depth * 7)
    return [block, recurse(depth - 1)] if depth else block


def generate(count):
    for i in range(count):
        yield str(i) * (i % 40)


def delegate(count):
    yield from generate(count)


class Node:
    def __init__(self, number):
        self.number, self.name = number, "n%d" % number


def work():
    for i in range(60):
        recurse(i)
    kept.append(recurse(150))
    lengths = [len(text) for text in delegate(3000)]
    nodes = {i: Node(i) for i in range(500)}
    kept.append(nodes)
    text = json.dumps([lengths, {str(i): [i, "x" * i] for i in range(300)}])
    kept.append(json.loads(text))
    block = bytearray()
    for i in range(2000):
        block += b"12345"
    total = sum(x * x for x in range(2000) if x % 3)
    try:
        raise ValueError(total)
    except ValueError as error:
        kept.append(str(error))


def body():
    work()  # counted


def thread():
    assert counter.count(body)


counter.wrap()
thread()
threads = [threading.Thread(target=thread) for _ in range(4)]
for one in threads:
    one.start()
for one in threads:
    one.join()
told(counter.tell)
"""
)

HAMMER = (
    PROGRAM
    + """
import sys

seconds = float(sys.argv[1])
free = ctypes.CDLL("./counter.so")  # the same library, called without the GIL
free.hammer.argtypes = [ctypes.c_uint64, ctypes.c_double]
over = threading.Event()


def hammer(seed):
    free.hammer(seed, seconds)  # hammer


def objects():
    while not over.is_set():
        [bytes(i % 700) for i in range(2000)]


threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(1, 5)]
beside = threading.Thread(target=objects)
for one in [beside, *threads]:
    one.start()
for one in threads:
    one.join()
over.set()
beside.join()
told(counter.tell_hammered)
"""
)


@pytest.fixture
def counter(counted: Python) -> None:
    """The library, in the folder of the test."""
    if counted.root is not None:
        pytest.skip("what is built here does not load in its root")
    source = TARGETS / "memory_counter.c"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", "counter.so", str(source), "-ldl", "-pthread"], check=True)


def test_counts_and_bytes_are_the_counters(pyrometer: Path, counted: Python, counter: None) -> None:
    Path("program.py").write_text(COUNTED)
    answer, printed = track(pyrometer, counted, ["program.py"], "--memory=python")
    blocks, size, _, live = map(int, printed.split())
    line = line_at(answer, "body", "counted")
    assert (line["total_count"], line["total_allocated"], line["total_live"]) == (blocks, size, live)
    assert size > 5_000_000
    assert blocks > 50_000


def test_threads_that_free_and_move_what_others_allocated(pyrometer: Path, counted: Python, counter: None) -> None:
    Path("program.py").write_text(HAMMER)
    seconds = os.environ.get("PYROMETER_HAMMER_SECONDS", "3")
    answer, printed = track(pyrometer, counted, ["program.py", seconds])
    blocks, size, _, live = map(int, printed.split())
    line = line_at(answer, "hammer", "hammer")
    # More than hammered: what the calls of the line themselves need (a tuple of arguments may stay in Python's free list). One block
    # too many or too few is more than that.
    assert 0 <= line["self_live"] - live < SMALLEST
    assert 0 <= line["self_allocated"] - size < SMALLEST
    assert blocks > 1000
