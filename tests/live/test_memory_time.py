"""`run --memory` over time: what was alive and resident, and which lines had it, of a program of which that is known."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from commands import run
from counting import command
from pythons import REPOSITORY, TARGETS, Python

pytestmark = pytest.mark.beside

SECONDS = 120
HEAD = 33  # sys.getsizeof(b"")
SIZE = 1_000_000
PROGRAM = TARGETS / "memory_time.py"


@pytest.fixture(autouse=True)
def fits(request: pytest.FixtureRequest, folder: Path) -> None:
    """Memory is not tracked without a GIL."""
    if "counted" in request.fixturenames and request.getfixturevalue("counted").free_threaded:
        pytest.skip("memory is not tracked without a GIL")


def track(pyrometer: Path, python: Python, arguments: list, *options: str) -> dict:
    ours = command(pyrometer, python, arguments, "-o", "memory.pyro", "--memory", *options)
    done = subprocess.run(ours, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(run(pyrometer, "memory", "memory.pyro", "--json").stdout)


def line_of(comment: str) -> int:
    (line,) = [at for at, text in enumerate(PROGRAM.read_text().splitlines(), 1) if text.endswith(f"# {comment}")]
    return line


def bytes_at(holders: dict, comment: str) -> int:
    return sum(line["live_bytes"] for line in holders["lines"] if line["file"].endswith(PROGRAM.name) and line["line"] == line_of(comment))


def test_known_program(pyrometer: Path, counted: Python) -> None:
    answer = track(pyrometer, counted, [PROGRAM])
    timeline = answer["timeline"]
    steps, holders = timeline["steps"], timeline["holders"]
    assert timeline["looks"] > 15 and len(steps) > 5 and 5 < len(holders) <= 64 and timeline["interval_s"] == 0.1
    live = [step["live_bytes"] for step in steps]
    assert max(live) <= answer["peak_bytes"] and max(live) > 50 * (SIZE + HEAD)
    assert steps[-1]["processes"] == 0  # it has ended
    at = live.index(max(live))
    assert any(step["rss_bytes"] > step["live_bytes"] == live[at] for step in steps)  # all of it was touched by then
    grown = [bytes_at(moment, "grow") for moment in holders]
    spikes = {bytes_at(moment, "spike") for moment in holders}
    assert max(grown) == 20 * (SIZE + HEAD) and spikes == {0, 30 * SIZE + HEAD}
    assert all(size % (SIZE + HEAD) == 0 for size in grown)
    rising = grown[: grown.index(max(grown))]
    assert rising == sorted(rising) and len(set(grown)) >= 3 and grown[-1] == 0
    assert all(sum(line["live_bytes"] for line in moment["lines"]) <= moment["live_bytes"] for moment in holders)


def test_report(pyrometer: Path, one: Python) -> None:
    track(pyrometer, one, [PROGRAM])
    text = run(pyrometer, "memory", "memory.pyro", env={**os.environ, "COLUMNS": "160"}).stdout
    assert "alive then, by line" in text and "^ peak" in text and f"{PROGRAM.name}:{line_of('grow')}" in text
    run(pyrometer, "export", "memory.pyro", "-f", "plot", "-o", "memory.svg")
    assert "alive, of what was tracked" in Path("memory.svg").read_text()


def test_what_kept_it_small(pyrometer: Path, one: Python) -> None:
    """In each report of memory."""
    answer = track(pyrometer, one, ["-c", "kept = b'x' * 1000"])
    assert answer["confinement"]["swapped_peak_bytes"] >= 0
    assert run(pyrometer, "memory", "memory.pyro").stdout.count("swapped out: ") == 1
    done = run(pyrometer, "run", "--memory", "--python", one.path, "-c", "kept = b'x' * 1000")
    assert done.stdout.count("swapped out: ") == 1


def test_children_have_their_own(pyrometer: Path, one: Python) -> None:
    code = "import os, time\nif os.fork() == 0:\n    kept = b'x' * 5_000_000\n    time.sleep(1.5)\n    os._exit(0)\nkept = b'x' * 2_000_000\nos.wait()\ntime.sleep(.3)"
    timeline = track(pyrometer, one, ["-c", code], "--subprocesses")["timeline"]
    parent, child = sorted(timeline["processes"], key=lambda process: process["came_s"])
    assert child["parent_pid"] == parent["pid"] and child["went_s"] < parent["went_s"]
    assert max(step["processes"] for step in timeline["steps"]) == 2
    of_child = [moment for moment in timeline["holders"] if moment["pid"] == child["pid"]]
    assert any(line["live_bytes"] == 5_000_000 + HEAD for moment in of_child for line in moment["lines"])


def test_what_became_another_program_has_nothing_any_more(pyrometer: Path, one: Python) -> None:
    then = "import time; more = b'y' * 3_000_000; time.sleep(1)"
    code = f"import os, sys, time\nkept = b'x' * 5_000_000\ntime.sleep(1)\nos.execv(sys.executable, [sys.executable, '-c', {then!r}])"
    timeline = track(pyrometer, one, ["-c", code], "--subprocesses")["timeline"]
    most = [round(step["lines"][0]["live_bytes"] / 1e6) for step in timeline["holders"]]
    most = most[most.index(5) :]
    assert most == sorted(most, reverse=True) and {5, 3} <= set(most) <= {5, 3, 0}
    live = [step["live_bytes"] for step in timeline["steps"] if step["processes"]]
    assert live[0] > 5_000_000 > live[-1] > 3_000_000
    assert max(step["processes"] for step in timeline["steps"]) == 1


def test_many_allocations_make_no_large_file(pyrometer: Path, one: Python) -> None:
    """Of 10,000 stacks that change all the time; docs/benchmarks.md has a thousand times as many."""
    answer = track(pyrometer, one, [REPOSITORY / "bench" / "targets" / "many_stacks.py", "2e6"])
    assert answer["allocations"] > 2_000_000 and answer["lost"] == 0
    stacks = [line for function in answer["functions"] for line in function["lines"] if function["name"] == "work"]
    assert sum(line["self_live"] >= 5000 for line in stacks) == 10_000
    assert Path("memory.pyro").stat().st_size < 2_000_000
    told = json.loads(run(pyrometer, "stats", "memory.pyro", "--json").stdout)
    assert 1_000_000 < told["recording"]["sampler_peak_bytes"] < 100_000_000


def test_killed(pyrometer: Path, one: Python) -> None:
    """Until then all is there."""
    code = "import os, signal, time\nkept = b'x' * 5_000_000\ntime.sleep(1)\nos.kill(os.getpid(), signal.SIGKILL)"
    ours = command(pyrometer, one, ["-c", code], "-o", "memory.pyro", "--memory")
    done = subprocess.run(ours, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == -9
    timeline = json.loads(run(pyrometer, "memory", "memory.pyro", "--json").stdout)["timeline"]
    assert max(step["live_bytes"] for step in timeline["steps"]) > 5_000_000 and timeline["holders"]


def test_a_collector_that_is_killed(pyrometer: Path, one: Python) -> None:
    """What was seen until then is in the recording, and the program goes on."""
    code = "import time\nkept = b'x' * 5_000_000\ntime.sleep(3)\nopen('went', 'w').close()"
    ours = command(pyrometer, one, ["-c", code], "-o", "memory.pyro", "--memory")
    looking = subprocess.Popen(ours, stdin=subprocess.DEVNULL)
    time.sleep(2.4)
    looking.kill()
    looking.wait()
    timeline = json.loads(run(pyrometer, "memory", "memory.pyro", "--json").stdout)["timeline"]
    assert timeline["peak_bytes"] > 5_000_000 and timeline["holders"]
    until = time.monotonic() + SECONDS
    while not Path("went").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert Path("went").exists()
