"""Middleware for WSGI: Flask (app.wsgi_app = WSGIMiddleware(app.wsgi_app, ...)), Django under WSGI, and the rest."""

from __future__ import annotations

from sys import modules

from pyrometer.web import _page
from pyrometer.web._service import TOKEN_HEADER, TOLD, Options, Service, Told, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

TOKEN_KEY = "HTTP_" + TOKEN_HEADER.upper().replace("-", "_")


class WSGIMiddleware:
    """Profiles requests of APP as OPTIONS say: see pyrometer.web.Options. A request is measured until APP returns its answer's body,
    which is passed on untouched."""

    def __init__(self, app: Any, **options: Any) -> None:
        self.app = app
        self.service = Service(Options(**options))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """WSGI's."""
        service, why, told, get = self.service, "", None, environ.get
        if service.asks or (service.has_secret and TOKEN_KEY in environ):
            why = self._why(environ)
            if why in TOLD and _path(environ) == service.options.page:
                status, headers, page = _page.answer(service, get("QUERY_STRING", ""))
                start_response(status, headers)
                return [page]
            if why in TOLD:
                told = _Told(service, why, start_response)
        service.requests += 1
        if not why and not service.watches:
            made: Iterable[bytes] = self.app(environ, start_response)
            return made
        # It may be any request: nothing is done before its end that can be done then.
        if service.modules != len(modules):
            service.look()
        slots = service.slots  # a forked child has others
        slot = None if service.sampler is None or (told is not None and told.limited) else service.take_slot()
        info = told or why, slot, get("REQUEST_METHOD", ""), get("SCRIPT_NAME", "") + get("PATH_INFO", ""), "latin-1"
        begins = start_response if told is None else told.start
        watched, raised = (service.watch_of(told) if why else service.watch).wsgi(begins, info, slot), True
        if told is not None:
            told.watched = watched
        try:
            made = self.app(environ, watched) if slot is None else slots.call[slot](self.app, environ, watched)
            raised = False
        finally:
            if told is not None:
                told.lost, told.watched = raised or told.held is None, None
            watched.over(raised)
            if slot is not None:
                slots.free.append(slot)
        if told is not None:
            told.begin_answer()
        return made

    def _why(self, environ: dict[str, Any]) -> str:
        """It is profiled; "": it is not."""
        get = environ.get
        return self.service.wanted(_path(environ), get(TOKEN_KEY), get("QUERY_STRING", ""), get("REMOTE_ADDR"), environ)


def _path(environ: dict[str, Any]) -> bytes:
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path.encode("latin-1", "replace")


class _Told(Told):
    """The start of its answer is held back until the program returns, so that headers can tell what it did; unless the program begins to write."""

    def __init__(self, service: Service, why: str, start_response: Any) -> None:
        super().__init__(service, why)
        self.start_response = start_response
        self.held: tuple[str, list[tuple[str, str]], Any] | None = None
        self.write: Any = None
        self.watched: Any = None  # while the program runs

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """The program's start_response."""
        if self.watched is None or self.write is not None:
            return self.start_response(status, headers, exc_info) if exc_info else self.start_response(status, headers)
        self.held = (status, headers, exc_info)
        return self.write_now

    def write_now(self, data: bytes) -> Any:
        """What start_response returns, for programs that still use it."""
        if self.write is None:
            if self.watched is not None:
                self.watched.answers()
            self.begin_answer()
        return self.write(data)

    def begin_answer(self) -> None:
        """It is over, or begins to be sent."""
        if self.held is None:
            return
        status, headers, exc_info = self.held
        self.held = None
        headers = headers + self.headers_now()
        self.write = self.start_response(status, headers, exc_info) if exc_info else self.start_response(status, headers)
