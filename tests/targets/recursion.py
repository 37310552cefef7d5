"""Recursion, two functions in turn. The variant is the depth: 5, 200, 20000.

Up to 1,000 the whole recursion goes down and up all the time. Deeper, most of the stack stands (as
it does in real programs) and waves of the last 100 calls run on top of it; four times a second the
whole stack is taken down and built again.
"""
import sys
import threading

import truth

WAVE = 100
STANDING_S = 0.25


def bottom_left():
    pass


def bottom_right():
    pass


def left(depth):
    if depth:
        left(depth - 1)
    else:
        bottom_left()


def right(depth):
    if depth:
        right(depth - 1)
    else:
        bottom_right()


def first(count):
    for _ in range(count):
        left(wave)
        right(wave)


def second(count):
    for _ in range(count):
        left(wave)
        right(wave)


def stand(depth, parts, seconds, split):
    """Build DEPTH frames, then run the waves on top of them."""
    if depth:
        return stand(depth - 1, parts, seconds, split)
    return truth.run_parts(parts, seconds, 2 * (wave + 2), split)


def run(depth, seconds, done):
    """In a thread of its own, for the sake of the size of its C stack."""
    global wave
    wave = min(depth, WAVE) if depth > 1000 else depth
    parts = truth.thirty_seventy(first, second)
    truth.ready_to_run.set()
    truth.begin.wait()
    split = truth.Split(["first", "second"])
    end = truth.clock() + seconds
    while truth.clock() < end and not truth.stopping:
        period = STANDING_S if depth > 1000 else seconds
        stand(depth - wave if depth > 1000 else 0, parts, period, split)
    done.append(split)


def graph(variant):
    depth = int(variant)
    most = min(depth, WAVE) if depth > 1000 else depth
    standing = depth - most if depth > 1000 else 0
    pairs = truth.pairs_of_path("<module>", "main", "~")
    pairs |= truth.pairs_of_path("~", "run", "stand", "run_parts", "mark")
    pairs |= {("main", "ready"), ("stand", "stand"), ("run", "__init__"), ("run", "~"),
              ("run_parts", "~"), ("run_parts", "__init__")}
    for top in ("first", "second"):
        for side in ("left", "right"):
            pairs |= truth.pairs_of_path("run_parts", top, side, side, "bottom_" + side)
    limits = {"left": most + 1, "right": most + 1, "stand": standing + 1}
    return truth.Graph(pairs, roots=("<module>", "~"),
                       call_lines=truth.lines_of_file(__file__), most=limits)


def main():
    options = truth.arguments("200")
    depth = int(options.variant)
    sys.setrecursionlimit(depth + 5000)
    threading.stack_size(512 << 20)
    truth.ready_to_run, truth.begin = threading.Event(), threading.Event()
    done = []
    worker = threading.Thread(target=run, args=(depth, options.seconds, done), name="deep")
    worker.start()
    truth.ready_to_run.wait()
    truth.ready()
    truth.begin.set()
    while worker.is_alive():
        worker.join(0.2)
    truth.finish({"deep": done[0]})


if __name__ == "__main__":
    main()
