"""Compare pyrometer with Tachyon, Austin and py-spy: bench/run does what comes before.

bench/run [FOLDER] [--only sweep,1khz,truth] [--rounds N] [--full] [--seed N] [--tools RE]
          [--programs RE] [-o FILE] [--document docs/benchmarks.md]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import sys
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent / "tests"))

import at_1khz  # noqa: E402
import harness  # noqa: E402
import sweep_cost  # noqa: E402
import true_shares  # noqa: E402
from pythons import find_python  # noqa: E402

from tools import Bench, Places, Tool, all_tools, temporary_folder  # noqa: E402

FAMILIES = {"sweep": sweep_cost, "1khz": at_1khz, "truth": true_shares}
MARK = "<!-- measured: written by bench/run --document -->"
RESULTS = BENCH / "results.json"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pyrometer", type=Path, required=True)
    parser.add_argument("--floor", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--only", default=",".join(FAMILIES), help="families, by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--tools", default="", help="only those whose name matches")
    parser.add_argument("--programs", default="", help="truth: only those whose name matches")
    parser.add_argument(
        "--full", action="store_true", help="longer windows; memory over ten minutes"
    )
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    parser.add_argument("--document", type=Path, help="put the tables into this file, at its mark")
    return parser.parse_args()


def usable(tools: list[Tool]) -> list[Tool]:
    """Those that can be had; the others are named with the reason."""
    kept = []
    for tool in tools:
        if reason := tool.missing():
            harness.say(f"SKIPPED: {tool}: {reason}")
        else:
            kept.append(tool)
    return kept


def cpu_model() -> str:
    """As the kernel names it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine(tools: list[Tool], arguments: argparse.Namespace) -> dict[str, object]:
    """What the numbers were measured on and with."""
    pythons = {tool.python_id: find_python(tool.python_id).version for tool in tools}
    versions = {tool.family: " ".join(tool.version().split()) for tool in tools}
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": cpu_model(),
        "cpus": len(harness.cpus()),
        "kernel": platform.release(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "pythons": pythons,
        "tools": versions,
        "rounds": arguments.rounds,
        "seed": arguments.seed,
        "full": arguments.full,
    }


def machine_text(known: dict) -> str:
    """Two lines for the top."""
    pythons = ", ".join(known["pythons"].values())
    tools = "; ".join(known["tools"].values())
    load = f"load {known['load_at_start']} at the start, {known['load_at_end']} at the end"
    return (
        f"{known['date']}: {known['cpus']} CPUs ({known['cpu']}), Linux {known['kernel']}, {load}.\n"
        f"Python {pythons}. {tools}. {known['rounds']} rounds, seed {known['seed']}, "
        f"{known['seconds']:.0f} s."
    )


def put_into(document: Path, text: str) -> None:
    """Replace what stands below the mark."""
    head, mark, _ = document.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"bench: {document} has no line {MARK}")
    document.write_text(f"{head}{mark}\n\n{text}\n", encoding="utf-8")


def main() -> int:
    arguments = options()
    begin = time.monotonic()
    places = Places(
        arguments.pyrometer.resolve(), arguments.venv.resolve(), arguments.floor.resolve()
    )
    tools = usable([tool for tool in all_tools(places) if re.search(arguments.tools, str(tool))])
    known = machine(tools, arguments)
    chance = random.Random(arguments.seed)
    made = []
    with temporary_folder() as folder:
        size = (arguments.rounds, arguments.full, arguments.programs)
        bench = Bench(tools, places, chance, Path(folder), *size)
        for name in arguments.only.split(","):
            made += FAMILIES[name].tables(bench)
    known["load_at_end"] = round(os.getloadavg()[0], 2)
    known["seconds"] = time.monotonic() - begin
    text = "\n".join([machine_text(known), *(table.text() for table in made)])
    print(text)
    if arguments.document:
        put_into(arguments.document, text)
    results = {"machine": known, "tables": [table.json() for table in made]}
    arguments.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"\nwrote {os.path.relpath(arguments.output)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
