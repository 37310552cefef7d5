"""The command line of cProfile's module: a script or module, profiled from its first line on.

kernprof.py has its own options, and runs them the same way.
"""

from __future__ import annotations

import argparse
import io
import os
import pstats
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cProfile", allow_abbrev=False)
    parser.add_argument("-o", "--outfile", help="write a .prof file there, print no table")
    parser.add_argument(
        "-s", "--sort", default=2, choices=sorted(pstats.Stats.sort_arg_dict_default), help="sort the table by this"
    )
    parser.add_argument("-m", dest="module", action="store_true", help="profile a library module")
    parser.add_argument("target", metavar="script", help="a file, or with -m a module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args()


def module(name: str) -> tuple[CodeType | str, dict[str, Any]]:
    """Statements that run the module NAME, and the variables they want."""
    import runpy

    return "run_module(modname, run_name='__main__')", {"run_module": runpy.run_module, "modname": name}


def script(path: str) -> tuple[CodeType | str, dict[str, Any]]:
    """The code of PATH and the globals of the __main__ it runs in, which is there from now on."""
    sys.path.insert(0, os.path.dirname(path))
    with io.open_code(path) as stream:
        code = compile(stream.read(), path, "exec")
    main_module = ModuleType("__main__")
    main_module.__dict__.update({"__file__": path, "__builtins__": __builtins__})
    sys.modules["__main__"] = main_module
    return code, main_module.__dict__


def main(runctx: Callable[..., None]) -> None:
    """Do what sys.argv says, by a module's RUNCTX."""
    options = _parse()
    if options.outfile is not None:
        options.outfile = os.path.abspath(options.outfile)  # the script may change directory
    sys.argv[:] = [options.target, *options.arguments]
    code, variables = (module if options.module else script)(options.target)
    try:
        runctx(code, variables, None, options.outfile, options.sort)
    except BrokenPipeError as error:
        sys.stdout = None  # nothing more can be said
        sys.exit(error.errno)
