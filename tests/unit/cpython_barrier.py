"""The program that tests look into: it builds known stacks, stands still, and says what they are.

Run by any CPython from 3.8 on. Prints one JSON object and waits until its standard input ends.
"""
import json
import sys
import threading
import time

ready = threading.Barrier(8)
release = threading.Event()
TEXT = "caf\u00e9"


def wait():
    ready.wait()
    release.wait()


class Worker:
    def __init__(self, count):
        self.count = count
        self.run(3)

    def run(self, depth):
        if depth:
            return self.run(depth - 1)
        # A comment between the call and the def, so that lines are not consecutive.

        return [
            wait()
            for _ in range(1)
        ]


def generator(limit):
    for number in range(limit):
        if number == 2:
            wait()
        yield number


def consume_generator():
    total = 0
    for number in generator(5):
        total += number
    return total


def consume_nested():
    return list(map(lambda number: number + 1, (value for value in generator(4))))


async def inner():
    wait()


async def outer():
    await inner()


def run_coroutine():
    try:
        outer().send(None)
    except StopIteration:
        pass


def sort_key(item):
    if item == 7:
        wait()
    return item


def through_c():
    return sorted([1, 7, 3], key=sort_key)


class Item:
    """Made so often that the call is specialised: 3.13+ put a frame of their own below."""

    def __init__(self, last):
        if last:
            wait()

    @property
    def last(self):
        return wait()

    def __getitem__(self, index):
        return self.last if index == 199 else index


def make_items():
    for number in range(200):
        Item(number == 199)


def index_items():
    item = Item(False)
    total = 0
    for number in range(200):
        total += item[number]


def frames_of(frame):
    result = []
    while frame is not None:
        code = frame.f_code
        result.append(
            [
                getattr(code, "co_qualname", code.co_name),
                code.co_filename,
                code.co_firstlineno,
                frame.f_lineno or 0,
            ]
        )
        frame = frame.f_back
    return result


def recurse(depth):
    if depth == 0:
        return report_and_wait()
    return recurse(depth - 1)


def say_stacks():
    # Built while the others wait; this thread's own stack is that of the read below.
    own = threading.get_ident()
    frames = sys._current_frames()
    native = {}
    for thread in threading.enumerate():
        native[thread.ident] = thread.native_id
    threads = []
    for ident, frame in frames.items():
        name = [thread.name for thread in threading.enumerate() if thread.ident == ident]
        stack = frames_of(frame)
        if ident == own:
            stack = stack[1:]
        shown = name[0] if name else "?"
        threads.append({"id": ident, "native": native.get(ident), "name": shown, "frames": stack})
    version = "%d.%d.%d" % sys.version_info[:3]
    text = json.dumps({"version": version, "threads": threads, "own": own})
    sys.stdout.write(text + "\n"); sys.stdout.flush(); sys.stdin.read()  # one line, on purpose


def report_and_wait():
    none, yes, small, negative, large = None, True, 42, -7, 2**70
    half, tiny, whole, huge = 0.5, 1e-7, 3.0, 1.5e300
    text, quoted, raw = TEXT, "it's\n", b"\x00'ab"
    pair, single, numbers, empty = (1, "a"), (1,), [1, [2, [3, [4]]]], []
    mapping, keys, frozen = {"a": 1, 2: None}, {5}, frozenset()
    thing = Worker
    cell = [1, 2]

    def closure():
        return cell

    say_stacks()
    numeric = none, yes, small, negative, large, half, tiny, whole, huge
    texts = text, quoted, raw
    return numeric, texts, pair, single, numbers, empty, mapping, keys, frozen, thing, closure


targets = {
    "worker": lambda: Worker(1),
    "generator": consume_generator,
    "nested \u00fcber": consume_nested,
    "coroutine": run_coroutine,
    "through-c": through_c,
    "items": make_items,
    "indexes": index_items,
}
for name, target in targets.items():
    threading.Thread(target=target, name=name, daemon=True).start()
ready.wait()
while len(release._cond._waiters) < len(targets):
    time.sleep(0.001)  # until all of them are there
time.sleep(0.1)
recurse(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
release.set()
