"""Shipments in a file, and what is asked of them: what all three programs share."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterable

Shipment = dict


def write(path: str, count: int) -> None:
    """A list in JSON, one shipment a line."""
    with open(path, "w", encoding="ascii") as file:
        file.write("[\n")
        for number in range(count):
            end = ",\n" if number + 1 < count else "\n"
            goods = {"sku": f"SKU-{number * 31 % 9973}", "weight": number % 700 / 10, "city": f"city {number % 211}"}
            file.write(json.dumps({"id": number, "goods": goods, "note": f"leave at door {number}"}) + end)
        file.write("]\n")


def report(shipments: Iterable[Shipment]) -> str:
    """How many, and their weight."""
    count, weight = 0, 0.0
    for shipment in shipments:
        count += 1
        weight += shipment["goods"]["weight"]
    return f"{count} shipments, {weight:.1f} kg"


def main(answer: Callable[[str], str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shipments", type=int, default=200_000)
    count = parser.parse_args().shipments
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "shipments.json")
        write(path, count)
        print(answer(path))
