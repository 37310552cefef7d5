"""The functions through which the program of each request is called: the sampler tells requests apart by their names.

Each is a function of its own name, "pyrometer_request_N", and no two requests have the same N at a time. So the stack of a
sample says whose it is, in threads, tasks and greenlets alike. src/requests/ring.c knows these names and this file's.
"""

from __future__ import annotations

from collections import deque
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SLOTS = 256


def _call(function: Any, args: Any) -> Any:
    return function(*args)


async def _await(function: Any, args: Any) -> Any:
    return await function(*args)


def _named(function: Any, number: int) -> Any:
    name = f"pyrometer_request_{number}"
    code = function.__code__.replace(co_name=name)
    if hasattr(code, "co_qualname"):
        code = code.replace(co_qualname=name)
    return FunctionType(code, globals(), name)


class Slots:
    """Those of one process. take() and give() may be called by any thread."""

    def __init__(self) -> None:
        self._free: deque[int] = deque(range(SLOTS))
        self._calls: dict[int, Any] = {}
        self._awaits: dict[int, Any] = {}

    def take(self) -> int | None:
        """None: there are as many requests at a time as there are slots."""
        try:
            return self._free.popleft()
        except IndexError:
            return None

    def give(self, number: int) -> None:
        """It may be used again."""
        self._free.append(number)

    def call(self, number: int) -> Any:
        """call(function, args), in a function of that number's name."""
        return self._calls.get(number) or self._calls.setdefault(number, _named(_call, number))

    def awaiting(self, number: int) -> Any:
        """The same, a coroutine function."""
        return self._awaits.get(number) or self._awaits.setdefault(number, _named(_await, number))
