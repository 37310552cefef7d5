"""Serves pages, and keeps them. Somebody says: after a day it is killed for its memory."""

from __future__ import annotations

from pages import Request, main, render

PAGES = {}


def page(request: Request) -> str:
    key = (request.product, request.visitor)
    if key not in PAGES:
        PAGES[key] = render(request)
    return PAGES[key]


if __name__ == "__main__":
    main(page)
