"""Which lines have what is allocated, for the program itself: tracemalloc's functions, by Pyrometer's tracker.

    from pyrometer import heap

    heap.start()
    work()
    for statistic in heap.take_snapshot().statistics("lineno")[:10]:
        print(statistic)

What is tracked is what Python's allocators gave since start(), and with start(native=True) also what C code took itself. Snapshots, statistics and filters are tracemalloc's own classes, so
their text is the same, and files written by dump() are read by either. docs/migration.md tells what differs.
"""

from __future__ import annotations

import sys
from tracemalloc import (
    BaseFilter,
    DomainFilter,
    Filter,
    Frame,
    Snapshot,
    Statistic,
    StatisticDiff,
    Trace,
    Traceback,
)
from typing import Any

__all__ = [
    "BaseFilter",
    "DomainFilter",
    "Filter",
    "Frame",
    "NATIVE_DOMAIN",
    "Snapshot",
    "Statistic",
    "StatisticDiff",
    "Trace",
    "Traceback",
    "clear_traces",
    "get_object_traceback",
    "get_traceback_limit",
    "get_traced_memory",
    "get_tracemalloc_memory",
    "is_tracing",
    "reset_peak",
    "start",
    "stop",
    "take_snapshot",
]

LIMIT_MAX = 65535  # frames; tracemalloc's
NATIVE_DOMAIN = 1  # of blocks that C code took itself; those of Python's allocators have 0

_limit = 1
_stops_at_exit = False


def _tracker() -> Any:
    """The C part while memory is tracked, else None. To ask makes no object: one from a free list would become ours."""
    probe = sys.modules.get("pyrometer._probe")
    return probe if probe is not None and probe.heap_is_on() else None


def start(nframe: int = 1, *, native: bool = False) -> None:
    """Track what is allocated from now on; nothing happens if that is so. Tracebacks have NFRAME frames at most, the innermost.

    With NATIVE also what C code takes by malloc(), mmap() and what is like them, of all libraries, in NATIVE_DOMAIN:
    DomainFilter(True, NATIVE_DOMAIN) shows only those blocks, and get_traced_memory() counts them, too.

    ValueError: NFRAME is not in 1 ... 65535. ImportError: memory cannot be tracked in this Python. RuntimeError: a run with --memory
    does, or one that this process was forked from counts; or with NATIVE, C's allocators cannot be seen in this process.
    """
    global _limit, _stops_at_exit
    if not 1 <= nframe <= LIMIT_MAX:
        raise ValueError(f"the number of frames must be in range [1; {LIMIT_MAX}]")
    if is_tracing():
        return
    from pyrometer._find import find_probe

    find_probe(memory=True)
    from pyrometer import _probe

    if not _stops_at_exit:
        import atexit

        atexit.register(stop)
        _stops_at_exit = True
    _limit = nframe
    _probe.heap_start(native)


def stop() -> None:
    """Track no more, and forget everything. Python's allocators are as before."""
    tracker = _tracker()
    if tracker:
        tracker.heap_stop()


def is_tracing() -> bool:
    """Is memory tracked? In a forked child it is not."""
    return _tracker() is not None


def get_traced_memory() -> tuple[int, int]:
    """Bytes that are alive, and that were alive at most since start() or reset_peak()."""
    tracker = _tracker()
    if not tracker:
        return 0, 0
    live, peak, _, _ = tracker.heap_totals()
    return live, peak


def get_tracemalloc_memory() -> int:
    """Bytes that it takes to know all this."""
    tracker = _tracker()
    own: int = tracker.heap_totals()[2] if tracker else 0
    return own


def get_traceback_limit() -> int:
    """Frames of a traceback at most."""
    return _limit


def reset_peak() -> None:
    """The most that was alive is what is alive now."""
    tracker = _tracker()
    if tracker:
        tracker.heap_reset_peak()


def clear_traces() -> None:
    """Forget what is alive: it counts no more."""
    tracker = _tracker()
    if tracker:
        tracker.heap_clear()


def get_object_traceback(obj: object) -> Traceback | None:
    """Who allocated OBJ. None: it was not tracked."""
    tracker = _tracker()
    found = tracker.heap_traceback(obj, _limit) if tracker else None
    return Traceback(found[0]) if found else None


def take_snapshot(*, peak: bool = False) -> Snapshot:
    """What is alive, or with PEAK what was alive when most was: then all blocks of one traceback have its average size.

    RuntimeError: memory is not tracked.
    """
    tracker = _tracker()
    if not tracker:
        raise RuntimeError("memory is not tracked: call pyrometer.heap.start() before")
    traces = tracker.heap_peak(_limit) if peak else tracker.heap_traces(_limit)
    return Snapshot(traces, _limit)
