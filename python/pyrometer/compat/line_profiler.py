"""`from pyrometer.compat.line_profiler import LineProfiler, profile`: those of line_profiler, by Pyrometer."""

from __future__ import annotations

from pyrometer._lines import LineProfiler, LineStats, profile

__all__ = ["LineProfiler", "LineStats", "profile"]
