"""A database in memory, filled with made-up products and reviews. It is the same at every run."""

from __future__ import annotations

import random
import sqlite3

CATEGORIES = ("books", "games", "garden", "kitchen", "music", "office", "sports", "tools")

TABLES = """
CREATE TABLE product (id INTEGER PRIMARY KEY, category TEXT, name TEXT, description TEXT, cents INTEGER);
CREATE TABLE review (id INTEGER PRIMARY KEY, product INTEGER, stars INTEGER);
CREATE INDEX product_category ON product (category);
"""


def create(products: int, reviews: int) -> sqlite3.Connection:
    """A catalog of that many PRODUCTS, about which that many REVIEWS were written."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(TABLES)
    chance = random.Random(12)
    connection.executemany(
        "INSERT INTO product VALUES (?, ?, ?, ?, ?)",
        (
            (key, CATEGORIES[key % len(CATEGORIES)], f"Product {key}", "It is good. " * 8, chance.randrange(100, 9999))
            for key in range(products)
        ),
    )
    connection.executemany(
        "INSERT INTO review VALUES (?, ?, ?)",
        ((key, chance.randrange(products), chance.randrange(1, 6)) for key in range(reviews)),
    )
    return connection
