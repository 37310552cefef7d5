"""The fix that is guessed without looking: four times as many threads."""

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Iterable

import report

THREADS = 16


def build(regions: Iterable[int], size: int) -> report.Report:
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(regions, pool.map(report.near_pairs, regions, repeat(size))))


if __name__ == "__main__":
    report.main(build)
