"""What profilers say of two functions that cost about the same, one of them by making calls, against the program's own clock
in plain runs of the same round."""

from __future__ import annotations

import json
import marshal
from pathlib import Path

import harness
from counts import MORE_ROUNDS, PLAIN, wanted_pythons
from harness import Row, Table
from pythons import Python

from tools import Bench, printed
from ways import TARGETS, Module, Ours

EQUAL = TARGETS / "equal.py"


def true_ratio(bench: Bench, python: Python) -> float:
    """Of the two functions, by the program's own clock."""
    return float(PLAIN.output(bench, python, [EQUAL]).split()[1])


def ratio_by_us(bench: Bench, python: Python, *flags: str) -> float:
    """As `run` reports it, calls counted."""
    recording = bench.folder / "equal.pyro"
    Ours(flags=(*flags, "-o", str(recording)), report=True).output(bench, python, [EQUAL])
    found = json.loads(printed([bench.places.pyrometer, "stats", recording, "--json", "-n", "0"]))
    times = {function["name"]: function["cumtime_s"] for function in found["functions"]}
    return times["many_calls"] / times["few_calls"]


def ratio_by_cprofile(bench: Bench, python: Python) -> float:
    """As cProfile reports it."""
    path: Path = bench.folder / "equal.prof"
    Module(flags=("-o", str(path))).output(bench, python, [EQUAL])
    times = {key[2]: value[3] for key, value in marshal.loads(path.read_bytes()).items()}
    return times["many_calls"] / times["few_calls"]


def ratio_by_trace(bench: Bench, python: Python) -> float:
    """As `run --trace` reports it."""
    return ratio_by_us(bench, python, "--trace")


WAYS = {
    "true": true_ratio,
    "cProfile": ratio_by_cprofile,
    "run": ratio_by_us,
    "run --trace": ratio_by_trace,
}


def tables(bench: Bench) -> list[Table]:
    """How far apart each reports what is equal."""
    table = Table(
        "fair",
        "Equal work reported unequal",
        ["The reported ratio of the two functions, divided by the true one: 1 is fair."],
        ["Python", "cProfile", "pyrometer run", "run --trace", "true ratio"],
    )
    for python in wanted_pythons(bench, "fairness"):
        harness.say(f"fairness on {python.id}")
        seen: dict[str, dict[int, float]] = {name: {} for name in WAYS}
        for number, name in harness.interleave(list(WAYS), bench.rounds + MORE_ROUNDS, bench.chance):
            seen[name][number] = WAYS[name](bench, python)
        cells = {name: harness.ratios(seen[name], seen["true"]) for name in WAYS if name != "true"}
        truth = harness.summarize(list(seen["true"].values()))
        texts = [cell.text() if cell else "-" for cell in (*cells.values(), truth)]
        table.rows.append(Row([python.id, *texts], {**cells, "truth": truth}))
    return [table]
