"""Collapsed stacks: what every flame graph tool reads."""

from __future__ import annotations

import re

import pytest
from format_helpers import Export

pytestmark = pytest.mark.beside


def read(export: Export, name: str, *options: str) -> dict[tuple[str, ...], int]:
    """Stack, root first, to samples."""
    stacks: dict[tuple[str, ...], int] = {}
    for line in export("collapsed", name, *options).read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        key = tuple(stack.split(";"))
        stacks[key] = stacks.get(key, 0) + int(count)
    return stacks


def test_lines_are_file_function_line(export: Export) -> None:
    stacks = read(export, "lines.collapsed")
    frames = {frame for stack in stacks for frame in stack}
    assert any(re.fullmatch(r".*busy\.py:down:\d+", frame) for frame in frames)
    assert max(sum(":down:" in frame for frame in stack) for stack in stacks) == 61


def test_the_samples_are_those_of_stats(export: Export, stats: dict) -> None:
    parked = stats["totals"]["parked_s"]
    assert parked == 0
    assert sum(read(export, "sum.collapsed").values()) == stats["recording"]["samples"]


def test_functions_and_threads(export: Export) -> None:
    stacks = read(export, "threads.collapsed", "-F", "-t")
    threads = {stack[0] for stack in stacks}
    assert all(re.fullmatch(r"thread \d+ .*", thread) for thread in threads)
    assert any(thread.endswith("worker-1") for thread in threads)
    assert any("down" in stack for stack in stacks)
