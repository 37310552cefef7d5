"""`from pyrometer.compat import cProfile`: cProfile's module, by Pyrometer.

What it counts is what cProfile counts: a generator that goes on is called once more, and of C code only built-in
functions and methods have rows. docs/migration.md tells what differs still.
"""

from __future__ import annotations

from pyrometer import _profile
from pyrometer._profile import label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, Literal, TypeVar

    _AnyProfile = TypeVar("_AnyProfile", bound="Profile")

__all__ = ["run", "runctx", "Profile"]


class Profile(_profile.Profile):
    """Profile(timer=None, timeunit=0.0, subcalls=True, builtins=True), as cProfile.Profile.

    timer: a function without arguments that is asked the time. It returns seconds, or with a timeunit an int of so many
        seconds.
    threads: "calling", the thread that calls enable(), or "all".
    """

    def __init__(
        self,
        timer: Callable[[], float] | None = None,
        timeunit: float = 0.0,
        subcalls: bool = True,
        builtins: bool = True,
        *,
        threads: Literal["calling", "all"] = "calling",
    ) -> None:
        super().__init__(
            timer,
            timeunit,
            subcalls,
            builtins,
            threads=threads,
            resumes_are_calls=True,
            functions_only=True,
        )

    def __enter__(self: _AnyProfile) -> _AnyProfile:
        self.enable()
        return self

    def __exit__(self, *exception: object) -> None:  # in Python: cProfile's has a row, too
        self.disable()


def run(statement: str | CodeType, filename: str | None = None, sort: str | int = -1) -> None:
    """Profile STATEMENT, executed in __main__; write the .prof file FILENAME, or print the table sorted by SORT."""
    profile = Profile()
    _profile._run(profile, lambda: profile.run(statement), filename, sort)


def runctx(
    statement: str | CodeType,
    globals: dict[str, Any],
    locals: dict[str, Any] | None,
    filename: str | None = None,
    sort: str | int = -1,
) -> None:
    """As run(), executed in GLOBALS and LOCALS."""
    profile = Profile()
    _profile._run(profile, lambda: profile.runctx(statement, globals, locals), filename, sort)


def main() -> None:
    """`python -m pyrometer.compat.cProfile [-o FILE] [-s KEY] [-m MODULE | SCRIPT] [ARGUMENT...]`."""
    from pyrometer.compat._main import main

    main(runctx)


if __name__ == "__main__":
    main()
