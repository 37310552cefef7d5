"""Middleware for ASGI: Starlette and FastAPI (app.add_middleware(ASGIMiddleware, ...)), Django under ASGI, and the rest."""

from __future__ import annotations

from sys import modules
from time import monotonic

from pyrometer.web import _page
from pyrometer.web._service import TOKEN_HEADER, TOLD, Options, Service, Told, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TOKEN_KEY = TOKEN_HEADER.lower().encode()
WAIT_S = 0.25  # nobody is kept waiting by that but the client who asked
STEP_S = 0.002


async def figures(told: Told) -> dict[str, Any] | None:
    """The sampler's, for which other requests are not kept waiting."""
    service, kept = told.service, told.kept
    if kept is None or not kept.asked or service.sampler is None:
        return None
    try:
        import asyncio

        until = monotonic() + WAIT_S
        answer = None
        while answer is None and service.sampler.socket and monotonic() < until:
            await asyncio.sleep(STEP_S)  # it is never there at once
            answer = service.sampler.answer(kept.id)
        return answer
    except Exception:  # no asyncio, but trio
        service.failed()
        return None
    finally:  # cancelled, too
        service.sampler.give_up(kept.id)


class _Told(Told):
    """Stands where the answer is sent."""

    def __init__(self, service: Service, why: str, send: Any) -> None:
        super().__init__(service, why)
        self.send = send
        self.said = False

    def __call__(self, message: Any) -> Any:
        """To be awaited. What is kept is there as soon as the answer begins (Watched), which is this message."""
        if self.kept is None or self.said:
            return self.send(message)
        self.said = True
        return self._soon(message) if self.kept.asked else self.send(self._with_headers(message, None))

    def over(self, watched: Any) -> None:
        """The program is done with it."""
        self.lost = True
        watched.over(True)
        if self.kept is not None and self.kept.asked and self.service.sampler is not None:
            self.service.sampler.give_up(self.kept.id)  # if it was cancelled before it waited

    async def _soon(self, message: Any) -> None:
        await self.send(self._with_headers(message, await figures(self)))

    def _with_headers(self, message: Any, answer: dict[str, Any] | None) -> Any:
        return {**message, "headers": [*message.get("headers", ()), *_encoded(self.headers(answer))]}


class ASGIMiddleware:
    """Profiles requests of APP as OPTIONS say: see pyrometer.web.Options. A request is measured until its answer begins, which
    is passed on as it comes."""

    def __init__(self, app: Any, **options: Any) -> None:
        self.app = app
        self.service = Service(Options(**options))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI's."""
        service, why, told = self.service, "", None
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        token = service.watch.header(scope["headers"], TOKEN_KEY) if service.has_secret else None
        if token is not None or service.asks:
            why = self._why(scope, token)
            if why in TOLD and _path(scope) == service.options.page:
                await _send_page(service, _query(scope), send)
                return
            if why in TOLD:
                told = send = _Told(service, why, send)
        service.requests += 1
        if not why and not service.watches:
            await self.app(scope, receive, send)
            return
        # It may be any request: nothing is done before its end that can be done then.
        if service.modules != len(modules):
            service.look()
        slots = service.slots  # a forked child has others
        slot = None if service.sampler is None or (told is not None and told.limited) else service.take_slot()
        info = told or why, slot, scope["method"], scope["path"], "utf-8"
        watched = (service.watch_of(told) if why else service.watch).asgi(send, info, slot)
        try:
            if slot is None:
                await self.app(scope, receive, watched)
            else:
                await slots.awaiting[slot](self.app, scope, receive, watched)
        finally:
            if told is None:
                watched.over(True)  # if no answer began
            else:
                told.over(watched)
            if slot is not None:
                slots.free.append(slot)

    def _why(self, scope: Any, token: Any) -> str:
        """It is profiled; "": it is not."""
        service = self.service
        client = scope["client"][0] if scope.get("client") else None
        query = _query(scope) if service.options.internal_ips else ""
        return service.wanted(_path(scope), None if token is None else token.decode("latin-1"), query, client, scope)


def _path(scope: Any) -> bytes:
    path: str = scope["path"]
    return path.encode("utf-8", "replace")


def _query(scope: Any) -> str:
    query: bytes = scope.get("query_string", b"")
    return query.decode("latin-1")


def _encoded(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers]


async def _send_page(service: Service, query: str, send: Any) -> None:
    status, named, body = _page.answer(service, query)
    await send({"type": "http.response.start", "status": number_of(status), "headers": _encoded(named)})
    await send({"type": "http.response.body", "body": body})
