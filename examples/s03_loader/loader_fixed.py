"""One shipment at a time: none is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator

from warehouse import Shipment, main, report


def shipments(path: str) -> Iterator[Shipment]:
    with open(path, encoding="ascii") as f:
        for line in f:
            if line.startswith("{"):
                yield json.loads(line.rstrip(",\n"))


if __name__ == "__main__":
    main(lambda path: report(shipments(path)))
