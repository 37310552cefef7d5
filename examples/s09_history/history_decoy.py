"""The fix that is guessed without looking: smaller objects, notes without a dict of their own."""

from __future__ import annotations

import json
from typing import List

from orders import main, weigh


class Note:
    __slots__ = ("order", "body", "parts")

    def __init__(self, order: int, body: str, parts: int) -> None:
        self.order, self.body, self.parts = order, body, parts


class Log:
    def __init__(self) -> None:
        self.notes: List[Note] = []

    def add(self, note: Note) -> None:
        self.notes.append(note)

    def write(self) -> int:
        """As one line; where to is nobody's concern here."""
        return len(f"{self.notes[-1].order}: {self.notes[-1].parts} parts of {len(self.notes[-1].body)} characters")


LOG = Log()


def handle(body: str) -> int:
    order = json.loads(body)
    parts = weigh(order)
    LOG.add(Note(order["order"], body, parts))
    LOG.write()
    return parts


if __name__ == "__main__":
    main(handle)
