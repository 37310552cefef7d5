"""The functions through which the program of each request is called: the sampler tells requests apart by their names.

Each is a function of its own name, "pyrometer_request_N", and no two requests have the same N at a time. So the stack of a
sample says whose it is, in threads, tasks and greenlets alike. src/requests/ring.c knows these names and this file's.
"""

from __future__ import annotations

from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SLOTS = 256


def _call(function: Any, *args: Any) -> Any:
    return function(*args)


async def _await(function: Any, *args: Any) -> Any:
    return await function(*args)


def _named(function: Any, number: int) -> Any:
    name = f"pyrometer_request_{number}"
    code = function.__code__.replace(co_name=name)
    if hasattr(code, "co_qualname"):
        code = code.replace(co_qualname=name)
    return FunctionType(code, globals(), name)


class _Made(dict):  # type: ignore[type-arg]
    """Functions by their numbers, each made when it is first asked for."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __missing__(self, number: int) -> Any:
        return self.setdefault(number, _named(self._function, number))


class Slots:
    """Those of one process. Any thread may take the last of `free`, and put it back.

    The last that was put back is the next: so there are as few names, and stacks for the sampler to know, as there are requests at a time.
    """

    def __init__(self) -> None:
        self.free = list(range(SLOTS - 1, -1, -1))
        self.call = _Made(_call)  # call[number](function, *args): in a function of that number's name
        self.awaiting = _Made(_await)  # the same, a coroutine function
