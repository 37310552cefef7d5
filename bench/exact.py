"""Whether the counts of `pyrometer run` are exact, in the very runs that are measured.

What the program's own functions call, how often and from where, is compared with what cProfile counts in a run of its own: the
programs do the same each time. Left out is what the two count or name differently by intent: generators, whose every resume
is a call for cProfile, what C code calls, for which cProfile names the C function as the caller, and functions that cProfile
names by their address.
"""

from __future__ import annotations

import functools
import json
import marshal
from collections import Counter
from pathlib import Path

from pythons import TARGETS as TEST_TARGETS
from pythons import Python

from tools import Bench, printed
from ways import TARGETS, Arguments, Module

FILES = (TARGETS / "work.py", TEST_TARGETS / "orm.py")
GENERATOR = 0x20  # CO_GENERATOR
ADDRESS = " at 0x"
Place = tuple[str, int, str]  # file, first line, "" for Python; "", 0, name for C
Edges = Counter[tuple[Place, Place]]  # caller, callee


@functools.lru_cache(maxsize=None)
def lines(file: Path) -> dict[Place, bool]:
    """Every function of FILE, and whether it is a generator."""
    found: dict[Place, bool] = {}
    codes = [compile(file.read_text(encoding="utf-8"), str(file), "exec")]
    while codes:
        code = codes.pop()
        place = (str(file), code.co_firstlineno, "")
        found[place] = found.get(place, False) or bool(code.co_flags & GENERATOR)
        codes += [constant for constant in code.co_consts if hasattr(constant, "co_flags")]
    return found


def is_compared(caller: Place, callee: Place) -> bool:
    """Whether an edge is one that both count alike."""
    functions = {place: generator for file in FILES for place, generator in lines(file).items()}
    alike = functions.get(callee) is False if callee[0] else ADDRESS not in callee[2]
    return functions.get(caller) is False and alike


def only_compared(edges: Edges) -> Edges:
    """EDGES without the others."""
    return Counter({edge: count for edge, count in edges.items() if is_compared(*edge)})


def by_cprofile(bench: Bench, python: Python, arguments: Arguments) -> Edges:
    """What cProfile counts in a run."""

    def place(file: str, line: int, name: str) -> Place:
        return ("", 0, f"{{{name[1:-1]}}}") if file == "~" else (str(Path(file).resolve()), line, "")

    path = bench.folder / "exact.prof"
    Module(flags=("-o", str(path))).output(bench, python, arguments)
    edges: Edges = Counter()
    for callee, figures in marshal.loads(path.read_bytes()).items():
        for caller, times in figures[4].items() if len(callee) == 3 else ():
            edges[place(*caller), place(*callee)] += times[0]
    return only_compared(edges)


def by_us(bench: Bench, recording: Path) -> Edges:
    """What RECORDING says."""

    def place(row: dict) -> Place:
        return ("", 0, row["name"]) if row["file"] is None else (str(Path(row["file"]).resolve()), row["line"], "")

    edges: Edges = Counter()
    said = json.loads(printed([bench.places.pyrometer, "stats", recording, "--json", "-n", "0"]))
    for row in said["functions"]:
        for caller in row["callers"]:
            edges[place(caller), place(row)] += caller["ncalls"] or 0
    return only_compared(edges)


def first_wrong(true: Edges, ours: Edges, c_calls: bool) -> str | None:
    """The first edge that is not counted as it should be."""
    for (caller, callee), count in true.items():
        if ours[caller, callee] != count and (c_calls or callee[0]):
            return f"{callee} from {caller}: {ours[caller, callee]}, not {count}"
    return None
