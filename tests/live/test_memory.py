"""`run --memory`: bytes, counts, peak and what is left, per line, equal what the programs are known to allocate."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from commands import refused, run
from counting import command
from pythons import REPOSITORY, TARGETS, Python

pytestmark = pytest.mark.beside

SECONDS = 120
EXAMPLES = REPOSITORY / "examples"
HEAD = 33  # sys.getsizeof(b""): what a bytes object takes besides its bytes; the program says it, too


@pytest.fixture(autouse=True)
def fits(request: pytest.FixtureRequest, folder: Path) -> None:
    """Memory is not tracked without a GIL."""
    if "counted" in request.fixturenames and request.getfixturevalue("counted").free_threaded:
        pytest.skip("memory is not tracked without a GIL")


def track(pyrometer: Path, python: Python, arguments: list, *options: str, status: int = 0) -> tuple[dict, str]:
    """What `memory --json` says of a run, and what the program printed."""
    recording = Path("memory.pyro").absolute()
    ours = command(pyrometer, python, arguments, "-o", recording, "--memory", *options)
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == status, done.stderr
    answer = json.loads(run(pyrometer, "memory", recording, "--json").stdout)
    assert answer["lost"] == answer["unseen"] == answer["cut"] == 0
    return answer, done.stdout


def test_block_sizes(pyrometer: Path, counted: Python) -> None:
    """Each block is in one class, and those of the program are in theirs."""
    answer, _ = track(pyrometer, counted, [TARGETS / "memory_known.py"])
    sizes = {row["up_to_bytes"]: (row["blocks"], row["bytes"]) for row in answer["sizes"]}
    assert all(up_to & (up_to - 1) == 0 and count * up_to >= size for up_to, (count, size) in sizes.items())
    assert all(size > count * (up_to // 2) for up_to, (count, size) in sizes.items() if up_to > 1)
    assert sum(count for count, _ in sizes.values()) == answer["allocations"]
    assert sum(size for _, size in sizes.values()) == answer["allocated_bytes"]
    churn, keep, spike = sizes[1024], sizes[1 << 17], sizes[1 << 23]
    assert churn[0] >= 3000 and churn[1] >= 3000 * (777 + HEAD)
    assert keep[0] >= 40 and keep[1] >= 40 * (100_000 + HEAD)
    assert spike == (1, 5_000_000 + HEAD)
    text = run(pyrometer, "memory", "memory.pyro").stdout
    assert "block size" in text and "more" in text


def text_of(file: str, line: int) -> str:
    """From the file itself: of a program in another root, the recorder may come too late for its source."""
    path = Path(file)
    return path.read_text().splitlines()[line - 1] if path.is_file() else ""


def line_at(answer: dict, name: str, comment: str) -> dict:
    """The line of a function with that qualified name that ends in a comment."""
    found = [
        line
        for function in answer["functions"]
        if function["name"] == name
        for line in function["lines"]
        if text_of(function["file"], line["line"]).endswith(f"# {comment}")
    ]
    assert len(found) == 1, found
    return found[0]


def figures(line: dict, kind: str) -> tuple[int, ...]:
    """Allocated, freed, left, held at the peak."""
    return tuple(line[f"{kind}_{what}"] for what in ("allocated", "freed", "live", "peak"))


def test_known_lines(pyrometer: Path, counted: Python) -> None:
    answer, printed = track(pyrometer, counted, [TARGETS / "memory_known.py"])
    assert int(printed) == HEAD
    kept = 40 * (100_000 + HEAD)
    keep, spike = line_at(answer, "keep", "keep"), line_at(answer, "spike", "spike")
    assert (keep["count"], *figures(keep, "self")) == (40, kept, 0, kept, kept)
    assert (spike["count"], *figures(spike, "self")) == (1, 5_000_000 + HEAD, 5_000_000 + HEAD, 0, 5_000_000 + HEAD)
    churn = line_at(answer, "churn", "churn")
    assert (churn["count"], *figures(churn, "self")) == (3000, 3000 * (777 + HEAD), 3000 * (777 + HEAD), 0, 0)
    assert churn["self_temporary"] == 3000 * (777 + HEAD)
    generated = line_at(answer, "generate", "generate")
    assert (generated["count"], *figures(generated, "self")) == (25, 25 * (2000 + HEAD), 25 * (2000 + HEAD), 0, 0)
    assert line_at(answer, "grow", "begin")["self_live"] > 0  # the object, if not its bytes


def test_totals_have_what_was_called_and_recursion_once(pyrometer: Path, counted: Python) -> None:
    answer, _ = track(pyrometer, counted, [TARGETS / "memory_known.py"])
    keeps, spikes = line_at(answer, "main", "keeps"), line_at(answer, "main", "spikes")
    assert keeps["total_live"] == line_at(answer, "keep", "keep")["self_live"]
    assert spikes["total_peak"] == 5_000_000 + HEAD
    assert keeps["self_allocated"] == 0 == spikes["self_allocated"]
    recurse, call = line_at(answer, "recurse", "recurse"), line_at(answer, "recurse", "call")
    assert recurse["self_allocated"] == recurse["total_allocated"] == 10 * (10_000 + HEAD)
    assert call["total_allocated"] == 9 * (10_000 + HEAD)  # each block once, however deep
    assert line_at(answer, "main", "recurses")["total_allocated"] == 10 * (10_000 + HEAD)


def test_all_adds_up(pyrometer: Path, one: Python) -> None:
    answer, _ = track(pyrometer, one, [TARGETS / "memory_known.py"])
    lines = [line for function in answer["functions"] for line in function["lines"]]
    assert sum(line["self_live"] for line in lines) <= answer["live_bytes"]
    assert sum(line["self_peak"] for line in lines) <= answer["peak_bytes"]
    assert 0.98 * answer["peak_bytes"] < sum(line["self_peak"] for line in lines)
    assert answer["rss_peak_bytes"] > answer["peak_bytes"] > 40 * (100_000 + HEAD) + 5_000_000
    assert answer["ended"]


THREADS = """\
import queue
import threading

ROUNDS, THREADS = 4000, 4
passed = queue.SimpleQueue()


def make():
    for _ in range(ROUNDS):
        passed.put(bytes(1000))  # make


def take():
    for _ in range(ROUNDS):
        passed.get()


threads = [threading.Thread(target=work) for work in [make, take] * THREADS]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_blocks_freed_by_other_threads(pyrometer: Path, counted: Python) -> None:
    Path("threads.py").write_text(THREADS)
    answer, _ = track(pyrometer, counted, ["threads.py"])
    made = line_at(answer, "make", "make")
    assert made["self_live"] == 0
    assert made["self_allocated"] >= 16_000 * (1000 + HEAD)
    assert made["count"] >= 16_000


FORKS = """\
import os
import threading

stop = threading.Event()


def busy():
    while not stop.is_set():
        [bytes(300) for _ in range(100)]


def child():
    return bytes(3_000_000)  # child


threads = [threading.Thread(target=busy) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(10):
    pid = os.fork()
    if pid == 0:
        block = child()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
"""


def test_forked_children(pyrometer: Path, counted: Python) -> None:
    Path("forks.py").write_text(FORKS)
    alone, _ = track(pyrometer, counted, ["forks.py"])
    if counted.root is None:  # else it runs by -- CMD, which follows
        assert not [function for function in alone["functions"] if function["name"] == "child"]
    together, _ = track(pyrometer, counted, ["forks.py"], "--subprocesses")
    assert together["processes"] == 11
    child = line_at(together, "child", "child")
    assert (child["count"], *figures(child, "self")) == (10, 10 * (3_000_000 + HEAD), 0, *[10 * (3_000_000 + HEAD)] * 2)


KILLED = """\
import os


def keep():
    return bytes(7_000_000)  # kept


kept = keep()
os.kill(os.getpid(), 9)
"""


def test_a_killed_program_leaves_what_it_had(pyrometer: Path, counted: Python) -> None:
    if counted.root is not None:
        pytest.skip("another program tells how it ended")
    Path("killed.py").write_text(KILLED)
    recording = Path("killed.pyro").absolute()
    ours = command(pyrometer, counted, ["killed.py"], "-o", recording, "--memory")
    subprocess.run(ours, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    answer = json.loads(run(pyrometer, "memory", recording, "--json").stdout)
    assert not answer["ended"]
    assert line_at(answer, "keep", "kept")["self_live"] == 7_000_000 + HEAD


LIMITED = """\
import os
import resource

KEPT = []


def grow():
    while True:
        KEPT.append(bytes(1_000_000))  # grow


with open("/proc/self/statm") as statm:
    now = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 500_000_000,) * 2)
try:
    grow()
except MemoryError:
    print(len(KEPT), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_what_was_known_survives_a_limit_of_memory(pyrometer: Path, counted: Python) -> None:
    """A program that gets no more memory, and is killed then. What we could not know either, for want of memory, is counted."""
    if counted.root is not None:
        pytest.skip("another program tells how it ended")
    Path("limited.py").write_text(LIMITED)
    recording = Path("limited.pyro").absolute()
    ours = command(pyrometer, counted, ["limited.py"], "-o", recording, "--memory")
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    answer = json.loads(run(pyrometer, "memory", recording, "--json").stdout)
    assert not answer["ended"]
    made, size = int(done.stdout), 1_000_000 + HEAD
    assert made > 100
    known = line_at(answer, "grow", "grow")["self_live"]
    assert known // size <= made <= known // size + answer["lost"]


UNHOOKS = """\
import tracemalloc

kept = bytes(3_000_000)
tracemalloc.stop()
more = bytes(5_000_000)
"""


def test_tracking_that_was_ended_behind_its_back_is_told(pyrometer: Path, counted: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    """tracemalloc that was there before us puts back what was there before it."""
    if counted.root is not None:
        pytest.skip("its environment is another one")
    Path("unhooks.py").write_text(UNHOOKS)
    plain, _ = track(pyrometer, counted, ["unhooks.py"])
    assert not plain["unhooked"]
    monkeypatch.setenv("PYTHONTRACEMALLOC", "1")
    recording = Path("unhooked.pyro").absolute()
    subprocess.run(command(pyrometer, counted, ["unhooks.py"], "-o", recording, "--memory"), capture_output=True, timeout=SECONDS, check=True)
    answer = json.loads(run(pyrometer, "memory", recording, "--json").stdout)
    assert answer["unhooked"]
    assert answer["live_bytes"] > 3_000_000
    assert "not all was seen" in run(pyrometer, "memory", recording).stdout


EVALS = """\
def call(code):
    return eval(code)  # eval


for i in range(300):
    code = compile(f"bytes({i * 1000})", f"<made {i}>", "eval")
    call(code)
    del code
"""


def test_code_that_dies_gives_its_name_to_no_other(pyrometer: Path, counted: Python) -> None:
    """Objects of code are made at the addresses of dead ones, as these 300 are."""
    Path("evals.py").write_text(EVALS)
    answer, _ = track(pyrometer, counted, ["evals.py"])
    made = {function["file"]: function["lines"] for function in answer["functions"] if "<made" in function["file"]}
    expected = {f"<made {i}>": i * 1000 + HEAD for i in range(2, 300)}  # bytes(0) is there always
    for file, size in expected.items():
        assert sum(line["self_allocated"] for line in made[file]) in (size, size + 28), file  # and its argument, an int


SWAPS = """\
import _imp
import ctypes
import os
import struct
import sys
import threading

SIZE, COUNT, STARTS = 16384, 512, int(sys.argv[2])


class Spec:
    name, origin = "pyrometer._probe", sys.argv[1]


def tables():
    found = []
    for domain in range(3):
        table = (ctypes.c_void_p * 5)()
        ctypes.pythonapi.PyMem_GetAllocator(domain, table)
        found.append(bytes(table))
    return found


def busy():
    while not over.is_set():
        [str(i) for i in range(200)]


probe = _imp.create_dynamic(Spec)
_imp.exec_dynamic(probe)
over = threading.Event()
threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
before = tables()
for _ in range(STARTS):
    memory = os.memfd_create("pyrometer tables")
    os.ftruncate(memory, SIZE * COUNT)
    os.pwrite(memory, struct.pack("QIII", 0x31656C6261547950, SIZE, COUNT, 1), 0)
    probe.start(memory, False, False, False, None, True)
    os.close(memory)
    assert tables() != before
    kept = [bytes(i) for i in range(1000)]
    probe.stop()
    assert tables() == before
over.set()
for thread in threads:
    thread.join()
print("restored")
"""


def test_the_allocators_are_as_before_after_a_stop(pyrometer: Path, counted: Python) -> None:
    if counted.root is not None:
        pytest.skip("its root does not have the probe")
    Path("swaps.py").write_text(SWAPS)
    probe = pyrometer.parent / "src" / "probe" / "_probe.abi3.so"
    done = subprocess.run(
        counted.command(["swaps.py", str(probe), os.environ.get("PYROMETER_MEMORY_STARTS", "30")]), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert (done.stdout, done.returncode) == ("restored\n", 0), done.stderr


TRACES = """\
import tracemalloc

STARTS, SIZE, COUNT = 5, 5000, 3000


def large():
    for _ in range(COUNT):
        bytes(SIZE)  # large


def grow():
    block = bytearray(600)
    for size in range(700, 60_000, 100):
        block.extend(bytes(100))
    return len(block)


for _ in range(STARTS):
    tracemalloc.start()
    large()
    grow()
    tracemalloc.stop()
kept = [bytes(i) for i in range(64)] * 100
rest = [object() for _ in range(50_000)]
"""


def test_a_program_that_traces_itself(pyrometer: Path, counted: Python) -> None:
    """tracemalloc wraps our wrappers, and frees its record of a large block from within one of them.

    Up to 3.12 it loses one traceback, of 24 bytes, for each line and start (Modules/_tracemalloc.c, tracemalloc_init(): the table has no
    function that frees its keys), so that they are rightly left.
    """
    Path("traces.py").write_text(TRACES)
    answer, _ = track(pyrometer, counted, ["traces.py"])  # none is unseen
    large = line_at(answer, "large", "large")
    assert large["self_live"] == (5 * 24 if counted.minor < (3, 13) else 0)  # tracemalloc's records are that line's, too
    assert large["self_allocated"] >= 15_000 * (5000 + HEAD)


def test_tables_and_rows(pyrometer: Path, one: Python) -> None:
    shutil.copy(TARGETS / "memory_known.py", ".")  # what lies elsewhere is a library
    track(pyrometer, one, ["memory_known.py"])
    tables = run(pyrometer, "memory", "memory.pyro").stdout
    assert "Function: spike at line" in tables
    assert "live native" in tables
    rows = run(pyrometer, "memory", "memory.pyro", "--by", "line", "-n", "2").stdout
    assert rows.index("# spike") < rows.index("# keep")
    left = run(pyrometer, "memory", "memory.pyro", "--by", "line", "--leaks").stdout
    assert "# keep" in left
    assert "# spike" not in left
    brief = run(pyrometer, "memory", "memory.pyro", "--by", "function", "--temporary").stdout
    assert "(churn)" in brief
    assert "memory_known.py" in run(pyrometer, "memory", "memory.pyro", "--by", "file").stdout


def test_what_cannot_be_asked(pyrometer: Path, one: Python) -> None:
    Path("empty.py").write_text("sum(range(100_000))\n")
    run(pyrometer, *command(pyrometer, one, ["empty.py"], "-o", "empty.pyro")[1:])
    assert "not tracked" in run(pyrometer, "memory", "empty.pyro", status=4).stderr
    assert "not both" in refused(pyrometer, 2, "memory", "empty.pyro", "--leaks", "--temporary")
    assert "cannot be had in one run" in run(pyrometer, "run", "--memory", "--trace", "empty.py", status=2).stderr


def test_the_loader_is_found_by_its_line(pyrometer: Path, one: Python) -> None:
    """S3: the line that loads has what it kept, the fixed program hardly anything."""
    loader = EXAMPLES / "s03_loader"
    slow, _ = track(pyrometer, one, [loader / "loader_slow.py", "--shipments", "20000"])
    heavy = next(function for function in slow["functions"] if function["name"] == "heavy")
    lines = {line["source"].strip(): line for line in heavy["lines"]}
    load = lines["data = json.load(f)"]
    copy = next(line for source, line in lines.items() if source.startswith("known ="))
    kept = next(function for function in slow["functions"] if function["name"] == "JSONDecoder.raw_decode")
    decoded = sum(line["self_peak"] for line in kept["lines"])
    assert load["total_peak"] >= 0.95 * decoded > 10_000_000
    assert load["total_peak"] + copy["total_peak"] > 0.85 * slow["peak_bytes"]
    fixed, _ = track(pyrometer, one, [loader / "loader_fixed.py", "--shipments", "20000"])
    assert fixed["peak_bytes"] < slow["peak_bytes"] / 3
