"""Two chains of empty functions, a_0 -> a_1 -> ... and b_0 -> b_1 -> ..., called in turn. A stack
that mixes them or leaves out a level cannot exist. The variant is the depth: 12, 30, 200.
"""
import truth


def chain_source(letter, depth):
    lines = []
    for level in range(depth - 1):
        lines.append("def %s_%d():\n    %s_%d()\n" % (letter, level, letter, level + 1))
    lines.append("def %s_%d():\n    pass\n" % (letter, depth - 1))
    return "".join(lines)


def first(count):
    for _ in range(count):
        a_0()
        b_0()


def second(count):
    for _ in range(count):
        a_0()
        b_0()


def graph(variant):
    depth = int(variant)
    pairs = set(truth.MAIN_PAIRS)
    lines = truth.lines_of_file(__file__)
    for letter in "ab":
        chain = ["%s_%d" % (letter, level) for level in range(depth)]
        for top in ("first", "second"):
            pairs |= truth.pairs_of_path("run_parts", top, *chain)
        lines.update(truth.lines_of_calls(chain_source(letter, depth)))
    return truth.Graph(pairs, call_lines=lines)


def main():
    options = truth.arguments("12")
    depth = int(options.variant)
    for letter in "ab":
        exec(compile(chain_source(letter, depth), "<chain %s>" % letter, "exec"), globals())
    parts = truth.thirty_seventy(first, second)
    truth.ready()
    truth.finish(truth.run_parts(parts, options.seconds, 2 * depth))


if __name__ == "__main__":
    main()
