"""Coroutines: two chains of `await`, eight deep, driven by hand. The innermost of each hands
control back to the driver twice, so that stacks of coroutines are suspended and resumed.
"""
import types

import truth

LEVELS = 8


def tick_a():
    pass


def tick_b():
    pass


@types.coroutine
def pause():
    yield


def chain_source(letter):
    lines = []
    for level in range(LEVELS - 1):
        lines.append("async def %s_%d():\n    await %s_%d()\n" % (letter, level, letter, level + 1))
    lines.append("async def %s_%d():\n    for _ in range(2):\n        tick_%s()\n"
                 "        tick_%s()\n        await pause()\n" % (letter, LEVELS - 1, letter, letter))
    return "".join(lines)


def drive(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        pass


def run_a():
    drive(a_0())


def run_b():
    drive(b_0())


def first(count):
    for _ in range(count):
        run_a()
        run_b()


def second(count):
    for _ in range(count):
        run_a()
        run_b()


class WholeStacks(truth.Graph):
    """`drive` is shared: the chain above it is that of its caller."""

    def segment(self, frames, from_root):
        names = [self.name(frame) for frame in frames]
        for one, two, three in zip(names, names[1:], names[2:]):
            if two == "drive" and three[0] != one[-1]:
                return "%s -> drive -> %s" % (one, three)
        return super().segment(frames, from_root)


def graph(variant):
    pairs = set(truth.MAIN_PAIRS)
    lines = {}
    for letter in "ab":
        levels = ["%s_%d" % (letter, level) for level in range(LEVELS)]
        for top in ("first", "second"):
            pairs |= truth.pairs_of_path("run_parts", top, "run_" + letter, "drive", *levels)
        pairs |= {(levels[-1], "tick_" + letter), (levels[-1], "pause")}
        pairs |= {("run_" + letter, levels[0])}    # which makes it
        lines.update(truth.lines_of_calls(chain_source(letter)))
    return WholeStacks(pairs, call_lines=lines)


def main():
    options = truth.arguments("await")
    for letter in "ab":
        exec(compile(chain_source(letter), "<chain %s>" % letter, "exec"), globals())
    parts = truth.thirty_seventy(first, second)
    truth.ready()
    # two runs, two drives, and three passes through the levels, each with ticks and a pause
    truth.finish(truth.run_parts(parts, options.seconds, 2 * (2 + 3 * LEVELS + 8)))


if __name__ == "__main__":
    main()
