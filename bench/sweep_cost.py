"""CPU time of each sampler for one sweep over all threads: threads x depth x rate.

User and system time as the kernel counts it, in a window that begins after the start-up and ends
before the output is written, divided by the sweeps a second that the tool says it made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import harness
from harness import Row, Table
from pythons import Target, start_target

from tools import MAX_HZ, Bench, Tool, Want, measure_floor, ours_beside, sampling

DEPTH_TARGET = Path(__file__).parent / "targets" / "depth.py"
WINDOW_S = 0.6
FULL_WINDOW_S = 2.0
MAX = "max"

# How many times as much as ours: the "at most 1/3 of Tachyon's with one thread at depth 10".
GOALS = {
    ("Tachyon", 1, 10): 3.0,
    ("Tachyon", 1, 200): 4.0,
    ("Tachyon", 8, 10): 5.0,
    ("Tachyon", 8, 200): 5.0,
    ("Austin", None, None): 8.0,
    ("py-spy", None, None): 20.0,
}


@dataclass(frozen=True)
class Shape:
    """What a target looks like, and what is asked of its threads."""

    threads: int
    depth: int
    kernel_state: bool = False  # all threads but one wait, and the tool asks the kernel about each

    def text(self) -> str:
        """For a cell."""
        return "8, 7 waiting" if self.kernel_state else str(self.threads)

    def arguments(self) -> list[str]:
        """For depth.py."""
        waiting = ["--waiting"] if self.kernel_state else []
        return [str(self.depth), str(self.threads), *waiting]


SHAPES = [
    *(Shape(threads, depth) for threads in (1, 8) for depth in (10, 200)),
    Shape(8, 10, kernel_state=True),
]


@dataclass(frozen=True)
class Cell:
    """One thing to measure."""

    tool: Tool
    rate_hz: int


@dataclass(frozen=True)
class Cost:
    """What one run showed."""

    us_per_sweep: float
    core_share: float
    sweeps_per_s: float
    lost: float


def cells_of(bench: Bench, python: str, shape: Shape) -> list[Cell]:
    """Every tool as fast as it can; those that do not stop the target at fixed rates too."""
    tools = bench.on(python)
    if shape.kernel_state:
        plain = [tool for tool in tools if not tool.flags]
        return [Cell(tool, rate) for tool in plain for rate in (MAX_HZ, 1000)]
    fixed = [tool for tool in tools if "blocking" not in tool.name and "exact" not in tool.name]
    return [Cell(tool, MAX_HZ) for tool in tools] + [
        Cell(tool, rate) for tool in fixed for rate in (10_000, 1000)
    ]


def threads_counted(cell: Cell, shape: Shape) -> int:
    """How many samples a tool that counts thread stacks makes in a sweep."""
    if shape.kernel_state and cell.tool.family == "Austin":
        return 1  # it leaves out those that wait
    return shape.threads


def measure(bench: Bench, cell: Cell, shape: Shape, target: Target) -> Cost:
    """One run."""
    want = Want(cell.rate_hz, kernel_state=shape.kernel_state)
    with sampling(cell.tool, target, want, bench.folder) as run:
        run.await_begin(settle_s=0.1)
        window = harness.watch_window(run.pid, FULL_WINDOW_S if bench.full else WINDOW_S)
        run.end()
        result = run.result(threads_counted(cell, shape))
    per_second = result.sweeps / result.seconds
    core_share = window.cpu_s / window.seconds
    return Cost(core_share / per_second * 1e6, core_share, per_second, result.lost)


def goal_of(tool: Tool, shape: Shape) -> float | None:
    """What the quotient should be at least."""
    exact = GOALS.get((tool.family, shape.threads, shape.depth))
    return exact or GOALS.get((tool.family, None, None))


def verdict(ratio: float | None, goal: float | None) -> str:
    """Rows where we are behind, or miss our goal, say so."""
    if ratio is None:
        return ""
    if ratio < 1:
        return "BEHIND"
    return f"short of {goal:g}x" if goal and ratio < goal else "ok"


Series = dict[Cell, dict[int, Cost]]


def row_of(cell: Cell, shape: Shape, series: Series, bench: Bench) -> Row:
    """One line of the table."""
    costs = series[cell]
    mine = ours_beside(cell.tool, bench.tools)
    per_sweep = {number: cost.us_per_sweep for number, cost in costs.items()}
    ratio = None
    if mine and mine is not cell.tool and cell.tool.family != "pyrometer":
        reference = series.get(Cell(mine, cell.rate_hz), {})
        ours = {number: cost.us_per_sweep for number, cost in reference.items()}
        ratio = harness.ratios(per_sweep, ours)
    goal = goal_of(cell.tool, shape)
    us = harness.summarize(list(per_sweep.values()))
    core = harness.summarize([cost.core_share * 100 for cost in costs.values()])
    reached = harness.summarize([cost.sweeps_per_s for cost in costs.values()])
    lost = harness.summarize([cost.lost * 100 for cost in costs.values()])
    rate = MAX if cell.rate_hz == MAX_HZ else f"{cell.rate_hz // 1000} kHz"
    measured = [value.text() if value else "failed" for value in (us, ratio)]
    cells = [shape.text(), str(shape.depth), rate, cell.tool.python_id, cell.tool.name, measured[0]]
    cells += [measured[1] if ratio else "", verdict(ratio.median if ratio else None, goal)]
    cells += [harness.significant(reached.median) if reached else ""]
    cells += [harness.significant(core.median, 2) if core else ""]
    cells += [harness.significant(lost.median, 2) if lost else ""]
    data = {"us_per_sweep": us, "ratio": ratio, "goal": goal, "core_percent": core}
    return Row(cells, {**data, "sweeps_per_s": reached, "lost_percent": lost})


def measure_shape(bench: Bench, shape: Shape, python: str) -> Series:
    """All tools of one Python against one live target."""
    cells = cells_of(bench, python, shape)
    series: Series = {cell: {} for cell in cells}
    with start_target(cells[0].tool.python, DEPTH_TARGET, *shape.arguments()) as target:
        harness.pin_target(target.pid)
        time.sleep(0.1)
        for number, cell in harness.interleave(cells, bench.rounds, bench.chance):
            try:
                series[cell][number] = measure(bench, cell, shape, target)
            except RuntimeError as error:
                harness.say(f"  {error}")
    return series


def floor_rows(bench: Bench) -> list[Row]:
    """What is in every figure of a sampler that sleeps, and in every figure at all."""
    found = [measure_floor(bench.places) for _ in range(bench.rounds)]
    rows = []
    for key, name in (("wake_up_us", "sleep 1 ms, wake up"), ("read_4k_us", "one read of 4 KiB")):
        us = harness.summarize([value[key] for value in found])
        rows.append(Row(["", "", "", "", f"the machine: {name}", us.text(), *[""] * 5], {key: us}))
    return rows


def tables(bench: Bench) -> list[Table]:
    """One table of all shapes."""
    heads = ["threads", "depth", "rate", "Python", "tool", "CPU us per sweep", "x pyrometer"]
    table = Table(
        "sweep_cost",
        "CPU time for a sweep of all threads",
        [
            "User and system time of the sampler, start-up and end left out. Medians [quartiles] "
            f"over {bench.rounds} rounds; the ratio is taken within each round.",
            '"7 waiting": every thread\'s kernel state is asked for (Tachyon --mode cpu, Austin '
            "--cpu, py-spy without --idle; pyrometer always). All others: stacks with the "
            "interpreter's state.",
            "At 10 and 1 kHz a sampler that sleeps pays for waking up besides (the first row); "
            "at max none sleeps.",
        ],
        [*heads, "verdict", "sweeps/s", "% of a core", "lost %"],
    )
    table.rows += floor_rows(bench)
    for shape in SHAPES:
        harness.say(
            f"sweep cost: {shape.threads} threads, depth {shape.depth}"
            + ", 7 wait" * shape.kernel_state
        )
        for python in bench.pythons():
            series = measure_shape(bench, shape, python)
            table.rows += [row_of(cell, shape, series, bench) for cell in series]
    return [table]
