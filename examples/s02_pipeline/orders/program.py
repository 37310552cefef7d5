"""What the three programs of this story have in common: arguments, orders, answer."""

from __future__ import annotations

import argparse
import random
import sys
from typing import Callable, Iterator, List

from orders.catalog import Product
from orders.pipeline import Order

Process = Callable[[Iterator[Order], List[Product]], List[int]]


def made_up(orders: int, products: int) -> Iterator[Order]:
    """Two products each. They are the same at every run."""
    chance = random.Random(2)
    numbers = [f"P{chance.randrange(products)}" for _ in range(256)]
    for key in range(orders):
        yield {"id": key, "items": [(numbers[key % 256], 1 + key % 3), (numbers[-1 - key % 256], 1)]}


def main(process: Process) -> None:
    """Have PROCESS add up orders."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=40_000)
    parser.add_argument("--products", type=int, default=1000, help="what a look-up goes through")
    arguments = parser.parse_args()
    products = [Product(f"P{key}", f"Product {key}", 100 + key) for key in range(arguments.products)]
    totals = process(made_up(arguments.orders, arguments.products), products)
    print(f"{len(totals)} orders, {sum(totals) / 100:.2f} in all")


if __name__ == "__main__":
    sys.exit("run pipeline_slow.py, pipeline_decoy.py or pipeline_fixed.py")
