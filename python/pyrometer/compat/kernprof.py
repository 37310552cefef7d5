"""`python -m pyrometer.compat.kernprof -l -v SCRIPT`: kernprof's command line, by Pyrometer.

The options that say what is measured and where it goes; docs/migration.md has all of them. It counts inside
this process, as kernprof does: `pyrometer run --lines` looks from outside besides, and follows children.
"""

from __future__ import annotations

import argparse
import builtins
import os
import sys
from pyrometer._lines import LineProfiler
from pyrometer.compat import _main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, ModuleType
    from typing import Any

_OPTIMIZED = 0x1  # CO_OPTIMIZED: the code of a function, not of a class or module


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kernprof", allow_abbrev=False)
    parser.add_argument("-l", "--line-by-line", action="store_true", help="count lines: the only way there is here")
    parser.add_argument("-b", "--builtin", action="store_true", help="put `profile` into the builtins (-l does)")
    parser.add_argument("-s", "--setup", metavar="FILE", help="run this script before, not counted")
    wanted = "count these modules, classes, functions, or the script"
    parser.add_argument("-p", "--prof-mod", metavar="NAME,...", action="append", default=[], help=wanted)
    parser.add_argument("-o", "--outfile", metavar="FILE", help="write the .lprof file there (SCRIPT.lprof)")
    parser.add_argument("-v", "--view", action="store_true", help="print the tables, too")
    parser.add_argument("-u", "--unit", type=float, default=1e-6, help="of the times in the tables, in seconds (1e-6)")
    parser.add_argument("-z", "--skip-zero", action="store_true", help="leave out functions that were not called")
    parser.add_argument("-m", dest="module", action="store_true", help="run a library module")
    parser.add_argument("target", metavar="script", help="a file, or with -m a module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.line_by_line:
        parser.error("without -l it is: python -m pyrometer.compat.cProfile, or: pyrometer run")
    return options


def _functions_of(code: CodeType) -> Iterator[CodeType]:
    """The code of all functions that are defined within CODE."""
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            if constant.co_flags & _OPTIMIZED and not constant.co_name.startswith("<"):
                yield constant
            yield from _functions_of(constant)


def _modules_of(module: ModuleType) -> Iterator[ModuleType]:
    """MODULE, and if it is a package all that it holds."""
    import importlib
    import pkgutil

    yield module
    for found in pkgutil.walk_packages(getattr(module, "__path__", ()), module.__name__ + "."):
        yield importlib.import_module(found.name)


def _name_of_file(path: str) -> str:
    """The module that a file is, by the folders of sys.path; PATH itself where it is in none."""
    full = os.path.realpath(path)
    for folder in sys.path:
        inside = os.path.relpath(full, os.path.realpath(folder or "."))
        if not inside.startswith(os.pardir):
            return os.path.splitext(inside)[0].replace(os.sep, ".")
    return path


def _add(profiler: LineProfiler, name: str) -> None:
    """All functions of a module or class, or a function, of that dotted name."""
    import importlib

    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        if isinstance(found, type(sys)):
            for module in _modules_of(found):
                profiler.add_module(module)
        elif isinstance(found, type):
            profiler.add_class(found)
        else:
            profiler.add_callable(found)
        return
    raise ModuleNotFoundError(f"kernprof: -p {name}: no such module, class, function or file")


def _setup(path: str) -> None:
    sys.path.insert(0, os.path.dirname(path))
    variables = {"__file__": path, "__name__": "__main__", "__builtins__": builtins}
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec"), variables)


def _run(options: argparse.Namespace, profiler: LineProfiler) -> None:
    code, variables = (_main.module if options.module else _main.script)(options.target)
    own = [] if isinstance(code, str) else list(_functions_of(code))
    names = [name for names in options.prof_mod for name in names.split(",") if name]
    for name in names:
        if os.path.exists(name) and os.path.exists(options.target) and os.path.samefile(name, options.target):
            profiler.add_codes(own)
        else:
            _add(profiler, _name_of_file(name) if os.path.isfile(name) else name)
    with profiler:
        exec(code, variables)


def main() -> None:
    """Do what sys.argv says. How the script ends is how this does."""
    options = _parse()
    output = os.path.abspath(options.outfile or os.path.basename(options.target) + ".lprof")
    sys.argv[:] = [options.target, *options.arguments]
    if options.setup is not None:
        _setup(options.setup)
    profiler = LineProfiler()
    setattr(builtins, "profile", profiler)
    stdout = sys.stdout
    try:
        _run(options, profiler)
    finally:
        profiler.dump_stats(output)
        print(f"Wrote profile results to {os.path.relpath(output)!r}", file=stdout)
        if options.view:
            profiler.print_stats(stdout, options.unit, options.skip_zero)
        else:
            print(f"Inspect results with:\npyrometer lines {os.path.relpath(output)!r}", file=stdout)


if __name__ == "__main__":
    main()
