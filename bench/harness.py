"""What the benchmarks share: interleaving, pinning, CPU clocks, toggling, statistics, tables.

Every comparison here is made of rounds: in each round all the things compared are measured once, in
random order, against one live target. Machines drift by more than the differences of interest, so
only measurements of the same round are divided by each other, and the median of those ratios is
what is reported, with its quartiles.

Uses the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar

T = TypeVar("T")

CPUCLOCK_SCHED = 2  # the kernel's encoding of "CPU time of that process", user and system
STOP_RETRIES = 200
HEAD = "### "  # of a table's section


# ---- statistics -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """Median and quartiles of N values."""

    median: float
    low: float
    high: float
    n: int

    def text(self, digits: int = 3) -> str:
        """ "12.3 [11.9-12.8]"."""
        one, two, three = (
            significant(value, digits) for value in (self.median, self.low, self.high)
        )
        return f"{one} [{two}-{three}]" if self.n > 1 else one


def summarize(values: Sequence[float]) -> Summary | None:
    """None where there are no values."""
    if not values:
        return None
    if len(values) == 1:
        return Summary(values[0], values[0], values[0], 1)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(statistics.median(values), low, high, len(values))


def ratios(above: dict[int, float], below: dict[int, float]) -> Summary | None:
    """Of two series of {round: value}: the quotient of each round that has both."""
    both = sorted(above.keys() & below.keys())
    return summarize([above[number] / below[number] for number in both if below[number] > 0])


def differences(one: dict[int, float], other: dict[int, float]) -> dict[int, float]:
    """Of two series of {round: value}: ONE less OTHER, of each round that has both."""
    return {number: one[number] - other[number] for number in sorted(one.keys() & other.keys())}


def significant(value: float, digits: int = 3) -> str:
    """VALUE with DIGITS significant digits and no exponent."""
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e" in text else text


# ---- order ------------------------------------------------------------------------------------


def interleave(things: Sequence[T], rounds: int, chance: random.Random) -> Iterator[tuple[int, T]]:
    """Each of THINGS once a round, every round in its own random order."""
    for number in range(rounds):
        order = list(things)
        chance.shuffle(order)
        for thing in order:
            yield number, thing


# ---- processes --------------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """User and system time of a live process so far, all threads, in nanosecond steps."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


@dataclass(frozen=True)
class Window:
    """What a process did between two moments."""

    seconds: float
    cpu_s: float


def watch_window(pid: int, seconds: float) -> Window:
    """Let SECONDS pass, and see how much CPU time PID uses meanwhile."""
    begin, cpu_begin = time.monotonic(), cpu_seconds(pid)
    time.sleep(seconds)
    cpu_end, end = cpu_seconds(pid), time.monotonic()
    return Window(end - begin, cpu_end - cpu_begin)


def cpus() -> list[int]:
    """The CPUs this process may use."""
    return sorted(os.sched_getaffinity(0))


def pin_target(pid: int) -> None:
    """Targets get the first CPU, samplers the others: else a slowdown depends on the scheduler."""
    _pin(pid, cpus()[:1])


def pin_sampler() -> None:
    """For subprocess' preexec_fn."""
    available = cpus()
    _pin(0, available[1:] or available)


def _pin(pid: int, wanted: Sequence[int]) -> None:
    tasks = [int(name) for name in os.listdir(f"/proc/{pid}/task")] if pid else [0]
    for task in tasks:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(task, wanted)


def peak_rss_bytes(pid: int) -> int:
    """The most memory PID has had resident so far; 0 once it is gone."""
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


# ---- toggling ---------------------------------------------------------------------------------


def is_stopped(pid: int) -> bool:
    """Whether a signal or a tracer keeps a thread of PID from running."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] in "tT":
                return True
    return False


def stop_sampler(sampler: int, target: int) -> None:
    """Stop SAMPLER at a moment when it is not itself holding TARGET still."""
    for _ in range(STOP_RETRIES):
        os.kill(sampler, signal.SIGSTOP)
        time.sleep(0.002)
        if not is_stopped(target):
            return
        os.kill(sampler, signal.SIGCONT)
        time.sleep(0.001)
    raise RuntimeError(f"process {sampler} always holds {target} when it is stopped")


def toggled_slowdowns(
    sampler: int,
    target: int,
    progress: Callable[[], int],
    pairs: int,
    window_s: float,
    settle_s: float,
    chance: random.Random,
) -> list[float]:
    """How much faster TARGET runs while SAMPLER is stopped: one ratio for each pair of adjacent
    windows, which stand in random order. SETTLE_S after each change is left out: a sampler that was
    stopped may want to catch up."""

    def speed(on: bool) -> float:
        if on:
            os.kill(sampler, signal.SIGCONT)
        else:
            stop_sampler(sampler, target)
        time.sleep(settle_s)
        before, begin = progress(), time.monotonic()
        time.sleep(window_s)
        after, end = progress(), time.monotonic()
        return (after - before) / (end - begin)

    found = []
    for _ in range(pairs):
        order = [True, False]
        chance.shuffle(order)
        speeds = {on: speed(on) for on in order}
        if speeds[True] > 0:
            found.append(speeds[False] / speeds[True])
    os.kill(sampler, signal.SIGCONT)
    return found


# ---- results ----------------------------------------------------------------------------------


@dataclass
class Row:
    """One line of a table: CELLS are shown, DATA goes to the results file besides."""

    cells: list[str]
    data: dict[str, object] = field(default_factory=dict)


@dataclass
class Table:
    """A title, what the reader must know, the heads of the columns, rows; MEASURED: when, on what and with what."""

    name: str
    title: str
    notes: list[str]
    heads: list[str]
    rows: list[Row] = field(default_factory=list)
    measured: str = ""

    def text(self) -> str:
        """In Markdown, which is readable as it is: docs/benchmarks.md takes it over."""
        lines = [self.heads, *(row.cells for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.heads))]
        shown = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
            for line in lines
        ]
        shown.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join([f"{HEAD}{self.title}", "", self.measured, "", *self.notes, "", *shown])

    def json(self) -> dict[str, object]:
        """For the results file."""
        rows = [{**dict(zip(self.heads, row.cells)), **plain(row.data)} for row in self.rows]
        known = {"name": self.name, "title": self.title, "measured": self.measured}
        return {**known, "notes": self.notes, "rows": rows}


def plain(data: dict[str, object]) -> dict[str, object]:
    """DATA as json can write it."""
    return {
        key: asdict(value) if isinstance(value, Summary) else value for key, value in data.items()
    }


def say(text: str) -> None:
    """Progress, for who waits."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
