"""`from pyrometer.compat import tracemalloc`: tracemalloc's module, by Pyrometer."""

from pyrometer.heap import *  # noqa: F403 - all that it says is its own
from pyrometer.heap import __all__ as __all__
