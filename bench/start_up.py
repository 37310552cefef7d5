"""How long it takes until a program runs: `import pyrometer`, and `pyrometer run -c pass` beside `python -c pass`.

Each time in a new process, in an environment with nothing else installed. The package lies as pip leaves it, compiled; what is
imported is timed by who imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import harness
import installs
from counts import PLAIN, add_row, wanted_pythons
from harness import Summary, Table
from pythons import Python

from tools import Bench
from ways import Inside, Ours, Way

ROUNDS = 7  # of these for each of the benchmark's: they are short
NOTHING = ["-c", "pass"]
TIMING = "{}; from time import perf_counter as now; begin = now(); {}; print(now() - begin)"
PACKAGE = Inside("the package", "pyrometer")
Milliseconds = dict[int, float]  # by round


def statement_ms(statement: str, before: str = "pass") -> Callable[[Bench, Python], float]:
    """What measures STATEMENT in a new process, after BEFORE."""
    code = TIMING.format(before, statement)
    return lambda bench, python: 1e3 * float(PACKAGE.output(bench, python, ["-c", code]))


def whole_ms(way: Way) -> Callable[[Bench, Python], float]:
    """What measures a program that does nothing, from its start to its end."""
    return lambda bench, python: 1e3 * float(way.output(bench, python, NOTHING, timed=True))


@dataclass(frozen=True)
class Step:
    """Something that is waited for; OVER is the step whose time is taken off."""

    name: str
    measure: Callable[[Bench, Python], float]
    goal_ms: float | None = None
    over: str = ""


STEPS = (
    Step("import pyrometer", statement_ms("import pyrometer"), 10),
    Step("its first Profile() (loads the C part)", statement_ms("pyrometer.Profile()", "import pyrometer")),
    Step(
        "the first enable() (measures what events cost)",
        statement_ms("profile.enable()", "import pyrometer; profile = pyrometer.Profile()"),
    ),
    Step("python -c pass", whole_ms(PLAIN)),
    Step("pyrometer run -c pass, more than python -c pass", whole_ms(Ours(report=True)), 60, "python -c pass"),
)


def goal_text(step: Step, taken: Summary | None) -> str:
    """ "10 ms short"."""
    if step.goal_ms is None:
        return "-"
    short = taken is not None and taken.median > step.goal_ms
    return f"{step.goal_ms:g} ms{' short' if short else ''}"


def tables(bench: Bench) -> list[Table]:
    """The family's table."""
    table = Table(
        "start",
        "Start-up",
        [
            "Milliseconds, each in a new process of an empty environment, medians [quartiles]. `run` prints its report and keeps "
            "its recording."
        ],
        ["what", "Python", "ms", "goal"],
    )
    for python in wanted_pythons(bench, "start-up"):
        harness.say(f"start-up on {python.id}")
        python = installs.bare(bench, python)
        taken: dict[str, Milliseconds] = {step.name: {} for step in STEPS}
        for step in STEPS:
            step.measure(bench, python)  # compiles what is imported
        for number, step in harness.interleave(STEPS, bench.rounds * ROUNDS, bench.chance):
            taken[step.name][number] = step.measure(bench, python)
        for step in STEPS:
            series = taken[step.name]
            if step.over:
                series = harness.differences(series, taken[step.over])
            ms = harness.summarize(list(series.values()))
            add_row(table, step.name, python.id, ms.text() if ms else "-", goal_text(step, ms), ms=ms)
    return [table]
