"""Profile, run and runctx: the deterministic profiler, with the methods and files of cProfile's.

Times are seconds of CLOCK_MONOTONIC, less what the profiler's own events cost. docs/migration.md tells every difference
from cProfile.
"""

from __future__ import annotations

from pyrometer._find import find_probe

TYPE_CHECKING = False  # typing's own takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, TypeVar

    _Result = TypeVar("_Result")
    _AnyProfile = TypeVar("_AnyProfile", bound="Profile")

find_probe()
from pyrometer import _probe  # noqa: E402

__all__ = ["Profile", "label", "run", "runctx"]

Label = tuple[str, int, str]
"""File, first line, name; ("~", 0, "<...>") is a C function."""
Times = tuple[int, int, float, float]
"""Two counts of calls, seconds without and with callees."""
Stats = dict[Label, tuple[int, int, float, float, dict[Label, Times]]]
"""What pstats keeps: primitive calls, calls, tottime, cumtime, and by caller: calls, primitive calls, tottime, cumtime."""


def label(code: CodeType | str) -> Label:
    """How pstats names a function: by a code object, or the str that stands for a C function."""
    if isinstance(code, str):
        return ("~", 0, code)
    return (code.co_filename, code.co_firstlineno, code.co_name)


def _sum(first: Times | None, calls: int, primitive: int, own: float, total: float) -> Times:
    if first is None:
        return calls, primitive, own, total
    return first[0] + calls, first[1] + primitive, first[2] + own, first[3] + total


class Profile(_probe.Profile):
    """Measures how often each function is called, by whom, and how long it takes. cProfile's arguments are:

    timer: a function without arguments that is asked the time, instead of CLOCK_MONOTONIC. It returns seconds, or with a
        timeunit an int of so many seconds. The times are then as cProfile computes them, what profiling costs included.
    subcalls: keep figures for each caller, too.
    builtins: C functions have rows of their own.

    And of our own, by keyword:

    threads: "calling", the thread that calls enable(), or "all".
    resumes_are_calls: count a generator or coroutine that goes on as called once more.
    functions_only: of C code show only built-in functions and methods, not types nor other objects that are called.

    ValueError: such threads there are none. ImportError: this Python is not one the C part fits.
    """

    stats: Stats

    def print_stats(self, sort: str | int | tuple[str | int, ...] = -1) -> None:
        """Print the table that pstats makes, sorted by its keys, to sys.stdout. Stops the profile."""
        import pstats

        keys: tuple[Any, ...] = sort if isinstance(sort, tuple) else (sort,)
        profile: Any = self  # pstats takes whatever has create_stats() and stats
        pstats.Stats(profile).strip_dirs().sort_stats(*keys).print_stats()

    def dump_stats(self, file: str) -> None:
        """Write the .prof file that pstats, snakeviz and `pyrometer stats` read. Stops the profile. OSError."""
        import marshal

        with open(file, "wb") as stream:
            self.create_stats()
            marshal.dump(self.stats, stream)

    def create_stats(self) -> None:
        """Stop, and take what was measured into `stats`."""
        self.disable()
        self.snapshot_stats()

    def snapshot_stats(self) -> None:
        """Take what was measured so far, of calls that ended, into `stats`."""
        entries = self.getstats()
        functions: dict[Label, Times] = {}
        callers: dict[Label, dict[Label, Times]] = {}
        for entry in entries:
            name = label(entry.code)
            calls, recursive = entry.callcount, entry.reccallcount
            functions[name] = _sum(
                functions.get(name), calls, calls - recursive, entry.inlinetime, entry.totaltime
            )
            for called in entry.calls or ():
                by_caller = callers.setdefault(label(called.code), {})
                calls, recursive = called.callcount, called.reccallcount
                by_caller[name] = _sum(
                    by_caller.get(name), calls, calls - recursive, called.inlinetime, called.totaltime
                )
        self.stats = {
            name: (primitive, calls, own, total, callers.get(name, {}))
            for name, (calls, primitive, own, total) in functions.items()
        }

    def run(self: _AnyProfile, cmd: str | CodeType) -> _AnyProfile:
        """Profile the statements CMD, executed in __main__."""
        import __main__

        return self.runctx(cmd, __main__.__dict__, __main__.__dict__)

    def runctx(
        self: _AnyProfile,
        cmd: str | CodeType,
        globals: dict[str, Any],
        locals: dict[str, Any] | None,
    ) -> _AnyProfile:
        """Profile the statements CMD, executed in GLOBALS and LOCALS."""
        self.enable()
        try:
            exec(cmd, globals, locals)
        finally:
            self.disable()
        return self

    def runcall(self, func: Callable[..., _Result], /, *args: Any, **kw: Any) -> _Result:
        """Profile one call, and return its result."""
        self.enable()
        try:
            return func(*args, **kw)
        finally:
            self.disable()


def _show(profile: Profile, filename: str | None, sort: str | int) -> None:
    if filename is None:
        profile.print_stats(sort)
    else:
        profile.dump_stats(filename)


def _run(profile: Profile, statement: Callable[[], object], filename: str | None, sort: str | int) -> None:
    """STATEMENT, and what was measured whatever ends it. SystemExit ends only STATEMENT, as in cProfile."""
    try:
        statement()
    except SystemExit:
        pass
    finally:
        _show(profile, filename, sort)


def run(statement: str | CodeType, filename: str | None = None, sort: str | int = -1) -> None:
    """Profile STATEMENT, executed in __main__; write the .prof file FILENAME, or print the table sorted by SORT.

    That is done also when STATEMENT raises; SystemExit goes no further."""
    profile = Profile()
    _run(profile, lambda: profile.run(statement), filename, sort)


def runctx(
    statement: str | CodeType,
    globals: dict[str, Any],
    locals: dict[str, Any] | None,
    filename: str | None = None,
    sort: str | int = -1,
) -> None:
    """As run(), executed in GLOBALS and LOCALS."""
    profile = Profile()
    _run(profile, lambda: profile.runctx(statement, globals, locals), filename, sort)
