"""The guess: read the file in smaller pieces. The same list comes of it."""

from __future__ import annotations

import json

from warehouse import main, report

CHUNK = 4096


def heavy(path: str) -> str:
    with open(path, encoding="ascii") as f:
        data = json.loads("".join(iter(lambda: f.read(CHUNK), "")))
    known = [dict(shipment, goods=dict(shipment["goods"])) for shipment in data]
    return report(known)


if __name__ == "__main__":
    main(heavy)
