"""Many allocations from 10,000 stacks, each of which has some 5 KiB alive that change all the time.

    python many_stacks.py 1e9     so many allocations, about
"""

from __future__ import annotations

import itertools
import sys

FUNCTIONS, LINES, EACH = 100, 100, 100


def function(number: int, kept: list) -> object:
    """One with LINES lines that keep a block, and as many that allocate and free."""
    source = "def work(turn, kept=kept, repeat=itertools.repeat):\n"
    for line in range(LINES):
        source += f"    for _ in repeat(None, {EACH - 1}): object()\n"
        source += f"    kept[{number * LINES + line}] = bytes(5000 + turn % 64 * 16)\n"
    names: dict = {"kept": kept, "itertools": itertools}
    exec(compile(source, f"work{number}.py", "exec"), names)
    return names["work"]


def main(allocations: int) -> None:
    kept: list = [None] * (FUNCTIONS * LINES)
    functions = [function(number, kept) for number in range(FUNCTIONS)]
    for turn in range(allocations // (FUNCTIONS * LINES * EACH)):
        for work in functions:
            work(turn)


if __name__ == "__main__":
    main(int(float(sys.argv[1])))
