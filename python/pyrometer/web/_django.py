"""Middleware for Django, sync and async, configured by the setting PYROMETER: a dict of the options."""

from __future__ import annotations

from pyrometer.web import _page
from pyrometer.web._asgi import figures
from pyrometer.web._queries import watch_django
from pyrometer.web._service import TOLD, Options, Service, Told, number_of
from pyrometer.web._wsgi import TOKEN_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrometer.web._slots import Slots


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
        return self._now_watched(request, why) if why or service.watches else self.get_response(request)

    async def _later(self, request: Any) -> Any:
        service, why = self.service, self._why(request)
        if not isinstance(why, str):
            return why
        service.requests += 1
        return await (self._later_watched(request, why) if why or service.watches else self.get_response(request))

    def _begin(self, request: Any, why: str) -> tuple[int | None, Told | None, Any]:
        """Its slot, who tells if its answer does, and what watches it."""
        service = self.service
        service.look()
        told = Told(service, why) if why in TOLD else None
        slot = None if told is not None and told.limited else service.take_slot()
        info = told or why, slot, request.method, request.path, "utf-8"
        return slot, told, (service.watch_of(told) if why else service.watch).wsgi(_begins, info, slot)

    def _now_watched(self, request: Any, why: str) -> Any:
        slots, raised = self.service.slots, True  # a forked child has others
        slot, told, watched = self._begin(request, why)
        try:
            response = (_plainly if slot is None else slots.call[slot])(self.get_response, request)
            watched(str(response.status_code))
            raised = False
        finally:
            self._end(slots, slot, told, watched, raised)
        if told is not None:
            _add(response, told.headers_now())
        return response

    async def _later_watched(self, request: Any, why: str) -> Any:
        slots, raised = self.service.slots, True
        slot, told, watched = self._begin(request, why)
        try:
            response = await (_plainly if slot is None else slots.awaiting[slot])(self.get_response, request)
            watched(str(response.status_code))
            raised = False
        finally:
            self._end(slots, slot, told, watched, raised)
        if told is not None:
            _add(response, told.headers(await figures(told)))
        return response

    @staticmethod
    def _end(slots: Slots, slot: int | None, told: Told | None, watched: Any, raised: bool) -> None:
        if told is not None:
            told.lost = raised
        watched.over(raised)
        if slot is not None:
            slots.free.append(slot)


def _add(response: Any, headers: list[tuple[str, str]]) -> None:
    for name, value in headers:
        response[name] = value


def _path(request: Any) -> bytes:
    path: str = request.path
    return path.encode("utf-8", "replace")


def _begins(status: str) -> None:
    """Django begins its answer itself: only what watches it is told."""


def _plainly(function: Any, request: Any) -> Any:
    return function(request)
