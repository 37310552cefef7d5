"""Rare code: 1,000 distinct functions, each called once, 50 to 500 us long. After READY the program
waits --idle seconds (time to attach), calls them, and waits again until it is stopped.
"""
import time

import truth

COUNT = 1000


def tick():
    pass


def sources():
    """A function's length is its number of turns; all are different code."""
    return "".join("def rare_%d(turns):\n    for _ in range(turns):\n        tick()\n" % number
                   for number in range(COUNT))


def idle(seconds):
    end = truth.clock() + seconds
    while truth.clock() < end and not truth.stopping:
        time.sleep(0.02)


def call_all(functions, turns, split):
    now = truth.clock()
    for number, function in enumerate(functions):
        function(turns[number])
        then = now
        now = truth.clock()
        split.spent[number] += now - then


def graph(variant):
    pairs = truth.pairs_of_path("<module>", "main", "call_all")
    pairs |= {("main", "idle"), ("main", "ready"), ("main", "finish")}
    for number in range(COUNT):
        pairs |= truth.pairs_of_path("call_all", "rare_%d" % number, "tick")
    return truth.Graph(pairs)


def main():
    options = truth.arguments("once", idle=1.0)
    exec(compile(sources(), "<chain rare>", "exec"), globals())
    functions = [globals()["rare_%d" % number] for number in range(COUNT)]
    # A warm template gives the length of a turn; the functions themselves are never run before.
    exec(compile(sources().replace("rare_0(", "warm(", 1), "<chain warm>", "exec"), globals())
    per_us = truth.repeat_count(warm, 1e-3) / 1000
    turns = [int(per_us * (50 + 450 * ((number * 7919) % COUNT) / COUNT))
             for number in range(COUNT)]
    split = truth.Split(["rare_%d" % number for number in range(COUNT)])
    truth.ready()
    idle(options.idle)
    begin = truth.clock()
    call_all(functions, turns, split)
    split.finish()
    split.calls = sum(turns)
    total = truth.clock() - begin
    idle(options.seconds)
    truth.finish(split, rare_s=total)


if __name__ == "__main__":
    main()
