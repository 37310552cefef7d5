"""`pyrometer run --trace`: each program here measures itself with its own clock, and both must agree.

That the counts are exact is tested with those of plain `run`, in test_counts.py.
"""

from __future__ import annotations

import json
import os
import pstats
import re
import signal
import subprocess
from pathlib import Path

import pytest

from clocks import clocked
from counting import SECONDS, command
from pythons import Python, find_python

pytestmark = pytest.mark.beside

# What both clocks see of a sleep: it is long, and tracing adds some microseconds.
RELATIVE, ABSOLUTE_S = 0.05, 0.005


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trace(
    pyrometer: Path, python: Python, text: str, *options: str, status: int = 0
) -> tuple[dict[str, dict], str]:
    """Run a program; the rows of what was traced, by name, and what the program printed."""
    path = Path("program.py").absolute()
    path.write_text(text)
    recording = Path("trace.pyro").absolute()
    done = subprocess.run(
        command(pyrometer, python, [path], "--trace", "-o", recording, *options),
        capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False,
    )
    assert done.returncode == status, done.stderr
    return rows_of(pyrometer, recording), done.stdout


def ask(pyrometer: Path, recording: Path, *options: str) -> dict:
    asked = subprocess.run(
        [pyrometer, "stats", recording, "--json", "-n", "0", *options],
        capture_output=True, text=True, timeout=SECONDS, check=True,
    )
    answer = json.loads(asked.stdout)
    assert "trace" in answer["recording"]["modes"]
    return answer


def rows_of(pyrometer: Path, recording: Path, *options: str) -> dict[str, dict]:
    """By name: of the program itself, where names differ, and C functions."""
    rows = ask(pyrometer, recording, *options)["functions"]
    return {row["name"]: row for row in rows if row["file"] is None or row["file"].endswith("/program.py")}


def near(seconds: float) -> object:
    return pytest.approx(seconds, rel=RELATIVE, abs=ABSOLUTE_S)


# naps: what each function slept; spent: what each of those that are timed took, by the program's own clock.
NESTED = """
import json, time
clock, sleep = time.perf_counter, time.sleep
naps, spent = {}, {}
def nap(name, seconds):
    begin = clock()
    sleep(seconds)
    naps[name] = naps.get(name, 0) + clock() - begin
def timed(function):
    def wrapper(*arguments):
        begin = clock()
        try:
            return function(*arguments)
        finally:
            spent[function.__name__] = spent.get(function.__name__, 0) + clock() - begin
    return wrapper
def leaf():
    nap("leaf", 0.03)
def middle():
    nap("middle", 0.02)
    leaf()
    leaf()
def fails():
    nap("fails", 0.04)
    raise KeyError
def catches():
    try:
        fails()
    except KeyError:
        nap("catches", 0.01)
def down(n):
    nap("down", 0.01)
    if n:
        down(n - 1)
def odd(n):
    nap("odd", 0.005)
    return n and even(n - 1)
def even(n):
    return n and odd(n - 1)
def key(x):
    nap("key", 0.005)
    return x
def by_key():
    sorted([2, 1, 3], key=key)
def items():
    for i in range(3):
        nap("items", 0.01)
        yield i
def consumes():
    for i in items():
        nap("consumes", 0.02)
for function in (middle, catches, by_key, consumes):
    timed(function)()
timed(down)(4)
timed(odd)(5)
print(json.dumps([naps, spent]))
"""


@clocked
def test_times_of_nested_calls(pyrometer: Path, counted: Python) -> None:
    rows, printed = trace(pyrometer, counted, NESTED)
    naps, spent = json.loads(printed)
    for name, seconds in spent.items():
        assert rows[name]["cumtime_s"] == near(seconds), name
        assert rows[name]["tottime_s"] == near(0), name
    for name in ("leaf", "fails", "key"):
        assert rows[name]["cumtime_s"] == near(naps[name]), name
    by_key = "{built-in method builtins.sorted}"
    assert rows[by_key]["cumtime_s"] == near(spent["by_key"])
    assert rows[by_key]["tottime_s"] == near(0)
    assert rows["{built-in method time.sleep}"]["tottime_s"] == near(sum(naps.values()))


@clocked
def test_recursion_counts_time_once(pyrometer: Path, counted: Python) -> None:
    rows, printed = trace(pyrometer, counted, NESTED)
    naps, _ = json.loads(printed)
    assert (rows["down"]["ncalls"], rows["down"]["primitive_calls"]) == (5, 1)
    assert rows["down"]["cumtime_s"] == near(naps["down"])
    # Through each other, where counts alone cannot tell.
    assert (rows["odd"]["ncalls"], rows["odd"]["primitive_calls"]) == (3, 1)
    assert (rows["even"]["ncalls"], rows["even"]["primitive_calls"]) == (3, 1)
    assert rows["odd"]["cumtime_s"] == near(naps["odd"])


@clocked
def test_a_suspended_generator_takes_no_time_but_lives(pyrometer: Path, counted: Python) -> None:
    rows, printed = trace(pyrometer, counted, NESTED)
    naps, spent = json.loads(printed)
    assert rows["items"]["ncalls"] == 1
    assert rows["items"]["cumtime_s"] == near(naps["items"])
    assert rows["items"]["lives"] == 1
    assert rows["items"]["life_s"] == near(spent["consumes"])
    assert "lives" not in rows["consumes"]


@clocked
def test_without_c_calls_their_time_is_the_callers(pyrometer: Path, counted: Python) -> None:
    rows, printed = trace(pyrometer, counted, NESTED, "--no-c-calls")
    assert not [name for name in rows if name.startswith("{")]
    naps, spent = json.loads(printed)
    assert rows["nap"]["tottime_s"] == near(sum(naps.values()))
    assert rows["leaf"]["cumtime_s"] == near(naps["leaf"])
    assert rows["middle"]["cumtime_s"] == near(spent["middle"])


TASKS = """
import asyncio, json, time
lived = {"fetch": 0, "page": 0, "main": 0}
def timed(function):
    async def wrapper(*arguments):
        begin = time.perf_counter()
        await function(*arguments)
        lived[function.__name__] += time.perf_counter() - begin
    return wrapper
@timed
async def fetch(seconds):
    await asyncio.sleep(seconds)
@timed
async def page(n):
    await fetch(0.03)
    await fetch(0.02 * n)
@timed
async def main():
    await asyncio.gather(*[page(n) for n in range(1, 4)])
asyncio.run(main())
print(json.dumps(lived))
"""


@clocked
def test_tasks(pyrometer: Path, counted: Python) -> None:
    rows, printed = trace(pyrometer, counted, TASKS)
    for name, seconds in json.loads(printed).items():
        assert rows[name]["life_s"] == near(seconds), name
    assert rows["page"]["ncalls"] == rows["page"]["lives"] == 3
    assert rows["fetch"]["ncalls"] == rows["fetch"]["lives"] == 6
    assert rows["page"]["cumtime_s"] == near(0)


THREADS = """
import json, threading, time
slept = {}
def wait(name, seconds):
    begin = time.perf_counter()
    time.sleep(seconds)
    slept[name] = time.perf_counter() - begin
def first(): wait("first", 0.1)
def second(): wait("second", 0.2)
threads = [threading.Thread(target=target, name=target.__name__) for target in (first, second)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(slept))
"""


@clocked
def test_threads(pyrometer: Path, counted: Python) -> None:
    rows, printed = trace(pyrometer, counted, THREADS)
    slept = json.loads(printed)
    assert rows["first"]["cumtime_s"] == near(slept["first"])
    assert rows["second"]["cumtime_s"] == near(slept["second"])
    assert rows["wait"]["cumtime_s"] == near(slept["first"] + slept["second"])
    callers = {caller["name"]: caller["time_s"] for caller in rows["wait"]["callers"]}
    assert callers == {name: near(seconds) for name, seconds in slept.items()}


FORK = """
import os, time
def child():
    begin = time.perf_counter()
    time.sleep(0.1)
    print("child", time.perf_counter() - begin, flush=True)
def parent():
    begin = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        child()
        os._exit(0)
    os.waitpid(pid, 0)
    print("parent", time.perf_counter() - begin)
parent()
"""


def took(printed: str) -> dict[str, float]:
    return {name: float(seconds) for name, seconds in map(str.split, printed.splitlines())}


@clocked
def test_a_forked_child_is_traced_when_followed(pyrometer: Path, counted: Python) -> None:
    rows, printed = trace(pyrometer, counted, FORK, "--subprocesses")
    assert rows["child"]["ncalls"] == 1
    assert rows["child"]["cumtime_s"] == near(took(printed)["child"])
    assert rows["parent"]["ncalls"] == 1, "the child was in it, but did not call it"


@clocked
def test_a_forked_child_is_left_alone_else(pyrometer: Path, counted: Python) -> None:
    if counted.root is not None:
        pytest.skip("a command in another root is followed always")
    rows, printed = trace(pyrometer, counted, FORK)
    assert "child" not in rows
    assert rows["parent"]["cumtime_s"] == near(took(printed)["parent"])


KILLED = """
import os, signal, threading, time
def waits():
    time.sleep(60)
def kills():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=kills).start()
waits()
"""


def test_a_killed_program_loses_nothing(pyrometer: Path) -> None:
    """Neither what ended nor what it was in."""
    python = find_python("3.12")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    rows, _ = trace(pyrometer, python, KILLED, status=-signal.SIGKILL)
    assert rows["waits"]["ncalls"] == 1
    assert rows["waits"]["cumtime_s"] == pytest.approx(rows["kills"]["cumtime_s"], abs=0.1)
    assert rows["kills"]["cumtime_s"] >= 0.3


def test_the_pieces_add_up(pyrometer: Path, counted: Python) -> None:
    """Self times of a thread are the time from its first event to its last."""
    rows, _ = trace(pyrometer, counted, NESTED)
    answer = ask(pyrometer, Path("trace.pyro"))
    own = sum(row["tottime_s"] for row in answer["functions"])
    assert own == pytest.approx(answer["totals"]["total_s"], abs=1e-6)
    assert rows["<module>"]["cumtime_s"] <= own


def test_other_clocks_are_sampled(pyrometer: Path) -> None:
    python = find_python("3.12")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    # A sampler that waits for its turn as long as the program sleeps tells the sleep twice as long: so it sleeps for longer.
    longer = NESTED.replace('nap("leaf", 0.03)', 'nap("leaf", 0.4)')
    assert longer != NESTED
    _, printed = trace(pyrometer, python, longer)
    naps, _ = json.loads(printed)
    waiting = rows_of(pyrometer, Path("trace.pyro"), "--clock", "wait")
    assert waiting["leaf"]["samples_total"] > 10
    assert waiting["leaf"]["cumtime_s"] == pytest.approx(naps["leaf"], rel=0.3)


def exported(pyrometer: Path, name: str) -> Path:
    subprocess.run([pyrometer, "export", "trace.pyro", "-o", name], capture_output=True, check=True)
    return Path(name)


def test_every_picture_shows_the_trace(pyrometer: Path) -> None:
    python = find_python("3.13")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    rows, _ = trace(pyrometer, python, NESTED)
    answer = ask(pyrometer, Path("trace.pyro"))
    whole = answer["totals"]["total_s"]
    leaf = rows["leaf"]["cumtime_s"]
    lines = [line.rsplit(" ", 1) for line in exported(pyrometer, "t.collapsed").read_text().splitlines()]
    assert sum(int(us) for _, us in lines) / 1e6 == near(whole)
    assert sum(int(us) for stack, us in lines if ":leaf:" in stack) / 1e6 == near(leaf)
    scope = json.loads(exported(pyrometer, "t.speedscope.json").read_text())
    assert sum(scope["profiles"][0]["weights"]) / 1e6 == near(whole)
    stats = pstats.Stats(str(exported(pyrometer, "t.prof"))).stats
    calls, own, total = {key[2]: (value[1], value[2], value[3]) for key, value in stats.items()}["leaf"]
    assert (calls, own, total) == (2, near(rows["leaf"]["tottime_s"]), near(leaf))
    everything = json.loads(exported(pyrometer, "t.json").read_text())
    assert sum(one["ncalls"] for one in everything["contexts"]) == sum(
        row["ncalls"] or 0 for row in answer["functions"]
    )
    picture = exported(pyrometer, "t.svg").read_text()
    assert '"unit":"call"' in picture.replace(" ", "")


def test_what_tracing_cost_is_told(pyrometer: Path) -> None:
    python = find_python("3.13")
    if python.missing:
        pytest.skip(f"Python {python.id}: {python.missing}")
    text = "def tiny(): pass\nfor _ in range(300000): tiny()\n"
    rows, _ = trace(pyrometer, python, text)
    assert rows["tiny"]["ncalls"] == 300000
    # How much of a call's cost lies between its readings of the clock, and so in its own row, differs from processor to processor.
    assert 0 <= rows["tiny"]["probe_s"] < 1 and 0 < rows["<module>"]["probe_s"] < 1
    shown = subprocess.run(
        [pyrometer, "stats", "trace.pyro"], capture_output=True, text=True, check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    ).stdout
    assert re.search(r"^\d+ calls traced; that took 0\.\d\d s, left out of the times$", shown, re.M), shown
