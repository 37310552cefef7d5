"""Generators: their frames live inside the generator objects, not on the data stack.

Variants: `plain`: two pipelines of generators, each item passing through three stages;
`delegating`: two chains of `yield from`, ten deep.
"""
import truth

ITEMS = 50
LEVELS = 10


def tick_a():
    pass


def tick_b():
    pass


def source_a():
    for item in range(ITEMS):
        tick_a()
        yield item


def middle_a(items):
    for item in items:
        tick_a()
        yield item


def end_a(items):
    for item in items:
        tick_a()
        yield item


def source_b():
    for item in range(ITEMS):
        tick_b()
        yield item


def middle_b(items):
    for item in items:
        tick_b()
        yield item


def end_b(items):
    for item in items:
        tick_b()
        yield item


def use_a():
    for _ in end_a(middle_a(source_a())):
        pass


def use_b():
    for _ in end_b(middle_b(source_b())):
        pass


def first(count):
    for _ in range(count):
        use_a()
        use_b()


def second(count):
    for _ in range(count):
        use_a()
        use_b()


def chain_source(letter):
    """yield from, level by level; the innermost yields a few items and makes tiny calls."""
    lines = []
    for level in range(LEVELS - 1):
        lines.append("def %s_%d():\n    yield from %s_%d()\n" % (letter, level, letter, level + 1))
    lines.append("def %s_%d():\n    for item in range(20):\n        tick_%s()\n        yield item\n"
                 % (letter, LEVELS - 1, letter))
    return "".join(lines)


def drain_a():
    for _ in a_0():
        pass


def drain_b():
    for _ in b_0():
        pass


def first_delegating(count):
    for _ in range(count):
        drain_a()
        drain_b()


def second_delegating(count):
    for _ in range(count):
        drain_a()
        drain_b()


def parts_of(variant):
    suffix = "_delegating" if variant == "delegating" else ""
    return {"first": "first" + suffix, "second": "second" + suffix}


def graph(variant):
    pairs = set(truth.MAIN_PAIRS)
    lines = {}
    for letter in "ab":
        stages = [stage + "_" + letter for stage in ("end", "middle", "source", "tick")]
        levels = ["%s_%d" % (letter, level) for level in range(LEVELS)]
        for top in ("first", "second"):
            pairs |= truth.pairs_of_path("run_parts", top, "use_" + letter, *stages)
            pairs |= truth.pairs_of_path("run_parts", top + "_delegating", "drain_" + letter,
                                         *(levels + ["tick_" + letter]))
        pairs |= {(stage, "tick_" + letter) for stage in stages[:3]}
        pairs |= {("use_" + letter, stage) for stage in stages[:3]}    # which makes all three
        lines.update(truth.lines_of_calls(chain_source(letter)))
    return truth.Graph(pairs, call_lines=lines)


def main():
    options = truth.arguments("plain")
    for letter in "ab":
        exec(compile(chain_source(letter), "<chain %s>" % letter, "exec"), globals())
    if options.variant == "delegating":
        parts, calls = truth.thirty_seventy(first_delegating, second_delegating), 2 * 20 * 11
    else:
        parts, calls = truth.thirty_seventy(first, second), 2 * ITEMS * 6
    truth.ready()
    truth.finish(truth.run_parts(parts, options.seconds, calls))


if __name__ == "__main__":
    main()
