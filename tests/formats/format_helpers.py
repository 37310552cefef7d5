"""What the format tests share besides fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Export = Callable[..., Path]  # export(FORMAT, NAME, *OPTIONS): where it was written


def function_named(stats: dict, name: str) -> dict:
    """The row of the function NAME in what `stats --json` says."""
    return next(row for row in stats["functions"] if row["name"] == name)
