"""What is alive of it over time is known: 20 blocks that come one by one, one that comes and goes, then nothing."""

import time

SIZE = 1_000_000
LARGE = 30 * SIZE


def grow(kept):
    for i in range(len(kept)):
        kept[i] = b"x" * SIZE  # grow
        time.sleep(0.1)


def spike():
    large = b"x" * LARGE  # spike
    time.sleep(1)
    del large


def main():
    kept = [None] * 20
    grow(kept)
    spike()
    kept.clear()
    time.sleep(0.3)


main()
