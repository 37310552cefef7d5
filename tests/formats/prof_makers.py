"""Run by each Python of the tests: make .prof files, and say what that Python's own pstats reads in one.

    prof_makers.py make FOLDER           one.prof two.prof three.prof plain.prof (the last by Lib/profile.py)
    prof_makers.py make-sampled FOLDER   sampled.prof, by the collector of profiling.sampling (3.15)
    prof_makers.py read FILE...          JSON on standard output
    prof_makers.py same FILE FILE        exit 0 if both hold the same dictionary, in the same order
"""

import cProfile
import io
import json
import marshal
import profile
import pstats
import sys
from collections import namedtuple

KEYS = "calls ncalls cumtime cumulative filename module line name nfl pcalls stdname time tottime".split()

# On lines 9 and 10: as texts, "10" stands before "9".
SOURCE = "\n" * 8 + "def \u00fcber(x): return len(x)\ndef tenth(): pass\n"


def fact(n):
    return 1 if n < 2 else n * fact(n - 1)


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


def numbers(count):
    for i in range(count):
        yield i


def work(count):
    for i in range(count):
        fact(i % 12)
        even(i % 7)
    sorted(numbers(count), key=lambda n: -n)
    json.dumps({"a": [1, 2, {"b": None}]}, indent=1)
    "".join(str(i) for i in range(count))
    names = {}
    exec(compile(SOURCE, "/tmp/caf\u00e9 \udcff.py", "exec"), names)
    for _ in range(count):
        names["\u00fcber"]("x")
        names["tenth"]()


def make(folder):
    for name, count in (("one", 20), ("two", 50), ("three", 5)):
        profiler = cProfile.Profile()
        profiler.runcall(work, count)
        profiler.dump_stats(folder + "/" + name + ".prof")
    profiler = profile.Profile()
    profiler.runcall(work, 4)
    profiler.dump_stats(folder + "/plain.prof")


def make_sampled(folder):
    from profiling.sampling.pstats_collector import PstatsCollector

    frame = namedtuple("frame", "filename location funcname")
    main, loop, leaf = frame("/a.py", 3, "main"), frame("/a.py", 9, "loop"), frame("/b.py", None, "leaf")
    collector = PstatsCollector(1000)
    for count, stack in ((30, [leaf, loop, main]), (20, [loop, loop, main]), (5, [main])):
        for _ in range(count):
            collector._process_frames(stack)
    collector.export(folder + "/sampled.prof")


def key_of(function):
    """A function as our JSON names it."""
    file, line, name = function
    if (file, line) == ("~", 0):
        name = "{" + name[1:-1] + "}" if name.startswith("<") and name.endswith(">") else name
        return [None, None, name]
    return [file.encode("utf-8", "replace").decode(), line, name]


def sort_values(stats, function, key):
    """What pstats compares by KEY."""
    cc, nc, tt, ct, _ = stats.stats[function]
    row = (cc, nc, tt, ct) + function + (pstats.func_std_string(function),)
    order = pstats.Stats.sort_arg_dict_default[key][0]
    return [str(row[index]).encode("utf-8", "replace").decode() for index, _ in order]


def read(files):
    out = io.StringIO()
    stats = pstats.Stats(*files, stream=out)
    orders = {}
    sampled = type(stats).__name__ == "SampledStats"
    for key in [] if sampled else KEYS:
        stats.sort_stats(key)
        orders[key] = [[key_of(function), sort_values(stats, function, key)] for function in stats.fcn_list]
    if not sampled:
        stats.sort_stats("cumulative").print_stats("fact|even|odd", 0.5)
    rows = [
        [key_of(function), cc, nc, tt, ct, [[key_of(caller), figures] for caller, figures in callers.items()]]
        for function, (cc, nc, tt, ct, callers) in stats.stats.items()
    ]
    printed = out.getvalue().encode("utf-8", "replace").decode()
    print(json.dumps({"rows": rows, "orders": orders, "printed": printed, "total_s": stats.total_tt}))


def same(first, second):
    loaded = [marshal.load(open(path, "rb")) for path in (first, second)]
    if loaded[0] != loaded[1] or list(loaded[0]) != list(loaded[1]):
        sys.exit("%s is not what %s is" % (second, first))


if __name__ == "__main__":
    todo, rest = sys.argv[1], sys.argv[2:]
    {"make": make, "make-sampled": make_sampled, "read": lambda *files: read(files), "same": same}[todo](*rest)
