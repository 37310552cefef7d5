"""What the three programs of this story have in common: arguments, database, answer."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from typing import Any, Callable, Dict, List

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from shop import rows


def connect() -> Engine:
    """SQLite in memory, or what DATABASE says: postgresql://USER@HOST/NAME."""
    url = os.environ.get("DATABASE")
    if not url:
        return create_engine("sqlite://", poolclass=StaticPool)
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))


def fill(engine: Engine, orders: int, customers: int) -> None:
    """A shop with that many ORDERS, spread over that many CUSTOMERS. Nobody declared an index."""
    with engine.begin() as connection:
        for statement in ("DROP TABLE IF EXISTS shop_order", "DROP TABLE IF EXISTS shop_customer", *rows.CREATE):
            connection.execute(text(statement))
        for table, names, values in (
            ("shop_customer", ("id", "name", "city"), rows.customers(customers)),
            ("shop_order", ("id", "number", "placed", "total", "customer_id"), rows.orders(orders, customers)),
        ):
            places = ", ".join(f":{name}" for name in names)
            connection.execute(
                text(f"INSERT INTO {table} VALUES ({places})"), [dict(zip(names, row)) for row in values]
            )


def main(view: Callable[[Session], List[Dict[str, Any]]]) -> None:
    """Fill a database, then answer one request (or more) with VIEW."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=846, help="rows of the answer")
    parser.add_argument(
        "--customers", type=int, default=150_000, help="rows a look-up of a customer goes through"
    )
    parser.add_argument("--requests", type=int, default=1, help="0: answer until killed")
    arguments = parser.parse_args()
    engine = connect()
    fill(engine, arguments.orders, arguments.customers)
    if not arguments.requests:
        print("READY", flush=True)
    for _ in range(arguments.requests) if arguments.requests else itertools.count():
        with Session(engine) as session:
            answer = json.dumps(view(session))
    print(f"{arguments.orders} orders, {len(answer)} bytes")


if __name__ == "__main__":
    sys.exit("run orders_slow.py, orders_decoy.py or orders_fixed.py")
