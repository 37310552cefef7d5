"""Adds up orders in euros. Somebody says: this is slow."""

from __future__ import annotations

import json

from ledger import RATES, Order, main


def rate(currency: str, month: int) -> float:
    """The mean of a month."""
    days = json.loads(RATES)[currency][month]
    return sum(days) / len(days)


def total(orders: list[Order]) -> float:
    return sum(order.amount / rate(order.currency, order.month) for order in orders)


if __name__ == "__main__":
    main(total)
