"""What the format tests share besides fixtures."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

Export = Callable[..., Path]  # export(FORMAT, NAME, *OPTIONS): where it was written


def function_named(stats: dict, name: str) -> dict:
    """The row of the function NAME in what `stats --json` says."""
    return next(row for row in stats["functions"] if row["name"] == name)


def unpacked(text: str) -> bytes:
    """What stands in a page as TEXT: gzipped, 13 bits of that in two of 91 characters (src/view/page.c)."""
    digits = {chr(code): digit for digit, code in enumerate(code for code in range(0x21, 0x7F) if chr(code) not in "&<\\")}
    text = text.strip()
    made, bits, count = bytearray(), 0, 0
    for i in range(0, len(text), 2):
        pair = text[i : i + 2]
        bits |= (digits[pair[0]] + (91 * digits[pair[1]] if len(pair) == 2 else 0)) << count
        count += 13 if len(pair) == 2 else 6
        while count >= 8:
            made.append(bits & 255)
            bits, count = bits >> 8, count - 8
    return gzip.decompress(bytes(made))


def head_of(page: Path) -> dict:
    """The JSON of the data in PAGE (src/view/internal.h)."""
    text = page.read_text(encoding="utf-8").rpartition('type="application/octet-stream">')[2].partition("<")[0]
    data = unpacked(text)
    (size,) = struct.unpack_from("<I", data)
    return json.loads(data[4 : 4 + size])
