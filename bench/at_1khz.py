"""At 1 kHz, as people use it: the cost beside what the machine itself takes, the slowdown of the
target, the time until the first sample, memory over a long recording.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import time
from pathlib import Path

import harness
from harness import Row, Summary, Table
from pythons import Target, find_python, start_target
from sweep_cost import DEPTH_TARGET, FULL_WINDOW_S

from tools import Bench, Pyrometer, Tool, Want, measure_floor, sampling

CLOCK_TARGET = DEPTH_TARGET.with_name("clock.py")
RATE_HZ = 1000
DEPTH = 10
PAIRS = 24
PAIR_WINDOW_S = 0.05
SETTLE_S = 0.03
LATENCY_RUN_S = 0.9
CPU_WINDOW_S = 1.0
MEMORY_S, FULL_MEMORY_S = 30, 600
FLOOR = "the machine: sleep 1 ms, wake up"
NOBODY = "nobody (noise of the method)"
SLEEPER = "a loop that sleeps 1 ms, beside the target"


# ---- % of a core, beside the floor --------------------------------------------------------------


def core_percent(bench: Bench, tool: Tool, target: Target) -> float:
    """Of one run at 1 kHz."""
    with sampling(tool, target, Want(RATE_HZ), bench.folder) as run:
        run.await_begin()
        window = harness.watch_window(run.pid, FULL_WINDOW_S if bench.full else CPU_WINDOW_S)
        run.end()
    return window.cpu_s / window.seconds * 100


def cpu_table(bench: Bench) -> Table:
    """What a tool costs, and how much of it is sleeping and waking up."""
    table = Table(
        "core_percent",
        "CPU at 1 kHz, one thread, depth 10",
        [
            "The first row is a C loop that does nothing but sleep until the next millisecond: "
            "no sampler that sleeps can cost less here. Then one empty system call and one "
            "process_vm_readv of 4 KiB. Goal: under 1 % of a core."
        ],
        ["what", "Python", "% of a core", "less the machine's own", "verdict"],
    )
    found: dict[Tool | str, list[float]] = {tool: [] for tool in bench.tools}
    floors: list[dict[str, float]] = []
    with contextlib.ExitStack() as stack:
        targets = start_targets(bench, stack, "1")
        for _, thing in harness.interleave([*bench.tools, FLOOR], bench.rounds, bench.chance):
            try:
                if isinstance(thing, Tool):
                    with alone(targets, thing.python_id) as target:
                        found[thing].append(core_percent(bench, thing, target))
                else:
                    floors.append(measure_floor(bench.places))
            except RuntimeError as error:
                harness.say(f"  {error}")
    floor = harness.summarize([value["wake_up_us"] / 10 for value in floors])
    table.rows = [*floor_rows(floors), *(cpu_row(tool, found[tool], floor) for tool in bench.tools)]
    return table


def floor_rows(floors: list[dict[str, float]]) -> list[Row]:
    """1,000 times each a second."""
    names = {
        "wake_up_us": FLOOR,
        "null_call_us": "an empty system call",
        "read_4k_us": "a read of 4 KiB",
    }
    rows = []
    for key, name in names.items():
        us = harness.summarize([value[key] for value in floors])
        share = harness.summarize([value[key] / 10 for value in floors])
        if us and share:
            rows.append(Row([f"{name}: {us.text()} us", "", share.text(), "", ""], {key: us}))
    return rows


def cpu_row(tool: Tool, values: list[float], floor: Summary | None) -> Row:
    """One tool."""
    share = harness.summarize(values)
    if not share or not floor:
        return Row([tool.name, tool.python_id, "failed", "", ""])
    verdict = "" if tool.name != "pyrometer" else "ok" if share.median < 1 else "short of 1 %"
    rest = harness.significant(max(0.0, share.median - floor.median), 2)
    return Row([tool.name, tool.python_id, share.text(), rest, verdict], {"core_percent": share})


# ---- live targets ---------------------------------------------------------------------------------


def progress_path(bench: Bench, python: str) -> Path:
    """Where the target of that Python counts what it did."""
    return bench.folder / f"progress-{python}"


def start_targets(bench: Bench, stack: contextlib.ExitStack, threads: str) -> dict[str, Target]:
    """One target for each Python, all of them stopped: see alone()."""
    targets = {}
    for python in bench.pythons():
        path = progress_path(bench, python)
        path.write_bytes(bytes(8))
        arguments = [str(DEPTH), threads, "--progress", str(path)]
        target = stack.enter_context(start_target(find_python(python), DEPTH_TARGET, *arguments))
        harness.pin_target(target.pid)
        os.kill(target.pid, harness.signal.SIGSTOP)
        targets[python] = target
    return targets


@contextlib.contextmanager
def alone(targets: dict[str, Target], python: str):
    """The target of that Python runs, and no other."""
    target = targets[python]
    os.kill(target.pid, harness.signal.SIGCONT)
    try:
        yield target
    finally:
        os.kill(target.pid, harness.signal.SIGSTOP)


# ---- slowdown -------------------------------------------------------------------------------------


def slowdowns_once(bench: Bench, tool: Tool, target: Target) -> list[float]:
    """Of one block of pairs."""
    path = progress_path(bench, tool.python_id)

    def progress() -> int:
        return struct.unpack("Q", path.read_bytes()[:8])[0]

    with sampling(tool, target, Want(RATE_HZ), bench.folder) as run:
        run.await_begin()
        return harness.toggled_slowdowns(
            run.pid, target.pid, progress, PAIRS, PAIR_WINDOW_S, SETTLE_S, bench.chance
        )


class Nobody(Tool):
    """A sampler that does nothing: what the method itself shows."""

    family = suffix = ""

    def command(self, target: Target, want: Want, output: Path) -> list[str]:
        return ["sleep", "1000"]

    def has_begun(self, run) -> bool:
        return True


class Sleeper(Nobody):
    """What waking up on the target's CPU takes from it, before anything is read."""

    def command(self, target: Target, want: Want, output: Path) -> list[str]:
        cpu = str(harness.cpus()[0])
        return ["taskset", "-c", cpu, str(self.places.floor), "1000000000"]


def slowdown_table(bench: Bench) -> Table:
    """How much slower the target is while it is sampled."""
    table = Table(
        "slowdown",
        "Slowdown of the target at 1 kHz, one thread, depth 10",
        [
            "The sampler is stopped and continued against one live target that counts what it "
            "does; the ratio of progress in adjacent windows, stopped to sampling. Target on one "
            "CPU, sampler started on the other (pyrometer sits down beside the target, except with "
            "--exact and --apart). The second row is a C loop that does nothing but wake up 1,000 "
            "times a second on the target's CPU: no sampler that sits there can cost less here. "
            "Median [quartiles]. Goal: under 1.01."
        ],
        ["tool", "Python", "target slower by x", "pairs", "verdict"],
    )
    floors = [
        kind(name, python, bench.places)
        for kind, name in ((Nobody, NOBODY), (Sleeper, SLEEPER))
        for python in bench.pythons()
    ]
    apart = [
        Pyrometer("pyrometer --apart", python, bench.places, "--apart")
        for python in bench.pythons()
    ]
    everything = [*floors, *bench.tools, *apart]
    found: dict[Tool, list[float]] = {tool: [] for tool in everything}
    with contextlib.ExitStack() as stack:
        targets = start_targets(bench, stack, "1")
        for _, tool in harness.interleave(everything, bench.rounds, bench.chance):
            try:
                with alone(targets, tool.python_id) as target:
                    found[tool] += slowdowns_once(bench, tool, target)
            except RuntimeError as error:
                harness.say(f"  {error}")
    table.rows = [slowdown_row(tool, found[tool]) for tool in everything]
    return table


def slowdown_row(tool: Tool, values: list[float]) -> Row:
    """One tool."""
    slower = harness.summarize(values)
    if not slower:
        return Row([tool.name, tool.python_id, "failed", "0", ""])
    verdict = ""
    if tool.name == "pyrometer":
        verdict = "ok" if slower.median < 1.01 else "short of 1.01"
    cells = [tool.name, tool.python_id, slower.text(4), str(slower.n), verdict]
    return Row(cells, {"slowdown": slower})


# ---- first sample ---------------------------------------------------------------------------------


def first_sample_ms(bench: Bench, tool: Tool, target: Target, origin: float) -> float | None:
    """From the start of the sampler's process to the earliest millisecond in its stacks."""
    with sampling(tool, target, Want(RATE_HZ, stacks=True), bench.folder) as run:
        time.sleep(LATENCY_RUN_S)
        run.end()
        spawned_ms = (run.spawned - origin) * 1000
        seen = [
            int(name[3:])
            for frames, _ in tool.stacks(run)
            for name, _, _ in frames
            if re.fullmatch(r"ms_\d+", name)
        ]
    # Slots come again every ten seconds. The name is good to a millisecond: its middle is taken.
    after = [(slot - spawned_ms + 0.5) % 10_000 for slot in seen]
    return min(after) if after else None


def latency_table(bench: Bench) -> Table:
    """How long until the first sample."""
    table = Table(
        "first_sample",
        "First sample after the start of the command, ms",
        [
            "Read off the stacks of a target whose function names tell the time (1 ms). Loading "
            "the program included; for Tachyon, entering the target's root too. Goal: under 20 "
            "ms."
        ],
        ["tool", "Python", "ms", "runs", "verdict"],
    )
    rounds = max(5, bench.rounds)
    found: dict[Tool, list[float]] = {tool: [] for tool in bench.tools}
    for python in bench.pythons():
        with start_target(find_python(python), CLOCK_TARGET) as target:
            origin = float(target.readline())
            harness.pin_target(target.pid)
            for _, tool in harness.interleave(bench.on(python), rounds, bench.chance):
                with contextlib.suppress(OSError, RuntimeError):
                    value = first_sample_ms(bench, tool, target, origin)
                    found[tool] += [] if value is None else [value]
    table.rows = [latency_row(tool, found[tool]) for tool in bench.tools]
    return table


def latency_row(tool: Tool, values: list[float]) -> Row:
    """One tool."""
    late = harness.summarize(values)
    if not late:
        return Row([tool.name, tool.python_id, "failed", "0", ""])
    verdict = ""
    if tool.name == "pyrometer":
        verdict = "ok" if late.median < 20 else "short of 20 ms"
    return Row(
        [tool.name, tool.python_id, late.text(), str(late.n), verdict], {"first_sample_ms": late}
    )


# ---- memory ---------------------------------------------------------------------------------------


def memory_table(bench: Bench) -> Table:
    """All at once, since this is no timing: one target for each Python, every tool on it."""
    seconds = FULL_MEMORY_S if bench.full else MEMORY_S
    table = Table(
        "memory",
        f"Peak memory, {seconds} s at 1 kHz of the ORM program",
        [
            "VmHWM after a third of the time, at the end of sampling, and after the output was "
            'written. "10 minutes" goes on in a straight line from there where the recording is '
            "shorter. Goal: under 20 MiB."
        ],
        ["tool", "Python", "1/3", "end", "written", "10 minutes", "verdict"],
    )
    one_tracer = [
        tool for tool in bench.tools if "exact" not in tool.name and "--" not in tool.name
    ]
    with contextlib.ExitStack() as stack:
        runs = []
        for python in bench.pythons():
            target = stack.enter_context(
                start_target(find_python(python), "orm.py", "--seconds", "3600")
            )
            for number, tool in enumerate(tool for tool in one_tracer if tool.python_id == python):
                tag = f"memory-{python}-{number}"
                runs.append(
                    stack.enter_context(sampling(tool, target, Want(RATE_HZ), bench.folder, tag))
                )
        time.sleep(seconds / 3)
        early = [harness.peak_rss_bytes(run.pid) for run in runs]
        time.sleep(seconds * 2 / 3)
        late = [harness.peak_rss_bytes(run.pid) for run in runs]
        for run in runs:
            run.end()
    for run, one, two in zip(runs, early, late):
        table.rows.append(memory_row(run.tool, one, two, run.peak_rss_bytes, seconds))
    return table


def memory_row(tool: Tool, early: int, late: int, written: int, seconds: int) -> Row:
    """One tool."""
    mib = [value / 2**20 for value in (early, late, written)]
    growth = (mib[1] - mib[0]) / (seconds * 2 / 3) if late >= early else 0.0
    # Writing may need a second copy of what grew; taken as growing with the time as well.
    writing = max(0.0, mib[2] - mib[1]) / seconds
    ten = max(mib[1:]) + (growth + writing) * max(0, FULL_MEMORY_S - seconds)
    verdict = ""
    if tool.name == "pyrometer":
        verdict = "ok" if ten < 20 else "short of 20 MiB"
    shown = [f"{value:.1f} MiB" for value in (*mib, ten)]
    data = {
        "early_bytes": early,
        "end_bytes": late,
        "written_bytes": written,
        "ten_minutes_mib": ten,
    }
    return Row([tool.name, tool.python_id, *shown, verdict], data)


def tables(bench: Bench) -> list[Table]:
    """All four."""
    made = []
    for name, make in (
        ("CPU", cpu_table),
        ("slowdown", slowdown_table),
        ("first sample", latency_table),
        ("memory", memory_table),
    ):
        harness.say(f"at 1 kHz: {name}")
        made.append(make(bench))
    return made
