"""What it costs to count and to trace calls, and to count lines, beside other profilers of calls and lines, by programs that do
nearly nothing but that.

A program does a fixed amount of work five times over and times each, the fastest counts, so starting up is left out. In each
round every way to run it is taken once, in random order; what a profiler adds is its time less plain Python's in the same
round, and the share is one such difference divided by another of the same round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import exact
import harness
import installs
from harness import Row, Summary, Table
from pythons import Python, find_python

from tools import Bench, printed
from ways import TARGETS, Floor, Inside, Memray, Module, Ours, Tracemalloc, Way

PYTHONS = ("3.11", "3.12", "3.13", "3.15")
WORK = TARGETS / "work.py"
BODY = "body "
STEADY = ("-r", "1khz")  # of run; by default it samples ten times as often in the first second
MORE_ROUNDS = 2  # than of samplers, which are measured for a longer time
CALLS = {"python_calls": 400_000, "c_calls": 400_000, "numeric": 400_000}  # by program, in its body; of numeric lines

PLAIN = Way()
CPROFILE = Module()
TRACE = Ours("run --trace", ("--trace",))
TRACE_PYTHON = Ours("run --trace --no-c-calls", ("--trace", "--no-c-calls"))
YAPPI = Inside("yappi, wall", "yappi", ("yappi",))
VIZTRACER = Inside("VizTracer", "viztracer", ("viztracer", "objprint"))
NOTHING = Floor("events, nothing done", "nothing")
CLOCK = Floor("events, clock read", "clock")
PROFILE = Inside("pyrometer.Profile", "pyrometer")
LINE_PROFILER = Inside("line_profiler", "line_profiler", ("line_profiler",))


@dataclass(frozen=True)
class Comparison:
    """A way of ours and a peer's, and how much ours may add at most, as a share of what the peer adds."""

    ours: Way
    peer: Way
    programs: tuple[str, ...]
    goals: dict[str, str] = field(default_factory=dict, hash=False)  # by Python; "" stands for the others

    def goal(self, python: Python) -> str:
        """ "1/3", or "-"."""
        return self.goals.get(python.id, self.goals.get("", "-"))


COUNTING = (
    Comparison(
        Ours("run --no-c-calls", (*STEADY, "--no-c-calls")), CPROFILE, ("calls",), {"": "1/8", "3.12": "1/6", "3.11": "-"}
    ),
    Comparison(Ours("run --no-c-calls", (*STEADY, "--no-c-calls")), CPROFILE, ("orm",)),
    Comparison(Ours("run", STEADY), CPROFILE, ("calls", "orm"), {"": "1/3", "3.11": "-"}),
)
TRACING = (
    Comparison(TRACE, CPROFILE, ("calls",), {"": "1/3", "3.12": "1/2.5", "3.11": "-"}),
    Comparison(NOTHING, CPROFILE, ("calls",)),
    Comparison(CLOCK, CPROFILE, ("calls",)),
    Comparison(TRACE, YAPPI, ("calls",), {"": "1/4"}),
    Comparison(TRACE_PYTHON, YAPPI, ("calls",), {"": "1/4"}),
    Comparison(TRACE, VIZTRACER, ("calls",), {"": "1/3"}),
)
PROFILING = (Comparison(PROFILE, Inside("cProfile.Profile", "cProfile"), ("calls", "orm", *CALLS)),)

LINES = (
    Comparison(Ours("run --lines=add_a_lot", (*STEADY, "--lines=add_a_lot")), LINE_PROFILER, ("numeric",), {"": "1/8", "3.11": "-"}),
    Comparison(
        Ours("run --lines=add_a_lot --sampled-times", (*STEADY, "--lines=add_a_lot", "--sampled-times")),
        LINE_PROFILER,
        ("numeric",),
        {"": "1/15", "3.11": "-"},
    ),
    Comparison(Ours("run, other lines", (*STEADY, "--lines=none_of_these")), LINE_PROFILER, ("numeric",)),
)

MEMORY = Ours("run --memory", (*STEADY, "--memory"))
SAMPLED = Ours("run --memory=sampled", ("--memory=sampled",))  # which samples time 100 times a second
TRACKING = tuple(
    Comparison(MEMORY, peer, ("allocations", "deep_allocations"), {"": goal})
    for peer, goal in (
        (Memray("memray"), "1/3"),
        (Memray("memray --aggregate", ("--aggregate",)), "1/8"),
        (Tracemalloc("tracemalloc, 1 frame", 1), "1/6"),
        (Tracemalloc("tracemalloc, 25 frames", 25), "1/20"),
    )
) + (Comparison(MEMORY, Memray("memray, C only", python_too=False), ("native_allocations", "only_calls"), {"": "1/2"}),)
SAMPLED_GOALS = {"allocations": 1.10, "deep_allocations": 1.10, "numeric": 1.10, "native_allocations": 1.10, "orm": 1.03, "text": 1.03}


def wanted_pythons(bench: Bench, what: str) -> list[Python]:
    """Those that are asked for and here; the others are named."""
    found = []
    for python in map(find_python, PYTHONS):
        if python.missing:
            harness.say(f"SKIPPED: {what} on {python.id}: {python.missing}")
        elif bench.wants_python(python.id):
            found.append(python)
    return found


def add_row(table: Table, *cells: str, **data: object) -> None:
    """A row, which is shown at once to who waits."""
    harness.say(" | ".join(cells))
    table.rows.append(Row([*cells], data))


def usable(bench: Bench, python: Python, ways: Iterable[Way]) -> tuple[list[Way], dict[Way, str]]:
    """Those that can be had on PYTHON, and why the others cannot."""
    reasons = {way: way.missing(bench, python) for way in ways}
    return [way for way, reason in reasons.items() if not reason], {way: why for way, why in reasons.items() if why}


def body_seconds(bench: Bench, python: Python, way: Way, program: str) -> float:
    """What the body took, by the program's own clock."""
    lines = way.output(bench, python, [WORK, program]).splitlines()
    return float(next(line for line in lines if line.startswith(BODY)).removeprefix(BODY))


@dataclass
class Taken:
    """What was measured on one Python of one program."""

    seconds: dict[Way, dict[int, float]]  # by way and round
    counts: dict[Way, set[str]]  # of ours: what is to be said of their counts


def counts_said(bench: Bench, way: Ours, true: exact.Edges) -> str:
    """ "exact" or "WRONG", of the run that was just timed."""
    wrong = exact.first_wrong(true, exact.by_us(bench, way.recording(bench)), way.counts_c)
    if wrong:
        harness.say(f"WRONG counts: {way.name}: {wrong}")
    return "WRONG" if wrong else "exact"


def measure(bench: Bench, python: Python, program: str, ways: Sequence[Way]) -> Taken:
    """Every way in every round; a first run is not kept, which compiles what is imported. Each run's counts are checked."""
    taken = Taken({way: {} for way in ways}, {way: set() for way in ways})
    true = exact.by_cprofile(bench, python, [WORK, program]) if any(isinstance(way, Ours) and way.counts for way in ways) else None
    body_seconds(bench, python, PLAIN, program)
    for number, way in harness.interleave(ways, bench.rounds + MORE_ROUNDS, bench.chance):
        taken.seconds[way][number] = body_seconds(bench, python, way, program)
        if isinstance(way, Ours) and way.counts and true:
            taken.counts[way].add(counts_said(bench, way, true))
    return taken


def added(taken: Taken, way: Way) -> dict[int, float]:
    """Seconds more than plain Python, by round."""
    return harness.differences(taken.seconds[way], taken.seconds[PLAIN])


def slowdown_text(taken: Taken, way: Way, calls: int | None) -> tuple[str, dict[str, Summary | None]]:
    """ "3.1 [3.0-3.2]" times, and nanoseconds for a call where the program makes so many CALLS."""
    slowdown = harness.ratios(taken.seconds[way], taken.seconds[PLAIN])
    data: dict[str, Summary | None] = {f"{way.name}, slowdown": slowdown}
    text = slowdown.text() if slowdown else "-"
    if calls:
        cost = harness.summarize([seconds * 1e9 / calls for seconds in added(taken, way).values()])
        data[f"{way.name}, ns a call"] = cost
        text += f"; {cost.text()} ns" if cost else ""
    return text, data


def falls_short(share: Summary | None, goal: str) -> bool:
    """Whether the median is above the goal, "1/3"."""
    return bool(share and "/" in goal and share.median > 1 / float(goal.partition("/")[2]))


def compared(table: Table, python: Python, program: str, comparison: Comparison, taken: Taken) -> None:
    """The row of what could be measured of a comparison; there was no way of ours or no peer if it is not in TAKEN."""
    ways = (comparison.peer, comparison.ours)
    shown = [slowdown_text(taken, way, CALLS.get(program)) if way in taken.seconds else ("-", {}) for way in ways]
    share = None
    if all(way in taken.seconds for way in ways):
        share = harness.ratios(added(taken, comparison.ours), added(taken, comparison.peer))
    goal = comparison.goal(python)
    add_row(
        table,
        program,
        python.id,
        comparison.peer.name,
        shown[0][0],
        comparison.ours.name,
        shown[1][0],
        share.text() if share else "-",
        f"{goal} short" if falls_short(share, goal) else goal,
        ", ".join(sorted(taken.counts.get(comparison.ours, ()))),
        share=share,
        **shown[0][1],
        **shown[1][1],
    )


def fill(table: Table, bench: Bench, comparisons: Sequence[Comparison]) -> Table:
    """All Pythons and programs that are asked for; what cannot be measured is said under the table."""
    gaps: dict[str, list[str]] = {}
    for python in wanted_pythons(bench, table.name):
        ways, missing = usable(bench, python, dict.fromkeys(way for one in comparisons for way in (one.ours, one.peer)))
        for way, reason in missing.items():
            harness.say(f"SKIPPED: {way.name} on {python.id}: {reason}")
            gaps.setdefault(f"{way.name}: {reason}", []).append(python.id)
        for program in dict.fromkeys(name for one in comparisons for name in one.programs if bench.wants_program(name)):
            harness.say(f"{table.name}: {program} on {python.id}")
            asked = [one for one in comparisons if program in one.programs]
            needed = [way for way in ways if any(way in (one.ours, one.peer) for one in asked)]
            taken = measure(bench, python, program, [PLAIN, *needed])
            for comparison in asked:
                compared(table, python, program, comparison, taken)
    table.notes += [f"Not measured on {', '.join(where)}: {what}." for what, where in gaps.items()]
    return table


HEADS = ["program", "Python", "peer", "its slowdown", "ours", "our slowdown", "added, of the peer's", "goal", "counts"]


def counting(bench: Bench) -> list[Table]:
    """`run` without --trace."""
    notes = [
        "The body's time (the fastest of five) against plain Python's, and what `run` adds as a share of what cProfile adds (3.15:",
        "profiling.tracing). Counts: against those of cProfile, in the runs that were timed.",
        "`run -r 1khz`: sampling is in its figures as it is after the first second of a `run`, in which it samples at 10 kHz.",
    ]
    return [fill(Table("run", "What counting calls costs", notes, HEADS), bench, COUNTING)]


def tracing(bench: Bench) -> list[Table]:
    """`run --trace`."""
    notes = [
        "The body's time (the fastest of five) against plain Python's, and what `run --trace` adds as a share of what each peer adds.",
        "yappi does not see C functions, unless it is told to: `--no-c-calls` does the same work, `--trace` more. VizTracer keeps its",
        "last million entries; saving them is not in the time. \"Events\" is the floor of whoever times Python and C functions by",
        "sys.monitoring: callbacks in C that do nothing, or read the processor's clock (not for the call instruction of a Python function).",
    ]
    return [fill(Table("trace", "What tracing calls costs", notes, HEADS), bench, TRACING)]


def profiling(bench: Bench) -> list[Table]:
    """pyrometer.Profile."""
    notes = [
        "Both are switched on by the program around its bodies, of which the fastest of five counts. python_calls and c_calls: 400,000",
        "calls of one function, and the nanoseconds that each took longer. No goal was set for `Profile`: it reads a clock at each call",
        "and return.",
    ]
    return [fill(Table("profile", "pyrometer.Profile beside cProfile.Profile", notes, HEADS), bench, PROFILING)]


def lines(bench: Bench) -> list[Table]:
    """`run --lines`."""
    notes = [
        "A loop of four lines over numbers, 400,000 lines in all, whose function is counted and timed line by line: its time (the fastest of",
        "five) against plain Python's, the nanoseconds that each line took longer, and what `run --lines` adds as a share of what line_profiler",
        "adds, which is switched on around the bodies. `--sampled-times`: hits are exact, times those of samples. \"Other lines\": the lines of functions that do not run are asked for.",
    ]
    return [fill(Table("lines", "What counting and timing lines costs", notes, HEADS), bench, LINES)]


def memory(bench: Bench) -> list[Table]:
    """`run --memory`."""
    notes = [
        "A body that makes rows of small objects, 10 and 40 calls deep: its time (the fastest of five) against plain Python's, and what",
        "`run --memory` adds as a share of what each peer adds. All of them see every allocation by Python's allocators; memray, with",
        "`--trace-python-allocators`, and Pyrometer with the whole stack of each, tracemalloc with the frames that are said. memray sees the",
        "C library's too, of which these programs make few, as we do. `native_allocations` makes hash objects of OpenSSL's, ten calls deep, which",
        "are malloc()'s; `only_calls` allocates hardly at all: there memray, as it is without flags, sees what C code allocates only, and we all.",
    ]
    heads = HEADS[:-1]
    table = fill(Table("memory", "What tracking memory costs", notes, heads), bench, TRACKING)
    for row in table.rows:
        del row.cells[len(heads) :]
    return [table]


def memory_sampled(bench: Bench) -> list[Table]:
    """`run --memory=sampled`, and how much it spares."""
    notes = [
        "The body's time (the fastest of five) as a share of plain Python's, in the same round. A sample each 512 KiB of what is allocated; the",
        "program is looked at from outside as often as these runs do by themselves, 100 times a second, beside `run --memory` 1000 times. The",
        "first four do nearly nothing but allocate (`numeric`: numbers, `native_allocations`: hash objects of OpenSSL's); `orm` and `text` (JSON, regular expressions) are ordinary ones.",
    ]
    heads = ["program", "Python", SAMPLED.name, "goal", MEMORY.name]
    table = Table("memory-sampled", "What tracking a sample of memory costs", notes, heads)
    for python in wanted_pythons(bench, table.name):
        reason = SAMPLED.missing(bench, python)
        for program, goal in SAMPLED_GOALS.items():
            if reason or not bench.wants_program(program):
                continue
            taken = measure(bench, python, program, [PLAIN, SAMPLED, MEMORY])
            ours, all_of_it = (harness.ratios(taken.seconds[way], taken.seconds[PLAIN]) for way in (SAMPLED, MEMORY))
            short = ours is not None and ours.median > goal
            cells = [one.text() if one else "-" for one in (ours, all_of_it)]
            add_row(table, program, python.id, cells[0], f"{goal:.2f} short" if short else f"{goal:.2f}", cells[1], sampled=ours, exact=all_of_it)
        if reason:
            table.notes.append(f"Not measured on {python.id}: {reason}.")
    return [table]


def used(bench: Bench, packages: Sequence[str]) -> str:
    """What was measured with, for the reader."""
    pythons = [python.version or "" for python in map(find_python, PYTHONS) if bench.wants_python(python.id)]
    pinned = [f"{name} {installs.pins()[name]}" for name in packages]
    return f"Python {', '.join(pythons)}. " + "; ".join([printed([bench.places.pyrometer, "--version"]), *pinned])
