"""Threads that stand still, each in another shape of stack; then the program prints its own stacks.

After READY comes one line of JSON: for each thread its name, native id and frames (root first; name,
file, line, first line) as sys._current_frames() knows them. The thread "reporter" is not to be
compared: it moves. Runs until it is killed, or for --seconds.
"""
import asyncio
import contextlib
import functools
import importlib
import json
import sys
import threading
import time
from collections import namedtuple

import truth

go_on = threading.Event()
standing = threading.Semaphore(0)


def stand(*ignored, **more):
    """Every shape ends here."""
    standing.release()
    go_on.wait()


# ---- the shapes ----

def plain():
    stand()


def nested():
    def inner():
        def innermost():
            stand()
        innermost()
    inner()


def in_lambda():
    (lambda value: (lambda: stand(value))())(1)


def decorator(function):
    @functools.wraps(function)
    def wrapper(*arguments, **more):
        return function(*arguments, **more)
    return wrapper


@decorator
@decorator
def decorated():
    stand()


def class_body():
    class Outer:
        class Inner:
            stand()


class Meta(type):
    def __new__(mcs, name, bases, body):
        stand()
        return super().__new__(mcs, name, bases, body)


def metaclass():
    class Made(metaclass=Meta):
        pass


class Thing:
    @property
    def value(self):
        return self.compute()

    def compute(self):
        stand()

    @classmethod
    def make(cls):
        return cls().value

    @staticmethod
    def static():
        Thing.make()

    def __call__(self):
        self.static()

    def __getattr__(self, name):
        self()

    def __del__(self):
        pass

    def __lt__(self, other):
        return self.missing_attribute


def methods():
    Thing().anything


def comparison():
    sorted([Thing(), Thing()])


class Closing:
    def __del__(self):
        stand()


def destructor():
    one = Closing()
    del one


def list_comprehension():
    return [stand(one) for one in range(2)]


def dict_comprehension():
    return {one: [stand(two) for two in range(2)] for one in range(2)}


def set_comprehension():
    return {stand(one) for one in range(2)}


def generator_expression():
    return sum(stand(one) for one in range(2))


def generator(items):
    for item in items:
        stand()
        yield item


def delegating(level):
    if level:
        yield from delegating(level - 1)
    else:
        yield from generator([1])


def generators():
    for _ in generator(generator(iter([1, 2]))):
        pass


def delegation():
    list(delegating(6))


def resumed():
    """Resumed from another line, and another caller, than where it was made."""
    source = delegating_twice()
    next(source)
    advance(source)


def advance(source):
    source.send(
        None
    )


def delegating_twice():
    yield 1
    yield from generator([1])


async def innermost_coroutine():
    stand()


async def coroutine(level):
    if level:
        await coroutine(level - 1)
    else:
        await innermost_coroutine()


def coroutines():
    coroutine(5).send(None)


class Resource:
    async def __aenter__(self):
        await coroutine(1)

    async def __aexit__(self, *ignored):
        pass


async def asynchronous_generator():
    yield 1
    async with Resource():
        yield 2


async def asynchronous_user():
    return [item async for item in asynchronous_generator()]


def asynchronous_generators():
    asynchronous_user().send(None)


def event_loop():
    async def main():
        await asyncio.gather(asyncio.sleep(100), coroutine(3))
    asyncio.run(main())


def recursive(depth):
    if depth:
        return recursive(depth - 1)
    return stand()


def recursion():
    recursive(40)


def deep_recursion():
    recursive(3000)


def mutual(depth):
    return stand() if depth == 0 else (
        lambda: mutual(
            depth - 1
        )
    )()


def through_c():
    list(map(lambda item: sorted([item], key=by_key), [1]))


def by_key(item):
    return functools.reduce(functools.partial(stand, 1), [item, item])


def from_text():
    exec("def made(x):\n\n\n    return keep(x)\n\nmade(1)", {"keep": stand})


def evaluated():
    return eval("[keep(1), 2]", {"keep": stand})


def importing():
    importlib.import_module("barrier_module")


def calls_over_lines():
    return max(
        1,
        min(
            2,
            stand(
                1,
                2,
            ) or 3,
        ),
    )


def in_except():
    try:
        raise ValueError
    except ValueError:
        for _ in range(2):
            stand()


def in_finally():
    try:
        return 1
    finally:
        stand()


@contextlib.contextmanager
def managed():
    try:
        yield
    finally:
        stand()


def in_with():
    with managed(), \
            contextlib.suppress(ValueError):
        pass


def in_loop():
    count = 0
    while True:
        count += 1
        if count > 70000:
            stand()


def far_lines():
    """Line numbers that take long entries in the line table: far apart, and going back."""
    text = "def far(keep):\n" + "    x = 1\n" * 3 + "\n" * 40000 + "    return (x,\n" + "\n" * 700 \
        + "        [None,\n" + "\n" * 300 + "         keep(x)])\n"
    names = {}
    exec(compile(text, "far lines.py", "exec"), names)
    names["far"](stand)


def long_function():
    """A call after tens of thousands of instructions, and a very wide line."""
    text = "def long(keep):\n" + "    x = [1, 2, 3]; y = x[0] + x[1]\n" * 3000 \
        + "    z = " + " + ".join(["x[0]"] * 300) + " + (keep(x) or 1)\n    return z\n"
    names = {}
    exec(compile(text, "long.py", "exec"), names)
    names["long"](stand)


def größe():
    变量()


def 变量():
    text = "def \U00010400\U00010401(keep):\n    keep()\n"
    names = {}
    exec(compile(text, "/tmp/ünïcode-\U0001f600-文.py", "exec"), names)
    names["\U00010400\U00010401"](stand)


def long_name():
    name = "a_very_long_name_" * 30
    names = {}
    exec(compile("def %s(keep):\n    keep()\n" % name, "x" * 600 + ".py", "exec"), names)
    names[name](stand)


def many_locals():
    text = "def wide(keep):\n" + "".join("    v%d = %d\n" % (i, i) for i in range(900)) \
        + "    return keep(v1)\n"
    names = {}
    exec(compile(text, "wide.py", "exec"), names)
    names["wide"](stand)


def closure_cells():
    first = 1

    def inner(second=2, *, third=3):
        nonlocal first
        first = stand(first, second, third)
    inner()


def conditional():
    return 1 if not functools else (
        stand(), 2)[1] if len("ab") > 1 else 3


Pair = namedtuple("Pair", "one two")


class WithNew(Pair):
    def __new__(cls, *arguments):
        self = super().__new__(cls, *arguments)
        self.after()
        return self

    def after(self):
        stand()


def constructor():
    WithNew(1, 2)


SHAPES = [plain, nested, in_lambda, decorated, class_body, metaclass, methods, comparison,
          destructor, list_comprehension, dict_comprehension, set_comprehension,
          generator_expression, generators, delegation, resumed, coroutines,
          asynchronous_generators, event_loop, recursion, deep_recursion,
          functools.partial(mutual, 7), through_c, from_text, evaluated, importing,
          calls_over_lines, in_except, in_finally, in_with, in_loop, far_lines, long_function,
          größe, long_name, many_locals, closure_cells, conditional, constructor]


def frames_of(frame):
    frames = []
    while frame is not None:
        code = frame.f_code
        frames.append({"name": getattr(code, "co_qualname", code.co_name), "file": code.co_filename,
                       "line": frame.f_lineno, "first_line": code.co_firstlineno})
        frame = frame.f_back
    return frames[::-1]


def own_stacks():
    frames = sys._current_frames()
    return [{"name": thread.name, "id": thread.ident, "native_id": thread.native_id,
             "main": thread is threading.main_thread(), "frames": frames_of(frames[thread.ident])}
            for thread in threading.enumerate()]


def report(seconds):
    for _ in range(len(SHAPES) + 1):
        standing.acquire()
    before, after = None, own_stacks()
    while before != after:
        time.sleep(0.2)
        before, after = after, own_stacks()
    print("READY", flush=True)
    print(json.dumps({"threads": after}), flush=True)
    time.sleep(seconds)
    go_on.set()


def main():
    options = truth.arguments("all")
    sys.setrecursionlimit(10000)
    threading.stack_size(64 << 20)
    for index, shape in enumerate(SHAPES):
        name = "shape %d \u00e9\u4e16\U0001f600" % index if index % 3 == 0 else "Shape-%d" % index
        threading.Thread(target=shape, name=name, daemon=True).start()
    threading.Thread(target=report, args=(options.seconds,), name="reporter", daemon=True).start()

    class Main:
        stand()


if __name__ == "__main__":
    main()
