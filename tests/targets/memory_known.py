"""Allocations that can be told beforehand: lines that end in a comment allocate blocks of known sizes by Python's allocators.

tests/live/test_memory.py knows how many and how large, by arithmetic.
"""

import sys

KEPT = 40
SIZE = 100_000


def keep(into):
    for i in range(KEPT):
        into[i] = bytes(SIZE)  # keep


def spike():
    block = bytes(5_000_000)  # spike
    del block


def churn():
    for _ in range(3000):
        bytes(777)  # churn


def recurse(depth):
    block = bytes(10_000)  # recurse
    if depth:
        recurse(depth - 1)  # call
    del block


def generate():
    for _ in range(25):
        yield bytes(2_000)  # generate


def grow():
    block = bytearray(1_000)  # begin
    block.extend(bytes(200_000))  # extend
    return block


def main():
    kept = [None] * KEPT
    keep(kept)  # keeps
    spike()  # spikes
    churn()
    recurse(9)  # recurses
    for _ in generate():
        pass
    return kept, grow()


LEFT = main()
print(sys.getsizeof(b""), flush=True)
