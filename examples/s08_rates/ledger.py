"""Orders in many currencies, and the exchange rates of a year: what all three programs share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass

CURRENCIES = ["CHF", "CZK", "DKK", "GBP", "NOK", "PLN", "SEK", "USD"]
# As a service sends them: for each currency and month the rates of its days.
RATES = json.dumps(
    {
        currency: [[1 + (i * 7 + month * 3 + day) % 50 / 100 for day in range(28)] for month in range(12)]
        for i, currency in enumerate(CURRENCIES)
    }
)


@dataclass
class Order:
    currency: str
    month: int
    amount: float


def orders(count: int) -> list[Order]:
    return [Order(CURRENCIES[n * 5 % 8], n * 7 % 12, n % 90 + 0.5) for n in range(count)]


def main(total: Callable[[list[Order]], float]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=4000)
    print(f"{total(orders(parser.parse_args().orders)):.2f} EUR")
