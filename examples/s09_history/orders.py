"""Orders that come in, and what is done with each: what all three programs share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator


def requests(count: int) -> Iterator[str]:
    """Orders in JSON, as they come over the wire."""
    for number in range(count):
        items = [{"sku": f"SKU-{(number + at) * 31 % 9973}", "count": at % 5 + 1} for at in range(120)]
        yield json.dumps({"order": number, "customer": f"customer {number % 500}", "items": items})


def weigh(order: dict) -> int:
    """How much there is to be sent."""
    return sum(item["count"] for item in order["items"])


def main(handle: Callable[[str], int]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=10000)
    count = total = 0
    for body in requests(parser.parse_args().requests):
        total += handle(body)
        count += 1
    print(f"{count} orders, {total} parts")
