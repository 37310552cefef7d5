"""The made-up rows of the shop: the same at every run."""

from __future__ import annotations

import datetime
import random
from typing import Iterator, Tuple

CITIES = ("Aachen", "Bergen", "Cork", "Delft", "Evora")

CREATE = (
    "CREATE TABLE shop_customer (id INTEGER, name TEXT, city TEXT)",
    "CREATE TABLE shop_order (id INTEGER, number TEXT, placed DATE, total INTEGER, customer_id INTEGER)",
)


def customers(count: int) -> Iterator[Tuple[int, str, str]]:
    """Id, name, city."""
    return ((key, f"Customer {key}", CITIES[key % len(CITIES)]) for key in range(count))


def orders(count: int, customer_count: int) -> Iterator[Tuple[int, str, str, int, int]]:
    """Id, number, day, total in cents, the customer's id."""
    chance = random.Random(1)
    start = datetime.date(2024, 1, 1)
    for key in range(count):
        day = start + datetime.timedelta(days=key % 366)
        total, customer = chance.randrange(100, 100_000), chance.randrange(customer_count)
        yield key, f"2024-{key:05d}", day.isoformat(), total, customer
