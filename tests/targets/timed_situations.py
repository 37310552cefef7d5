"""What pyrometer.timed does, asked of it: prints "ok", or fails. On every Python, with and without the C part."""

import asyncio
import copy
import inspect
import logging
import pickle
import random
import sys
import threading
import time
import weakref

import pyrometer
from pyrometer import timed
from pyrometer import _timed as module

SLOW_S = 0.02


class Kept(logging.Handler):
    def __init__(self):
        logging.Handler.__init__(self)
        self.records = []

    def emit(self, record):
        self.records.append(record)


def logged(name):
    """A logger of that name whose records are kept, and go nowhere else."""
    handler, logger = Kept(), logging.getLogger(name)
    logger.handlers, logger.propagate = [handler], False
    return handler.records


def fails(what, error):
    try:
        what()
    except error as raised:
        return raised
    raise AssertionError("no " + error.__name__)


def stats(name):
    return timed.stats()["__main__." + name]


def quick(a, b=2, *rest, key="k", **more):
    "Its words."
    return a, b, rest, key, more


def raises(seconds):
    time.sleep(seconds)
    raise KeyError("mine")


def waits(seconds):
    time.sleep(seconds)
    return seconds


class Shop:
    @timed(threshold=0)
    def method(self, x):
        return self, x

    @timed(threshold=0)
    @classmethod
    def class_outside(cls, x):
        return cls, x

    @classmethod
    @timed(threshold=0)
    def class_inside(cls, x):
        return cls, x

    @timed(threshold=0)
    @staticmethod
    def static_outside(x):
        return x

    @staticmethod
    @timed(threshold=0)
    def static_inside(x):
        return x


by_name = timed(quick)


def transparency():
    assert by_name(1, 3, 4, key=5, z=6) == quick(1, 3, 4, key=5, z=6)
    assert (by_name.__name__, by_name.__doc__, by_name.__module__) == ("quick", "Its words.", "__main__")
    assert inspect.signature(by_name) == inspect.signature(quick)
    assert by_name.__wrapped__ is quick
    by_name.csrf_exempt = True  # what frameworks do to views
    assert by_name.csrf_exempt and weakref.ref(by_name)() is by_name
    assert isinstance(fails(lambda: by_name(), TypeError), TypeError)
    for _ in range(2000):  # no leak of arguments or results
        by_name(object())
    value = object()
    before = sys.getrefcount(value)
    for _ in range(100):
        by_name(value, more=value)
    assert sys.getrefcount(value) == before
    globals()["quick"], kept = by_name, quick
    assert pickle.loads(pickle.dumps(by_name)) is by_name and copy.deepcopy(by_name) is by_name
    globals()["quick"] = kept


def methods():
    records = logged("__main__")
    shop = Shop()
    assert shop.method(1) == (shop, 1) and Shop.method(shop, 2) == (shop, 2)
    bound = shop.method
    assert bound(3) == (shop, 3)
    assert Shop.class_outside(1) == (Shop, 1) == shop.class_inside(1) and shop.class_outside(2) == (Shop, 2)
    assert Shop.static_outside(4) == 4 == shop.static_inside(4) == shop.static_outside(4)
    assert [record.args[0] for record in records][:4] == ["Shop.method"] * 3 + ["Shop.class_outside"]
    assert stats("Shop.method").calls == 3 == stats("Shop.method").slow
    assert stats("Shop.static_outside").calls == 2


def words():
    records = logged("__main__")
    assert timed(threshold=SLOW_S / 2)(waits)(SLOW_S) == SLOW_S
    [record] = records
    assert record.levelno == logging.WARNING and record.name == "__main__"
    assert record.getMessage() == "waits took %.2fs" % record.args[1] and record.args[1] >= SLOW_S
    timed(waits)(0)  # not over a second
    timed(threshold=float("inf"))(waits)(0)
    assert len(records) == 1
    assert fails(lambda: timed(threshold=0)(raises)(SLOW_S), KeyError).args == ("mine",)
    assert records[1].args[0] == "raises" and records[1].args[1] >= SLOW_S
    own = logged("own")
    timed(threshold=0, logger=logging.getLogger("own"), level=logging.DEBUG)(waits)(0)
    logging.getLogger("own").setLevel(logging.DEBUG)
    timed(threshold=0, logger="own", level=logging.DEBUG)(waits)(0)
    assert [record.levelno for record in own] == [logging.DEBUG] and len(records) == 2


def refusals():
    for wrong in (Shop, 1.5, property(quick)):
        fails(lambda: timed(wrong), TypeError)
    for wrong in (-1, float("nan")):
        fails(lambda: timed(threshold=wrong), ValueError)


def failing_logger():
    class Fails(logging.Filter):
        def filter(self, record):
            raise RuntimeError("a filter's")

    logger = logging.getLogger("failing")
    logger.addFilter(Fails())

    def guarded(): return 7

    assert timed(threshold=0, logger=logger)(guarded)() == 7
    found = stats("failing_logger.<locals>.guarded")
    assert (found.slow, found.unlogged) == (1, 1)

    class Interrupts(logging.Filter):
        def filter(self, record):
            raise KeyboardInterrupt

    logger.filters = [Interrupts()]
    fails(timed(threshold=0, logger=logger)(guarded), KeyboardInterrupt)
    fails(lambda: timed(threshold=0, logger=logger)(raises)(0), KeyboardInterrupt)


def coroutines():
    records = logged("__main__")

    @timed(threshold=SLOW_S / 2)
    async def fetch(x):
        await asyncio.sleep(SLOW_S)
        if x is None:
            raise KeyError("mine")
        return x

    assert inspect.iscoroutinefunction(fetch)
    never = fetch(1)
    never.close()  # not begun
    assert stats("coroutines.<locals>.fetch").calls == 0
    assert asyncio.run(fetch(5)) == 5
    fails(lambda: asyncio.run(fetch(None)), KeyError)
    found = stats("coroutines.<locals>.fetch")
    assert found.calls == 2 == len(records) and found.total_s >= 2 * SLOW_S

    async def cancelled():
        task = asyncio.ensure_future(fetch(1))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "cancelled"

    assert asyncio.run(cancelled()) == "cancelled" and stats("coroutines.<locals>.fetch").calls == 3


def generators():
    @timed
    def numbers(n):
        got = []
        try:
            for i in range(n):
                got.append((yield i))
        except KeyError:
            yield "caught"
        return got

    assert inspect.isgeneratorfunction(numbers)
    waiting = numbers(3)
    time.sleep(SLOW_S)  # it began not yet
    assert list(waiting) == [0, 1, 2]
    name = "generators.<locals>.numbers"
    assert stats(name).calls == 1 and stats(name).total_s < SLOW_S
    sending = numbers(2)
    assert next(sending) == 0 and sending.send("a") == 1
    assert fails(lambda: sending.send("b"), StopIteration).value == ["a", "b"]
    throwing = numbers(2)
    next(throwing)
    assert throwing.throw(KeyError) == "caught"
    throwing.close()
    left = numbers(2)
    next(left)
    del left
    assert stats(name).calls == 4
    held = numbers(1)
    next(held)
    time.sleep(SLOW_S)
    held.close()
    assert stats(name).max_s >= SLOW_S  # first to last, whoever takes the time


def async_generators():
    @timed
    async def numbers(n):
        got = []
        for i in range(n):
            try:
                got.append((yield i))
            except KeyError:
                yield "caught"
        yield got

    async def use():
        assert [x async for x in numbers(2)] == [0, 1, [None, None]]
        sending = numbers(2)
        assert await sending.__anext__() == 0 and await sending.asend("a") == 1
        assert await sending.asend("b") == ["a", "b"]
        await sending.aclose()
        throwing = numbers(1)
        await throwing.__anext__()
        assert await throwing.athrow(KeyError) == "caught"
        await throwing.aclose()
        async for _ in numbers(5):
            break

    assert inspect.isasyncgenfunction(numbers)
    asyncio.run(use())
    assert stats("async_generators.<locals>.numbers").calls == 4


def recursion():
    @timed
    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    assert down(50) == 50 and stats("recursion.<locals>.down").calls == 51
    fails(lambda: down(10**6), RecursionError)


def threads():
    @timed(threshold=0, logger="threads")
    def together():
        return None

    logged("threads")

    def work():
        for _ in range(500):
            together()

    running = [threading.Thread(target=work) for _ in range(8)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    found = stats("threads.<locals>.together")
    assert found.calls == 4000 == found.slow and found.recent.calls == 4000, found


def bottomless():
    """Each of its attributes is a new object that has them, too."""
    class Bottomless:
        def __getattr__(self, name):
            if name.startswith("__") and name != "__func__":
                raise AttributeError(name)
            return Bottomless()

        def __call__(self):
            return 7

    assert timed(Bottomless())() == 7


def closures():
    before = len(timed.stats())
    for _ in range(300):
        timed(lambda: None)()
    assert len(timed.stats()) == before + 1 and stats("closures.<locals>.<lambda>").calls == 300


def histogram():
    """Known figures, and the two of Python and C beside each other."""
    chance, minute = random.Random(7), 60 * 10**9
    mine, other = module.Histogram(), module._find_types()[0]()
    fits = sys.version_info >= (3, 11) and "t" not in sys.abiflags
    assert (type(other) is not module.Histogram) == fits, type(other)
    now = 0
    for _ in range(5000):
        now += chance.choice([1, minute // 100, minute // 100, minute // 100 * 3])
        took = int(10 ** chance.uniform(1, 13)) if chance.random() < 0.8 else chance.choice(module.BOUNDS_NS) + chance.choice([-1, 0, 1])
        mine.add(took, now)
        other.add(took, now)
        if chance.random() < 0.02:
            assert mine.recent(now) == other.recent(now) and mine.totals() == other.totals()
    for late in range(now, now + 7 * minute, minute // 3):
        assert mine.recent(late) == other.recent(late)
    assert other.recent(late)[0] == 0 and other.totals()[0] == 5000
    known = module.Histogram()
    for took in [10**9] * 98 + [4 * 10**9] * 2:
        known.add(took, 5 * minute)
    count, total, longest, buckets = known.recent(9 * minute)
    assert (count, total, longest) == (100, 106 * 10**9, 4 * 10**9)
    assert buckets[module.BOUNDS_NS.index(10**9)] == 98 and known.recent(10 * minute)[0] == 0
    assert 0.7 <= module.quantile_s(known.totals(), 0.5) <= 1 and 3 <= module.quantile_s(known.totals(), 0.99) <= 4


for situation in sys.argv[1:]:
    globals()[situation]()
assert pyrometer.timed is timed
print("ok")
