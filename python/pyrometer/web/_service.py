"""What all middlewares share: which requests are profiled, what is kept of them, what is said.

A middleware asks wanted() before the program runs, and puts a Watched between that and its answer; neither raises, whatever is wrong with us.
"""

from __future__ import annotations

import logging
import os
import random
import re
import stat
import sys
import time
import weakref
from array import array
from collections import deque
from functools import lru_cache
from time import monotonic_ns

from pyrometer.web import _queries, _tokens
from pyrometer.web._queries import Queries
from pyrometer.web._sampler import Sampler
from pyrometer.web._slots import SLOTS, Slots
from pyrometer.web._watched import FAILED_FROM, NEVER_NS, find_watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

TOKEN_HEADER = "X-Pyrometer-Token"
HEADER_MAX = 1000
RECENT = 100  # requests that the page shows
TITLE_MAX = 200
LONGEST = 10  # queries of each of these
WAIT_S = 0.005  # at most, for the sampler's figures: as a rule they come in one millisecond
OLD_NS = 20_000_000, 100_000_000  # one that lasts longer than a tenth of slow_s, within these, is looked at as if somebody had asked for it
AT_ONCE_S = 5  # so many seconds' recordings are asked for at once, after a time without any
NS_PER_S = 1_000_000_000
TOLD = ("token", "when", "url")  # who is told the result; the others' requests are kept, and their answers as they were

log = logging.getLogger("pyrometer.web")
_services: weakref.WeakSet[Service] = weakref.WeakSet()


class Options:
    """What is profiled, and where it goes. Without any of the first five, nothing is.

    secret, secret_file: who has the secret makes tokens (`pyrometer token`); a request with a good one is profiled
    when: called with what the framework has of the request (WSGI's environ, ASGI's scope, Django's request); true: profile it
    share: of all requests, 0 to 1
    slow_s: keep requests whose answer took so many seconds to begin
    failed: keep those with a status of 500 and more, or an exception
    url: with debug, also `?profile` in the URL, of clients whose address is in internal_ips
    directory: for recordings, made if it is not there; None: requests are counted and timed, without a profile
    rate_hz: samples a second of what is asked for; background_hz: while nothing of that is under way, nor what lasts longer than a tenth of
        slow_s (0.02 to 0.1 s). What turns out slow or failed has so many at its beginning, each of which stands for more; keep, keep_bytes: recordings, and their bytes: the oldest go
    recordings_per_s: so many requests a second are handed to the sampler, and as many again of those whose answers do not tell; those
        on top are counted and timed, without samples
    page: a path that shows the recent requests to who could profile them (by token, when or url); None: there is none
    """

    def __init__(
        self,
        *,
        secret: str | bytes | None = None,
        secret_file: str | os.PathLike[str] | None = None,
        when: Callable[[Any], object] | None = None,
        share: float = 0.0,
        slow_s: float | None = None,
        failed: bool = False,
        url: bool = False,
        debug: bool = False,
        internal_ips: Iterable[str] = (),
        directory: str | os.PathLike[str] | None = None,
        rate_hz: int = 100,
        background_hz: int = 20,
        keep: int = 200,
        keep_bytes: int = 200_000_000,
        recordings_per_s: float = 10.0,
        page: str | None = None,
    ) -> None:
        if secret is not None and secret_file is not None:
            raise ValueError("secret or secret_file, not both")
        if not 0 <= share <= 1:
            raise ValueError(f"share lies between 0 and 1, not {share!r}")
        if slow_s is not None and not slow_s >= 0:
            raise ValueError(f"slow_s is in seconds and not below 0, not {slow_s!r}")
        if not 1 <= rate_hz <= 10_000 or keep < 1 or keep_bytes < 1:
            raise ValueError("rate_hz lies between 1 and 10000; keep and keep_bytes are above 0")
        if background_hz < 1:
            raise ValueError(f"background_hz is above 0, not {background_hz!r}")
        if not 0.001 <= recordings_per_s <= 1e6:
            raise ValueError(f"recordings_per_s lies between 0.001 and 1000000, not {recordings_per_s!r}")
        if isinstance(secret, str):
            secret = secret.encode()
        self.secret = _tokens.read_secret(secret_file) if secret_file is not None else secret
        if self.secret is not None:
            _tokens.checked_secret(self.secret)
        self.when = when
        self.share = share
        self.slow_ns = None if slow_s is None else int(min(slow_s, 1e9) * NS_PER_S)
        self.failed = failed
        self.internal_ips = frozenset(internal_ips) if url and debug else frozenset()
        self.directory = None if directory is None else _private_directory(os.fspath(directory))
        self.rate_hz, self.background_hz, self.keep, self.keep_bytes = rate_hz, background_hz, keep, keep_bytes
        self.recordings_per_s = recordings_per_s
        self.page = None if page is None else page.encode()


def _private_directory(path: str) -> str:
    """Made if need be; ValueError if others may write there."""
    path = os.path.abspath(path)
    os.makedirs(path, mode=0o700, exist_ok=True)
    status = os.stat(path)
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022:
        raise ValueError(f"{path} is to be this user's, and nobody else may write there: chmod 700 {path}")
    return path


class Allowance:
    """So many a second, and those of AT_ONCE_S at once, at least one. No lock: who asks at the same instant may get one too many."""

    def __init__(self, per_s: float) -> None:
        self.gap_ns = int(NS_PER_S / per_s)
        self.ahead_ns = max(0, AT_ONCE_S * NS_PER_S - self.gap_ns)
        self.next_ns = 0  # when the next one would be due if they came evenly

    def take(self, now_ns: int) -> bool:
        """May there be one more?"""
        due_ns = max(self.next_ns, now_ns - self.ahead_ns)
        if due_ns > now_ns:
            return False
        self.next_ns = due_ns + self.gap_ns
        return True


class Kept:
    """What is remembered of one that was kept: one whose answer tells, that was slow, failed or drawn."""

    __slots__ = ("answer", "asked", "id", "limited", "longest", "method", "path", "queries", "repeated", "status", "sql_s", "total_s", "when_s", "why")

    def __init__(self, why: str, method: str, path: bytes, total_ns: int, status: int, queries: Queries) -> None:
        self.why, self.method, self.path = why, _plain(method, 10), path[: 4 * TITLE_MAX]  # "token", "when", "url", "share", "slow", "failed"
        self.total_s, self.status, self.when_s = total_ns / NS_PER_S, status, time.time()
        self.queries, self.sql_s = queries.count, queries.time_ns / NS_PER_S
        self.repeated = _repeated(queries)
        self.longest = queries.longest(LONGEST)
        self.asked = False  # was the sampler, by that id?
        self.limited = False  # it was not, because it was asked often enough
        self.id = ""
        self.answer: dict[str, Any] | None = None

    @property
    def title(self) -> str:
        """ "GET /orders/7": without what follows the question mark, which may be secret."""
        shown = "".join(c if c.isprintable() else "?" for c in self.path.decode("utf-8", "replace"))
        return f"{self.method} {shown}"[:TITLE_MAX]


class Told:
    """What is told of a request whose answer tells."""

    def __init__(self, service: Service, why: str) -> None:
        self.service, self.why = service, why
        self.limited = service.sampler is not None and not service.told_allowed.take(monotonic_ns())  # there are enough for the sampler
        self.lost = False  # there is no answer: nobody waits for figures
        self.kept: Kept | None = None  # its answer did not begin yet
        self.queries: Queries | None = None

    def headers(self, answer: dict[str, Any] | None) -> list[tuple[str, str]]:
        """With the sampler's ANSWER, if there is one."""
        if self.kept is None or self.queries is None:
            return []
        try:
            return [("Server-Timing", _server_timing(self.kept, answer)), ("X-Profile", _x_profile(self.kept, self.queries, answer))]
        except Exception:
            self.service.failed()
            return []

    def headers_now(self) -> list[tuple[str, str]]:
        """The same, after waiting for the sampler's figures a little."""
        answer, sampler = None, self.service.sampler
        if self.kept is not None and self.kept.asked and sampler is not None:
            try:
                answer = sampler.wait(self.kept.id, WAIT_S)
            except Exception:
                self.service.failed()
        return self.headers(answer)


class Service:
    """One for each middleware."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.watches = options.slow_ns is not None or options.failed  # any request may turn out to be wanted
        self.asks = bool(options.when or options.share or options.internal_ips)  # each is asked for more than a token
        watch, slow_ns = find_watch(), NEVER_NS if options.slow_ns is None else options.slow_ns
        # For the sampler, by slot: 0, or when its request began, odd if somebody asked for it; behind all these, the object in its context.
        self.under_way = array("Q", bytes(16 * SLOTS))
        self.watch = watch(slow_ns, options.failed, self._keep_watched, _queries.current, Queries, self.under_way)
        self.watch_all = watch(0, False, self._keep_watched, _queries.current, Queries, self.under_way)
        self.watch_told = watch(0, False, self._keep_told, _queries.current, Queries, self.under_way)
        self.modules = 0  # that were imported when they were last looked at
        self.has_secret = options.secret is not None
        self.tokens = None if options.secret is None else _tokens.Tokens(options.secret)
        self.open = bool(self.watches or options.secret or options.when or options.share or options.internal_ips)
        self.slots = Slots()
        self.recent: deque[Kept] = deque(maxlen=RECENT)
        self.requests = 0
        self.counts = dict.fromkeys(("kept", "refused", "no_slot", "unsampled", "limited", "unwritten", "errors"), 0)
        self.told_allowed, self.kept_allowed = Allowance(options.recordings_per_s), Allowance(options.recordings_per_s)
        self._limited = f"more than {options.recordings_per_s:g} requests a second were to be recorded: the rest are without samples"
        self._logged: set[str] = set()
        self.sampler = None
        if self.open and options.directory is not None:
            limits = (options.rate_hz, options.keep, options.keep_bytes)
            self.sampler = Sampler(options.directory, *limits, self._answered, self._log_once, self._where_to_look())
        _services.add(self)

    def _where_to_look(self) -> str:
        """What the sampler is to know of under_way (src/requests/serve.h)."""
        options = self.options
        address, current = self.under_way.buffer_info()[0], _queries.current
        old_ns = OLD_NS[1] if options.slow_ns is None else min(max(options.slow_ns // 10, OLD_NS[0]), OLD_NS[1])
        whole = hash(current)
        folded = min((whole ^ whole >> 32) & 0xFFFFFFFF, 0xFFFFFFFE)  # as Python/hamt.c does
        context = f"{self.watch.context_at()} {id(current):x} {folded:x}"
        return f"{address:x} {SLOTS} {old_ns} {max(1, options.rate_hz // options.background_hz)} {context}"

    def counted(self) -> dict[str, int]:
        """For people."""
        return {"requests": self.requests, **self.counts}

    # -- who is profiled ---------------------------------------------------------------------------

    def wanted(self, path: bytes, token: str | None, query: str, client: str | None, info: Any) -> str:
        """Why it is profiled: "token", "when" or "url", so who sent it may see the result; "share": it is one of those of which some are kept. "": it is not."""
        options = self.options
        try:
            if token is not None and self.tokens is not None:
                refusal = self.tokens.refusal(token, path, time.time())
                if refusal is None:
                    return "token"
                self.counts["refused"] += 1
                self._log_once(f"a token was refused: {refusal}")
            if options.when is not None and options.when(info):
                return "when"
            if query and client in options.internal_ips and "profile" in (part.partition("=")[0] for part in query.split("&")):
                return "url"
        except Exception:
            self.failed()
        return "share" if options.share and random.random() < options.share else ""

    # -- from its beginning to its end -----------------------------------------------------------------

    def take_slot(self) -> int | None:
        """For a request that begins: a number to give back; None: there is no sampler, or no number left."""
        if self.sampler is None:
            return None
        try:
            if self.sampler.socket is None:
                self._start()
            return self.slots.free.pop()
        except IndexError:
            self.counts["no_slot"] += 1
        except Exception:
            self.failed()
        return None

    def look(self) -> None:
        """Modules were imported: is SQLAlchemy among them?"""
        self.modules = len(sys.modules)
        try:
            _queries.watch_sqlalchemy()
        except Exception:
            self.failed()

    def watch_of(self, told: Told | None) -> Any:
        """Of one that is wanted whatever it does."""
        return self.watch_all if told is None else self.watch_told

    def _start(self) -> None:
        try:
            assert self.sampler is not None
            if self.sampler.due:
                self.sampler.start()
        except Exception as error:
            self.counts["errors"] += 1
            self._log_once(f"no profiles: the sampler cannot be started: {error}")

    # -- what is kept ------------------------------------------------------------------------------

    def _keep_watched(self, watched: Any, ended_ns: int, status: int) -> None:
        """One whose answer says nothing: it was slow or failed, unless another reason is in its info."""
        try:
            why = watched.info[0] or ("failed" if self.options.failed and status >= FAILED_FROM else "slow")
            self._keep(why, watched, ended_ns, status, None)
        except Exception:
            self.failed()

    def _keep_told(self, watched: Any, ended_ns: int, status: int) -> None:
        """One whose answer tells, which begins now; or there is none."""
        try:
            told: Told = watched.info[0]
            told.kept = self._keep(told.why, watched, ended_ns, status, told)
            told.queries = watched.queries()
        except Exception:
            self.failed()

    def _keep(self, why: str, watched: Any, ended_ns: int, status: int, told: Told | None) -> Kept:
        _, slot, method, path, encoding = watched.info
        queries = watched.queries()
        kept = Kept(why, method, path.encode(encoding, "replace"), ended_ns - watched.began_ns, status, queries)
        self.counts["kept"] += 1
        self.recent.append(kept)
        limited = told is not None and told.limited
        if self.sampler is None or (slot is None and not limited):
            return kept
        if told is None:  # failures by the thousand are not to take the recording away from who asks for one
            limited = not self.kept_allowed.take(ended_ns)
        if limited and self.sampler.socket is not None:
            kept.limited = True
            self.counts["limited"] += 1
            self._log_once(self._limited)
        else:
            kept.id = _new_id(kept.when_s)
            if slot is not None:
                waits, sent = told is not None and not told.lost, queries.written() if queries.count else ""
                kept.asked = self.sampler.cut(kept.id, slot, watched.began_ns, ended_ns, kept.title, waits, sent)
            self.counts["unsampled"] += not kept.asked
        return kept

    def _answered(self, answer: dict[str, Any]) -> None:
        if answer.get("error"):
            self.counts["unwritten"] += 1
            self._log_once(f"a recording could not be written, which is logged once: {self.options.directory}: {answer['error'].split(': ')[-1]}")
        for kept in list(self.recent):  # others may add one meanwhile
            if kept.id == answer["id"]:
                kept.answer = {**(kept.answer or {}), **answer}  # the second one is without figures
                return

    def failed(self) -> None:
        """Something of ours did: the request goes on without us. To be called in an except block."""
        self.counts["errors"] += 1
        self._log_once("an error of pyrometer's own, which is logged once", exc_info=True)

    def _log_once(self, text: str, exc_info: bool = False) -> None:
        if text not in self._logged and len(self._logged) < 100:
            self._logged.add(text)
            log.warning("pyrometer: %s", text, exc_info=exc_info)  # a program without logging prints the text alone


def stats() -> dict[str, Any]:
    """Added up over the middlewares of this process: requests, kept, refused (tokens), no_slot (more at a time than can be told apart),
    unsampled (kept while no sampler ran, or it was behind), limited (kept, but there were recordings_per_s), unwritten (sampled, but the
    recording could not be written), errors of our own, and what the sampler says."""
    found: dict[str, Any] = {"query_errors": _queries.errors, "sampler": []}
    for service in list(_services):
        for name, count in service.counted().items():
            found[name] = found.get(name, 0) + count
        if service.sampler is not None:
            service.sampler.poll()
            found["sampler"].append(service.sampler.state)
    return found


def _forked() -> None:
    for service in list(_services):
        service.slots = Slots()
        service.under_way[:] = array("Q", bytes(16 * SLOTS))
        if service.sampler is not None:
            service.sampler.forget()


os.register_at_fork(after_in_child=_forked)


# -- words -----------------------------------------------------------------------------------------


def number_of(status: str) -> int:
    """Of "404 Not Found"; 0: it has none."""
    return int(status[:3]) if status[:3].isdigit() else 0


def _new_id(now_s: float) -> str:
    """Names in the order of time: the oldest recordings go first."""
    return f"{_stamp(int(now_s))}-{int(now_s % 1 * 1e6):06d}-{os.urandom(2).hex()}"


@lru_cache(maxsize=1)
def _stamp(second: int) -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(second))


_ODD = re.compile(r"[^A-Za-z0-9_./+-]")


def _plain(text: str, most: int = 100) -> str:
    """For a header: what is odd in it is "_"."""
    return _ODD.sub("_", text)[-most:]


def _seconds(value: float) -> str:
    return f"{value:.2f}s" if value >= 0.1 else f"{value:.3f}s"


def _base(path: str) -> str:
    return _plain(os.path.basename(path))


def _repeated(queries: Queries) -> str:
    """ "n+1=shop.py:12x847": for the header and the page; "": no query is repeated."""
    verdict = queries.verdict()
    if verdict is None:
        return ""
    kind, file, line, count = verdict
    return f"{kind}={_base(file)}:{line}x{count}"


def _x_profile(kept: Kept, queries: Queries, answer: dict[str, Any] | None) -> str:
    parts = [f"total={_seconds(kept.total_s)}"]
    sampled = answer is not None and answer.get("samples")
    if answer is not None and sampled:
        parts.append(f"python={_seconds(answer['running_s'])}")
    parts.append(f"sql={kept.queries}/{_seconds(kept.sql_s)}")
    if kept.repeated:
        parts.append(kept.repeated)
    if answer is not None and sampled and answer["top_file"]:
        count = queries.from_line(answer["top_file"], answer["top_line"])
        parts.append(f"top={_base(answer['top_file'])}:{answer['top_line']}:{_seconds(answer['top_s'])}" + (f"/{count}" if count else ""))
    if answer is not None and answer.get("missed_s", 0) > 0.01:
        parts.append(f"unseen={_seconds(answer['missed_s'])}")
    if answer is None and kept.asked:
        parts.append("figures=late")
    if kept.limited:
        parts.append("figures=limited")
    if kept.asked and (answer is None or answer["recording"]):
        parts.append(f"id={kept.id}")
    return " ".join(parts)[:HEADER_MAX]


def _server_timing(kept: Kept, answer: dict[str, Any] | None) -> str:
    text = f'total;dur={1000 * kept.total_s:.1f}, sql;dur={1000 * kept.sql_s:.1f};desc="{kept.queries} queries"'
    if answer is not None and answer.get("samples"):
        text += f", python;dur={1000 * answer['running_s']:.1f}"
    return text
