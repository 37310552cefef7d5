"""For tests that compare two clocks."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable

TRIES = 3


def clocked(test: Callable[..., None]) -> Callable[..., None]:
    """A test that compares two readings of a clock, between which another process may have had the CPU: where it fails, it is run
    again, TRIES times in all. What is wrong is wrong each time. pytest lists each repetition among its warnings."""

    @functools.wraps(test)
    def measured(**fixtures: object) -> None:
        for _ in range(TRIES - 1):
            try:
                return test(**fixtures)
            except AssertionError as error:
                warnings.warn(f"{test.__name__} is measured again: {str(error).splitlines()[0]}", stacklevel=2)
        return test(**fixtures)

    return measured
