"""A database in memory, filled with made-up orders. It is the same at every run."""

from __future__ import annotations

import datetime
import random
import sqlite3

from shop.models import Customer, Model, Order

CITIES = ("Aachen", "Bergen", "Cork", "Delft", "Evora")


def create_table(connection: sqlite3.Connection, model: "type[Model]") -> None:
    """Nobody declared an index: each look-up reads the table from the start."""
    columns = ", ".join(f"{field.column} {field.sql_type}" for field in model.fields())
    connection.execute(f"CREATE TABLE {model.table} ({columns})")


def create(orders: int, customers: int) -> sqlite3.Connection:
    """A shop with that many ORDERS, spread over that many CUSTOMERS."""
    connection = sqlite3.connect(":memory:")
    create_table(connection, Customer)
    create_table(connection, Order)
    chance = random.Random(1)
    connection.executemany(
        "INSERT INTO customer VALUES (?, ?, ?)",
        ((key, f"Customer {key}", CITIES[key % len(CITIES)]) for key in range(customers)),
    )
    start = datetime.date(2024, 1, 1)
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
        (
            (
                key,
                f"2024-{key:05d}",
                (start + datetime.timedelta(days=key % 366)).isoformat(),
                chance.randrange(100, 100_000),
                chance.randrange(customers),
            )
            for key in range(orders)
        ),
    )
    return connection
