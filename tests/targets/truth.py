"""What every target program shares: a stop signal, a stopwatch at coarse boundaries, and a
description of which stacks can exist.

A target prints READY, runs until SIGTERM or for --seconds, and ends with one line of JSON: the
time it really spent in each of its parts. The stopwatch is read only around whole parts (some
hundred microseconds at least), so that measuring does not disturb what is measured. `marks` are
(CLOCK_MONOTONIC, time so far in each part) pairs at the ends of parts, so that the reader can cut out
the window that was recorded; between two of them a straight line is the truth.

The second half (`Graph`) is for the oracle, which imports the target to ask what is possible.
Runs on Python 3.8 and later.
"""
import argparse
import ast
import json
import os
import signal
import sys
import threading
import time

MARK_EVERY_S = 0.005
BLOCK_S = 0.01     # long enough that the clock itself, some microseconds when cold, does not count

stopping = False    # asked without a call, which would be a frame of its own
clock = time.perf_counter


def arguments(*variants, **more):
    """The command line of a target: its variant (the first is the default) and --seconds."""
    parser = argparse.ArgumentParser()
    if variants:
        parser.add_argument("variant", nargs="?", default=variants[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    for name, default in more.items():
        parser.add_argument("--" + name, type=type(default), default=default)
    return parser.parse_args()


def stop(number, frame):
    global stopping
    stopping = True


def ready():
    """Stop at SIGTERM from here on, and tell whoever waits that all preparations are over."""
    signal.signal(signal.SIGTERM, stop)
    print("READY", flush=True)


class Split:
    """The stopwatch of one thread: time spent in each part, and marks along the way."""

    def __init__(self, names):
        self.names = list(names)
        self.spent = [0.0] * len(self.names)
        self.calls = 0
        self.marks = [(clock(), tuple(self.spent))]

    def mark(self, now):
        if now - self.marks[-1][0] >= MARK_EVERY_S:
            self.marks.append((now, tuple(self.spent)))

    def finish(self):
        self.marks.append((clock(), tuple(self.spent)))

    def report(self):
        total = self.marks[-1][0] - self.marks[0][0]
        spent = dict(zip(self.names, self.spent))
        return {
            "wall_s": total,
            "spent_s": spent,
            "shares": {name: value / total for name, value in spent.items()},
            "calls": self.calls,
            "ns_per_call": total / self.calls * 1e9 if self.calls else None,
            "names": self.names,
            "marks": self.marks,
        }


def repeat_count(function, wanted_s):
    """How often FUNCTION's unit of work fits into WANTED_S; warms up the interpreter as well."""
    count = 1
    while True:
        begin = clock()
        function(count)
        spent = clock() - begin
        if spent > 0.01:
            return max(1, int(count * wanted_s / spent))
        count *= 2


def stopwatch_cost():
    """Seconds that a stopwatch shows for a call of nothing: of its clock, and of making a call."""
    def nothing(one, two):
        pass

    shown = []
    for _ in range(10001):
        begin = clock()
        nothing(shown, begin)
        end = clock()
        shown.append(end - begin)
    return sorted(shown)[len(shown) // 2]


def run_parts(parts, seconds, calls_per_unit, split=None):
    """Call the parts [(name, function, count)] in turn until the end; returns the Split.

    CALLS_PER_UNIT is the number of Python calls that one unit of any part makes."""
    split = split or Split([name for name, _, _ in parts])
    end = clock() + seconds
    now = clock()
    while now < end and not stopping:
        for index, (_, function, count) in enumerate(parts):
            begin = clock()    # what lies between the parts takes some 20 us, cold as it is
            function(count)
            now = clock()
            split.spent[index] += now - begin
            split.calls += count * calls_per_unit
            split.mark(now)
    split.finish()
    return split


def thirty_seventy(first, second, block_s=BLOCK_S):
    """The parts of most targets: two functions of the same work, about 30 and 70 % of the time."""
    count = repeat_count(first, block_s)
    repeat_count(second, block_s)
    return [("first", first, max(1, round(0.3 * count))),
            ("second", second, max(1, round(0.7 * count)))]


def finish(split, **more):
    """Print the last line. SPLIT is a Split, or a dict of them by thread name."""
    if isinstance(split, dict):
        result = {"threads": {name: one.report() for name, one in split.items()}}
    else:
        result = split.report()
    result["python"] = "%d.%d.%d" % sys.version_info[:3]
    result.update(more)
    print(json.dumps(result), flush=True)


# ---- what can exist ----

GENERATOR_FLAGS = 0x20 | 0x80 | 0x200    # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
OUTSIDE = "~"    # one name for any run of frames of files that are not the target's own


class Graph:
    """Which stacks are possible.

    pairs       set of (caller, callee) names
                (since 3.11 a generator's or coroutine's frame stands on that of whoever makes it,
                for a moment: calling the function is a call, too)
    roots       names that may stand at the bottom of a stack
    call_lines  (caller, callee) -> lines the caller can be at while the callee runs
    most        name -> how many frames of that name one stack can hold
    """

    def __init__(self, pairs, roots=("<module>",), call_lines=None, most=None):
        # Whoever marks its stopwatch also ends it.
        self.pairs = set(pairs) | {(one, "finish") for one, other in pairs if other == "mark"}
        self.roots = set(roots)
        self.call_lines = call_lines or {}
        self.most = most or {}

    def name(self, frame):
        """What a frame is called here. FRAME is (name, line, first line, file)."""
        own = frame[3].startswith("<chain") or "targets/" in frame[3]
        return frame[0].rsplit(".", 1)[-1] if own else OUTSIDE

    def begin(self):
        """A new recording starts."""

    def segment(self, frames, from_root):
        """Why FRAMES (root first; FROM_ROOT: it starts at the bottom) cannot be, or None."""
        before = None
        counts = {}
        for frame in frames:
            name = self.name(frame)
            if name == OUTSIDE and before is not None and before[0] == OUTSIDE:
                continue
            if before is None:
                if from_root and name not in self.roots:
                    return "root %s" % (name,)
            elif (before[0], name) not in self.pairs:
                return "%s -> %s" % (before[0], name)
            elif before[1] not in self.call_lines.get((before[0], name), (before[1],)):
                return "line: %s at %d -> %s" % (before[0], before[1], name)
            counts[name] = counts.get(name, 0) + 1
            before = (name, frame[1])
        for name, most in self.most.items():
            if counts.get(name, 0) > most:
                return "%s %d times" % (name, counts[name])
        return None


class LearnedGraph(Graph):
    """A graph learned by a tracer inside the program itself: `learn_pairs` in another run.

    Frames are known by file, name and first line."""

    def __init__(self, pairs, roots, makers=()):
        super().__init__([(tuple(a), tuple(b)) for a, b in pairs], [tuple(r) for r in roots])
        self.makers = {tuple(one) for one in makers}

    def name(self, frame):
        return (os.path.basename(frame[3]), frame[0].rsplit(".", 1)[-1], frame[2])

    def segment(self, frames, from_root):
        """Calls of this file (`ready`, a mark) are known to be possible; the learner need not see them. Nor need it see each place
        where an object can die that a weak set of the standard library holds: that calls `_remove` there."""
        own = next((index for index, frame in enumerate(frames) if os.path.basename(frame[3]) == "truth.py"
                    or self.name(frame)[:2] == ("_weakrefset.py", "_remove")), len(frames))
        if own == len(frames) > 1 and self.name(frames[-1]) in self.makers:
            own -= 1    # the call that makes a generator: a tracer is not told of it
        return super().segment(frames[:own], from_root)


class PairLearner:
    """A profile function that notes every caller-callee pair that runs."""

    def __init__(self):
        self.codes = set()
        self.roots = set()

    def see(self, frame, event, argument):
        if event == "call":
            back = frame.f_back
            if back is None:
                self.roots.add(frame.f_code)
            else:
                self.codes.add((back.f_code, frame.f_code))

    def start(self):
        threading.setprofile(self.see)
        frame = sys._getframe()
        while frame.f_back is not None:
            self.codes.add((frame.f_back.f_code, frame.f_code))
            frame = frame.f_back
        self.roots.add(frame.f_code)
        sys.setprofile(self.see)

    def finish(self):
        sys.setprofile(None)
        threading.setprofile(None)
        key = lambda code: (os.path.basename(code.co_filename), code.co_name, code.co_firstlineno)
        print(json.dumps({"pairs": sorted({(key(a), key(b)) for a, b in self.codes}),
                          "roots": sorted({key(code) for code in self.roots}),
                          "makers": sorted({key(code) for _, code in self.codes
                                            if code.co_flags & GENERATOR_FLAGS})}), flush=True)


def pairs_of_path(*names):
    """The pairs of one path: a, b, c -> (a, b), (b, c)."""
    return set(zip(names, names[1:]))


def lines_of_calls(source, offset=0):
    """(caller, callee) -> the lines on which SOURCE's function caller calls the name callee."""
    lines = {}
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                known = lines.setdefault((function.name, call.func.id), set())
                known.update(range(call.lineno + offset, call.end_lineno + offset + 1))
    return lines


def lines_of_file(path):
    with open(path) as file:
        return lines_of_calls(file.read())


MAIN = ("<module>", "main", "run_parts")
# `ready` may still be on its way out when the profiler looks for the first time.
MAIN_PAIRS = pairs_of_path(*MAIN) | {("run_parts", "mark"), ("run_parts", "__init__"),
                                     ("main", "ready"), ("main", "finish")}
