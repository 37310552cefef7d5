"""`from pyrometer.compat.memory_profiler import profile, memory_usage`: those of memory_profiler, by Pyrometer."""

from __future__ import annotations

from pyrometer._memory import memory_usage
from pyrometer._memory import profile_memory as profile

__all__ = ["memory_usage", "profile"]
