"""The target of the cost measurements: THREADS threads, each DEPTH Python frames deep, its leaf making
a call about every 60 ns.

    depth.py DEPTH THREADS [--waiting] [--progress FILE]

--waiting   all threads but the main one wait for an event instead of working
--progress  the main thread adds 1 to the 64-bit number at the beginning of FILE for every 50 calls

Prints READY once every thread is at its depth; runs until it is killed. Python 3.8 and later.
"""
import argparse
import mmap
import struct
import sys
import threading

CALLS_PER_STEP = 50
BOTTOM_FRAMES = 2   # below descend(), of the main thread: <module>, main


def tiny():
    pass


def work(steps):
    """STEPS[0] counts what was done."""
    done = 0
    while True:
        for _ in range(CALLS_PER_STEP):
            tiny()
        done += 1
        steps[0] = done


def wait(steps):
    threading.Event().wait()


def descend(levels, leaf, steps, arrived):
    if levels > 1:
        return descend(levels - 1, leaf, steps, arrived)
    arrived.release()
    leaf(steps)


def open_progress(path):
    """The number in the file, as a sequence of one item."""
    if path is None:
        return [0]
    with open(path, "r+b") as file:
        file.write(struct.pack("Q", 0))
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("depth", type=int)
    parser.add_argument("threads", type=int)
    parser.add_argument("--waiting", action="store_true")
    parser.add_argument("--progress")
    options = parser.parse_args()
    sys.setrecursionlimit(options.depth * 2 + 1000)
    levels = max(1, options.depth - BOTTOM_FRAMES - 1)  # the leaf is a frame too
    arrived = threading.Semaphore(0)
    others = wait if options.waiting else work
    for _ in range(options.threads - 1):
        threading.Thread(target=descend, args=(levels, others, [0], arrived), daemon=True).start()
    for _ in range(options.threads - 1):
        arrived.acquire()
    print("READY", flush=True)
    descend(levels, work, open_progress(options.progress), arrived)


if __name__ == "__main__":
    main()
