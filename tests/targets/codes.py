"""Code objects made and dropped: a new function every few microseconds, each with a name and a
first line of its own, at addresses that are used again and again. A profiler that knows code by
its address shows the names of functions long gone.

made_N are made in order, so a name with a smaller number than one sampled before is stale; the
first line follows from the number, so a name and a line of different functions show as well.
"""
import types

import truth

LINES = 89


def tick():
    pass


def template(count):
    for _ in range(count):
        tick()


def make(number):
    """A new function with a new code object, as exec or a template engine would make."""
    changes = {"co_name": "made_%d" % number, "co_firstlineno": 1000 + number % LINES}
    if hasattr(template.__code__, "co_qualname"):
        changes["co_qualname"] = changes["co_name"]
    return types.FunctionType(template.__code__.replace(**changes), globals())


def first(count):
    global made
    for _ in range(count):
        made += 1
        make(made)(400)


def second(count):
    global made
    for _ in range(count):
        made += 1
        make(made)(400)


class Sequence(truth.Graph):
    """Numbers never go back, and the first line fits the number."""

    def begin(self):
        self.newest = -1

    def name(self, frame):
        name = super().name(frame)
        return "made" if name.startswith("made_") else name

    def segment(self, frames, from_root):
        for name, line, first_line, _ in frames:
            if not name.startswith("made_"):
                continue
            number = int(name[5:])
            if number < self.newest:
                return "stale name: made_N after a later one"
            self.newest = number
            if first_line != 1000 + number % LINES:
                return "stale line: made_N with the line of another"
            if not 0 <= line - first_line <= 2:
                return "line out of the function"
        return super().segment(frames, from_root)


def graph(variant):
    pairs = set(truth.MAIN_PAIRS)
    for top in ("first", "second"):
        pairs |= truth.pairs_of_path("run_parts", top, "made", "tick")
        pairs |= truth.pairs_of_path(top, "make", "~")
    result = Sequence(pairs)
    result.begin()
    return result


def main():
    global made
    options = truth.arguments("dropped")
    made = 0
    parts = truth.thirty_seventy(first, second)
    truth.ready()
    truth.finish(truth.run_parts(parts, options.seconds, 403))


if __name__ == "__main__":
    main()
