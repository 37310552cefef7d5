"""Middleware for WSGI: Flask (app.wsgi_app = WSGIMiddleware(app.wsgi_app, ...)), Django under WSGI, and the rest."""

from __future__ import annotations

from sys import modules

from pyrometer.web import _page
from pyrometer.web._service import TOKEN_HEADER, TOLD, Options, Service, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pyrometer.web._service import Request

TOKEN_KEY = "HTTP_" + TOKEN_HEADER.upper().replace("-", "_")


class WSGIMiddleware:
    """Profiles requests of APP as OPTIONS say: see pyrometer.web.Options. A request is measured until APP returns its answer's body,
    which is passed on untouched."""

    def __init__(self, app: Any, **options: Any) -> None:
        self.app = app
        self.service = Service(Options(**options))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """WSGI's."""
        service, why = self.service, ""
        if service.asks or TOKEN_KEY in environ:
            answer, why = self._asked(environ, start_response)
            if answer is not None:
                return answer
        service.requests += 1
        if not why and not service.watches:
            made: Iterable[bytes] = self.app(environ, start_response)
            return made
        # It may be any request: nothing is done before its end that can be done then.
        if service.modules != len(modules):
            service.look()
        slots, get = service.slots, environ.get  # a forked child has others
        slot = None if service.sampler is None else service.take_slot()
        info = why, slot, get("REQUEST_METHOD", ""), get("SCRIPT_NAME", "") + get("PATH_INFO", ""), "latin-1"
        watched, raised = (service.watch_all if why else service.watch).wsgi(start_response, info, slot), True
        try:
            made = self.app(environ, watched) if slot is None else slots.call[slot](self.app, environ, watched)
            raised = False
        finally:
            watched.over(raised)
            if slot is not None:
                slots.free.append(slot)
        return made

    def _asked(self, environ: dict[str, Any], start_response: Any) -> tuple[Iterable[bytes] | None, str]:
        """The answer of one that is let see its profile, or the page. None: it is not; and why it is profiled nevertheless."""
        service = self.service
        if not service.open:
            return None, ""
        path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1", "replace")
        who = environ.get(TOKEN_KEY), environ.get("QUERY_STRING", ""), environ.get("REMOTE_ADDR"), environ
        why = service.wanted(path, *who)
        if why not in TOLD:
            return None, why
        if path == service.options.page:
            status, headers, body = _page.answer(service, environ.get("QUERY_STRING", ""))
            start_response(status, headers)
            return [body], ""
        service.requests += 1
        request = service.begin(environ.get("REQUEST_METHOD", ""), path, why)
        return _Answer(service, request, start_response).of(self.app, environ), why


class _Answer:
    """Its start is held back until the program returns, so that headers can tell what it did; unless the program begins to write."""

    def __init__(self, service: Service, request: Request, start_response: Any) -> None:
        self.service, self.request = service, request
        self.start_response = start_response
        self.held: tuple[str, list[tuple[str, str]], Any] | None = None
        self.write: Any = None
        self.status = 0

    def of(self, app: Any, environ: dict[str, Any]) -> Iterable[bytes]:
        service, request = self.service, self.request
        try:
            args = (environ, self.start)
            body: Iterable[bytes] = app(*args) if request.slot is None else service.slots.call[request.slot](app, *args)
            self.finish()
        finally:
            service.end(request, 500, lost=True)  # if it raised
            service.release(request)
        return body

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """The program's start_response."""
        self.status = number_of(status)
        if self.request.done:
            return self.start_response(status, headers, exc_info) if exc_info else self.start_response(status, headers)
        self.held = (status, headers, exc_info)
        return self.write_now

    def write_now(self, data: bytes) -> Any:
        """What start_response returns, for programs that still use it."""
        if self.write is None:
            self.finish()
        return self.write(data)

    def finish(self) -> None:
        """It is over, or begins to be sent."""
        kept = self.service.end(self.request, self.status, lost=self.held is None)
        if self.held is None:
            return
        status, headers, exc_info = self.held
        self.held = None
        headers = headers + self.service.headers_now(self.request, kept)
        self.write = self.start_response(status, headers, exc_info) if exc_info else self.start_response(status, headers)
