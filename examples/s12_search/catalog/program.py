"""What the three programs of this story have in common: arguments, database, answer."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from typing import Callable

from catalog import database
from catalog.search import Search


def main(prepare: Callable[[sqlite3.Connection], Search]) -> None:
    """Fill a database, then look for the best of each category."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--products", type=int, default=1000)
    parser.add_argument("--reviews", type=int, default=20_000, help="rows that are read for each product")
    parser.add_argument("--searches", type=int, default=8)
    arguments = parser.parse_args()
    search = prepare(database.create(arguments.products, arguments.reviews))
    size = 0
    for number in range(arguments.searches):
        size += len(json.dumps(search.best(database.CATEGORIES[number % len(database.CATEGORIES)])))
    print(f"{arguments.searches} searches, {size} bytes")


if __name__ == "__main__":
    sys.exit("run search_slow.py, search_decoy.py or search_fixed.py")
