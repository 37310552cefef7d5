"""Alternating callees: two leaf functions called in turn, through callers of their own and through
one shared caller. Which leaf may stand above `shared` depends on who called it: no single pair of
frames shows the mistake.

Variants: `plain`, and `shared`, where only whole stacks can be impossible.
"""
import truth


def left_leaf():
    pass


def right_leaf():
    pass


def left():
    left_leaf()


def right():
    right_leaf()


def shared(leaf):
    leaf()


def by_left():
    shared(left_leaf)


def by_right():
    shared(right_leaf)


def first(count):
    for _ in range(count):
        left()
        right()


def second(count):
    for _ in range(count):
        left()
        right()


def first_shared(count):
    for _ in range(count):
        by_left()
        by_right()


def second_shared(count):
    for _ in range(count):
        by_left()
        by_right()


class WholeStacks(truth.Graph):
    """Also looks past one frame: the leaf above `shared` is that of the caller below it."""

    def segment(self, frames, from_root):
        names = [self.name(frame) for frame in frames]
        for one, two, three in zip(names, names[1:], names[2:]):
            if two == "shared" and three[:4] != one[3:7]:
                return "%s -> shared -> %s" % (one, three)
        return super().segment(frames, from_root)


def graph(variant):
    pairs = set(truth.MAIN_PAIRS)
    for top in ("first", "second"):
        for side in ("left", "right"):
            pairs |= truth.pairs_of_path("run_parts", top, side, side + "_leaf")
            pairs |= truth.pairs_of_path("run_parts", top + "_shared", "by_" + side, "shared",
                                         side + "_leaf")
    lines = truth.lines_of_file(__file__)
    return WholeStacks(pairs, call_lines=lines)


# The function whose time is the part, by part name.
def parts_of(variant):
    suffix = "_shared" if variant == "shared" else ""
    return {"first": "first" + suffix, "second": "second" + suffix}


def main():
    options = truth.arguments("plain")
    if options.variant == "shared":
        parts, calls = truth.thirty_seventy(first_shared, second_shared), 6
    else:
        parts, calls = truth.thirty_seventy(first, second), 4
    truth.ready()
    truth.finish(truth.run_parts(parts, options.seconds, calls))


if __name__ == "__main__":
    main()
