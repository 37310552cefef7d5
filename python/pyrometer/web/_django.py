"""Middleware for Django, sync and async, configured by the setting PYROMETER: a dict of the options."""

from __future__ import annotations

from pyrometer.web import _queries
from pyrometer.web._asgi import figures
from pyrometer.web._page import HEADERS, page
from pyrometer.web._service import TOKEN_HEADER, Options, Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyrometer.web._service import Request


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
            _queries.watch_django()

    def __call__(self, request: Any) -> Any:
        """Django's."""
        return self._later(request) if self._asynchronous else self._now(request)

    def _begin(self, request: Any) -> Request | Any:
        """A Request of ours; an answer of Django's: the page; None: there is nothing to do."""
        service = self.service
        if not service.open:
            return None
        path, token = request.path.encode("utf-8", "replace"), request.headers.get(TOKEN_HEADER)
        query, client = request.META.get("QUERY_STRING", ""), request.META.get("REMOTE_ADDR")
        if path == service.options.page and service.admitted(path, token, query, client, request):
            return self._page()
        return service.begin(request.method, path, token, query, client, request)

    def _page(self) -> Any:
        from django.http import HttpResponse

        return HttpResponse(page(self.service), headers=dict(HEADERS))

    def _now(self, request: Any) -> Any:
        begun = self._begin(request)
        if begun is None:
            return self.get_response(request)
        if not hasattr(begun, "began_ns"):
            return begun
        service, slot = self.service, begun.slot
        try:
            response = self.get_response(request) if slot is None else service.slots.call(slot)(self.get_response, (request,))
            kept = service.end(begun, response.status_code)
        finally:
            service.end(begun, 500, lost=True)  # if it raised
            service.release(begun)
        for name, value in service.headers_now(begun, kept):
            response[name] = value
        return response

    async def _later(self, request: Any) -> Any:
        begun = self._begin(request)
        if begun is None:
            return await self.get_response(request)
        if not hasattr(begun, "began_ns"):
            return begun
        service, slot = self.service, begun.slot
        try:
            if slot is None:
                response = await self.get_response(request)
            else:
                response = await service.slots.awaiting(slot)(self.get_response, (request,))
            kept = service.end(begun, response.status_code)
        finally:
            service.end(begun, 500, lost=True)  # if it raised
            service.release(begun)
        for name, value in service.headers(begun, kept, await figures(service, begun, kept)):
            response[name] = value
        return response
