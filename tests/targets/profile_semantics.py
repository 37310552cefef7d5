"""Random programs under cProfile and under Pyrometer's, with the same integer timer: the same figures, key for key.

    profile_semantics.py FIRST COUNT    programs by that many seeds from FIRST on

Prints each difference, and exits with 1 if there is any.
"""

import cProfile
import random
import sys

from pyrometer.compat import cProfile as ours

FUNCTIONS = 8
FUEL = 6  # calls deep

# What a line of a program may be. {f}: a function of it; n is the fuel left. Generators are run to their ends: some
# versions have no event for one that is closed, and then cProfile is wrong.
PLAIN = (
    "{f}(n - 1)",
    "sorted([3, 1, 2], key=lambda x: {f}(n - 3) and x or x)",
    "list(map({f}, [n - 2, n - 4]))",
    "len([].__class__.__name__)",
    "[].append(n)",
    "'a,b'.split(',')",
    "int('12')",
    "isinstance(n, int)",
    "dict.fromkeys('ab')",
    "catch({f}, n - 1)",
    "catch(fails, n - 2)",
    "catch(len)",
    "catch(int, 'x')",
    "sum(numbers(n))",
    "list(delegates(n - 1))",
    "throws(n)",
    "Made(n)",
    "Made(n)()",
    "run(waits(n - 1))",
    "getattr(Made, 'static')(n)",
    "mutual_a(n)",
    "[{f}(i) for i in range(0, n - 3)]",
)

SOURCE_HEAD = """
def catch(function, *arguments):
    try:
        return function(*arguments)
    except (ValueError, TypeError, KeyError):
        return len(arguments)

def fails(n):
    if n <= 0:
        raise ValueError(n)
    fails(n - 1)

def numbers(n):
    for i in range(n):
        yield i

def delegates(n):
    yield n
    if n > 0:
        yield from delegates(n - 1)
        yield from numbers(n)

def listens(n):
    while n > 0:
        try:
            yield n
        except KeyError:
            n -= 2

def throws(n):
    listening = listens(n)
    for _ in listening:
        try:
            listening.throw(KeyError())
        except StopIteration:
            return

def run(coroutine):
    while True:
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value

class Pause:
    def __await__(self):
        yield

async def waits(n):
    if n > 0:
        await Pause()
        await waits(n - 2)
    return n

def mutual_a(n):
    return n > 0 and mutual_b(n - 1)

def mutual_b(n):
    len(())
    return n > 0 and mutual_a(n - 1)

class Made:
    def __init__(self, n):
        self.n = n
    def __call__(self):
        return mutual_b(self.n)
    @staticmethod
    def static(n):
        return str(n)
"""


def make_program(seed):
    """Source of a program whose main() does the same whenever it is run."""
    choice = random.Random(seed)
    parts = [SOURCE_HEAD]
    for number in range(FUNCTIONS):
        parts.append(f"def f{number}(n):\n    if n <= 0:\n        return n")
        for _ in range(choice.randrange(2, 5)):
            called = choice.choice(["f%d" % choice.randrange(FUNCTIONS), "f%d" % number])
            parts.append("    " + choice.choice(PLAIN).format(f=called))
        parts.append("    return n")
    parts.append(f"def main():\n    f0({FUEL})\n    f1({FUEL})\n    f2({FUEL - 1})")
    return "\n".join(parts)


def make_timer(seed):
    """An integer clock with uneven steps."""
    state = [0, seed]

    def timer():
        state[1] = (state[1] * 1103515245 + 12345) % 2**31
        state[0] += 1 + (state[1] >> 16) % 50
        return state[0]

    return timer


def measure(profile_class, code, seed, **arguments):
    """The figures of main(), with the names that differ by design made the same."""
    variables = {}
    exec(code, variables)
    profile = profile_class(make_timer(seed), 0.25, **arguments)
    profile.enable(**arguments)  # since 3.14 cProfile's forgets what it was made with
    variables["main"]()
    profile.disable()
    profile.create_stats()
    return {theirs(key): (*row[:4], {theirs(caller): times for caller, times in row[4].items()})
            for key, row in profile.stats.items()}


def theirs(key):
    return (*key[:2], key[2].replace("'pyrometer._probe.Profile'", "'_lsprof.Profiler'"))


def main():
    first, count = map(int, sys.argv[1:])
    different = keys = 0
    for seed in range(first, first + count):
        code = compile(make_program(seed), f"<program {seed}>", "exec")
        for arguments in ({}, {"builtins": False}, {"subcalls": False}):
            expected = measure(cProfile.Profile, code, seed, **arguments)
            measured = measure(ours.Profile, code, seed, **arguments)
            keys += len(expected)
            for key in sorted({*expected, *measured}):
                if expected.get(key) != measured.get(key):
                    different += 1
                    print(seed, arguments, key, "cProfile", expected.get(key), "ours", measured.get(key))
    print(f"{keys} keys compared, {different} different")
    sys.exit(different != 0)


main()
