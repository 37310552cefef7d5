"""LineProfiler, with the methods of line_profiler's; and profile, the mark that `pyrometer run --lines` looks for.

Hits are line events in sys.settrace's meaning, times nanoseconds in which a line stood on the stack, what it called
included, less what counting costs. No function is changed. docs/migration.md tells every difference from line_profiler.
"""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False  # typing's own takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, ModuleType
    from typing import Any, TextIO, TypeVar

    _Result = TypeVar("_Result")
    _Any = TypeVar("_Any")
    _AnyProfiler = TypeVar("_AnyProfiler", bound="LineProfiler")

__all__ = ["LineProfiler", "LineStats", "profile"]

Label = tuple[str, int, str]
"""File, first line, qualified name."""
Timings = dict[Label, list[tuple[int, int, int]]]
"""Of each function: line, hits, time."""

UNIT_S = 1e-9
PARTS_MAX = 16  # a function in a function that are gone through: there are objects whose attributes are always new ones
COLUMNS = (6, 9, 12, 8, 8)
TITLES = ("Line #", "Hits", "Time", "Per Hit", "% Time")

_lock = _thread.RLock()  # of what follows, of all profilers, and of who listens
_listeners: dict[int, tuple[CodeType, int]] = {}  # by id of a code object: it, and how many want its lines


def _forked() -> None:
    """In a child nobody listens, and nothing was counted."""
    global _lock
    _lock = _thread.RLock()
    _listeners.clear()


os.register_at_fork(after_in_child=_forked)


def profile(function: _Any) -> _Any:
    """A decorator: `pyrometer run --lines` counts the function's lines, elsewhere it does nothing. Returns it as it is."""
    import builtins

    mark = getattr(builtins, "profile", None)
    if mark is None or mark is profile:
        return function
    marked: _Any = mark(function)
    return marked


def _code_of(function: Any) -> CodeType | None:
    """That of a function, or of what a method, a property or a decorated function is made of; None: it has none."""
    from types import CodeType

    for _ in range(PARTS_MAX):
        if not hasattr(function, "__wrapped__") and isinstance(code := getattr(function, "__code__", None), CodeType):
            return code
        parts = (getattr(function, part, None) for part in ("__wrapped__", "__func__", "fget", "func"))
        function = next((part for part in parts if part is not None), None)
    return None


def _label(code: CodeType) -> Label:
    return code.co_filename, code.co_firstlineno, code.co_qualname


class LineProfiler:
    """Counts and times functions line by line, in all threads.

    with LineProfiler(f, g) as profiler: ...; or as a decorator, @profiler, which returns the function itself and has its
    lines counted from then on. ImportError: this Python is not one the C part fits.
    """

    timer_unit = UNIT_S

    def __init__(self, *functions: Callable[..., Any]) -> None:
        self.functions: list[Any] = []
        self.enable_count = 0
        self._codes: list[CodeType] = []
        self._before: dict[int, dict[int, tuple[int, int]]] = {}  # what was counted when a code object was added
        self._process = os.getpid()
        for function in functions:
            self.add_function(function)

    def _add(self, function: Any) -> CodeType | None:
        """Its code, which is new to this profiler or not; None: it has none."""
        from pyrometer._find import find_probe

        find_probe(lines=True)
        code = _code_of(function)
        if code is not None and id(code) not in self._before:
            self.functions.append(function)
            self._add_code(code)
        return code

    def _add_code(self, code: CodeType) -> None:
        from pyrometer import _probe

        with _lock:
            self._take_over()
            self._before[id(code)] = {line: (hits, time) for line, hits, time in _probe.lines_of(code)}
            self._codes.append(code)
            if self.enable_count:
                self._listen([code], True)

    def _take_over(self) -> None:
        """In a forked child: begin anew."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._before = {id(code): {} for code in self._codes}
            self.enable_count = 0

    def _listen(self, codes: Iterable[CodeType], on: bool) -> None:
        from pyrometer import _probe

        for code in codes:
            wanted = _listeners.get(id(code), (code, 0))[1] + (1 if on else -1)
            _listeners[id(code)] = (code, wanted)
            if wanted == on:  # the first one, or the last
                _probe.listen(code, on)

    def add_function(self, func: Any) -> None:
        """Count its lines while the profiler is enabled. A method, property or decorated function stands for its own one."""
        if self._add(func) is None:
            import warnings

            warnings.warn(f"{func!r} has no code in Python: its lines are not counted", stacklevel=2)

    def add_callable(self, func: Any) -> int:
        """As add_function(), without a warning; how many functions were added."""
        before = len(self._codes)
        self._add(func)
        return len(self._codes) - before

    def add_codes(self, codes: Iterable[CodeType]) -> None:
        """Functions that are yet to be made of these code objects."""
        from pyrometer._find import find_probe

        find_probe(lines=True)
        for code in codes:
            if id(code) not in self._before:
                self._add_code(code)

    def add_class(self, cls: type) -> int:
        """All functions that are defined in a class; how many."""
        return sum(self.add_callable(member) for member in vars(cls).values())

    def add_module(self, mod: ModuleType) -> int:
        """All functions of a module, and those of its classes; how many."""
        count = 0
        for member in vars(mod).values():
            if getattr(member, "__module__", None) == mod.__name__:
                count += self.add_class(member) if isinstance(member, type) else self.add_callable(member)
        return count

    def __call__(self, func: _Any) -> _Any:
        """A decorator: the function itself, whose lines are counted from now on."""
        with _lock:
            before = len(self._codes)
            self.add_function(func)
            self._listen(self._codes[before:], True)
        return func

    def enable(self) -> None:
        """Count from now on."""
        self.enable_by_count()

    def disable(self) -> None:
        """Count no more, however often it was enabled."""
        with _lock:
            while self.enable_count:
                self.disable_by_count()

    def enable_by_count(self) -> None:
        """Count from now on; to be ended as often as it was begun."""
        with _lock:
            self._take_over()
            if self.enable_count == 0:
                self._listen(self._codes, True)
            self.enable_count += 1

    def disable_by_count(self) -> None:
        """End what enable_by_count() began."""
        with _lock:
            self._take_over()
            if self.enable_count == 0:
                return
            self.enable_count -= 1
            if self.enable_count == 0:
                self._listen(self._codes, False)

    def __enter__(self: _AnyProfiler) -> _AnyProfiler:
        self.enable_by_count()
        return self

    def __exit__(self, *exception: object) -> None:
        self.disable_by_count()

    def run(self: _AnyProfiler, cmd: str | CodeType) -> _AnyProfiler:
        """Count while the statements CMD are executed in __main__."""
        import __main__

        return self.runctx(cmd, __main__.__dict__, __main__.__dict__)

    def runctx(
        self: _AnyProfiler, cmd: str | CodeType, globals: dict[str, Any], locals: dict[str, Any] | None
    ) -> _AnyProfiler:
        """Count while the statements CMD are executed in GLOBALS and LOCALS."""
        with self:
            exec(cmd, globals, locals)
        return self

    def runcall(self, func: Callable[..., _Result], /, *args: Any, **kw: Any) -> _Result:
        """Count during one call, and return its result."""
        with self:
            return func(*args, **kw)

    def get_stats(self) -> LineStats:
        """What was counted so far; of lines that are not over, without the time since they began."""
        from pyrometer import _probe

        timings: Timings = {}
        with _lock:
            self._take_over()
        for code in self._codes:
            before = self._before[id(code)]
            found = timings.setdefault(_label(code), [])
            for line, hits, time in _probe.lines_of(code):
                hits_before, time_before = before.get(line, (0, 0))
                if hits > hits_before and all(line != known for known, _, _ in found):
                    found.append((line, hits - hits_before, max(time - time_before, 0)))
            found.sort()
        return LineStats(timings, UNIT_S)

    def dump_stats(self, filename: str) -> None:
        """Write what was counted so far into a file for line_profiler (.lprof), or for `pyrometer lines`."""
        self.get_stats().to_file(filename)

    def print_stats(
        self,
        stream: TextIO | None = None,
        output_unit: float | None = None,
        stripzeros: bool = False,
        details: bool = True,
        summarize: bool = False,
        sort: bool = False,
    ) -> None:
        """Print a table for each function, as line_profiler does: see LineStats.print()."""
        self.get_stats().print(stream, output_unit, stripzeros, details, summarize, sort)


class LineStats:
    """What was counted: timings, by function the lines with their hits and times in units of so many seconds."""

    def __init__(self, timings: Timings, unit: float) -> None:
        self.timings = timings
        self.unit = unit

    def to_file(self, filename: str) -> None:
        """Write it as line_profiler's own: a pickle of a class of that name, with these two attributes."""
        import pickle

        state = pickle.dumps({"timings": self.timings, "unit": self.unit}, 2)
        with open(filename, "wb") as file:  # what pickle.dump() would write, were line_profiler there
            file.write(b"\x80\x02cline_profiler._line_profiler\nLineStats\n)\x81" + state[2:-1] + b"b.")

    def print(
        self,
        stream: TextIO | None = None,
        output_unit: float | None = None,
        stripzeros: bool = False,
        details: bool = True,
        summarize: bool = False,
        sort: bool = False,
    ) -> None:
        """Print the tables on STREAM (sys.stdout), times in units of OUTPUT_UNIT seconds. stripzeros: leave out functions that
        did not run. details: the tables; summarize: a line for each function after them; sort: the hottest last."""
        import sys

        out = stream or sys.stdout
        unit = output_unit or self.unit
        order = sorted(self.timings.items())
        if sort:
            order.sort(key=lambda item: self._total(item[1]))
        out.write(f"Timer unit: {unit:g} s\n\n")
        for label, lines in order:
            if details and (lines or not stripzeros):
                self._print_function(out, label, lines, unit)
        for label, lines in order:
            if summarize and (lines or not stripzeros):
                file, first, name = label
                out.write(f"{self._total(lines):6.2f} seconds - {file}:{first} - {name}\n")

    def _total(self, lines: list[tuple[int, int, int]]) -> float:
        """Seconds."""
        return sum(time for _, _, time in lines) * self.unit

    def _print_function(self, out: TextIO, label: Label, lines: list[tuple[int, int, int]], unit: float) -> None:
        file, first, name = label
        total = self._total(lines)
        head = _row(TITLES, "Line Contents")
        out.write(f"Total time: {total:g} s\nFile: {file}\nFunction: {name} at line {first}\n\n")
        out.write(f"{head}\n{'=' * len(head)}\n")
        counted = {line: (hits, time) for line, hits, time in lines}
        source = _source(file, first, counted)
        for number in sorted({*source, *counted}):
            cells = [str(number), "", "", "", ""]
            if number in counted:
                hits, time = counted[number]
                shown = time * self.unit / unit
                share = 100 * time * self.unit / total if total else 0.0
                cells[1:] = [str(hits), f"{shown:.1f}", f"{shown / hits:.1f}", f"{share:.1f}"]
            out.write(_row(cells, source.get(number, "")).rstrip() + "\n")
        out.write("\n")


def _row(cells: Iterable[str], text: str) -> str:
    return " ".join(cell.rjust(width) for cell, width in zip(cells, COLUMNS)) + "  " + text


def _source(file: str, first: int, counted: Iterable[int]) -> dict[int, str]:
    """The lines of the function that begins in line FIRST of FILE, by number; none where there is no such file."""
    import inspect
    import linecache

    linecache.checkcache(file)
    lines = linecache.getlines(file)[first - 1 :]
    block = inspect.getblock(lines) if lines else []
    last = max([first + len(block) - 1, *counted])
    return {first + at: text.rstrip() for at, text in enumerate(lines[: last - first + 1])}
