"""Which lines have what is allocated, for the program itself: tracemalloc's functions, by Pyrometer's tracker.

    from pyrometer import heap

    heap.start()
    work()
    for statistic in heap.take_snapshot().statistics("lineno")[:10]:
        print(statistic)

What is tracked is what Python's allocators gave since start(). Snapshots, statistics and filters are tracemalloc's own classes, so
their text is the same, and files written by dump() are read by either. docs/migration.md tells what differs.
"""

from __future__ import annotations

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

__all__ = [
    "BaseFilter",
    "DomainFilter",
    "Filter",
    "Frame",
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

_limit = 1
_stops_at_exit = False


def _totals() -> tuple[int, int, int, int] | None:
    """Bytes alive, at most alive, and taken by the tracker; blocks that are not known. None: it is off."""
    import sys

    if "pyrometer._probe" not in sys.modules:
        return None
    from pyrometer import _probe

    return _probe.heap_totals()


def start(nframe: int = 1) -> None:
    """Track what is allocated from now on; nothing happens if that is so. Tracebacks have NFRAME frames at most, the innermost.

    ValueError: NFRAME is not in 1 ... 65535. ImportError: memory cannot be tracked in this Python. RuntimeError: a run with --memory
    does, or one that this process was forked from counts.
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
    _probe.heap_start()


def stop() -> None:
    """Track no more, and forget everything. Python's allocators are as before."""
    if is_tracing():
        from pyrometer import _probe

        _probe.heap_stop()


def is_tracing() -> bool:
    """Is memory tracked? In a forked child it is not."""
    return _totals() is not None


def get_traced_memory() -> tuple[int, int]:
    """Bytes that are alive, and that were alive at most since start() or reset_peak()."""
    totals = _totals()
    return (totals[0], totals[1]) if totals else (0, 0)


def get_tracemalloc_memory() -> int:
    """Bytes that it takes to know all this."""
    totals = _totals()
    return totals[2] if totals else 0


def get_traceback_limit() -> int:
    """Frames of a traceback at most."""
    return _limit


def reset_peak() -> None:
    """The most that was alive is what is alive now."""
    if is_tracing():
        from pyrometer import _probe

        _probe.heap_reset_peak()


def clear_traces() -> None:
    """Forget what is alive: it counts no more."""
    if is_tracing():
        from pyrometer import _probe

        _probe.heap_clear()


def get_object_traceback(obj: object) -> Traceback | None:
    """Who allocated OBJ. None: it was not tracked."""
    if not is_tracing():
        return None
    from pyrometer import _probe

    found = _probe.heap_traceback(obj, _limit)
    return Traceback(found[0]) if found else None


def take_snapshot(*, peak: bool = False) -> Snapshot:
    """What is alive, or with PEAK what was alive when most was: then all blocks of one traceback have its average size.

    RuntimeError: memory is not tracked.
    """
    if not is_tracing():
        raise RuntimeError("memory is not tracked: call pyrometer.heap.start() before")
    from pyrometer import _probe

    traces = _probe.heap_peak(_limit) if peak else _probe.heap_traces(_limit)
    return Snapshot(traces, _limit)
