"""The fix that is guessed without looking: smaller objects, a number for a key in place of a tuple."""

from __future__ import annotations

from pages import PRODUCTS, Request, main, render

PAGES = {}


def page(request: Request) -> str:
    key = request.visitor * PRODUCTS + request.product
    if key not in PAGES:
        PAGES[key] = render(request)
    return PAGES[key]


if __name__ == "__main__":
    main(page)
