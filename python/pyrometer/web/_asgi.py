"""Middleware for ASGI: Starlette and FastAPI (app.add_middleware(ASGIMiddleware, ...)), Django under ASGI, and the rest."""

from __future__ import annotations

from sys import modules
from time import monotonic

from pyrometer.web import _page
from pyrometer.web._service import TOKEN_HEADER, TOLD, Options, Service, number_of
from pyrometer.web._watched import ends_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrometer.web._service import Kept, Request

TOKEN_KEY = TOKEN_HEADER.lower().encode()
WAIT_S = 0.25  # nobody is kept waiting by that but the client who asked
STEP_S = 0.002


def token_of(scope: Any) -> str | None:
    """What the header has; None: there is none."""
    for name, value in scope["headers"]:
        if name == TOKEN_KEY:
            text: str = value.decode("latin-1")
            return text
    return None


async def figures(service: Service, request: Request, kept: Kept | None) -> dict[str, Any] | None:
    """The sampler's, for which other requests are not kept waiting."""
    if kept is None or not kept.asked or service.sampler is None:
        return None
    try:
        import asyncio

        until = monotonic() + WAIT_S
        while (answer := service.sampler.answer(kept.id)) is None and service.sampler.socket and monotonic() < until:
            await asyncio.sleep(STEP_S)
        return answer
    except Exception:  # no asyncio, but trio
        service.failed()
        return None
    finally:  # cancelled, too
        service.sampler.give_up(kept.id)


class ASGIMiddleware:
    """Profiles requests of APP as OPTIONS say: see pyrometer.web.Options. A request is measured until its answer begins, which
    is passed on as it comes."""

    def __init__(self, app: Any, **options: Any) -> None:
        self.app = app
        self.service = Service(Options(**options))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI's."""
        service, why = self.service, ""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if service.asks or (service.has_secret and service.watch.has_header(scope["headers"], TOKEN_KEY)):
            answered, why = await self._asked(scope, receive, send)
            if answered:
                return
        service.requests += 1
        if not why and not service.watches:
            await self.app(scope, receive, send)
            return
        # It may be any request: nothing is done before its end that can be done then.
        if service.modules != len(modules):
            service.look()
        slots = service.slots  # a forked child has others
        slot = None if service.sampler is None else service.take_slot()
        info = why, slot, scope["method"], scope["path"], "utf-8"
        watched = (service.watch_all if why else service.watch).asgi(send, info, slot)
        try:
            if slot is None:
                await self.app(scope, receive, watched)
            else:
                await slots.awaiting[slot](self.app, scope, receive, watched)
        finally:
            watched.over(True)  # if no answer began
            if slot is not None:
                slots.free.append(slot)

    async def _asked(self, scope: Any, receive: Any, send: Any) -> tuple[bool, str]:
        """Answer one that is let see its profile, or the page. False: it is not; and why it is profiled nevertheless."""
        service = self.service
        path = scope["path"].encode("utf-8", "replace")
        query = scope.get("query_string", b"").decode("latin-1") if service.options.internal_ips else ""
        who = token_of(scope), query, scope["client"][0] if scope.get("client") else None, scope
        why = service.wanted(path, *who)
        if why in TOLD and path == service.options.page:
            await _send_page(service, scope.get("query_string", b"").decode("latin-1"), send)
        elif why in TOLD:
            service.requests += 1
            await self._told(service.begin(scope["method"], path, why), scope, receive, send)
        return why in TOLD, why

    async def _told(self, request: Request, scope: Any, receive: Any, send: Any) -> None:
        service = self.service

        async def send_start(message: Any) -> None:
            if message["type"] == "http.response.start" and not request.done:
                kept = service.end(request, message["status"])
                found = service.headers(request, kept, await figures(service, request, kept))
                if found:
                    encoded = [(name.lower().encode(), value.encode()) for name, value in found]
                    message = {**message, "headers": [*message.get("headers", ()), *encoded]}
            elif ends_answer(message):
                service.put_back(request)  # a timer that the server sets then keeps the context, and all that is in it
            await send(message)

        try:
            args = (scope, receive, send_start)
            if request.slot is None:
                await self.app(*args)
            else:
                await service.slots.awaiting[request.slot](self.app, *args)
        finally:
            service.end(request, 500, lost=True)  # if no answer began
            service.release(request)


async def _send_page(service: Service, query: str, send: Any) -> None:
    status, named, body = _page.answer(service, query)
    headers = [(name.lower().encode(), value.encode()) for name, value in named]
    await send({"type": "http.response.start", "status": number_of(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
