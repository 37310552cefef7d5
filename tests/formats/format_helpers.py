"""What the format tests share besides fixtures."""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

Export = Callable[..., Path]  # export(FORMAT, NAME, *OPTIONS): where it was written


def function_named(stats: dict, name: str) -> dict:
    """The row of the function NAME in what `stats --json` says."""
    return next(row for row in stats["functions"] if row["name"] == name)


def unpacked(text: str) -> bytes:
    """What stands in a page as TEXT: pieces, deflated, 7 bits of these as a character (src/view/pack.c)."""
    unsafe = b"\0\b\t\n\v\f\r\x1a\x1b &<\\\x7f"
    made, bits, count = bytearray(), 0, 0
    for code in map(ord, text):
        bits |= (unsafe[(code >> 7) - 2] | (code & 127) << 7 if code >> 7 else code) << count
        count += 14 if code >> 7 else 7
        while count >= 8:
            made.append(bits & 255)
            bits, count = bits >> 8, count - 8
    (pieces,) = struct.unpack_from("<I", made)
    sizes = struct.unpack_from(f"<{pieces}I", made, 4)
    ends = list(itertools.accumulate(sizes, initial=4 * (1 + pieces)))
    assert len(made) - ends[-1] <= 1, "nothing but a last zero"
    return b"".join(zlib.decompress(made[start:end]) for start, end in itertools.pairwise(ends))


def head_of(page: Path) -> dict:
    """The JSON of the data in PAGE (src/view/internal.h)."""
    text = page.read_text(encoding="utf-8").rpartition('type="application/octet-stream">')[2].partition("<")[0]
    data = unpacked(text)
    (size,) = struct.unpack_from("<I", data)
    return json.loads(data[4 : 4 + size])
