"""What the format tests share besides fixtures."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

Export = Callable[..., Path]  # export(FORMAT, NAME, *OPTIONS): where it was written


def function_named(stats: dict, name: str) -> dict:
    """The row of the function NAME in what `stats --json` says."""
    return next(row for row in stats["functions"] if row["name"] == name)


def head_of(page: Path) -> dict:
    """The JSON of the data in PAGE (src/view/internal.h)."""
    text = page.read_text(encoding="utf-8").rpartition('type="application/octet-stream">')[2].partition("<")[0]
    data = gzip.decompress(base64.b64decode(text, validate=False))
    (size,) = struct.unpack_from("<I", data)
    return json.loads(data[4 : 4 + size])
