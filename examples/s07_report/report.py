"""The report: for each region, how many pairs of its sales lie near each other. Plain Python, so it needs the GIL."""

from __future__ import annotations

import argparse
from typing import Callable, Dict, Iterable, List

Report = Dict[int, int]


def sales_of(region: int, size: int) -> List[int]:
    """The same numbers in each run: a small generator's."""
    value, sales = region + 1, []
    for _ in range(size):
        value = value * 1103515245 + 12345 & 0x7FFFFFFF
        sales.append(value % 10_000)
    return sales


def near_pairs(region: int, size: int) -> int:
    """What takes the time: each sale is compared with each."""
    sales, near = sales_of(region, size), 0
    for one in sales:
        for other in sales:
            if -50 < one - other < 50:
                near += 1
    return near


def main(build: Callable[[Iterable[int], int], Report]) -> None:
    """Print the report that BUILD makes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--regions", type=int, default=8)
    parser.add_argument("--size", type=int, default=2_500, help="sales of a region; twice as many take four times as long")
    arguments = parser.parse_args()
    report = build(range(arguments.regions), arguments.size)
    print(f"{len(report)} regions, {sum(report.values())} pairs")
