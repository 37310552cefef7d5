"""A shop's pages, and who asks for them: what all three programs share."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PRODUCTS = 40


@dataclass
class Request:
    product: int
    visitor: int


def requests(count: int) -> Iterator[Request]:
    """Each visitor looks at a few products."""
    for number in range(count):
        yield Request(number * 7 % PRODUCTS, number // 3)


def render(request: Request) -> str:
    """The page of a product, with the visitor's basket."""
    token = hashlib.sha256(f"{request.product} for {request.visitor}".encode()).hexdigest()
    rows = [f"<li>{token[at % 32:at % 32 + 24]} {request.product + at}</li>" for at in range(200)]
    return f"<h1>Product {request.product}</h1><p>{token}</p><ul>{''.join(rows)}</ul>"


def main(page: Callable[[Request], str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=8000)
    count = sent = 0
    for request in requests(parser.parse_args().requests):
        sent += len(page(request))
        count += 1
    print(f"{count} pages, {sent} characters")
