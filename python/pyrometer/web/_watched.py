"""A request that is measured. As a rule nobody asked about it, but it may turn out slow or failed: so little is done for each of them.

One object is all of it: it stands between the program and the callable by which its answer begins, holds the clock and, if any are sent, its
queries. The C part has it (src/probe/watched.c); this is the same for Pythons that the C part does not fit.
"""

from __future__ import annotations

from time import monotonic_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import ContextVar
    from typing import Any

FAILED_FROM = 500
NEVER_NS = (1 << 64) - 1


class Watch:
    """Which requests of a service are wanted, and where they go."""

    def __init__(
        self,
        slow_ns: int,
        fails: bool,
        keep: Callable[[Watched, int, int], None],
        current: ContextVar[Any],
        make: Callable[[], Any],
        under_way: Any,
    ) -> None:
        self.slow_ns = slow_ns  # those whose answer began so late,
        self.fails = fails  # and if this, those that failed:
        self.keep = keep  # it is called with these, the time and their status
        self.current = current  # is the one that runs here
        self.make = make  # makes a Queries
        self.under_way = under_way  # by slot: 0, or when it began, odd if that is wanted whatever it does; behind all these its object

    def wsgi(self, start_response: Any, info: Any, slot: int | None = None) -> Watched:
        """A request of WSGI begins; what is returned takes the place of START_RESPONSE. INFO is for keep(), SLOT its place in under_way."""
        return _WSGI(self, start_response, info, slot)

    def asgi(self, send: Any, info: Any, slot: int | None = None) -> Watched:
        """The same of ASGI, and of SEND."""
        return _ASGI(self, send, info, slot)

    @staticmethod
    def context_at() -> int:
        """Where a thread state has its context, in bytes; 0: that is not known."""
        return 0

    @staticmethod
    def header(headers: Any, name: bytes) -> Any:
        """The first of that name among those of ASGI; None: there is none."""
        return next((header[1] for header in headers if header[0] == name), None)


class Watched:
    """Safe in threads. Nothing here raises, but what is called does."""

    def __init__(self, watch: Watch, inner: Any, info: Any, slot: int | None) -> None:
        self.watch, self.inner, self.info, self.slot = watch, inner, info, slot
        self.status = 0
        self.answered = False
        self.before: Any = watch.current.set(self)
        self.began_ns = monotonic_ns()
        self._say(self.began_ns & ~1 if watch.slow_ns else self.began_ns | 1, id(self))

    def answers(self) -> None:
        """Its answer begins, before the program is done with it."""
        if not self.answered:
            self._judge(monotonic_ns())

    def over(self, raised: bool, ended_ns: int | None = None) -> None:
        """The program is done with it. The answer of ASGI began before, or does not."""
        if raised:
            self.status = FAILED_FROM
        try:
            if not self.answered:
                self._judge(monotonic_ns() if ended_ns is None else ended_ns)
        finally:
            self._put_back()
            self.before = None  # it has the context, which may have us
            self._say(0, 0)
            self.slot = None

    def queries(self) -> Any:
        """Those that it sent: a Queries, made when it is first asked for."""
        own = self.__dict__
        return own["_queries"] if "_queries" in own else own.setdefault("_queries", self.watch.make())

    def begin(self, sql: object, parameters: object, many: bool) -> Any:
        """A query begins: what end() wants."""
        return self.queries().begin(sql, parameters, many)

    def end(self, begun: Any) -> None:
        """A query ended."""
        self.queries().end(begun)

    def _put_back(self) -> None:
        try:
            if self.before is not None:
                self.watch.current.reset(self.before)
                self.before = None
        except ValueError:  # another context than that of the beginning: it is tried again at the end
            pass

    def _say(self, began_ns: int, object_: int) -> None:
        under_way = self.watch.under_way
        if self.slot is not None:
            under_way[self.slot] = began_ns
            under_way[len(under_way) // 2 + self.slot] = object_

    def _judge(self, ended_ns: int) -> None:
        self.answered = True
        watch = self.watch
        if ended_ns - self.began_ns >= watch.slow_ns or (watch.fails and self.status >= FAILED_FROM):
            watch.keep(self, ended_ns, self.status)


class _WSGI(Watched):
    def __call__(self, *args: Any, **more: Any) -> Any:
        if args:
            self.status = _number(args[0])
        return self.inner(*args, **more)


class _ASGI(Watched):
    def __call__(self, *args: Any, **more: Any) -> Any:
        """To be awaited, as what SEND returns."""
        if args and not self.answered:
            try:
                begins, status = args[0].get("type") == "http.response.start", args[0].get("status")
            except Exception:  # what is odd in it is the server's affair
                begins = False
            if begins:
                self.status = status if isinstance(status, int) and 0 < status < 1000 else 0
                self._judge(monotonic_ns())
        elif args and _ends_answer(args[0]):
            self._put_back()  # a timer that the server sets then keeps the context, and all that is in it
        return self.inner(*args, **more)


def _ends_answer(message: Any) -> bool:
    """Is it the last one of an answer?"""
    try:
        return message.get("type") == "http.response.body" and not message.get("more_body", False)
    except Exception:
        return False


def _number(status: Any) -> int:
    """Of "404 Not Found"; 0: it has none."""
    digits = status[:3] if isinstance(status, str) else ""
    return int(digits) if len(digits) == 3 and digits.isascii() and digits.isdigit() else 0


def find_watch() -> Any:
    """The type in C where it fits this Python."""
    try:
        from pyrometer._find import find_probe

        find_probe()
        from pyrometer._probe import Watch as InC
    except ImportError:
        return Watch
    return InC
