"""What each sampler says of programs that know the truth: samples lost, stacks that cannot exist,
and the share of time of named functions against the program's own timers.

The programs are the tests' own (tests/targets/).
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field

import harness
from harness import Row, Table
from pythons import TARGETS, Target, find_python, start_target

from tools import Bench, Frame, Result, Stack, Tool, Want, sampling

RATE_HZ = 1000
RUN_S, FULL_RUN_S = 3.0, 10.0
TARGET_S = "3600"
UNSURE = "[unsure]"
LEARNED = ("orm", "aio")  # their possible pairs are learned by a tracer in a run of its own

sys.path.insert(0, str(TARGETS))

Marks = list[tuple[float, list[float]]]


@dataclass(frozen=True)
class Program:
    """A target and its variant."""

    name: str
    variant: str
    title: str

    @property
    def module(self):
        """The target, imported: it knows what is possible."""
        return importlib.import_module(self.name)

    def parts(self) -> dict[str, tuple[str, ...]]:
        """The timed parts, and the functions that stand for each."""
        parts_of = getattr(self.module, "parts_of", None)
        parts = parts_of(self.variant) if parts_of else {"first": "first", "second": "second"}
        return {
            part: (functions,) if isinstance(functions, str) else tuple(functions)
            for part, functions in parts.items()
        }


PROGRAMS = [
    Program("orm", "shop", "ORM over sqlite3"),
    Program("aio", "1000", "asyncio, 1,000 tasks"),
    Program("split", "flat", "30/70, tiny calls"),
    Program("chains", "30", "chains of empty calls, 30 deep"),
    Program("burst", "clock", "0.2 ms in each ms"),
]


# ---- what is possible -----------------------------------------------------------------------------


class Possible:
    """The pairs of caller and callee that one program can show, by name alone: peers do not all say
    on which line a function begins."""

    def __init__(self, program: Program, python: str) -> None:
        self.program = program
        self.graph = None
        self.pairs: set[tuple[tuple[str, str], tuple[str, str]]] = set()
        if program.name in LEARNED:
            self.pairs = self._learn(python)
        else:
            self.graph = program.module.graph(program.variant)
            self.graph.call_lines = {}

    def _learn(self, python: str) -> set[tuple[tuple[str, str], tuple[str, str]]]:
        path = TARGETS / f"{self.program.name}.py"
        done = find_python(python).run([path, "--learn", "1"], timeout=120)
        learned = json.loads(done.stdout.splitlines()[-1])
        return {(tuple(one[:2]), tuple(two[:2])) for one, two in learned["pairs"]}

    def why_not(self, frames: list[Frame]) -> str | None:
        """Why this stack cannot be, or None."""
        if self.graph is None:
            known = [(os.path.basename(file), name.rsplit(".", 1)[-1]) for name, file, _ in frames]
            wrong = [pair for pair in zip(known, known[1:]) if pair not in self.pairs]
            return str(wrong[0]) if wrong else None
        placed = [(name, line, 0, self._placed(file)) for name, file, line in frames]
        return self.graph.segment(placed, True)

    @staticmethod
    def _placed(file: str) -> str:
        """Tachyon leaves folders out; the graph knows its own files by them."""
        name = os.path.basename(file)
        return f"targets/{name}" if (TARGETS / name).is_file() else file


# ---- one run --------------------------------------------------------------------------------------


@dataclass
class Seen:
    """One run of a tool on a program."""

    begin: float
    end: float
    result: Result
    stacks: list[Stack]
    core_percent: float


def run_once(bench: Bench, tool: Tool, target: Target) -> Seen:
    """Sample for a while."""
    with sampling(tool, target, Want(RATE_HZ, stacks=True), bench.folder) as run:
        run.await_begin()
        window = harness.watch_window(run.pid, FULL_RUN_S if bench.full else RUN_S)
        run.end()
        result = run.result()
        stacks = list(tool.stacks(run))
    percent = window.cpu_s / window.seconds * 100
    return Seen(run.ended - result.seconds, run.ended, result, stacks, percent)


def spent_at(marks: Marks, when: float) -> list[float]:
    """The stopwatches at that moment, between the two marks around it."""
    before, after = marks[0], marks[-1]
    for mark in marks:
        if mark[0] <= when:
            before = mark
        else:
            after = mark
            break
    if after[0] <= before[0]:
        return list(before[1])
    part = (when - before[0]) / (after[0] - before[0])
    return [one + (two - one) * part for one, two in zip(before[1], after[1])]


def true_shares(report: dict, seen: Seen) -> dict[str, float]:
    """Of the parts, while the tool sampled."""
    marks: Marks = [(when, list(spent)) for when, spent in report["marks"]]
    begin, end = spent_at(marks, seen.begin), spent_at(marks, seen.end)
    wall = seen.end - seen.begin
    return {name: (two - one) / wall for name, one, two in zip(report["names"], begin, end)}


def seen_shares(program: Program, seen: Seen) -> dict[str, float]:
    """Of the same parts, by the tool: its stacks with the part's function anywhere on them."""
    total = sum(weight for _, weight in seen.stacks) or 1.0
    shares = {}
    for part, functions in program.parts().items():
        wanted = set(functions)
        weight = sum(
            weight
            for frames, weight in seen.stacks
            if any(name.rsplit(".", 1)[-1] in wanted for name, _, _ in frames)
        )
        shares[part] = weight / total
    return shares


@dataclass
class Checked:
    """What one run amounts to."""

    lost: float
    unsure: float
    impossible: float
    worst: float  # points
    worst_part: str
    true: float
    seen: float
    core_percent: float
    examples: list[str] = field(default_factory=list)


def is_real(frame: Frame) -> bool:
    """Whether it is a frame of the program: not [unsure], not <GC>, not CPython's own shim below an
    __init__, which peers show."""
    name, file, _ = frame
    return not name.startswith("[") and name != "<GC>" and file != "__init__"


def is_broken(frames: list[Frame]) -> bool:
    """What a tool itself marks as no stack."""
    return not frames or any(name in ("INVALID", "UNKNOWN") for name, _, _ in frames)


def check(program: Program, possible: Possible, seen: Seen, report: dict) -> Checked:
    """A tool's run against the truth."""
    true, shown = true_shares(report, seen), seen_shares(program, seen)
    total = sum(weight for _, weight in seen.stacks) or 1.0
    broken = impossible = unsure = 0.0
    examples = []
    for frames, weight in seen.stacks:
        sure = [frame for frame in frames if is_real(frame)]
        unsure += weight if any(name == UNSURE for name, _, _ in frames) else 0.0
        if is_broken(frames):
            broken += weight
        elif why := possible.why_not(sure):
            impossible += weight
            examples.append(why)
    part = max(true, key=lambda name: abs(true[name] - shown[name]))
    lost = 1 - (1 - seen.result.lost) * (1 - broken / total)
    off = abs(true[part] - shown[part]) * 100
    shares = (true[part], shown[part], seen.core_percent, examples[:3])
    return Checked(lost, unsure / total, impossible / total, off, part, *shares)


# ---- the table ------------------------------------------------------------------------------------


def measure_program(bench: Bench, program: Program, python: str) -> dict[Tool, list[Checked]]:
    """All tools of one Python against one live target, which tells the truth at its end."""
    tools = bench.on(python)
    runs: dict[Tool, list[Seen]] = {tool: [] for tool in tools}
    rounds = max(1, bench.rounds // 2)
    arguments = [program.variant, "--seconds", TARGET_S]
    with start_target(find_python(python), f"{program.name}.py", *arguments) as target:
        harness.pin_target(target.pid)
        time.sleep(0.3)
        for _, tool in harness.interleave(tools, rounds, bench.chance):
            try:
                runs[tool].append(run_once(bench, tool, target))
            except RuntimeError as error:
                harness.say(f"  {error}")
        os.kill(target.pid, signal.SIGTERM)
        report = json.loads(target.readline())
    possible = Possible(program, python)
    return {tool: [check(program, possible, seen, report) for seen in runs[tool]] for tool in tools}


def row_of(program: Program, tool: Tool, checked: list[Checked]) -> Row:
    """The median run; the worst share of the worst run."""
    start = [program.title, tool.python_id, tool.name]
    if not checked:
        return Row([*start, "failed", *[""] * 6])
    worst = max(checked, key=lambda one: one.worst)

    def median(name: str) -> harness.Summary:
        return harness.summarize([getattr(one, name) for one in checked])

    shares = [
        f"{harness.significant(median(name).median * 100, 3)}"
        for name in ("lost", "unsure", "impossible")
    ]
    cells = [*start, *shares, f"{worst.worst:.1f}", worst.worst_part]
    cells += [f"{worst.true * 100:.1f}", f"{worst.seen * 100:.1f}"]
    cells += [harness.significant(median("core_percent").median, 2)]
    return Row(cells, {"impossible_examples": worst.examples, "runs": len(checked)})


def tables(bench: Bench) -> list[Table]:
    """One table of all programs."""
    shares = ["off by, points", "function", "true %", "shown %"]
    table = Table(
        "true_shares",
        "Truth at 1 kHz",
        [
            f"{FULL_RUN_S if bench.full else RUN_S} s a run. Lost: thrown away, by the tool's own "
            "account. Unsure: kept, the top of the stack marked as not certain. Impossible: a "
            "caller and callee that the program cannot have. Off by: the part whose share is "
            "furthest from the program's own timers, in the worst run (the sampling error of so "
            "short a run is about 2 points)."
        ],
        ["program", "Python", "tool", "lost %", "unsure %", "impossible %", *shares, "% of a core"],
    )
    for program in (one for one in PROGRAMS if bench.wants_program(one.name)):
        harness.say(f"truth: {program.title}")
        for python in bench.pythons():
            with contextlib.suppress(KeyError):
                checked = measure_program(bench, program, python)
                table.rows += [row_of(program, tool, checked[tool]) for tool in checked]
    return [table]
