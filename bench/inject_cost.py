"""How long it takes until the probe counts in a process that runs already.

A program with some busy threads; the time is Pyrometer's own, from before it makes the folder to the answer that the probe is there.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import tempfile
from pathlib import Path

import harness
from counts import add_row, wanted_pythons
from harness import Summary, Table
from pythons import Python, start_target

from tools import Bench

GOAL_MS = 100.0
MODES = ("--counts", "--trace", "--memory")
THERE = re.compile(r"the probe is there after ([\d.]+) ms")
THREADS = ("1", "4")  # busy ones, beside the main thread, which polls


def measure(bench: Bench, python: Python, mode: str, threads: str) -> list[float]:
    """Milliseconds of each injection into one process."""
    found = []
    with start_target(python, "injected.py", "0", threads) as target, tempfile.TemporaryDirectory() as folder:
        for _ in range(bench.rounds):
            output = Path(folder) / "once.pyro"
            command = [bench.places.pyrometer, "record", "--pid", str(target.pid), "--inject", mode, "-d", "0.3", "-o", output]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
            said = THERE.search(done.stderr)
            if said is None:
                raise RuntimeError(done.stderr)
            found.append(float(said[1]))
    return found


def tables(bench: Bench) -> list[Table]:
    """The family's table."""
    table = Table(
        "inject",
        "How long it takes to put the probe into a process that runs",
        [
            "Milliseconds from the first look for a place to put it until it counts, medians [quartiles], in a process with so many threads that want the GIL "
            "all the time. In this time the probe is loaded, and measures what it costs."
        ],
        ["mode", "Python", "threads", "ms", "goal"],
    )
    for python in wanted_pythons(bench, "inject"):
        for mode, threads in itertools.product(MODES, THREADS):
            ours: Summary | None = harness.summarize(measure(bench, python, mode, threads))
            short = " short" if ours and ours.median > GOAL_MS else ""
            add_row(table, mode, python.id, threads, ours.text() if ours else "-", f"{GOAL_MS:g} ms{short}", ours=ours)
    return [table]
