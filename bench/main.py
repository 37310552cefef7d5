"""Compare pyrometer with other profilers: bench/run does what comes before.

bench/run [FOLDER] [--only FAMILY,...] [--rounds N] [--full] [--seed N] [--tools RE]
          [--programs RE] [--pythons VERSION,...] [-o FILE] [--document docs/benchmarks.md]

Families: sweep, 1khz, truth; run, trace, profile, lines, memory, memory-sampled, whole, start, timed, web, web-profiled, inject, fair, which are `counts` together.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent / "tests"))

import at_1khz  # noqa: E402
import counts  # noqa: E402
import fair  # noqa: E402
import harness  # noqa: E402
import inject_cost  # noqa: E402
import start_up  # noqa: E402
import sweep_cost  # noqa: E402
import timed_cost  # noqa: E402
import web_cost  # noqa: E402
import web_profiled  # noqa: E402
import true_shares  # noqa: E402
import whole_programs  # noqa: E402
from pythons import find_python  # noqa: E402

from tools import Bench, Places, Tool, all_tools, temporary_folder  # noqa: E402

Measure = Callable[[Bench], "list[harness.Table]"]
SAMPLERS: dict[str, Measure] = {"sweep": sweep_cost.tables, "1khz": at_1khz.tables, "truth": true_shares.tables}
COUNTS: dict[str, Measure] = {
    "run": counts.counting,
    "trace": counts.tracing,
    "profile": counts.profiling,
    "lines": counts.lines,
    "memory": counts.memory,
    "memory-sampled": counts.memory_sampled,
    "whole": whole_programs.tables,
    "start": start_up.tables,
    "timed": timed_cost.tables,
    "web": web_cost.tables,
    "web-profiled": web_profiled.tables,
    "inject": inject_cost.tables,
    "fair": fair.tables,
}
PACKAGES = {  # of PyPI, by family
    "trace": ("yappi", "viztracer"),
    "lines": ("line_profiler",),
    "memory": ("memray",),
    "whole": ("django", "sphinx"),
    "web-profiled": ("django-silk", "pyinstrument"),
}
FAMILIES = {**SAMPLERS, **COUNTS}
MARK = "<!-- measured: written by bench/run --document -->"
RESULTS = BENCH / "results.json"


def names(text: str) -> list[str]:
    """Families, by commas; "counts" stands for several."""
    found = []
    for name in text.split(","):
        found += list(COUNTS) if name == "counts" else [name]
    unknown = [name for name in found if name not in FAMILIES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no family {unknown[0]}: there are counts, {', '.join(FAMILIES)}")
    return list(dict.fromkeys(found))


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pyrometer", type=Path, required=True)
    parser.add_argument("--floor", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--only", type=names, default=list(FAMILIES), help="families, by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--tools", default="", help="samplers: only those whose name matches")
    parser.add_argument("--programs", default="", help="truth, counts: only those whose name matches")
    parser.add_argument("--pythons", default="", help="counts: only these, by commas")
    parser.add_argument(
        "--full", action="store_true", help="longer windows; memory over ten minutes"
    )
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    parser.add_argument(
        "--document", type=Path, help="put the tables into this file, at its mark, for those of the same titles there"
    )
    arguments = parser.parse_args()
    if arguments.document and (arguments.tools or arguments.programs or arguments.pythons):
        parser.error("--document takes whole tables: not with --tools, --programs or --pythons")
    return arguments


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


def sampler_versions(tools: list[Tool]) -> str:
    """What the families of samplers are measured with."""
    pythons = dict.fromkeys(find_python(tool.python_id).version or "" for tool in tools)
    versions = {tool.family: " ".join(tool.version().split()) for tool in tools}
    return f"Python {', '.join(pythons)}. {'; '.join(versions.values())}"


@dataclass
class Moment:
    """When something was measured, and beside how much load."""

    begin: float
    load: float

    @classmethod
    def now(cls) -> Moment:
        """The beginning."""
        return cls(time.monotonic(), os.getloadavg()[0])

    def text(self, used: str, arguments: argparse.Namespace) -> str:
        """Two lines for the top of a table: it ends now, and was measured with what is USED."""
        date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        on = f"{len(harness.cpus())} CPUs ({cpu_model()}), Linux {platform.release()}"
        load = f"load {self.load:.2f} at the start, {os.getloadavg()[0]:.2f} at the end"
        size = f"--rounds {arguments.rounds}, seed {arguments.seed}, {time.monotonic() - self.begin:.0f} s"
        return f"{date}: {on}, {load}.\n{used}. {size}."


def measure(bench: Bench, arguments: argparse.Namespace) -> list[harness.Table]:
    """The families asked for."""
    made = []
    for name in arguments.only:
        moment = Moment.now()
        tables = FAMILIES[name](bench)
        used = counts.used(bench, PACKAGES.get(name, ())) if name in COUNTS else sampler_versions(bench.tools)
        for table in tables:
            table.measured = moment.text(used, arguments)
            print(f"{table.text()}\n", flush=True)
        made += tables
    return made


def put_into(document: Path, tables: list[harness.Table]) -> None:
    """Replace the sections of these TABLES below the mark; those that are not there yet come at the end."""
    head, mark, below = document.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"bench: {document} has no line {MARK}")
    old = [text.strip() for text in re.split(f"^(?={harness.HEAD})", below, flags=re.MULTILINE)]
    sections = {text.partition("\n")[0]: text for text in old if text}
    for table in tables:
        sections[table.text().partition("\n")[0]] = table.text()
    document.write_text(f"{head}{mark}\n\n" + "\n\n".join(sections.values()) + "\n", encoding="utf-8")


def main() -> int:
    arguments = options()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # behind &: tools could not be ended
        signal.signal(signal.SIGINT, signal.default_int_handler)
    places = Places(
        arguments.pyrometer.resolve(), arguments.venv.resolve(), arguments.floor.resolve(), arguments.peers.resolve()
    )
    sampling = [name for name in arguments.only if name in SAMPLERS]
    tools = [tool for tool in all_tools(places) if sampling and re.search(arguments.tools, str(tool))]
    pythons = tuple(arguments.pythons.split(",")) if arguments.pythons else ()
    with temporary_folder() as folder:
        size = (arguments.rounds, arguments.full, arguments.programs, pythons)
        bench = Bench(usable(tools), places, random.Random(arguments.seed), Path(folder), *size)
        made = measure(bench, arguments)
    if arguments.document:
        put_into(arguments.document, made)
    results = {"tables": [table.json() for table in made]}
    arguments.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {os.path.relpath(arguments.output)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
