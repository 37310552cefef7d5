"""Pyrometer: measure where a Python program's time goes.

    with pyrometer.Profile() as profile:
        work()
    profile.print_stats("cumulative")

Importing this starts nothing; what is used is loaded then. `python -m pyrometer` is the command `pyrometer` with
this Python.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyrometer._benchmark import Benchmark, benchmark
    from pyrometer._profile import Profile, run, runctx
    from pyrometer import heap
    from pyrometer._lines import LineProfiler, profile
    from pyrometer._memory import memory_usage, profile_memory
    from pyrometer._timed import timed

__version__ = "0.1.0"
__all__ = [
    "Benchmark",
    "LineProfiler",
    "Profile",
    "benchmark",
    "heap",
    "memory_usage",
    "profile",
    "profile_memory",
    "run",
    "runctx",
    "timed",
]


def __getattr__(name: str) -> object:
    """Load what is asked for the first time; AttributeError if there is no such thing."""
    if name not in __all__:
        raise AttributeError(f"module 'pyrometer' has no attribute {name!r}")
    module: object
    if name == "heap":
        import importlib

        return importlib.import_module("pyrometer.heap")
    if name in ("Benchmark", "benchmark"):
        from pyrometer import _benchmark as module
    elif name in ("LineProfiler", "profile"):
        from pyrometer import _lines as module
    elif name in ("memory_usage", "profile_memory"):
        from pyrometer import _memory as module
    elif name == "timed":
        from pyrometer import _timed as module
    else:
        from pyrometer import _profile as module
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
