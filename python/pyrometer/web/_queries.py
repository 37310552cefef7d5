"""Which queries a request sends: how many, for how long, from which of the program's lines, and which are of one shape.

Told by the hooks that the libraries offer: Django's execute_wrapper, SQLAlchemy's engine events, and for plain DB-API a proxy,
count_queries(). What is kept of a query is its shape, never a value: shapes, hashes of parameters and whose code a file is come
from the C part, by the code that `pyrometer findings` counts queries with. Where that does not fit this Python, queries are counted and
timed, and told apart by a hash of their text.
"""

from __future__ import annotations

import os
import re
import sys
from contextvars import ContextVar
from time import monotonic_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any, ClassVar, Union

    # The code and line of the program's own that is nearest: None, 0: there is none. What loads lazily between there and here: a frame, or a code and its first
    # variable; None: nothing does. The function of this file that was called: of the others, a library's.
    Origin = tuple[Any, int, Union[Any, tuple[Any, Any], None], Any]

QUERIES_MIN = 10  # of one shape from one line: fewer are not worth a change (src/base/repetition.h)
ENTRIES_MAX = 1000  # of one request: what comes on top is counted in all, not by line
PARAMETERS_MAX = 4096  # that are remembered for each
FRAMES_MAX = 200  # that are searched for a line of the program's own
WRITTEN_MAX, WRITTEN_BYTES = 30, 15_000  # entries that go into the request's recording, and their bytes
READS, WRITES = ("SELECT", "WITH"), ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE")


class Entry:
    """Queries of one shape from one line."""

    __slots__ = ("code", "count", "first_ns", "last_ns", "lazily", "longest_ns", "many", "parameters", "sender", "time_ns", "timed", "unknown")

    def __init__(self, origin: Origin, began_ns: int) -> None:
        self.code, _, loader, self.sender = origin
        self.lazily = None if loader is None else _lazily(loader)  # the attribute that is loaded so, and its class; "" where not known
        self.first_ns = self.last_ns = began_ns
        self.count = self.timed = self.time_ns = self.longest_ns = self.unknown = self.many = 0
        self.parameters: set[int] = set()


class Queries:
    """Those of one request; its threads and tasks may add at a time."""

    files: ClassVar[dict[str, bool | str | None]] = {}
    """Of paths that were asked about: look_at()."""

    def __init__(self) -> None:
        self.count = self.time_ns = self.lost = 0
        self.entries: dict[tuple[str, str, int], Entry] = {}

    @staticmethod
    def look_at(path: str) -> bool | str | None:
        """True: that file is the program's own; None: it is this one. Else it is a library's: the end of the name of its function that loads lazily, or False."""
        own = not path.startswith(_PACKAGE) and not _is_library(path)
        found = Queries.files[path] = None if path == _HERE else own or _lazy_loader(path) or False
        return found

    def begin(self, sql: object, parameters: object, many: bool) -> tuple[Entry | None, int]:
        """A query begins: what end() wants."""
        origin = _origin()
        entry = self._note(sql, None if many else _value_hash(parameters), many, origin, monotonic_ns())
        return entry, monotonic_ns()

    def end(self, begun: tuple[Entry | None, int]) -> None:
        """It ended."""
        entry, began_ns = begun
        self._took(entry, monotonic_ns() - began_ns)

    def take(self, sent: list[tuple[object, int | None, bool, Origin, int, int | None]]) -> list[tuple[Entry | None, int]]:
        """Queries that began before anybody asked (src/probe/sent.c): text, hash of the parameters, many, where from, when they began, and how long
        they took, if they ended. Of each, what end() wants."""
        begun = []
        for sql, value, many, origin, began_ns, took_ns in sent:
            entry = self._note(sql, value, many, origin, began_ns)
            if took_ns is not None:
                self._took(entry, took_ns)
            begun.append((entry, began_ns))
        return begun

    def _note(self, sql: object, value: int | None, many: bool, origin: Origin, began_ns: int) -> Entry | None:
        """None: its time goes nowhere but into that of all."""
        self.count += 1
        code, line, loader, _ = origin
        key = (_shape(sql), "" if code is None else code.co_filename, line)
        entry = self.entries.get(key)
        if entry is None:
            if len(self.entries) >= ENTRIES_MAX:
                self.lost += 1
                return None
            entry = self.entries.setdefault(key, Entry(origin, began_ns))
        elif loader is not None and entry.lazily is None:
            entry.lazily = _lazily(loader)
        entry.count += 1
        entry.first_ns, entry.last_ns = min(entry.first_ns, began_ns), max(entry.last_ns, began_ns)
        entry.many += many
        if value is None or len(entry.parameters) >= PARAMETERS_MAX:
            entry.unknown += 1
        else:
            entry.parameters.add(value)
        return entry

    def _took(self, entry: Entry | None, took_ns: int) -> None:
        self.time_ns += took_ns
        if entry is not None:
            entry.timed += 1
            entry.time_ns += took_ns
            entry.longest_ns = max(entry.longest_ns, took_ns)

    def verdict(self) -> tuple[str, str, int, int] | None:
        """The worst repetition: "n+1", "same" or "writes", the file and line it comes from, how often. None: there is none."""
        if self.count < QUERIES_MIN:
            return None
        worst = None
        for (shape, file, line), entry in list(self.entries.items()):
            kind = _kind(shape, entry)
            if kind and file and (worst is None or entry.count > worst[3]):
                worst = (kind, file, line, entry.count)
        return worst

    def longest(self, count: int) -> list[tuple[str, str, int, int, float]]:
        """The COUNT that took the most time together: shape, file and line, how many, seconds."""
        found = [(shape, file, line, entry.count, entry.time_ns / 1e9) for (shape, file, line), entry in list(self.entries.items())]
        return sorted(found, key=lambda of: of[4], reverse=True)[:count]

    def from_line(self, file: str, line: int) -> int:
        """How many one line sent."""
        return sum(entry.count for (_, its, at), entry in list(self.entries.items()) if (its, at) == (file, line))

    def written(self) -> str:
        """For the request's recording (src/requests/sent.h): how many, and those that took the most time."""
        lines, left = [], WRITTEN_BYTES
        for (shape, file, line), entry in sorted(self.entries.items(), key=lambda item: item[1].time_ns, reverse=True)[:WRITTEN_MAX]:
            made = _written(shape, file, line, entry)
            size = len(made.encode("utf-8", "replace"))
            if size <= left:  # a shape is whole, or not there
                lines.append(made)
                left -= size
        return f"{self.count}\n" + "".join(lines)  # counted last: others may add to it


def _kind(shape: str, entry: Entry) -> str | None:
    found: str | None = _repetition(shape, entry.count, len(entry.parameters), entry.unknown, entry.many > 0, entry.lazily is not None)
    return found


def _written(shape: str, file: str, line: int, entry: Entry) -> str:
    """A line: numbers, and texts behind tabulators."""
    own, sender, (relation, owner) = entry.code, entry.sender, entry.lazily or ("", "")
    sender_file = "" if sender is None else sender.co_filename
    numbers = (
        f"{entry.count} {entry.timed} {entry.time_ns} {entry.longest_ns} {len(entry.parameters)} {entry.unknown} {entry.many} {entry.first_ns} {entry.last_ns} "
        f"{line} {_first_line(own)} {_first_line(sender)}"
    )
    texts = (_name(own), file, _name(sender), sender_file, relation, owner, shape)
    joined = "\t".join(texts)
    if joined.count("\t") >= len(texts) or "\n" in joined or "\0" in joined:
        joined = "\t".join([_AT_AN_END.sub(" ", text) for text in texts])
    return f"{numbers}\t{joined}\n"


def _name(code: Any) -> str:
    """As the sampler calls it."""
    name: str = "" if code is None else getattr(code, "co_qualname", code.co_name)
    return name


def _first_line(code: Any) -> int:
    line: int = 0 if code is None else code.co_firstlineno
    return line


_AT_AN_END = re.compile("[\t\n\0]")  # of a text, and of a line


current: ContextVar[Any] = ContextVar("pyrometer_queries", default=None)
"""Who takes the queries of the request that runs here, by begin() and end(): a Watched. None: nobody wants them."""
errors = 0
"""Of our own, which no query is to suffer from."""


# -- texts, values and lines -----------------------------------------------------------------------


def _load() -> tuple[Any, Any, Any, Any, Any, Any]:
    try:
        from pyrometer._find import find_probe

        find_probe()
        from pyrometer._probe import is_library, lazy_loader, lazy_relation, repetition, sql_shape, value_hash
    except ImportError:
        return _shape_by_hash, lambda value: None, _is_library_by_name, lambda path: None, lambda *of: ("", ""), _repetition_by_verb
    return sql_shape, value_hash, is_library, lazy_loader, lazy_relation, repetition


_SALT = os.urandom(8)  # a recording has the hash, which is not to tell of the text, whatever PYTHONHASHSEED is


def _shape_by_hash(sql: object) -> str:
    """The verb is no secret; the rest is not to be seen."""
    text = sql if isinstance(sql, str) else ""
    verb = text.lstrip().split(None, 1)[0] if text.strip() else ""
    return f"{verb[:10] if verb.isalpha() else ''} ? {hash((text, _SALT)):x}"


def _is_library_by_name(path: str) -> bool:
    version = f"/python{sys.version_info[0]}.{sys.version_info[1]}"
    return path.startswith("<frozen ") or "/site-packages/" in path or "/dist-packages/" in path or f"/lib{version}" in path


def _repetition_by_verb(shape: str, count: int, distinct: int, unknown: int, many: bool, lazily: bool) -> str | None:
    """Nothing is known of parameters."""
    verb = shape.lstrip("(").upper()
    if count < QUERIES_MIN or many or (verb and not verb.startswith(READS + WRITES)):
        return None
    return "writes" if verb.startswith(WRITES) else "n+1"


_shape, _value_hash, _is_library, _lazy_loader, _lazy_relation, _repetition = _load()


def _waiting_frame() -> Any:
    """In a greenlet, as SQLAlchemy's asynchronous engines use them, below its last frame: that of the one that waits for it."""
    if "greenlet" not in sys.modules:
        return None
    waiting = sys.modules["greenlet"].getcurrent().parent
    return waiting.gr_frame if waiting is not None else None


def _origin() -> Origin:
    """Of the query that begins."""
    frame: Any = sys._getframe(2)
    files, waiting, loader, sender = Queries.files, True, None, None
    for _ in range(FRAMES_MAX):
        code = frame.f_code
        path = code.co_filename
        found = files[path] if path in files else Queries.look_at(path)
        if found is True:
            return code, frame.f_lineno or 0, loader, sender
        if found is None:
            sender = code
        elif found and loader is None and code.co_qualname.endswith(found) and code.co_argcount:
            loader = frame
        frame = frame.f_back
        if frame is None and waiting:
            waiting, frame = False, _waiting_frame()
        if frame is None:
            break
    return None, 0, loader, sender


def _lazily(loader: Any) -> tuple[str, str]:
    """What the function of that frame loads, or that object by the function of that code: an attribute and its class, "" where not known."""
    try:
        code, its = loader if isinstance(loader, tuple) else (loader.f_code, loader.f_locals[loader.f_code.co_varnames[0]])
        found: tuple[str, str] = _lazy_relation(code.co_qualname, code.co_filename, its)
    except Exception:
        _failed()
        return "", ""
    return found


_HERE = _origin.__code__.co_filename
_PACKAGE = __file__[: -len("web/_queries.py")]


def _begin(sql: object, parameters: object, many: bool) -> tuple[Any, Any] | None:
    """None: nobody asks, or something of ours failed."""
    request = current.get()
    if request is None:
        return None
    try:
        return request, request.begin(sql, parameters, many)
    except Exception:
        _failed()
        return None


def _end(begun: tuple[Any, Any] | None) -> None:
    """Nothing of ours takes the place of what the query returned, or raised."""
    if begun is None:
        return
    try:
        begun[0].end(begun[1])
    except Exception:
        _failed()


def _failed() -> None:
    global errors
    errors += 1


# Those of Django and SQLAlchemy are known by these names where a recording is judged (src/analyze/rules/n_plus_one.c).

# -- Django ----------------------------------------------------------------------------------------


def _django_wrapper(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    begun = _begin(sql, params, many)
    try:
        return execute(sql, params, many, context)
    finally:
        _end(begun)


def _watch_django_connection(connection: Any, **signal: Any) -> None:
    if _django_wrapper not in connection.execute_wrappers:
        connection.execute_wrappers.append(_django_wrapper)


def watch_django() -> None:
    """Those of all connections, whenever they are made."""
    from django.db import connections
    from django.db.backends.signals import connection_created

    connection_created.connect(_watch_django_connection, dispatch_uid="pyrometer")
    made = getattr(connections, "_connections", None)  # connections.all() would make those that nobody uses
    for alias in connections:
        if hasattr(made, alias):
            _watch_django_connection(connections[alias])


# -- SQLAlchemy ------------------------------------------------------------------------------------

watches_sqlalchemy = False


def watch_sqlalchemy() -> None:
    """Those of every engine, as soon as the program has imported SQLAlchemy; to be called now and then."""
    global watches_sqlalchemy
    if watches_sqlalchemy or "sqlalchemy.engine" not in sys.modules:
        return
    watches_sqlalchemy = True
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "do_execute", _sqlalchemy_execute)
    event.listen(Engine, "do_execute_no_params", _sqlalchemy_execute_no_params)
    event.listen(Engine, "do_executemany", _sqlalchemy_executemany)


# The dialect's own event, which is asked to execute. Those before and after it (before_cursor_execute) cost 20 us a query, since all of an engine's are told then,
# and one that fails has no end. Who returns True is the last that is asked: where others ask too, theirs is not taken away, and the query is counted without its time.


def _sqlalchemy_execute(cursor: Any, statement: Any, parameters: Any, context: Any) -> bool:
    return _sqlalchemy("do_execute", context, statement, parameters, (cursor, statement, parameters, context))


def _sqlalchemy_execute_no_params(cursor: Any, statement: Any, context: Any) -> bool:
    return _sqlalchemy("do_execute_no_params", context, statement, (), (cursor, statement, context))


def _sqlalchemy_executemany(cursor: Any, statement: Any, parameters: Any, context: Any) -> bool:
    return _sqlalchemy("do_executemany", context, statement, parameters, (cursor, statement, parameters, context))


def _sqlalchemy(name: str, context: Any, statement: Any, parameters: Any, args: Any) -> bool:
    """True: it is executed."""
    begun = _begin(statement, parameters, bool(getattr(context, "executemany", False)))
    if begun is None:
        return False
    if not _is_alone(name, context):
        return False
    try:
        getattr(context.dialect, name)(*args)
    finally:
        _end(begun)
    return True


def _is_alone(name: str, context: Any) -> bool:
    """Does nobody else listen to that event?"""
    try:
        return len(getattr(context.dialect.dispatch, name)) == 1
    except Exception:
        _failed()
        return False


# -- plain DB-API ----------------------------------------------------------------------------------


def count_queries(connection: Any) -> Any:
    """CONNECTION, of any DB-API driver, synchronous or not, in a proxy whose cursors count: use that in its place."""
    return _AsyncConnection(connection) if _is_asynchronous(connection) else _Connection(connection)


def _is_asynchronous(made: Any) -> bool:
    from inspect import iscoroutinefunction  # milliseconds

    return iscoroutinefunction(getattr(made, "execute", None))


class _Proxy:
    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        object.__setattr__(self, "_inner", inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._inner, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._inner, name)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        return self._execute(args[0] if args else None, args[1] if len(args) > 1 else None, args, kwargs)

    def executemany(self, *args: Any, **kwargs: Any) -> Any:
        return self._executemany(args[0] if args else None, args, kwargs)

    # `pyrometer run` knows these two by name, and reads SQL and what is behind it (src/probe/orms.c). What they return is the
    # driver's own; its cursor, which may be itself, a proxy.

    def _execute(self, sql: Any, parameters: Any, args: Any, kwargs: Any) -> Any:
        begun = _begin(sql, parameters, False)
        try:
            made = self._inner.execute(*args, **kwargs)
        finally:
            _end(begun)
        return self if made is self._inner else _as_proxy(made)

    def _executemany(self, sql: Any, args: Any, kwargs: Any) -> Any:
        begun = _begin(sql, None, True)
        try:
            made = self._inner.executemany(*args, **kwargs)
        finally:
            _end(begun)
        return self if made is self._inner else _as_proxy(made)

    def __exit__(self, *exception: Any) -> Any:
        return self._inner.__exit__(*exception)

    def __enter__(self) -> Any:
        entered = self._inner.__enter__()
        return self if entered is self._inner else type(self)(entered)


def _as_proxy(made: Any) -> Any:
    return _Cursor(made) if hasattr(made, "fetchone") else made


class _Connection(_Proxy):
    __slots__ = ()

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        return _Cursor(self._inner.cursor(*args, **kwargs))


class _Cursor(_Proxy):
    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._inner)

    def __next__(self) -> Any:
        return next(self._inner)


class _AsyncProxy(_Proxy):
    """`pyrometer run` sees the queries of such a driver where it is written in Python: they do not go through the two functions above."""

    __slots__ = ()

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        begun = _begin(args[0] if args else None, args[1] if len(args) > 1 else None, False)
        try:
            made = await self._inner.execute(*args, **kwargs)
        finally:
            _end(begun)
        return self._as_proxy(made)

    async def executemany(self, *args: Any, **kwargs: Any) -> Any:
        begun = _begin(args[0] if args else None, None, True)
        try:
            made = await self._inner.executemany(*args, **kwargs)
        finally:
            _end(begun)
        return self._as_proxy(made)

    async def __aexit__(self, *exception: Any) -> Any:
        return await self._inner.__aexit__(*exception)

    async def __aenter__(self) -> Any:
        return self._as_proxy(await self._inner.__aenter__())

    def _as_proxy(self, made: Any) -> Any:
        if made is self._inner:
            return self
        return _AsyncCursor(made) if hasattr(made, "fetchone") else made


class _AsyncConnection(_AsyncProxy):
    __slots__ = ()

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        return _AsyncCursor(self._inner.cursor(*args, **kwargs))


class _AsyncCursor(_AsyncProxy):
    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[Any]:
        found: AsyncIterator[Any] = self._inner.__aiter__()
        return found
