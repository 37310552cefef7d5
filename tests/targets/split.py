"""A 30/70 split between two functions, on a flat stack or 200 calls deep. Variants: flat, deep.

Below each side is a chain of twelve tiny calls of its own, so that nearly all of the time is in
calls of less than 200 ns.
"""
import sys

import truth

DEPTH = 200
CHAIN = 12


def chain_source(side):
    lines = []
    for level in range(CHAIN - 1):
        lines.append("def %s_%d(x):\n    return %s_%d(x) + 1\n" % (side, level, side, level + 1))
    lines.append("def %s_%d(x):\n    return x + 1\n" % (side, CHAIN - 1))
    return "".join(lines)


def thirty(count):
    for _ in range(count):
        thirty_0(1)


def seventy(count):
    for _ in range(count):
        seventy_0(1)


def descend(depth, options, parts):
    if depth:
        return descend(depth - 1, options, parts)
    return truth.run_parts(parts, options.seconds, CHAIN)


def parts_of(variant):
    return {"thirty": "thirty", "seventy": "seventy"}


def graph(variant):
    pairs = truth.pairs_of_path("<module>", "main", "descend", "run_parts", "mark")
    pairs |= {("descend", "descend"), ("main", "ready"), ("main", "finish"),
              ("run_parts", "__init__")}
    lines = truth.lines_of_file(__file__)
    for side in ("thirty", "seventy"):
        pairs |= truth.pairs_of_path("run_parts", side,
                                     *["%s_%d" % (side, level) for level in range(CHAIN)])
        lines.update(truth.lines_of_calls(chain_source(side)))
    depth = DEPTH if variant == "deep" else 0
    return truth.Graph(pairs, call_lines=lines, most={"descend": depth + 1})


def main():
    options = truth.arguments("flat")
    sys.setrecursionlimit(5000)
    for side in ("thirty", "seventy"):
        exec(compile(chain_source(side), "<chain %s>" % side, "exec"), globals())
    count = truth.repeat_count(thirty, truth.BLOCK_S)
    truth.repeat_count(seventy, truth.BLOCK_S)
    parts = [("thirty", thirty, round(0.3 * count)), ("seventy", seventy, round(0.7 * count))]
    truth.ready()
    truth.finish(descend(DEPTH if options.variant == "deep" else 0, options, parts))


if __name__ == "__main__":
    main()
