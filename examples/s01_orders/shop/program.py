"""What the three programs of this story have in common: arguments, database, answer."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from typing import Any, Callable, Dict, List

from shop import database, orm


def main(view: Callable[[], List[Dict[str, Any]]]) -> None:
    """Fill a database, then answer one request (or more) with VIEW."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=846, help="rows of the answer")
    parser.add_argument(
        "--customers", type=int, default=150_000, help="rows a look-up of a customer goes through"
    )
    parser.add_argument("--requests", type=int, default=1, help="0: answer until killed")
    arguments = parser.parse_args()
    orm.connect(database.create(arguments.orders, arguments.customers))
    if not arguments.requests:
        print("READY", flush=True)
    for _ in range(arguments.requests) if arguments.requests else itertools.count():
        answer = json.dumps(view())
    print(f"{arguments.orders} orders, {len(answer)} bytes")


if __name__ == "__main__":
    sys.exit("run orders_slow.py, orders_decoy.py or orders_fixed.py")
