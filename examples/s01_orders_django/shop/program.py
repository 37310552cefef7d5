"""What the three programs of this story have in common: arguments, database, answer."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from typing import Any, Callable, Dict, List
from urllib.parse import parse_qs, urlsplit

from shop import rows

parser = argparse.ArgumentParser()
parser.add_argument("--orders", type=int, default=846, help="rows of the answer")
parser.add_argument(
    "--customers", type=int, default=150_000, help="rows a look-up of a customer goes through"
)
parser.add_argument("--requests", type=int, default=1, help="0: answer until killed")


def database() -> Dict[str, Any]:
    """SQLite in memory, or what DATABASE says: postgresql://USER@HOST/NAME, where ?host=FOLDER may stand for a socket."""
    url = urlsplit(os.environ.get("DATABASE", ""))
    if not url.scheme:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    (host,) = parse_qs(url.query).get("host", [url.hostname or ""])
    return {
        "ENGINE": f"django.db.backends.{url.scheme}",
        "NAME": url.path[1:],
        "USER": url.username or "",
        "PASSWORD": url.password or "",
        "HOST": host,
        "PORT": url.port or "",
    }


def begin() -> None:
    """Set up Django, before the models are imported."""
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": database()},
        INSTALLED_APPS=["shop"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()


def fill(orders: int, customers: int) -> None:
    """A shop with that many ORDERS, spread over that many CUSTOMERS."""
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in ("DROP TABLE IF EXISTS shop_order", "DROP TABLE IF EXISTS shop_customer", *rows.CREATE):
            cursor.execute(statement)
        cursor.executemany("INSERT INTO shop_customer VALUES (%s, %s, %s)", list(rows.customers(customers)))
        cursor.executemany(
            "INSERT INTO shop_order VALUES (%s, %s, %s, %s, %s)", list(rows.orders(orders, customers))
        )


def answer(view: Callable[[], List[Dict[str, Any]]]) -> None:
    """Fill a database, then answer one request (or more) with VIEW."""
    arguments = parser.parse_args()
    fill(arguments.orders, arguments.customers)
    if not arguments.requests:
        print("READY", flush=True)
    for _ in range(arguments.requests) if arguments.requests else itertools.count():
        text = json.dumps(view())
    print(f"{arguments.orders} orders, {len(text)} bytes")


if __name__ == "__main__":
    sys.exit("run orders_slow.py, orders_decoy.py or orders_fixed.py")
