"""The cache has a bound: who has left takes no memory."""

from __future__ import annotations

import functools

from pages import Request, main, render


@functools.lru_cache(maxsize=64)
def cached(product: int, visitor: int) -> str:
    return render(Request(product, visitor))


def page(request: Request) -> str:
    return cached(request.product, request.visitor)


if __name__ == "__main__":
    main(page)
