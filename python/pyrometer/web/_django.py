"""Middleware for Django, sync and async, configured by the setting PYROMETER: a dict of the options."""

from __future__ import annotations

from pyrometer.web import _page
from pyrometer.web._asgi import figures
from pyrometer.web._queries import watch_django
from pyrometer.web._service import TOLD, Options, Service, number_of
from pyrometer.web._wsgi import TOKEN_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class DjangoMiddleware:
    """MIDDLEWARE = ["pyrometer.web.DjangoMiddleware", ...], first, so that it measures the others too.

    The options debug and internal_ips are DEBUG and INTERNAL_IPS, if they are not given.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction
        from django.conf import settings

        options = {"debug": settings.DEBUG, "internal_ips": settings.INTERNAL_IPS, **getattr(settings, "PYROMETER", {})}
        self.get_response = get_response
        self.service = Service(Options(**options))
        self._asynchronous = iscoroutinefunction(get_response)
        if self._asynchronous:
            markcoroutinefunction(self)
        if self.service.open:
            watch_django()

    def __call__(self, request: Any) -> Any:
        """Django's."""
        return self._later(request) if self._asynchronous else self._now(request)

    def _why(self, request: Any) -> str | Any:
        """Why it is profiled; an answer of Django's: the page."""
        service, token = self.service, request.META.get(TOKEN_KEY)
        if not service.open or (token is None and not service.asks):
            return ""
        path = _path(request)
        who = token, request.META.get("QUERY_STRING", ""), request.META.get("REMOTE_ADDR"), request
        why = service.wanted(path, *who)
        return self._page(who[1]) if why in TOLD and path == service.options.page else why

    def _page(self, query: str) -> Any:
        from django.http import HttpResponse

        status, headers, body = _page.answer(self.service, query)
        return HttpResponse(body, status=number_of(status), headers=dict(headers))

    def _now(self, request: Any) -> Any:
        service, why = self.service, self._why(request)
        if not isinstance(why, str):
            return why
        service.requests += 1
        if why in TOLD:
            return self._now_told(request, why)
        return self._now_watched(request, why) if why or service.watches else self.get_response(request)

    def _now_told(self, request: Any, why: str) -> Any:
        service = self.service
        begun = service.begin(request.method, _path(request), why)
        try:
            call = _plainly if begun.slot is None else service.slots.call[begun.slot]
            response = call(self.get_response, request)
            kept = service.end(begun, response.status_code)
        finally:
            service.end(begun, 500, lost=True)  # if it raised
            service.release(begun)
        for name, value in service.headers_now(begun, kept):
            response[name] = value
        return response

    def _begin(self, request: Any, why: str) -> tuple[int | None, Any]:
        """Of one whose answer says nothing: its slot, and what watches it."""
        service = self.service
        service.look()
        slot = service.take_slot()
        info = why, slot, request.method, request.path, "utf-8"
        return slot, (service.watch_all if why else service.watch).wsgi(_begins, info, slot)

    def _now_watched(self, request: Any, why: str) -> Any:
        slots, raised = self.service.slots, True  # a forked child has others
        slot, watched = self._begin(request, why)
        try:
            response = (_plainly if slot is None else slots.call[slot])(self.get_response, request)
            watched(str(response.status_code))
            raised = False
        finally:
            watched.over(raised)
            if slot is not None:
                slots.free.append(slot)
        return response

    async def _later(self, request: Any) -> Any:
        service, why = self.service, self._why(request)
        if not isinstance(why, str):
            return why
        service.requests += 1
        if why in TOLD:
            return await self._later_told(request, why)
        return await (self._later_watched(request, why) if why or service.watches else self.get_response(request))

    async def _later_told(self, request: Any, why: str) -> Any:
        service = self.service
        begun = service.begin(request.method, _path(request), why)
        try:
            call = _plainly if begun.slot is None else service.slots.awaiting[begun.slot]
            response = await call(self.get_response, request)
            kept = service.end(begun, response.status_code)
        finally:
            service.end(begun, 500, lost=True)  # if it raised
            service.release(begun)
        for name, value in service.headers(begun, kept, await figures(service, begun, kept)):
            response[name] = value
        return response

    async def _later_watched(self, request: Any, why: str) -> Any:
        slots, raised = self.service.slots, True  # a forked child has others
        slot, watched = self._begin(request, why)
        try:
            response = await (_plainly if slot is None else slots.awaiting[slot])(self.get_response, request)
            watched(str(response.status_code))
            raised = False
        finally:
            watched.over(raised)
            if slot is not None:
                slots.free.append(slot)
        return response


def _path(request: Any) -> bytes:
    path: str = request.path
    return path.encode("utf-8", "replace")


def _begins(status: str) -> None:
    """Django begins its answer itself: only what watches it is told."""


def _plainly(function: Any, request: Any) -> Any:
    return function(request)
