"""What `pyrometer.timed` adds to a call, beside a decorator of a few lines of Python that only warns.

Functions that do nothing, called in a loop in one process; the fastest of several passes counts, and the loop with the function
as it is is taken off.
"""

from __future__ import annotations

import json

import harness
import installs
from counts import add_row, wanted_pythons
from harness import Table
from pythons import Python

from tools import Bench
from ways import Inside

PACKAGE = Inside("the package", "pyrometer")
GOALS_NS = {"function": 150.0, "method": 150.0}
PROGRAM = """
import functools, json, logging, sys, time
from pyrometer import timed
CALLS, PASSES = 100_000, 15

def warns(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        began = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            took = time.perf_counter() - began
            if took > 1.0:
                logging.getLogger(function.__module__).warning("%s took %.2fs", function.__name__, took)
    return wrapper

def function(): pass
async def coroutine(): pass
def generator():
    yield

class Shop:
    def plain(self): pass
    timed = timed(plain)
    by_hand = warns(plain)

def of_functions(function):
    began = time.perf_counter_ns()
    for _ in range(CALLS):
        function()
    return time.perf_counter_ns() - began

def of_methods(name):
    shop = Shop()
    code = compile(f"for _ in range({CALLS}): shop.{name}()", "loop", "exec")
    began = time.perf_counter_ns()
    exec(code, {"shop": shop})
    return time.perf_counter_ns() - began

def of_coroutines(function):
    began = time.perf_counter_ns()
    for _ in range(CALLS):
        try:
            function().send(None)
        except StopIteration:
            pass
    return time.perf_counter_ns() - began

def of_generators(function):
    began = time.perf_counter_ns()
    for _ in range(CALLS):
        for _ in function():
            pass
    return time.perf_counter_ns() - began

KINDS = {
    "function": (of_functions, function, timed(function), warns(function)),
    "method": (of_methods, "plain", "timed", "by_hand"),
    "coroutine": (of_coroutines, coroutine, timed(coroutine), None),
    "generator": (of_generators, generator, timed(generator), None),
}
found = {}
for kind, (loop, *ways) in KINDS.items():
    fastest = [float("inf")] * 3
    for _ in range(PASSES):
        for at, way in enumerate(ways):
            if way is not None:
                fastest[at] = min(fastest[at], loop(way) / CALLS)
    found[kind] = [nanoseconds - fastest[0] if nanoseconds < float("inf") else None for nanoseconds in fastest[1:]]
print(json.dumps(found))
"""


def measure(bench: Bench, python: Python) -> dict[str, list[float | None]]:
    """Nanoseconds added, by kind: by timed, and by the decorator in Python."""
    found: dict[str, list[float | None]] = json.loads(PACKAGE.output(bench, python, ["-c", PROGRAM]))
    return found


def tables(bench: Bench) -> list[Table]:
    """The family's table."""
    table = Table(
        "timed",
        "What `pyrometer.timed` adds to a call",
        [
            "Nanoseconds added to a call that does nothing, medians [quartiles] over processes. By hand: a decorator in Python that "
            "reads the clock twice and warns, without a histogram. Coroutines and generators are timed in Python; no goal was set."
        ],
        ["what", "Python", "timed, ns", "by hand, ns", "goal"],
    )
    for python in wanted_pythons(bench, "timed"):
        python = installs.bare(bench, python)
        found = [measure(bench, python) for _ in range(bench.rounds)]
        for kind in found[0]:
            ours, theirs = (harness.summarize([one[kind][at] for one in found if one[kind][at] is not None]) for at in (0, 1))
            goal = GOALS_NS.get(kind)
            short = " short" if goal and ours and ours.median > goal else ""
            shown = [ours.text() if ours else "-", theirs.text() if theirs else "-", f"{goal:g} ns{short}" if goal else "-"]
            add_row(table, kind, python.id, *shown, ours=ours, by_hand=theirs)
    return [table]
