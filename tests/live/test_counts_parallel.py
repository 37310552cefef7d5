"""Threads that run the same functions at once, where there is no GIL truly at once: every call is counted, for its own caller."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from counting import SECONDS, count, read_counts
from pythons import Python

pytestmark = pytest.mark.beside

THREADS, ROUNDS = 8, 1000
WITH_GIL = {"PYTHON_GIL": "1"}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def program(folder: Path, text: str) -> Path:
    path = folder / "program.py"
    path.write_text(text)
    return path


# All begin at once, so that each function is seen by all of them for the first time at once; half of them work by other callers.
PARALLEL = f"""
import asyncio, functools, sys, threading
sys.setswitchinterval(1e-5)
start = threading.Barrier({THREADS})

def leaf(x): return abs(x)

def left(n):
    for i in range(n): leaf(i)

def right(n):
    for i in range(n): leaf(i); leaf(-i)

def numbers(n):
    for i in range(n): yield leaf(i)

def fails(n):
    leaf(n)
    raise ValueError

def recovers(n):
    try: fails(n)
    except ValueError: return hash(n)

class Point:
    def __init__(self, x): self.x = x
    def __lt__(self, other): return leaf(self.x) < leaf(other.x)

async def answer(n):
    await asyncio.sleep(0)
    return leaf(n)

async def answers(n):
    return await asyncio.gather(*(answer(i) for i in range(n)))

def make(round):
    scope = {{"leaf": leaf}}
    exec(f"def made_{{round % 10}}(x): return leaf(x)", scope)
    return scope[f"made_{{round % 10}}"]

def work(which):
    start.wait()
    for round in range({ROUNDS}):
        (left, right)[which % 2](5)
        sum(numbers(3))
        recovers(round)
        sorted([Point(2), Point(1)])
        functools.reduce(max, map(leaf, range(4)))
        make(round)(round)
    asyncio.run(answers(10))

threads = [threading.Thread(target=work, args=(which,)) for which in range({THREADS})]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(getattr(sys, "_is_gil_enabled", lambda: True)())
"""


def rounds(a_round: int) -> int:
    """What all threads do, each in each of its rounds."""
    return a_round * ROUNDS * THREADS


@pytest.mark.parametrize("env", [{}, WITH_GIL], ids=["free", "gil"])
@pytest.mark.parametrize("options", [(), ("--trace",)], ids=["counted", "traced"])
def test_all_threads_at_once(
    pyrometer: Path,
    counted: Python,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    env: dict[str, str],
) -> None:
    if env and not counted.free_threaded:
        pytest.skip(f"Python {counted.id} always has a GIL")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    counts = count(pyrometer, counted, [program(tmp_path, PARALLEL)], *options)
    assert counts.done.stdout == f"{not counted.free_threaded or bool(env)}\n"
    assert "not counted" not in counts.done.stderr, counts.done.stderr
    assert counts.callers("left") == {"work": rounds(1) // 2}
    assert counts.callers("right") == {"work": rounds(1) // 2}
    assert counts.callers("recovers") == counts.callers("make") == {"work": rounds(1)}
    assert counts.callers("fails") == {"recovers": rounds(1)}
    assert counts.callers("{built-in method builtins.hash}")["recovers"] == rounds(1)
    assert counts.callers("Point.__init__") == {"work": rounds(2)}
    assert counts.callers("answer") == {"Handle._run": 10 * THREADS}
    made = {f"made_{i}": rounds(1) // 10 for i in range(10)}
    assert {name: counts.of(name) for name in made} == made
    callers = {
        "left": rounds(5) // 2, "right": rounds(10) // 2, "numbers": rounds(3), "fails": rounds(1), "work": rounds(4),
        "Point.__lt__": rounds(2), "answer": 10 * THREADS, **made,
    }
    assert counts.callers("leaf") == callers
    assert counts.callers("{built-in method builtins.abs}") == {"leaf": sum(callers.values())}


# `run` does not load the probe, for Python is not to import site: the program does so in its middle, and stops it again.
MIDDLE = f"""
import _imp, json, os, sys, threading, time
def spin(): pass
def before(): pass
def meanwhile(): pass
def after(): pass
turns = [0] * {THREADS}
phases = [(function, threading.Barrier({THREADS} + 1), threading.Barrier({THREADS} + 1)) for function in (before, meanwhile, after)]

def work(which):
    for function, begin, end in phases:
        while not begin.n_waiting:
            spin()
            turns[which] += 1
        begin.wait()
        for _ in range(1000): function()
        end.wait()

def probe():
    path, descriptor, *_ = os.environ["PYROMETER_PROBE"].split("\\n")
    if "t" in sys.abiflags: path = path.replace("_probe.abi3.so", "_probe_free_threaded.so")
    class Spec: name, origin = "pyrometer._probe", path
    module = _imp.create_dynamic(Spec)
    _imp.exec_dynamic(module)
    return module, int(descriptor)

def pass_phase(phase):
    time.sleep(0.05)
    phase[1].wait()
    phase[2].wait()

def left():
    monitoring = getattr(sys, "monitoring", None)
    if not monitoring: return [repr(hook) for hook in (sys.getprofile(), sys.gettrace()) if hook]
    found = [monitoring.get_tool(tool) for tool in range(6) if monitoring.get_tool(tool)]
    events = {{getattr(monitoring.events, name) for name in dir(monitoring.events) if name.isupper()}}
    for tool in {{0, 1, 2, 3, 4, 5}} if not found else ():
        monitoring.use_tool_id(tool, "looks")
        found += [f"{{tool}} wants"] * bool(monitoring.get_events(tool) or monitoring.get_local_events(tool, work.__code__))
        for event in events:
            if event.bit_count() == 1 and monitoring.register_callback(tool, event, None): found.append(f"{{tool}} calls {{event}}")
        monitoring.free_tool_id(tool)
    return found

module, descriptor = probe()
threads = [threading.Thread(target=work, args=(which,)) for which in range({THREADS})]
for thread in threads: thread.start()
pass_phase(phases[0])
bounds = [sum(turns)]
module.start(descriptor, True, TRACES, False)
bounds.append(sum(turns))
pass_phase(phases[1])
bounds.append(sum(turns))
module.stop()
bounds.append(sum(turns))
pass_phase(phases[2])
for thread in threads: thread.join()
print(json.dumps([*bounds, left()]))
"""


@pytest.mark.parametrize("traces", [False, True], ids=["counted", "traced"])
def test_start_and_stop_in_the_middle(pyrometer: Path, counted: Python, tmp_path: Path, traces: bool) -> None:
    """While all threads run: what each did before and after is not there, and what it did between is, to the call. Nothing of
    ours is left."""
    if counted.root is not None:
        pytest.skip("the probe lies in another root")
    path = program(tmp_path, MIDDLE.replace("TRACES", str(traces)))
    ours = [pyrometer, "run", "-o", "x.pyro", "--", *counted.command(["-S", path])]
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    counts = read_counts(pyrometer, tmp_path / "x.pyro", done)
    assert counts.of("before") == counts.of("after") == 0
    assert counts.callers("meanwhile") == {"work": 1000 * THREADS}
    early, begun, ending, ended, left = json.loads(counts.done.stdout)
    assert not left
    assert ending - begun > THREADS, "the threads did nothing between"
    # A thread may be between its call and its own count of that.
    assert ending - begun - THREADS <= counts.of("spin") <= ended - early + THREADS
