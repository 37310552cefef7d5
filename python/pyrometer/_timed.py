"""timed: a decorator that warns when a function took too long, and keeps a histogram of how long it took.

    @timed
    def place_order(order): ...            # WARNING shop.orders: place_order took 1.23s

    @timed(threshold=0.2, level=logging.INFO)
    async def fetch(url): ...              # the time in which it waits included

Plain functions are timed by a C type of the probe, where that fits this Python; coroutines and generators, and everything
elsewhere, by Python functions that do the same for more.
"""

from __future__ import annotations

from bisect import bisect_left
from threading import Lock
from time import monotonic_ns

TYPE_CHECKING = False  # typing's own takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from logging import Logger
    from typing import Any, NamedTuple, Protocol, Tuple, TypeVar, overload

    Figures = Tuple[int, int, int, "list[int]"]  # how many, their sum and the longest in ns, how many in each bucket

    # Not ParamSpec, which would forget overloads and that a function is one: what comes back has the very type of what went in.
    _Function = TypeVar("_Function", bound="Callable[..., Any] | classmethod[Any, Any, Any] | staticmethod[Any, Any]")

    class _Decorator(Protocol):
        def __call__(self, function: _Function, /) -> _Function: ...

else:
    from collections import namedtuple

__all__ = ["Recent", "TimedStats", "timed"]

THRESHOLD_S = 1.0
WARNING = 30  # logging's
NS_PER_S = 1_000_000_000
BOUNDS_NS = tuple(unit * tenth // 10 for unit in (10**at for at in range(3, 12)) for tenth in (10, 15, 20, 30, 50, 70))
SHOWN_BOUNDS = tuple(at for at in range(len(BOUNDS_NS)) if at % 6 in (0, 2, 4))  # 1, 2, 5 of each decade
NEVER_NS = 2**63
PARTS_MAX = 16  # a function in a function that are gone through: there are objects whose attributes are always new ones
SLICES = 5
SLICE_NS = 60 * NS_PER_S
COROUTINE, GENERATOR, ASYNC_GENERATOR = 0x80, 0x20, 0x200  # of co_flags: Include/cpython/code.h

if TYPE_CHECKING:

    class Recent(NamedTuple):
        """The calls that ended in the last four to five minutes, in seconds. Quantiles are good to half a bucket's width:
        buckets begin at 1, 1.5, 2, 3, 5 and 7 of each decade."""

        calls: int
        mean_s: float
        p50_s: float
        p90_s: float
        p99_s: float
        max_s: float

    class TimedStats(NamedTuple):
        """What is known of a function since the process began; recent: of the last minutes."""

        calls: int
        total_s: float
        max_s: float
        slow: int
        """Calls that took longer than the threshold."""
        unlogged: int
        """Of these, how many a logger's filter or handler failed on: an exception of theirs goes no further."""
        recent: Recent

else:
    Recent = namedtuple("Recent", "calls mean_s p50_s p90_s p99_s max_s")
    TimedStats = namedtuple("TimedStats", "calls total_s max_s slow unlogged recent")

class _Slice:
    """Of one minute, or of all."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.count = self.sum_ns = self.max_ns = 0
        self.buckets = [0] * (len(BOUNDS_NS) + 1)

    def add(self, took_ns: int, bucket: int) -> None:
        self.count += 1
        self.sum_ns += took_ns
        self.max_ns = max(self.max_ns, took_ns)
        self.buckets[bucket] += 1

    def figures(self) -> Figures:
        return self.count, self.sum_ns, self.max_ns, list(self.buckets)


class Histogram:
    """The same as the probe's (src/probe/durations.h), and safe without a GIL."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._all = _Slice()
        self._slices = [_Slice() for _ in range(SLICES)]

    def add(self, took_ns: int, now_ns: int | None = None) -> None:
        """A call ended."""
        number = (monotonic_ns() if now_ns is None else now_ns) // SLICE_NS + 1
        bucket = bisect_left(BOUNDS_NS, took_ns)
        with self._lock:
            if self._slices[number % SLICES].number != number:
                self._slices[number % SLICES] = _Slice(number)
            self._slices[number % SLICES].add(took_ns, bucket)
            self._all.add(took_ns, bucket)

    def totals(self) -> Figures:
        """Since the beginning."""
        with self._lock:
            return self._all.figures()

    def recent(self, now_ns: int | None = None) -> Figures:
        """Of the last four to five minutes."""
        number = (monotonic_ns() if now_ns is None else now_ns) // SLICE_NS + 1
        with self._lock:
            found = [each for each in self._slices if number - SLICES < each.number <= number]
            return (
                sum(each.count for each in found),
                sum(each.sum_ns for each in found),
                max((each.max_ns for each in found), default=0),
                [sum(counts) for counts in zip(*(each.buckets for each in found))] or [0] * (len(BOUNDS_NS) + 1),
            )


def quantile_s(figures: Figures, share: float) -> float:
    """Below which SHARE of them lie, by the bucket it falls into; 0 where there are none."""
    count, _, max_ns, buckets = figures
    below = 0.0
    for at, inside in enumerate(buckets):
        if inside and below + inside >= share * count:
            low = BOUNDS_NS[at - 1] if at else 0
            high = min(BOUNDS_NS[at], max_ns) if at < len(BOUNDS_NS) else max_ns
            return (low + max(high - low, 0) * (share * count - below) / inside) / NS_PER_S
        below += inside
    return max_ns / NS_PER_S


class _Record:
    """What is kept of one function, or of several of the same name."""

    def __init__(self, histogram: Any) -> None:
        self.histogram = histogram
        self.slow = self.unlogged = 0
        self._lock = Lock()

    def count(self, logged: bool) -> None:
        with self._lock:
            self.slow += 1
            self.unlogged += not logged

    def stats(self) -> TimedStats:
        count, sum_ns, max_ns, _ = self.histogram.totals()
        recent = self.histogram.recent()
        mean_s = recent[1] / recent[0] / NS_PER_S if recent[0] else 0.0
        p50_s, p90_s, p99_s = (quantile_s(recent, share) for share in (0.5, 0.9, 0.99))
        shown = Recent(recent[0], mean_s, p50_s, p90_s, p99_s, recent[2] / NS_PER_S)
        return TimedStats(count, sum_ns / NS_PER_S, max_ns / NS_PER_S, self.slow, self.unlogged, shown)


class _Watch:
    """One decorated function: where its times go, and who is told when they are long."""

    def __init__(self, name: str, record: _Record, threshold_s: float, logger: Logger | str, level: int) -> None:
        self.name = name
        self.record = record
        self.threshold_ns = int(min(threshold_s * NS_PER_S, NEVER_NS))
        self.logger = logger
        self.level = level

    def slow(self, took_ns: int) -> None:
        """Log it. A logger that fails does not make the function fail."""
        import logging

        logger = logging.getLogger(self.logger) if isinstance(self.logger, str) else self.logger
        try:
            logger.log(self.level, "%s took %.2fs", self.name, took_ns / NS_PER_S)
        except Exception:
            self.record.count(logged=False)
        else:
            self.record.count(logged=True)

    def done(self, began_ns: int) -> None:
        took_ns = monotonic_ns() - began_ns
        self.record.histogram.add(took_ns)
        if took_ns > self.threshold_ns:
            self.slow(took_ns)


# -- functions of each kind ------------------------------------------------------------------------


def _function(function: Any, watch: _Watch) -> Any:
    def timed_function(*args: Any, **kwargs: Any) -> Any:
        began_ns = monotonic_ns()
        try:
            return function(*args, **kwargs)
        finally:
            watch.done(began_ns)

    return timed_function


def _coroutine(function: Any, watch: _Watch) -> Any:
    async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:
        began_ns = monotonic_ns()
        try:
            return await function(*args, **kwargs)
        finally:
            watch.done(began_ns)

    return timed_coroutine


def _generator(function: Any, watch: _Watch) -> Any:
    def timed_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        began_ns = monotonic_ns()
        try:
            return (yield from function(*args, **kwargs))
        finally:
            watch.done(began_ns)

    return timed_generator


def _async_generator(function: Any, watch: _Watch) -> Any:
    async def timed_async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        began_ns = monotonic_ns()
        inner = function(*args, **kwargs)
        try:  # what `yield from` would do if there were one here
            value = await inner.__anext__()
            while True:
                try:
                    sent = yield value
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as error:
                    value = await inner.athrow(error)
                else:
                    value = await inner.asend(sent)
        except StopAsyncIteration:
            return
        finally:
            watch.done(began_ns)

    return timed_async_generator


def _flags(function: Any) -> int:
    """co_flags of what is called in the end: a method's or a partial's function."""
    for _ in range(PARTS_MAX):
        if function is None or hasattr(function, "__code__"):
            break
        function = getattr(function, "__func__", None) or getattr(function, "func", None)
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return flags if isinstance(flags, int) else 0


def _find_types() -> tuple[Any, Any]:
    """The histogram, and what times a plain function: those in C where they fit this Python."""
    try:
        from pyrometer._find import find_probe

        find_probe()
        from pyrometer._probe import Histogram as InC
        from pyrometer._probe import Timed
    except ImportError:
        return Histogram, _function
    return InC, lambda function, watch: Timed(function, watch.record.histogram, watch.threshold_ns, watch.slow)


def _wrapped(function: Any, watch: _Watch, plain: Any) -> Any:
    flags = _flags(function)
    if flags & ASYNC_GENERATOR:
        return _async_generator(function, watch)
    if flags & COROUTINE:
        return _coroutine(function, watch)
    return (_generator if flags & GENERATOR else plain)(function, watch)


# -- the decorator ---------------------------------------------------------------------------------


class _Timed:
    """timed, as it is imported: a decorator that also answers what it measured. Safe in threads."""

    def __init__(self) -> None:
        self._types: tuple[Any, Any] | None = None
        self._records: dict[str, _Record] = {}

    def _decorated(self, function: Any, threshold_s: float, logger: Logger | str | None, level: int) -> Any:
        if isinstance(function, (classmethod, staticmethod)):
            return type(function)(self._decorated(function.__func__, threshold_s, logger, level))
        if isinstance(function, type) or not callable(function):
            raise TypeError(f"timed is for functions, not {function!r}; a threshold is given by name, a property's below it")
        from functools import update_wrapper

        if self._types is None:
            self._types = _find_types()
        histogram, plain = self._types
        module = getattr(function, "__module__", None) or "__main__"
        name = getattr(function, "__qualname__", None) or repr(function)
        record = self._records.get(f"{module}.{name}") or self._records.setdefault(f"{module}.{name}", _Record(histogram()))
        watch = _Watch(name, record, threshold_s, module if logger is None else logger, level)
        return update_wrapper(_wrapped(function, watch, plain), function)

    if TYPE_CHECKING:

        @overload
        def __call__(self, function: _Function, /) -> _Function: ...
        @overload
        def __call__(
            self, *, threshold: float = ..., logger: Logger | str | None = ..., level: int = ...
        ) -> _Decorator: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    else:

        def __call__(self, function=None, *, threshold=THRESHOLD_S, logger=None, level=WARNING):
            """Time FUNCTION. threshold: seconds over which it is logged, also when it raises; logger: one, or its name, instead
            of that of the function's module. Coroutines are timed from their first step to the end, what they await included;
            generators from the first value that is asked for to the end."""
            if not threshold >= 0:
                raise ValueError(f"threshold is in seconds and not below 0, not {threshold!r}")
            if function is not None:
                return self._decorated(function, threshold, logger, level)
            return lambda function: self._decorated(function, threshold, logger, level)

    def stats(self) -> dict[str, TimedStats]:
        """Of each function, by module and qualified name."""
        return {name: record.stats() for name, record in sorted(self._records.items())}

    def openmetrics(self) -> str:
        """The histograms since the process began, as OpenMetrics text (application/openmetrics-text; version=1.0.0)."""
        lines = [
            "# TYPE pyrometer_timed_seconds histogram",
            "# UNIT pyrometer_timed_seconds seconds",
            "# HELP pyrometer_timed_seconds How long calls of functions took that pyrometer.timed decorates.",
        ]
        for name, record in sorted(self._records.items()):
            lines += _exposed(_escaped(name), record.histogram.totals())
        return "\n".join([*lines, "# EOF", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _exposed(name: str, figures: Figures) -> list[str]:
    """The lines of one function."""
    count, sum_ns, _, buckets = figures
    metric = "pyrometer_timed_seconds"
    lines = [
        f'{metric}_bucket{{function="{name}",le="{BOUNDS_NS[at] / NS_PER_S!r}"}} {sum(buckets[: at + 1])}' for at in SHOWN_BOUNDS
    ]
    return [
        *lines,
        f'{metric}_bucket{{function="{name}",le="+Inf"}} {count}',
        f'{metric}_count{{function="{name}"}} {count}',
        f'{metric}_sum{{function="{name}"}} {sum_ns / NS_PER_S!r}',
    ]


timed = _Timed()
