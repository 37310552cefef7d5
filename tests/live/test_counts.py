"""`pyrometer run` counts exactly: each program here counts its own calls, and both must agree."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from clocks import clocked
from counting import SECONDS, Counts, Place, count, name_of, package, read_counts
from oracle.call_graphs import make_program
from pythons import Python, find_python

pytestmark = pytest.mark.beside

SEEDS = range(int(os.environ.get("PYROMETER_COUNT_SEEDS", "3")))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def program(folder: Path, text: str, name: str = "program.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


# -- random call graphs -----------------------------------------------------------------------------


def is_c(place: Place) -> bool:
    return isinstance(place, str) and place.startswith("{")


def differences(counts: Counts, facts: Path, c_calls: bool) -> list[str]:
    """Where what was counted is not what the program counted: of its functions all callers and all C callees."""
    told = json.loads(facts.read_text())
    own: list[Place] = [tuple(place) for place in told["functions"]]
    known = set(own)
    expected: Counter[tuple[Place, Place]] = Counter()
    for caller, callee, number in told["edges"]:
        ends = [own[end] if isinstance(end, int) else end for end in (caller, callee)]
        if c_calls or not is_c(ends[1]):
            expected[ends[0], ends[1]] += number
    assert len(expected) > 60, "the program did not do much"
    found: Counter[tuple[Place, Place]] = Counter()
    for (caller, callee), number in counts.edges.items():
        if callee in known:  # callers that count nothing themselves are known by name
            found[caller if caller in known else name_of(caller), callee] += number
        elif caller in known and is_c(callee):
            found[caller, callee] += number
    for place in known:
        ncalls = sum(number for edge, number in expected.items() if edge[1] == place)
        if counts.calls[place] != ncalls:
            expected["any", place] = ncalls
            found["any", place] = counts.calls[place]
    return [
        f"{edge}: {found[edge]} for {expected[edge]}"
        for edge in sorted({*expected, *found}, key=str)
        if found[edge] != expected[edge]
    ]


@pytest.mark.parametrize("options", [(), ("--no-c-calls",)], ids=["c-calls", "no-c-calls"])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_call_graphs(
    pyrometer: Path, counted: Python, tmp_path: Path, seed: int, options: tuple[str, ...]
) -> None:
    path = program(tmp_path, make_program(seed))
    counts = count(pyrometer, counted, [path, tmp_path / "facts.json"], *options)
    assert differences(counts, tmp_path / "facts.json", not options) == []


@pytest.mark.parametrize("options", [(), ("--no-c-calls",)], ids=["c-calls", "no-c-calls"])
@pytest.mark.parametrize("seed", [seed + 100 for seed in SEEDS])
def test_random_call_graphs_traced(
    pyrometer: Path, counted: Python, tmp_path: Path, seed: int, options: tuple[str, ...]
) -> None:
    path = program(tmp_path, make_program(seed))
    counts = count(pyrometer, counted, [path, tmp_path / "facts.json"], "--trace", *options)
    assert differences(counts, tmp_path / "facts.json", not options) == []


@pytest.mark.parametrize("options", [(), ("--trace",)], ids=["counted", "traced"])
@pytest.mark.parametrize("seed", [11])
def test_random_call_graphs_in_greenlets(
    pyrometer: Path,
    counted: Python,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    options: tuple[str, ...],
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(package(counted, "greenlet")))
    facts = tmp_path / "facts.json"
    counts = count(pyrometer, counted, [program(tmp_path, make_program(seed)), facts], *options)
    assert json.loads(facts.read_text())["greenlet"], "the program did not find it"
    assert differences(counts, facts, c_calls=True) == []


@pytest.mark.parametrize("options", [(), ("--trace",)], ids=["counted", "traced"])
def test_random_call_graphs_in_developer_mode(
    pyrometer: Path,
    counted: Python,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    facts = tmp_path / "facts.json"
    counts = count(pyrometer, counted, [program(tmp_path, make_program(21)), facts], *options)
    assert differences(counts, facts, c_calls=True) == []


# -- much of the same -------------------------------------------------------------------------------

FETCH = """
import sqlite3, time
def read(cursor):
    n = 0
    while cursor.fetchone() is not None:
        n += 1
    return n
cursor = sqlite3.connect(":memory:").execute(
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 846999) select i from n")
begin = time.perf_counter()
assert read(cursor) == 846999
print(time.perf_counter() - begin)
"""


@clocked
def test_847000_fetchone(pyrometer: Path, counted: Python, tmp_path: Path) -> None:
    counts = count(pyrometer, counted, [program(tmp_path, FETCH)])
    fetchone = "{method 'fetchone' of 'sqlite3.Cursor' objects}"
    assert counts.of(fetchone) == 847000
    assert counts.callers(fetchone) == {"read": 847000}
    # The program's own clock saw the counting too: as much as was sampled, of which what counting cost is told apart.
    rows = {row["name"]: row for row in counts.rows}
    sampled_s = rows["read"]["cumtime_s"] + rows["read"]["probe_s"] + rows[fetchone]["probe_s"]
    assert sampled_s == pytest.approx(float(counts.done.stdout), rel=0.05)


MADE = """
for i in range(8000):
    scope = {}
    exec(f"def made_{i % 2000}(): pass\\n", scope)
    scope[f"made_{i % 2000}"]()
"""


def test_code_objects_made_and_dropped(pyrometer: Path, counted: Python, tmp_path: Path) -> None:
    counts = count(pyrometer, counted, [program(tmp_path, MADE)])
    made = [counts.of(f"made_{i}") for i in range(2000)]
    assert made == [4] * 2000


# -- threads ----------------------------------------------------------------------------------------

TWO_THREADS = """
import sys, threading
sys.setswitchinterval(1e-5)
def leaf(): pass
def same(n):
    for _ in range(n): leaf()
def first():
    for _ in range(300): same(20)
def second():
    for _ in range(300): same(30)
threads = [threading.Thread(target=target) for target in (first, second)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_two_threads_in_one_function(pyrometer: Path, counted: Python, tmp_path: Path) -> None:
    counts = count(pyrometer, counted, [program(tmp_path, TWO_THREADS)])
    assert counts.of("same") == 600
    assert counts.callers("same") == {"first": 300, "second": 300}
    assert counts.callers("leaf") == {"same": 15000}


MANY_THREADS = """
import _thread, sys, threading
def leaf(): pass
def work():
    leaf(); leaf()
def raw(lock):
    leaf()
    lock.release()
for _ in range(ROUNDS):
    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
for _ in range(200):
    lock = _thread.allocate_lock()
    lock.acquire()
    _thread.start_new_thread(raw, (lock,))
    lock.acquire()
"""


@pytest.mark.parametrize("options", [(), ("--trace",)], ids=["counted", "traced"])
def test_threads_by_the_hundred(
    pyrometer: Path, counted: Python, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Raw ones too, which no hook of threading tells of."""
    path = program(tmp_path, MANY_THREADS.replace("ROUNDS", "10"))
    counts = count(pyrometer, counted, [path], *options)
    assert counts.callers("work") == {"Thread.run": 500}
    assert counts.callers("raw") == {"<root>": 200}
    assert counts.callers("leaf") == {"work": 1000, "raw": 200}


@pytest.mark.parametrize("name", ["3.11", "3.13"])
def test_more_threads_than_there_are_tables(pyrometer: Path, name: str, tmp_path: Path) -> None:
    python = find_python(name)
    if python.missing:
        pytest.skip(f"Python {name}: {python.missing}")
    counts = count(pyrometer, python, [program(tmp_path, MANY_THREADS.replace("ROUNDS", "90"))])
    assert counts.callers("work") == {"Thread.run": 4500}
    assert counts.callers("leaf") == {"work": 9000, "raw": 200}


DAEMONS = """
import threading, time
def spin(): pass
def forever():
    begun.release()
    while True: spin()
def f(): pass
begun = threading.Semaphore(0)
for _ in range(4):
    threading.Thread(target=forever, daemon=True).start()
for _ in range(4): begun.acquire()
time.sleep(0.05)
for _ in range(7): f()
print("end", flush=True)
"""


@pytest.mark.parametrize("options", [(), ("--trace",)], ids=["counted", "traced"])
def test_daemon_threads_at_the_end(
    pyrometer: Path, counted: Python, tmp_path: Path, options: tuple[str, ...]
) -> None:
    counts = count(pyrometer, counted, [program(tmp_path, DAEMONS)], *options)
    assert counts.done.stdout == "end\n" and "Error" not in counts.done.stderr
    assert counts.of("f") == 7
    assert counts.callers("forever") == {"Thread.run": 4}
    assert list(counts.callers("spin")) == ["forever"]


SUB_INTERPRETERS = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
run = getattr(interpreters, "run_string", None) or interpreters.exec
def create(with_own_gil):
    if with_own_gil: return interpreters.create()
    return interpreters.create("legacy") if sys.version_info >= (3, 13) else interpreters.create(isolated=False)
def f(): pass
for i in range(6):
    made = create(i % 2)
    run(made, "def f(): pass\\nfor _ in range(1000): f()\\nimport sys, json, os; print(len(sys.path), len(os.environ))")
    interpreters.destroy(made)
    f()
"""
IN_SUB_INTERPRETERS = "not counted: calls in sub-interpreters, since only the main interpreter is counted"


@pytest.mark.parametrize("options", [(), ("--subprocesses",)], ids=["alone", "followed"])
def test_sub_interpreters(
    pyrometer: Path, counted: Python, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Only the main one is counted, and that is told; in the others nothing of ours runs, and they do not know of us."""
    path = program(tmp_path, SUB_INTERPRETERS)
    counts = count(pyrometer, counted, [path], *options)
    plain = counted.run([path])
    assert plain.returncode == 0, plain.stderr
    assert counts.done.stdout == plain.stdout
    assert "Error" not in counts.done.stderr, counts.done.stderr
    assert [line for line in counts.done.stderr.splitlines() if "not counted" in line] == [
        f"pyrometer: {IN_SUB_INTERPRETERS}"
    ]
    assert counts.of("f") == 6


UNSEEN = """
kill -STOP $PPID
"$@"
(pyrometer=$PPID; sleep 0.3; kill -CONT $pyrometer) >/dev/null 2>&1 </dev/null &
"""


def test_what_ends_before_it_is_looked_at_is_counted(pyrometer: Path, tmp_path: Path) -> None:
    """Pyrometer stands still until all is over, as on a busy machine."""
    python = find_python("3.13")
    if python.missing:
        pytest.skip(f"Python 3.13: {python.missing}")
    script, recording = tmp_path / "unseen.sh", tmp_path / "unseen.pyro"
    script.write_text(UNSEEN)
    ours = program(tmp_path, "def f(): pass\nfor _ in range(50): f()\n")
    done = subprocess.run(
        [pyrometer, "run", "-o", recording, "--", "sh", script, *python.command([ours])],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )
    assert done.returncode == 0 and "ended too early" in done.stderr, done.stderr
    counts = read_counts(pyrometer, recording, done)
    assert counts.of("f") == 50 and counts.callers("f") == {"<module>": 50}


def test_sub_interpreters_of_a_child_that_nobody_follows(pyrometer: Path, tmp_path: Path) -> None:
    python = find_python("3.13")
    if python.missing:
        pytest.skip(f"Python 3.13: {python.missing}")
    text = f"import os\nif os.fork():\n    os.wait()\nelse:\n    exec({SUB_INTERPRETERS!r})\n"
    counts = count(pyrometer, python, [program(tmp_path, text)])
    assert "not counted" not in counts.done.stderr, counts.done.stderr
