"""A fixed amount of work, timed by itself: the same body several times over, and printed are the seconds of the fastest.

    work.py calls|only_calls|orm|python_calls|c_calls|numeric|allocations|deep_allocations|native_allocations|text [cProfile|pyrometer|yappi|viztracer|line_profiler|nothing|clock]

What disturbs a program on a busy machine only makes it slower; and a body is longer than what a sampler does by turns.
With a profiler, that is on around the bodies: neither its beginning nor its end are in the time.
"""

import json
import os
import random
import re
import sys
import time

TIMES = 5
ONE_FUNCTION = 400000  # calls
ROUNDS = 100000  # of a loop of four lines
HASHES = 100000
ALLOCATING_ROUNDS = 10  # with 2000 rows of seven objects each
TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "targets")


class Account:
    def __init__(self, owner):
        self.owner = owner
        self.entries = []

    def deposit(self, amount):
        self.check(amount)
        self.entries.append(amount)

    def check(self, amount):
        if amount < 0:
            raise ValueError(amount)

    @property
    def balance(self):
        return sum(self.entries)


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def words(text):
    return [normal(word) for word in text.split()]


def normal(word):
    return word.strip(".,").lower()


# ---- bodies: each function returns one ----


def calls():
    """Nearly nothing but calls, of Python and of C functions, about two to one."""
    return call_a_lot


def call_a_lot():
    for _ in range(60):
        fibonacci(19)
        account = Account("a")
        for amount in range(4000):
            account.deposit(amount)
        account.balance
        for _ in range(400):
            words("The quick, brown fox jumps over the lazy dog.")


def only_calls():
    """Nothing but calls: hardly a number is made, and nothing kept."""
    return lambda: [fibonacci(22) for _ in range(10)]


def orm():
    """The ORM of the tests over sqlite3."""
    sys.path.insert(0, TESTS)
    import orm as shop

    session, chance = shop.Session(), random.Random(1)
    shop.fill(session, chance)

    def serve():
        for _ in range(80):
            for function in shop.TIMED:
                function(session, chance)
            shop.trim(session)

    return serve


def nothing(x):
    return x


def python_calls():
    """Many calls of one Python function."""

    def body():
        for i in range(ONE_FUNCTION):
            nothing(i)

    return body


def c_calls():
    """Many calls of one C function."""

    def body():
        for i in range(ONE_FUNCTION):
            abs(i)

    return body


def numeric():
    """A loop over numbers, without calls."""
    return add_a_lot


def add_a_lot():
    total = 0
    for i in range(ROUNDS):
        twice = i * 2
        more = twice + i
        total += more % 7
    return total


def allocations():
    """Many small objects, ten calls deep."""
    return lambda: allocate_at(10)


def deep_allocations():
    """The same, forty calls deep."""
    return lambda: allocate_at(40)


def allocate_at(depth):
    if depth:
        return allocate_at(depth - 1)
    total = 0
    for _ in range(ALLOCATING_ROUNDS):
        rows = [{"id": i, "price": i * 1.5, "name": str(i), "pair": (i, i + 1)} for i in range(2000)]
        total += sum(len(row["name"]) for row in rows)
    return total


def native_allocations():
    """Hash objects, which C code allocates, ten calls deep."""
    from hashlib import sha256

    return lambda: hash_at(10, sha256)


def hash_at(depth, make):
    if depth:
        return hash_at(depth - 1, make)
    total = 0
    for i in range(HASHES):
        total += make(b"pyrometer").copy().digest_size
    return total


def text():
    """JSON written and read, and words of it found and counted."""
    records = {"records": [{"id": i, "name": f"record {i} of the table", "values": [1.5, 2, i]} for i in range(300)]}

    def words_of(records):
        counts = {}
        for record in records:
            for word in re.findall(r"[a-z]+", record["name"]):
                counts[word] = counts.get(word, 0) + len(word)
            for value in record["values"]:
                counts["values"] = counts.get("values", 0) + value
        return sorted(counts.items(), key=lambda item: -item[1])

    return lambda: [words_of(json.loads(json.dumps(records))["records"]) for _ in range(150)]


ALL_BODIES = (calls, only_calls, orm, python_calls, c_calls, numeric, allocations, deep_allocations, native_allocations, text)
BODIES = {body.__name__: body for body in ALL_BODIES}


# ---- profilers: each returns what begins and what ends it ----


def cprofile():
    if sys.version_info >= (3, 15):
        from profiling.tracing import Profile
    else:
        from cProfile import Profile
    profile = Profile()
    return profile.enable, profile.disable


def pyrometer():
    from pyrometer import Profile

    profile = Profile()
    return profile.enable, profile.disable


def yappi_wall():
    import yappi

    yappi.set_clock_type("wall")
    return yappi.start, yappi.stop


def viztracer():
    from viztracer import VizTracer

    tracer = VizTracer(verbose=0)
    return tracer.start, tracer.stop


def line_profiler():
    from line_profiler import LineProfiler

    profile = LineProfiler(add_a_lot)
    return profile.enable_by_count, profile.disable_by_count


def nothing_heard():
    import events

    return listen(events.nothing, events.nothing)


def clock_read():
    import events

    return listen(events.clock, events.call)


def listen(on_event, on_call):
    """The events that who times calls of Python and of C functions cannot do without (bench/events.c)."""
    monitoring = sys.monitoring
    told = monitoring.events
    tool, ends = 4, (told.PY_RETURN, told.PY_YIELD, told.PY_UNWIND, told.C_RETURN, told.C_RAISE)

    def start():
        monitoring.use_tool_id(tool, "bench")
        monitoring.register_callback(tool, told.CALL, on_call)
        for event in (told.PY_START, told.PY_RESUME, *ends):
            monitoring.register_callback(tool, event, on_event)
        monitoring.set_events(tool, told.PY_START | told.PY_RESUME | told.CALL | sum(ends[:3]))

    def stop():
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)

    return start, stop


def nobody():
    def idle():
        pass

    return idle, idle


PROFILERS = {"cProfile": cprofile, "pyrometer": pyrometer, "yappi": yappi_wall, "viztracer": viztracer, "line_profiler": line_profiler, "nothing": nothing_heard, "clock": clock_read}


def seconds_of(body):
    begin = time.perf_counter()
    body()
    return time.perf_counter() - begin


def main():
    body = BODIES[sys.argv[1]]()
    start, stop = (PROFILERS[sys.argv[2]] if sys.argv[2:] else nobody)()
    start()
    taken = [seconds_of(body) for _ in range(TIMES)]
    stop()
    print("body", min(taken))


if __name__ == "__main__":
    main()
