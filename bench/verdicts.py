#!/usr/bin/env python3
"""Whether `pyrometer bench` tells the truth on this machine: the same command on both sides, and true differences.

    bench/verdicts.py [--program build/pyrometer] [--python python3] [--times 50] [--time 8s]

A command that counts is measured against itself, against one that counts 6 % less and one that counts
40 % less, in turn, --times each; what the verdicts were is printed. Every wrong one is marked.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
from pathlib import Path

COUNT = 2_000_000
CASES = {"the same": 1.0, "6 % less": 0.94, "40 % less": 0.6}
WRONG = {
    "the same": {"faster", "slower"},
    "6 % less": {"slower", "same"},
    "40 % less": {"slower", "same"},
}


def command(python: str, count: int) -> str:
    # One loop, whose length is all that differs; -I -S: nothing of the user's is imported.
    return f"{python} -I -S -c 'for _ in range({count}): pass'"


def measure(options: argparse.Namespace, factor: float) -> dict:
    sides = [command(options.python, round(COUNT * one)) for one in (1.0, factor)]
    arguments = [options.program, "bench", "--json", "--time", options.time, "--pairs", "1000", *sides]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def by_metric(verdict: dict, metric: str) -> dict:
    return next(one for one in verdict["metrics"] if one["metric"] == metric)


def interval(verdict: dict) -> str:
    low, high = (100 * (verdict[key] - 1) for key in ("ci_low", "ci_high"))
    return f"{low:+.1f} .. {high:+.1f} %"


def main() -> None:
    repository = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(repository / "build" / "pyrometer"))
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--time", default="8s")
    parser.add_argument("--only", choices=CASES, help="one case")
    options = parser.parse_args()
    cases = {name: factor for name, factor in CASES.items() if options.only in (None, name)}
    found: dict[str, list[dict]] = {name: [] for name in cases}
    for number in range(options.times):
        for name, factor in cases.items():
            verdict = measure(options, factor)
            found[name].append(verdict)
            wrong = "   WRONG" if verdict["verdict"] in WRONG[name] else ""
            told = f"{verdict['verdict']}, {interval(verdict)}, {verdict['pairs']} pairs{wrong}"
            print(f"{number} {name}: {told}", flush=True)
    for name, verdicts in found.items():
        pairs = sorted(one["pairs"] for one in verdicts)[len(verdicts) // 2]
        for metric in ("wall", "cpu"):  # one measurement, judged by either
            judged = [by_metric(one, metric) for one in verdicts]
            words = collections.Counter(one["verdict"] for one in judged)
            kept = sum(one["keep"] is True for one in judged)
            visible = sorted(one["smallest_visible"] for one in judged)[len(judged) // 2]
            middle = f"medians: {pairs} pairs, visible from {100 * visible:.1f} %"
            print(f"{name}, {metric}: {dict(words)}, {kept} kept; {middle}")


if __name__ == "__main__":
    main()
