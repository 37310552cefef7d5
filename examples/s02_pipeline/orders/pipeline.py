"""Three steps for each order."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Tuple

from orders.catalog import Catalog

Order = Dict[str, Any]
Item = Tuple[str, int]  # a product's number, how many of it


def validate_order(order: Order) -> Order:
    """The order, if it can be filled."""
    if not order["items"]:
        raise ValueError(f"order {order['id']} is empty")
    for number, count in order["items"]:
        if count < 1 or not number.startswith("P"):
            raise ValueError(f"order {order['id']}: {count} of {number!r}")
    return order


def enrich_order(order: Order, catalog: Catalog) -> Order:
    """The order with names and prices."""
    lines = []
    for number, count in order["items"]:
        product = catalog.find(number)
        lines.append({"name": product.name, "cents": product.cents, "count": count})
    return {**order, "lines": lines}


def add_up(order: Order) -> int:
    """What it costs, in cents."""
    total = 0
    for line in order["lines"]:
        total += line["cents"] * line["count"]
    return total


def add_up_shorter(order: Order) -> int:
    """The same in one expression."""
    return sum([line["cents"] * line["count"] for line in order["lines"]])


def process(orders: Iterable[Order], catalog: Catalog, total: Callable[[Order], int] = add_up) -> List[int]:
    """What each order costs."""
    totals = []
    for order in orders:
        valid = validate_order(order)
        enriched = enrich_order(valid, catalog)
        totals.append(total(enriched))
    return totals
