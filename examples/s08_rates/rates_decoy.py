"""The fix that is guessed without looking: the mean of a month is worked out by a multiplication with a constant."""

from __future__ import annotations

import json

from ledger import RATES, Order, main

ONE_DAY = 1 / 28


def rate(currency: str, month: int) -> float:
    """The mean of a month."""
    return sum(json.loads(RATES)[currency][month]) * ONE_DAY


def total(orders: list[Order]) -> float:
    return sum(order.amount / rate(order.currency, order.month) for order in orders)


if __name__ == "__main__":
    main(total)
