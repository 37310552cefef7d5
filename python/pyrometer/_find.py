"""Load the C part, `_probe`: it lies beside this file, or where PYROMETER_PROBE_FILE says.

A Python without a GIL has another one, which lies beside it."""

from __future__ import annotations

import os
import sys


PROBE = "_probe.abi3.so"
FREE_THREADED_PROBE = "_probe_free_threaded.so"


def _load(path: str) -> None:
    """Import the shared object at PATH as pyrometer._probe."""
    from importlib.machinery import ExtensionFileLoader, ModuleSpec
    from importlib.util import module_from_spec

    name = "pyrometer._probe"
    spec = ModuleSpec(name, ExtensionFileLoader(name, path), origin=path)
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        ExtensionFileLoader(name, path).exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def find_probe(lines: bool = False, memory: bool = False) -> None:
    """See to it that `from pyrometer import _probe` works, with LINES that it counts lines, with MEMORY that it tracks memory;
    ImportError, with what to do, if that cannot be."""
    if lines and "t" in sys.abiflags:
        raise ImportError("lines are not counted without a GIL: run the program with another build of Python")
    if memory and "t" in sys.abiflags:
        raise ImportError("memory is not tracked without a GIL: run the program with another build of Python")
    if "pyrometer._probe" in sys.modules:
        return
    free_threaded = "t" in sys.abiflags  # objects are laid out differently: the other one would crash
    if free_threaded and sys.version_info[:2] != (3, 13):
        raise ImportError("pyrometer's C part for free-threaded builds of Python was tried in 3.13 only")
    try:
        if free_threaded:
            _load(os.path.join(os.path.dirname(__file__), FREE_THREADED_PROBE))
        else:
            from pyrometer import _probe  # noqa: F401
    except ImportError:
        path = os.environ.get("PYROMETER_PROBE_FILE")
        if not path:
            raise ImportError(
                "pyrometer's C part is not beside its Python part: install the package, "
                f"or set PYROMETER_PROBE_FILE to its {PROBE}"
            ) from None
        _load(path.replace(PROBE, FREE_THREADED_PROBE) if free_threaded else path)
    import pyrometer

    pyrometer._probe = sys.modules["pyrometer._probe"]
