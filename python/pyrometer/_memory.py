"""profile_memory, which prints what each line of a call left allocated, and memory_usage, which samples what is resident.

The first one's table is memory_profiler's, its increments are bytes by Python's allocators, exact. docs/migration.md tells every
difference from memory_profiler.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from subprocess import Popen
    from types import CodeType
    from typing import Any, TextIO, TypeVar, overload

    _Function = TypeVar("_Function", bound=Callable[..., Any])

__all__ = ["memory_usage", "profile_memory"]

MIB = 1 << 20
BACKENDS = {None: "rss", "psutil": "rss", "posix": "rss", "psutil_pss": "pss", "psutil_uss": "uss"}
FEW = 4  # measurements of a function at the interval that was asked for: with no more of them, all that were taken are returned


# -- line by line ------------------------------------------------------------------------------------------------------------


class _Watched:
    """A function whose calls are watched. All that tables need is there before the first call: it belongs to no line."""

    def __init__(self, function: Callable[..., Any], stream: TextIO | None, precision: int) -> None:
        import inspect
        import linecache

        self.code: CodeType = function.__code__
        self.stream = stream
        self.precision = precision
        self.first = self.code.co_firstlineno
        below = linecache.getlines(self.code.co_filename)[self.first - 1 :]
        self.source = [line.rstrip("\n") for line in inspect.getblock(below)] if below else []

    def print(self, resident: int, lines: Iterable[tuple[int, int, int, int]]) -> None:
        import sys

        out = self.stream or sys.stdout
        figures = {line: (hits, there, net) for line, hits, there, net in lines}
        figures[self.first] = (1, resident, resident)
        head = _row("Line #", "Mem usage", "Increment", "Occurrences", "Line Contents")
        text = [f"Filename: {self.code.co_filename}\n\n{head}\n{'=' * len(head)}\n"]
        for number in range(self.first, max(self.first + len(self.source) - 1, *figures) + 1):
            at = number - self.first
            source = self.source[at] if at < len(self.source) else ""
            cells = ("", "", "")
            if number in figures:
                hits, there, net = figures[number]
                cells = (_mib(there, self.precision), _mib(net, self.precision), str(hits))
            text.append(_row(str(number), *cells, source) + "\n")
        out.write("".join([*text, "\n\n"]))  # at once: another thread may print one, too


class _Call:
    """One call of it: `with` it begun, its table is printed at the end."""

    def __init__(self, function: _Watched) -> None:
        self._function = function

    def __enter__(self) -> None:
        from pyrometer import _probe

        self._watched: object = None
        try:
            self._watched = _probe.watch_memory(self._function.code)
        except RuntimeError as error:  # the program's own tools are in the way: it goes first
            import warnings

            warnings.warn(f"memory of {self._function.code.co_qualname} is not watched: {error}", stacklevel=3)

    def __exit__(self, *exception: object) -> None:
        from pyrometer import _probe

        if self._watched is not None:
            self._function.print(*_probe.memory_of_lines(self._watched))


def _track() -> None:
    """Have memory tracked until the program ends: what a call frees may have been made before it."""
    from pyrometer._find import find_probe

    find_probe(memory=True)
    from pyrometer import _probe

    if _probe.heap_totals() is None:
        import atexit

        try:
            _probe.heap_start(False)
        except RuntimeError:  # by `pyrometer run --memory`
            return
        atexit.register(_probe.heap_stop)


def _row(*cells: str) -> str:
    return "{0:>6} {1:>12} {2:>12}  {3:>10}   {4:<}".format(*cells)


def _mib(size: int, precision: int) -> str:
    return f"{size / MIB:{precision + 4}.{precision}f} MiB"


if TYPE_CHECKING:

    @overload
    def profile_memory(
        func: None = None, stream: TextIO | None = None, precision: int = 1, backend: str = "psutil"
    ) -> Callable[[_Function], _Function]: ...
    @overload
    def profile_memory(
        func: _Function, stream: TextIO | None = None, precision: int = 1, backend: str = "psutil"
    ) -> _Function: ...


def profile_memory(
    func: Any = None, stream: TextIO | None = None, precision: int = 1, backend: str = "psutil"
) -> Any:
    """A decorator: at the end of each call a table is printed on STREAM (sys.stdout), a row for each line.

    "Mem usage" is what was resident of the process when the line last ended, "Increment" what its thread allocated while it ran
    less what the thread freed, what it called included, in MiB with PRECISION digits; the decorator's row has what was resident at
    the beginning. Of a coroutine or generator the table is printed when it is over. BACKEND is ignored.
    ImportError: memory cannot be tracked in this Python. TypeError: PRECISION is no number of digits, or STREAM cannot be written to.
    """
    import functools

    if not isinstance(precision, int) or precision < 0:  # said now, and not when a call has its result
        raise TypeError(f"profile_memory: precision is a number of digits, not {precision!r}")
    if stream is not None and not hasattr(stream, "write"):
        raise TypeError(f"profile_memory: {stream!r} cannot be written to")
    if func is None:
        return functools.partial(profile_memory, stream=stream, precision=precision, backend=backend)
    import inspect

    if not hasattr(func, "__code__") or inspect.isasyncgenfunction(func):
        import warnings

        warnings.warn(f"{func!r} is no function in Python, or an asynchronous generator: it is not watched", stacklevel=2)
        return func
    _track()
    return functools.wraps(func)(_wrapper(func, _Watched(func, stream, precision)))


def _wrapper(func: Callable[..., Any], watched: _Watched) -> Callable[..., Any]:
    import inspect

    def plain(*args: Any, **kwargs: Any) -> Any:
        with _Call(watched):
            return func(*args, **kwargs)

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        with _Call(watched):
            return await func(*args, **kwargs)

    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _Call(watched):
            return (yield from func(*args, **kwargs))

    if inspect.iscoroutinefunction(func):
        return coroutine
    if inspect.isgeneratorfunction(func):
        return generator
    return plain


# -- over time ---------------------------------------------------------------------------------------------------------------


def memory_usage(
    proc: Any = -1,
    interval: float = 0.1,
    timeout: float | None = None,
    timestamps: bool = False,
    include_children: bool = False,
    multiprocess: bool = False,
    max_usage: bool = False,
    retval: bool = False,
    stream: TextIO | None = None,
    backend: str | None = None,
    max_iterations: int | None = None,
) -> Any:
    """What is resident of a process, in MiB: a list of measurements.

    proc: the process: its id (-1: this one) or a Popen, which is measured until it ends; or what is called while this one is: a function,
        or (function, arguments, keyword arguments). It is called once.
    interval: seconds from one measurement to the next.
    timeout: seconds to measure for; without it a process given by its id is measured once.
    timestamps: each measurement is a tuple of MiB and seconds since the epoch.
    include_children: those of children are added.
    multiprocess: each measurement is a list, of the process and then each of its children.
    max_usage: the largest one alone. retval: a tuple of the measurements, and what the function returned.
    stream: "MEM MiB seconds" is written there, a line for each, and "CHLD id MiB seconds" with multiprocess; returns None.
    backend: "psutil" (what is resident), "psutil_pss", "psutil_uss" (what no other process shares).
    max_iterations: ignored.
    ProcessLookupError: there is no such process. ValueError: there is no such backend. TypeError: PROC is nothing of these.
    """
    if backend not in BACKENDS:
        raise ValueError(f"memory_usage: no backend {backend!r}: say one of {', '.join(filter(None, BACKENDS))}")
    from pyrometer._resident import Reading

    reading = Reading(BACKENDS[backend], include_children, multiprocess)
    if callable(proc):
        proc = (proc,)
    if isinstance(proc, (list, tuple)):
        found, returned = _during(proc, interval, reading)
    elif hasattr(proc, "poll"):
        found, returned = _until_end(proc, interval, timeout, reading), None
    elif not hasattr(proc, "__index__"):
        raise TypeError(f"memory_usage: {proc!r} is no id of a process, no Popen, and cannot be called")
    else:
        count = 1 if timeout is None else int(round(timeout / interval))
        found, returned = _for_a_while(int(proc), interval, count, reading), None
    if stream is not None:
        _write(stream, found, multiprocess)
        return None
    shaped: Any
    if max_usage:
        shaped = max((sum(sizes[:1]) for _, sizes, _ in found), default=-1)
    else:
        shaped = [_shape(at, sizes, timestamps, multiprocess) for at, sizes, _ in found]
    return (shaped, returned) if retval and isinstance(proc, (list, tuple)) else shaped


Measurement = tuple[float, list[float], list[int]]
"""Seconds since the epoch; MiB of the process and of each child; the children's ids."""


def _shape(at: float, sizes: list[float], timestamps: bool, multiprocess: bool) -> Any:
    own: Any = (sizes[0], at) if timestamps else sizes[0]
    return [own, *sizes[1:]] if multiprocess else own


def _write(stream: TextIO, found: list[Measurement], multiprocess: bool) -> None:
    for at, sizes, children in found:
        stream.write(f"MEM {sizes[0]:.6f} {at:.4f}\n")
        for child, size in zip(children, sizes[1:]):
            stream.write(f"CHLD {child} {size:.6f} {at:.4f}\n")
    stream.flush()


def _for_a_while(pid: int, interval: float, count: int, reading: Any) -> list[Measurement]:
    import os
    import time

    found = []
    for _ in range(count):
        found.append(reading.take(os.getpid() if pid == -1 else pid))
        time.sleep(interval)
    return found


def _until_end(process: Popen[Any], interval: float, timeout: float | None, reading: Any) -> list[Measurement]:
    import time

    left = None if timeout is None else int(round(timeout / interval))
    found = []
    while True:
        found.append(reading.take(process.pid))
        time.sleep(interval)
        if left is not None:
            left -= 1
        if left == 0 or process.poll() is not None:
            return found


def _during(call: Any, interval: float, reading: Any) -> tuple[list[Measurement], Any]:
    """While CALL runs, by a process of our own: a thread would wait for the GIL when most is allocated."""
    function, arguments, keywords = (*call, (), {})[:3] if len(call) == 1 else (*call, {})[:3]
    from pyrometer._resident import Watcher

    with Watcher(interval, reading) as watcher:
        returned = function(*arguments, **keywords)
    found = watcher.found
    regular = found[:1]
    for measurement in found[1:]:
        if measurement[0] - regular[-1][0] >= interval:
            regular.append(measurement)
    return (regular if len(regular) > FEW else found), returned
