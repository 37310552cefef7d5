"""Adds up a file of shipments. Somebody says: it runs out of memory."""

from __future__ import annotations

import json

from warehouse import main, report


def heavy(path: str) -> str:
    with open(path, encoding="ascii") as f:
        data = json.load(f)
    known = [dict(shipment, goods=dict(shipment["goods"])) for shipment in data]
    return report(known)


if __name__ == "__main__":
    main(heavy)
